//! The body of a write: read within bounds of size and time, and unpacked.

use std::{io::Read as _, time::Duration};

use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use tokio::time::timeout;

use super::{MAX_BODY_BYTES, refusal::Refusal};

/// How a body is packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
}

/// How the body is packed, by the headers.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    match headers
        .get(header::CONTENT_ENCODING)
        .map(HeaderValue::as_bytes)
    {
        None | Some(b"" | b"identity") => Ok(Encoding::Plain),
        Some(b"gzip") => Ok(Encoding::Gzip),
        Some(_) => {
            let reason = "the body is packed in another way than gzip";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
        }
    }
}

/// Reads a body of at most `kept` bytes. What is beyond is read too and forgotten, so that a client that is still
/// sending comes to read the answer; all of it within `deadline`.
pub(super) async fn read(
    mut body: Incoming,
    kept: usize,
    deadline: Duration,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut is_whole = true;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            is_whole &= bytes.len() + data.len() <= kept;
            if is_whole {
                bytes.extend_from_slice(&data);
            } else {
                bytes = Vec::new();
            }
        }
        Ok::<(), hyper::Error>(())
    };
    match timeout(deadline, reading).await {
        Ok(Ok(())) if is_whole => Ok(bytes),
        Ok(Ok(())) => Err(too_large()),
        Ok(Err(error)) => {
            let reason = format!("unexpected EOF: {error}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, reason))
        }
        Err(_) => {
            let reason = "the body did not arrive in time";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, reason))
        }
    }
}

/// A body as it was before it was packed.
pub(super) fn unpack(body: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>, Refusal> {
    if encoding == Encoding::Plain {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let most = MAX_BODY_BYTES as u64 + 1;
    let read = MultiGzDecoder::new(&body[..])
        .take(most)
        .read_to_end(&mut unpacked);
    if let Err(error) = read {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("gzip: {error}"),
        ));
    }
    if unpacked.len() > MAX_BODY_BYTES {
        return Err(too_large());
    }
    Ok(unpacked)
}

fn too_large() -> Refusal {
    let reason = format!(
        "Request Entity Too Large: the body has more than {} MiB; send fewer lines at a time",
        MAX_BODY_BYTES >> 20
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
}
