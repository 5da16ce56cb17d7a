//! An InfluxDB over HTTP: one write, one answer.
//!
//! The versions differ in paths, parameters and in how one proves who one is (`api.rs`); what an answer means is left to
//! `outcome`, what to do about it to the worker.

mod api;

pub use api::quoted;

use std::time::{Duration, UNIX_EPOCH};

use hyper::Method;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{
    link::{Ask, Link, LinkError, TlsError, WRITE_ANSWER_BYTES},
    outcome::{Fault, Outcome, classify},
    words::{concealed, shortened},
};
use crate::{
    config::{Credentials, Influxdb, InfluxdbVersion, ReadSecret},
    encode::{Packed, Payload},
};

/// Most bytes of an answer to a query: some 300,000 numbers with their times.
const QUERY_ANSWER_BYTES: usize = 16 << 20;

/// Why no request can be made of a sink's settings.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Whom to believe cannot be told.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A password or token that no header can carry.
    #[error("the password or token holds what no HTTP header can carry")]
    Secret,
}

/// A connection to one database of an InfluxDB.
#[derive(Debug)]
pub struct Client {
    settings: Influxdb,
    read_secret: ReadSecret,
    link: Link,
    /// Path and query of a write.
    write: String,
}

/// What a server says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ping {
    /// HTTP status.
    pub status: u16,
    /// Its version, if it tells.
    pub version: Option<String>,
}

/// Why a payload is not stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unwritten {
    /// The fault, if it stays until somebody acts.
    pub fault: Option<Fault>,
    /// Whether the lines themselves are what is not taken.
    pub is_refused: bool,
    /// In the other side's words.
    pub reason: String,
}

/// Why a question has no good answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Unanswered {
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// In the other side's words, if it had any.
    pub reason: String,
}

impl Client {
    /// A client; connects only when there is something to ask. `read_secret` reads the files of secrets again when the
    /// server refuses them.
    pub fn new(settings: &Influxdb, read_secret: ReadSecret) -> Result<Self, ClientError> {
        let mut link = Link::new(&settings.url, &settings.tls, settings.timeout)?;
        link.authorize(api::authorization(settings.credentials.as_ref())?);
        Ok(Self {
            write: api::write_target(settings),
            settings: settings.clone(),
            read_secret,
            link,
        })
    }

    /// Sends one payload. `packed` is the same lines, where they are at hand packed: what leaves this machine goes so.
    pub(super) async fn write(&mut self, payload: &Payload, packed: Option<&Packed>) -> Outcome {
        let version = self.settings.version;
        let goes_packed = !self.settings.url.is_local() && version != InfluxdbVersion::V08;
        let packed = packed.filter(|_| goes_packed);
        let (plain, content_type) = api::body(version, payload.lines());
        let ask = Ask {
            method: Method::POST,
            target: self.write.clone(),
            content_type,
            body: packed.map_or(plain, |packed| packed.gzip.clone()),
            is_gzip: packed.is_some(),
            answer_bytes: WRITE_ANSWER_BYTES,
        };
        let outcome = match self.link.ask(&ask).await {
            Ok(answer) => classify(&answer),
            Err(LinkError::Untrusted(reason)) => Outcome::Pause {
                fault: Fault::Untrusted,
                reason,
            },
            Err(LinkError::Cut(reason)) => Outcome::Cut { reason },
            Err(LinkError::Failed(reason)) => Outcome::Retry {
                after: None,
                reason,
            },
        };
        outcome.without(&api::secrets(self.settings.credentials.as_ref()))
    }

    /// Sends one payload, once, and says what is wrong if it is not stored.
    pub async fn try_write(&mut self, payload: &Payload) -> Result<(), Unwritten> {
        let (fault, is_refused, reason) = match self.write(payload, None).await {
            Outcome::Stored => return Ok(()),
            Outcome::Pause { fault, reason } => (Some(fault), false, reason),
            Outcome::Rejected(rejection) => (None, true, rejection.reason),
            Outcome::TooLarge { reason }
            | Outcome::Cut { reason }
            | Outcome::Retry { reason, .. } => (None, false, reason),
            Outcome::Closed => (None, false, "nobody reads there".to_owned()),
        };
        Err(Unwritten {
            fault,
            is_refused,
            reason,
        })
    }

    /// Asks whether anybody is there. No version asks for credentials here but 3.x, unless told not to.
    pub async fn ping(&mut self) -> Result<Ping, String> {
        let ask = get("/ping".to_owned());
        let answer = self
            .link
            .ask(&ask)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Ping {
            status: answer.status,
            version: answer.version,
        })
    }

    /// Reads secrets and certificates anew, as they may have been replaced since. What cannot be read is said; what was
    /// in force goes on then.
    pub(super) async fn refresh(&mut self) -> Result<(), String> {
        if let Some(credentials) = self.settings.credentials.clone() {
            let read = self.read_secret;
            let read = spawn_blocking(move || again(&credentials, read)).await;
            let credentials = read.map_err(|error| error.to_string())??;
            let header = api::authorization(Some(&credentials));
            self.link
                .authorize(header.map_err(|error| error.to_string())?);
            self.settings.credentials = Some(credentials);
        }
        self.link.trust(&self.settings.tls).await
    }

    /// Makes the database, if the settings want that; returns whether they do.
    pub(super) async fn create_database(&mut self) -> Result<bool, String> {
        if !self.settings.create_database || self.settings.version != InfluxdbVersion::V1 {
            return Ok(false);
        }
        let statement = format!("CREATE DATABASE {}", quoted(&self.settings.database));
        self.execute(&statement).await.map(|_results| true)
    }

    /// Asks something of the API of 2.x or 3.x, whose bodies and answers are JSON; null for an answer without a body.
    pub async fn ask(
        &mut self,
        method: Method,
        target: String,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, Unanswered> {
        let ask = Ask {
            method,
            target,
            content_type: body.map_or("", |_| "application/json"),
            body: body.map(ToString::to_string).unwrap_or_default().into(),
            is_gzip: false,
            answer_bytes: QUERY_ANSWER_BYTES,
        };
        let answer = self.link.ask(&ask).await.map_err(|error| Unanswered {
            status: None,
            reason: error.to_string(),
        })?;
        let read = serde_json::from_str(&answer.body);
        if matches!(answer.status, 200..=299) {
            return match read {
                Ok(said) => Ok(said),
                Err(_) if answer.body.trim().is_empty() => Ok(serde_json::Value::Null),
                Err(_) => Err(Unanswered {
                    status: Some(answer.status),
                    reason: "the answer is none of an InfluxDB".to_owned(),
                }),
            };
        }
        let said: serde_json::Value = read.unwrap_or_default();
        let words = said["message"].as_str().or_else(|| said["error"].as_str());
        let words = shortened(words.unwrap_or(&answer.body).trim());
        let secrets = api::secrets(self.settings.credentials.as_ref());
        Err(Unanswered {
            status: Some(answer.status),
            reason: concealed(&format!("{} {words}", answer.status), &secrets),
        })
    }

    /// Takes away a measurement's points of this moment from the bucket, by the API of 2.x
    /// (<https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostDelete>, seen on 2.7.12).
    pub async fn delete(&mut self, measurement: &str, wall_ns: i64) -> Result<(), String> {
        let at = |ns: i64| -> Option<String> {
            let since = Duration::from_nanos(u64::try_from(ns).ok()?);
            let time = UNIX_EPOCH.checked_add(since)?;
            Some(humantime::format_rfc3339_nanos(time).to_string())
        };
        let body = serde_json::json!({
            "start": at(wall_ns),
            "stop": at(wall_ns.saturating_add(1)),
            "predicate": format!("_measurement={measurement:?}"),
        });
        let target = api::delete_target(&self.settings);
        let deleted = self.ask(Method::POST, target, Some(&body)).await;
        deleted.map(drop).map_err(|error| error.to_string())
    }

    /// Runs one statement of InfluxQL by `/query`, and gives its result as JSON.
    pub async fn execute(&mut self, statement: &str) -> Result<serde_json::Value, String> {
        let database = self.settings.database.clone();
        let results = self.query(statement, &database).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    /// Runs statements of InfluxQL by `/query`, and gives their results as JSON, times in ns.
    ///
    /// 2.x and 3.x have that path too, in the form of 1.x and with our header: 2.x for buckets that it maps to
    /// databases (<https://docs.influxdata.com/influxdb/v2/api-guide/influxdb-1x/query/>), 3.x for the InfluxQL it knows
    /// (<https://docs.influxdata.com/influxdb3/core/query-data/execute-queries/influxdb-v1-api/>).
    ///
    /// The status is 200 whether it worked or not; the body tells. An answer cut by our bound is an error.
    pub async fn query(
        &mut self,
        statements: &str,
        database: &str,
    ) -> Result<Vec<serde_json::Value>, String> {
        let is_own = database == self.settings.database;
        let policy = self.settings.retention_policy.as_deref();
        let ask = Ask {
            method: Method::POST,
            target: "/query".to_owned(),
            content_type: "application/x-www-form-urlencoded",
            body: api::query_form(statements, database, policy.filter(|_| is_own)).into(),
            is_gzip: false,
            answer_bytes: QUERY_ANSWER_BYTES,
        };
        let answer = self
            .link
            .ask(&ask)
            .await
            .map_err(|error| error.to_string())?;
        if answer.body.len() >= QUERY_ANSWER_BYTES {
            return Err(format!(
                "the answer has more than {} MiB; narrow the query, by time, LIMIT or GROUP BY time",
                QUERY_ANSWER_BYTES >> 20
            ));
        }
        let body: QueryAnswer = match serde_json::from_str(&answer.body) {
            Ok(body) => body,
            Err(_) if answer.status != 200 || answer.body.is_empty() => QueryAnswer::default(),
            Err(_) => return Err("the answer to a query is none of an InfluxDB".to_owned()),
        };
        let error = body.error.or_else(|| {
            let mut errors = body.results.iter().filter_map(|it| it.get("error"));
            errors.next()?.as_str().map(str::to_owned)
        });
        match error {
            Some(error) => {
                let secrets = api::secrets(self.settings.credentials.as_ref());
                Err(concealed(&format!("{} {error}", answer.status), &secrets))
            }
            None if answer.status != 200 => Err(format!(
                "the server answers a query with status {}",
                answer.status
            )),
            None => Ok(body.results),
        }
    }
}

/// What `/query` answers.
#[derive(Default, Deserialize)]
struct QueryAnswer {
    error: Option<String>,
    #[serde(default)]
    results: Vec<serde_json::Value>,
}

fn get(target: String) -> Ask {
    Ask {
        method: Method::GET,
        target,
        content_type: "",
        body: bytes::Bytes::new(),
        is_gzip: false,
        answer_bytes: WRITE_ANSWER_BYTES,
    }
}

/// The same credentials as their files have them now.
fn again(credentials: &Credentials, read: ReadSecret) -> Result<Credentials, String> {
    Ok(match credentials {
        Credentials::Password { username, password } => Credentials::Password {
            username: username.clone(),
            password: password.again(read)?,
        },
        Credentials::Token(token) => Credentials::Token(token.again(read)?),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io, path::Path};

    use super::*;
    use crate::config::{Secret, SecretFile};

    fn read(path: &Path) -> io::Result<SecretFile> {
        let text = fs::read_to_string(path)?;
        Ok(SecretFile { text, mode: 0o600 })
    }

    #[tokio::test]
    async fn a_secret_is_printed_nowhere_and_read_again_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "s3cret\n").unwrap();
        let secret = Secret::in_file(&path, None, &read).unwrap();
        let settings = Influxdb {
            credentials: Some(Credentials::Password {
                username: "agent".to_owned(),
                password: secret,
            }),
            ..Influxdb::at("http://db:8086".parse().unwrap())
        };
        let mut client = Client::new(&settings, read).unwrap();
        let printed = format!("{settings:?} {client:?}");
        for secret in ["s3cret", "YWdlbnQ6czNjcmV0"] {
            assert!(!printed.contains(secret), "{printed}");
        }
        fs::write(&path, "an0ther\n").unwrap();
        client.refresh().await.unwrap();
        let Some(Credentials::Password { password, .. }) = &client.settings.credentials else {
            panic!("{client:?}");
        };
        assert_eq!(password.expose(), "an0ther");
        fs::remove_file(&path).unwrap();
        let error = client.refresh().await.unwrap_err();
        assert!(error.contains("password: No such file"), "{error}");
    }
}
