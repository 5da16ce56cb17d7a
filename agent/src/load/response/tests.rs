//! Replies, whole and in pieces, good and bad.

use proptest::prelude::*;

use super::*;

const OK: Reply = Reply {
    status: 200,
    keep_alive: true,
};

fn read(pieces: &[&[u8]]) -> (Result<Option<Reply>, Garbage>, Vec<u8>) {
    let mut response = Response::new(true);
    let mut last = Ok(None);
    for piece in pieces {
        last = response.feed(piece, false);
        if !matches!(last, Ok(None)) {
            break;
        }
    }
    (last, response.kept().to_vec())
}

#[test]
fn bodies_end_as_the_head_says() {
    let cases: [(&str, Reply, &str); 6] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42", OK, "42"),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7",
            OK,
            "7",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n4\r\n1\r\n2\r\n0\r\nT: x\r\n\r\n",
            OK,
            "42",
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            Reply { status: 204, ..OK },
            "",
        ),
        (
            "HTTP/1.1 503 Away\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
            Reply {
                status: 503,
                keep_alive: false,
            },
            "x",
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
            Reply {
                keep_alive: false,
                ..OK
            },
            "x",
        ),
    ];
    for (text, reply, body) in cases {
        assert_eq!(
            read(&[text.as_bytes()]),
            (Ok(Some(reply)), body.into()),
            "{text}"
        );
    }
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let mut response = Response::new(true);
    let text = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n12";
    assert_eq!(response.feed(text, false), Ok(None));
    assert_eq!(response.feed(b"3", false), Ok(None));
    let reply = Reply {
        keep_alive: false,
        ..OK
    };
    assert_eq!(
        (response.closed(), response.kept()),
        (Some(reply), &b"123"[..])
    );
    assert_eq!(response.closed(), None);
}

#[test]
fn a_reply_to_head_has_no_body() {
    let mut response = Response::new(false);
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(response.feed(text, true), Ok(Some(OK)));
}

#[test]
fn what_does_not_hold_is_garbage() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    let cases = [
        (
            "SSH-2.0-OpenSSH\r\n",
            Garbage::Head(httparse::Error::Version),
        ),
        (long.as_str(), Garbage::LongHead),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            Garbage::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            Garbage::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            Garbage::Encoding,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            Garbage::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            Garbage::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            Garbage::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            Garbage::Unasked,
        ),
    ];
    for (text, garbage) in cases {
        assert_eq!(read(&[text.as_bytes()]).0, Err(garbage), "{text}");
    }
    let extension = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
        "x".repeat(9_000)
    );
    assert_eq!(read(&[extension.as_bytes()]).0, Err(Garbage::Chunk));
}

proptest! {
    #[test]
    fn pieces_are_read_as_the_whole(
        body in "[0-9]{1,20}",
        is_chunked in any::<bool>(),
        cuts in prop::collection::vec(0_usize..200, 0..6),
    ) {
        let text = if is_chunked {
            let (first, rest) = body.split_at(body.len() / 2);
            let chunk = |it: &str| if it.is_empty() { String::new() } else { format!("{:x}\r\n{it}\r\n", it.len()) };
            let (first, rest) = (chunk(first), chunk(rest));
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{first}{rest}0\r\n\r\n")
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % text.len()).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|it| &text.as_bytes()[it[0]..it[1]]).filter(|it| !it.is_empty()).collect();
        prop_assert_eq!(read(&pieces), (Ok(Some(OK)), body.into_bytes()));
    }

    #[test]
    fn whatever_comes_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 1..400), cut in 0_usize..400) {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let cut = cut % bytes.len();
        for prefix in [&b""[..], head] {
            let all = [prefix, &bytes[..cut]].concat();
            // Garbage or not: it returns, and keeps no more than it may.
            let (_, kept) = read(&[&all, &bytes[cut..]]);
            prop_assert!(kept.len() <= MAX_KEPT);
        }
    }
}
