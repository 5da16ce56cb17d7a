//! The request, written once for all of them.

use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::target::Target;

/// What is sent, as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Those given; they stand above ours.
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

/// Reads `Name: value`. Fields that frame the message are ours.
pub(crate) fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name: HeaderName = name.parse().map_err(|_unnamed| "the name is none")?;
    let value: HeaderValue = value
        .trim()
        .parse()
        .map_err(|_unnamed| "the value is none")?;
    if matches!(
        name.as_str(),
        "content-length" | "transfer-encoding" | "connection"
    ) {
        return Err("is set by --body and --no-keep-alive".to_owned());
    }
    Ok((name, value))
}

impl Request {
    /// The bytes of one request.
    pub(super) fn bytes(&self, target: &Target) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, target.path()).into_bytes();
        let mut write = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        let ours = [
            ("host", target.host()),
            (
                "user-agent",
                concat!("cgflux-load/", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
        ];
        for (name, value) in ours {
            if !self.fields.iter().any(|(given, _)| given == name) {
                write(name, value.as_bytes());
            }
        }
        for (name, value) in &self.fields {
            write(name.as_str(), value.as_bytes());
        }
        let has_body = !self.body.is_empty();
        if has_body || matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            write("content-length", self.body.len().to_string().as_bytes());
        }
        if !self.keep_alive {
            write("connection", b"close");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        let target = "http://127.0.0.1:8080/x?y".parse().unwrap();
        String::from_utf8(request.bytes(&target)).unwrap()
    }

    #[test]
    fn a_request_is_what_was_asked_for() {
        let mut request = Request {
            method: Method::GET,
            fields: Vec::new(),
            body: Vec::new(),
            keep_alive: true,
        };
        let agent = concat!("user-agent: cgflux-load/", env!("CARGO_PKG_VERSION"));
        let plain = format!("GET /x?y HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n{agent}\r\n\r\n");
        assert_eq!(text(&request), plain);
        request.method = Method::POST;
        request.fields = vec![field("Host: a").unwrap(), field("X-Y:  z ").unwrap()];
        request.body = b"hi".to_vec();
        request.keep_alive = false;
        let rest = "x-y: z\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
        assert_eq!(
            text(&request),
            format!("POST /x?y HTTP/1.1\r\n{agent}\r\nhost: a\r\n{rest}")
        );
    }

    #[test]
    fn a_field_cannot_break_out() {
        for text in [
            "",
            "X",
            ": y",
            "X Y: z",
            "X: a\r\nY: b",
            "Content-Length: 7",
        ] {
            assert!(field(text).is_err(), "{text:?}");
        }
    }
}
