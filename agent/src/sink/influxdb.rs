//! InfluxDB 1.x over HTTP: one write, one answer.
//!
//! HTTP/1.1, one kept connection, no redirects, no proxy. What an answer means is left to `outcome`, what to do about it
//! to the worker.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    header::{
        AUTHORIZATION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue, RETRY_AFTER, USER_AGENT,
    },
};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    outcome::{Answer, Outcome, classify},
    retry::retry_after,
};
use crate::{
    config::{Credentials, Influxdb},
    encode::Payload,
    text::chain,
};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept; longer than the usual interval between shipments.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of an answer that are read: a 1.x error may quote a whole batch.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A connection to one InfluxDB.
#[derive(Debug)]
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    write: Uri,
    query: Uri,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    /// The form that makes the database, where that is wanted.
    create: Option<Bytes>,
}

impl Client {
    /// A client; connects only when there is something to write. Settings that passed the checks of `config` make no
    /// error: their names are short enough for a request's target.
    pub fn new(settings: &Influxdb) -> Result<Self, hyper::http::Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("db", &settings.database);
        query.append_pair("precision", "ns");
        if let Some(policy) = &settings.retention_policy {
            query.append_pair("rp", policy);
        }
        let uri = |target: &str| format!("{}{target}", settings.url).parse::<Uri>();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Ok(Self {
            http: HttpClient::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(1)
                .build(connector),
            write: uri(&format!("/write?{}", query.finish()))?,
            query: uri("/query")?,
            authorization: settings
                .credentials
                .as_ref()
                .map(authorization)
                .transpose()?,
            timeout: settings.timeout,
            create: settings
                .create_database
                .then(|| create_form(&settings.database)),
        })
    }

    /// Sends one payload.
    pub(super) async fn write(&self, payload: &Payload) -> Outcome {
        let body = payload.lines().clone();
        match self
            .post(&self.write, "text/plain; charset=utf-8", body)
            .await
        {
            Ok(answer) => classify(&answer, payload.points()),
            Err(reason) => Outcome::Retry {
                after: None,
                reason,
            },
        }
    }

    /// Makes the database, if the settings want that; returns whether they do.
    ///
    /// The status is 200 whether it worked or not; the body tells.
    pub(super) async fn create_database(&self) -> Result<bool, String> {
        let Some(form) = &self.create else {
            return Ok(false);
        };
        let kind = "application/x-www-form-urlencoded";
        let answer = self.post(&self.query, kind, form.clone()).await?;
        let body: QueryAnswer = serde_json::from_str(&answer.body).unwrap_or_default();
        let errors = body.results.into_iter().filter_map(|result| result.error);
        match body.error.into_iter().chain(errors).next() {
            Some(error) => Err(format!("{} {error}", answer.status)),
            None if answer.status != 200 => Err(format!("{} to CREATE DATABASE", answer.status)),
            None => Ok(true),
        }
    }

    async fn post(&self, uri: &Uri, kind: &'static str, body: Bytes) -> Result<Answer, String> {
        let exchange = async {
            let first = self.exchange(uri, kind, body.clone()).await;
            match first {
                // The server closed a kept connection as it was used again. Writing twice does no harm.
                Err(error) if is_cut(error.as_ref()) => self.exchange(uri, kind, body).await,
                _ => first,
            }
        };
        match timeout(self.timeout, exchange).await {
            // None of the causes names the request's headers.
            Ok(answer) => answer.map_err(|error| chain(error.as_ref())),
            Err(_elapsed) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    async fn exchange(
        &self,
        uri: &Uri,
        kind: &'static str,
        body: Bytes,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut request = Request::post(uri.clone())
            .header(CONTENT_TYPE, kind)
            .header(USER_AGENT, concat!("cgflux/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = self.http.request(request.body(Full::new(body))?).await?;
        Ok(read(response).await?)
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, hyper::Error> {
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER);
    let retry_after = asked
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after(value, SystemTime::now()));
    let mut body = response.into_body();
    let mut text = Vec::new();
    while text.len() < MAX_ANSWER_BYTES
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            text.extend_from_slice(data);
        }
    }
    Ok(Answer {
        status,
        retry_after,
        body: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// What `/query` answers, as far as it tells of errors.
#[derive(Default, Deserialize)]
struct QueryAnswer {
    error: Option<String>,
    #[serde(default)]
    results: Vec<QueryResult>,
}

#[derive(Deserialize)]
struct QueryResult {
    error: Option<String>,
}

/// HTTP basic authentication, marked so that nothing prints it.
fn authorization(credentials: &Credentials) -> Result<HeaderValue, InvalidHeaderValue> {
    let Credentials { username, password } = credentials;
    let encoded = BASE64.encode(format!("{username}:{}", password.expose()));
    let mut header = HeaderValue::try_from(format!("Basic {encoded}"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// `CREATE DATABASE` is idempotent; the name is quoted as an identifier.
fn create_form(database: &str) -> Bytes {
    let mut statement = "CREATE DATABASE \"".to_owned();
    for char in database.chars() {
        match char {
            '"' | '\\' => statement.extend(['\\', char]),
            '\n' => statement.push_str("\\n"),
            _ => statement.push(char),
        }
    }
    statement.push('"');
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("q", &statement);
    Bytes::from(form.finish())
}

/// Whether the connection ended before the answer was complete.
fn is_cut(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_incomplete_message();
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(url: &str) -> Influxdb {
        Influxdb {
            database: "a b&c".to_owned(),
            retention_policy: Some("7d".to_owned()),
            credentials: Some(Credentials {
                username: "agent".to_owned(),
                password: Secret::new("s3cret".to_owned()),
            }),
            ..Influxdb::at(url.parse().unwrap())
        }
    }

    #[test]
    fn names_are_encoded_into_the_target() {
        for url in ["http://db:8086", "http://[::1]:8086"] {
            let client = Client::new(&settings(url)).unwrap();
            assert_eq!(
                client.write.to_string(),
                format!("{url}/write?db=a+b%26c&precision=ns&rp=7d")
            );
            assert_eq!(client.query.to_string(), format!("{url}/query"));
        }
    }

    #[test]
    fn the_longest_names_make_a_client() {
        let settings = Influxdb {
            database: "ä".repeat(Influxdb::MAX_NAME_BYTES / 2),
            retention_policy: Some("&".repeat(Influxdb::MAX_NAME_BYTES)),
            ..settings("http://db:8086")
        };
        assert!(Client::new(&settings).is_ok());
    }

    #[test]
    fn a_password_is_printed_nowhere() {
        let settings = settings("http://db:8086");
        let client = Client::new(&settings).unwrap();
        assert_eq!(
            client.authorization.as_ref().unwrap(),
            "Basic YWdlbnQ6czNjcmV0"
        );
        let printed = format!("{settings:?} {client:?}");
        for secret in ["s3cret", "YWdlbnQ6czNjcmV0"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn the_databases_name_is_quoted() {
        let form = create_form("a\"b\\c\n");
        let pairs: Vec<_> = form_urlencoded::parse(&form).into_owned().collect();
        assert_eq!(
            pairs,
            [("q".to_owned(), r#"CREATE DATABASE "a\"b\\c\n""#.to_owned())]
        );
    }
}
