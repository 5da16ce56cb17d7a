//! The running daemon, asked for its numbers, and told apart from whatever else may answer at its address.

use std::time::Duration;

use hyper::header::SERVER;
use serde_json::Value;

use super::{Answer, GetError, Server, get};

/// How long a daemon on this machine may take; its answer lies ready in memory.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What to do about a daemon that asks who we are.
pub const TOKEN: &str =
    "--token-file names a file that holds one; a socket in http.listen asks root for none";

/// What was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The latest batch, as `/api/v1/containers` has it.
    Numbers(String),
    /// A daemon that has collected nothing yet.
    Starting,
    /// A daemon that does not answer us, with its reason.
    Refused(String),
    /// Something that is no cgflux, as far as it tells what it is.
    Foreign(String),
}

/// Asks the daemon at `server` for everything it knows.
pub async fn ask(server: &Server) -> Result<Reply, GetError> {
    let answer = get(server, "/api/v1/containers", PATIENCE).await?;
    Ok(understand(&answer))
}

fn understand(answer: &Answer) -> Reply {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let has = |field: &str| body.as_ref().is_some_and(|it| it.get(field).is_some());
    if answer.status == 200 && ["taken", "interval_ns", "containers"].into_iter().all(has) {
        return Reply::Numbers(String::from_utf8_lossy(&answer.body).into_owned());
    }
    let reason = body.as_ref().and_then(|it| it.get("error")?.as_str());
    match (answer.status, reason) {
        (503, Some(_)) => Reply::Starting,
        (401, Some(reason)) => Reply::Refused(format!("{reason}. {TOKEN}")),
        (403 | 429, Some(reason)) => Reply::Refused(reason.to_owned()),
        (status, _) => {
            let server = answer
                .headers
                .get(SERVER)
                .and_then(|name| name.to_str().ok());
            Reply::Foreign(match server {
                Some(name) => format!("{name}, with status {status}"),
                None => format!("status {status}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::*;
    use crate::encode::{
        fixture::{container, subject_of, tick_of},
        json,
    };

    fn reply(status: u16, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("nginx"));
        understand(&Answer {
            status,
            headers,
            body: body.to_owned().into(),
        })
    }

    #[test]
    fn a_batch_is_known_by_its_shape() {
        let batch = tick_of(1, vec![subject_of(container(1, "web"), Vec::new())]);
        let text = json::batch(&batch, "box");
        assert_eq!(reply(200, &text), Reply::Numbers(text.clone()));
    }

    #[test]
    fn a_daemon_without_numbers_says_why() {
        let error = json::error("not ours", &[]);
        assert_eq!(reply(503, &error), Reply::Starting);
        assert_eq!(reply(403, &error), Reply::Refused("not ours".to_owned()));
        assert_eq!(reply(429, &error), Reply::Refused("not ours".to_owned()));
        let asked = reply(401, &error);
        assert!(
            matches!(&asked, Reply::Refused(reason) if reason.contains("--token-file")),
            "{asked:?}"
        );
    }

    #[test]
    fn others_are_not_taken_for_a_daemon() {
        for (status, body) in [
            (200, "<html>"),
            (200, "{}"),
            (200, "[1]"),
            (404, ""),
            (503, "down"),
        ] {
            let expected = format!("nginx, with status {status}");
            assert_eq!(reply(status, body), Reply::Foreign(expected), "{body}");
        }
    }
}
