//! How the versions of InfluxDB want to be written to. Pure: settings in, targets, bodies and headers out.
//!
//! 0.8: <https://github.com/influxdata/influxdb/blob/v0.8.9/api/http/api.go>, never seen; 1.x: <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>, seen on 1.6.7; 2.x:
//! <https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostWrite>, seen on 2.7.12, and on 1.8.10, which has that path; 3.x:
//! <https://docs.influxdata.com/influxdb3/core/api/v3/>.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use hyper::header::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::ClientError;
use crate::config::{Credentials, Influxdb, InfluxdbVersion, Secret};

/// Path and query of a write.
pub(super) fn write_target(settings: &Influxdb) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let path = match settings.version {
        InfluxdbVersion::V08 => {
            query.append_pair("time_precision", "u");
            let database = utf8_percent_encode(&settings.database, NON_ALPHANUMERIC);
            return format!("/db/{database}/series?{}", query.finish());
        }
        InfluxdbVersion::V1 => {
            query.append_pair("db", &settings.database);
            query.append_pair("precision", "ns");
            if let Some(policy) = &settings.retention_policy {
                query.append_pair("rp", policy);
            }
            "/write"
        }
        InfluxdbVersion::V2 => {
            append_bucket(&mut query, settings);
            query.append_pair("precision", "ns");
            "/api/v2/write"
        }
        // One bad line does not refuse the others, and what is acknowledged is on disk.
        InfluxdbVersion::V3 => {
            query.append_pair("db", &settings.database);
            query.append_pair("precision", "nanosecond");
            query.append_pair("accept_partial", "true");
            query.append_pair("no_sync", "false");
            "/api/v3/write_lp"
        }
    };
    format!("{path}?{}", query.finish())
}

/// Path and query of a deletion from a bucket of 2.x.
pub(super) fn delete_target(settings: &Influxdb) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    append_bucket(&mut query, settings);
    format!("/api/v2/delete?{}", query.finish())
}

fn append_bucket(query: &mut form_urlencoded::Serializer<'_, String>, settings: &Influxdb) {
    if let Some(organization) = &settings.organization {
        query.append_pair("org", organization);
    }
    query.append_pair("bucket", &settings.database);
}

/// The body of a write and its type. 0.8 takes an array of JSON objects, of which each line is one.
pub(super) fn body(version: InfluxdbVersion, lines: &Bytes) -> (Bytes, &'static str) {
    if version != InfluxdbVersion::V08 {
        return (lines.clone(), "text/plain; charset=utf-8");
    }
    let objects = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut array = Vec::with_capacity(objects.len() + 2);
    array.push(b'[');
    array.extend(
        objects
            .iter()
            .map(|byte| if *byte == b'\n' { b',' } else { *byte }),
    );
    array.push(b']');
    (array.into(), "application/json")
}

/// The form of a query; times in the answer are nanoseconds. `policy` holds for what names none.
pub(super) fn query_form(statements: &str, database: &str, policy: Option<&str>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("q", statements)
        .append_pair("db", database)
        .append_pair("epoch", "ns");
    if let Some(policy) = policy {
        form.append_pair("rp", policy);
    }
    form.finish()
}

/// Who we are, as a header that nothing prints: basic authentication (RFC 7617) for a user, the scheme `Token` for a
/// token; 3.x takes that as well as `Bearer`.
pub(super) fn authorization(
    credentials: Option<&Credentials>,
) -> Result<Option<HeaderValue>, ClientError> {
    let Some(credentials) = credentials else {
        return Ok(None);
    };
    let text = match credentials {
        Credentials::Password { username, password } => {
            format!("Basic {}", basic(username, password))
        }
        Credentials::Token(token) => format!("Token {}", token.expose()),
    };
    let mut header = HeaderValue::try_from(text).map_err(|_unprintable| ClientError::Secret)?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// What a server that quotes requests might say of the credentials, and nobody is to be told.
pub(super) fn secrets(credentials: Option<&Credentials>) -> Vec<String> {
    match credentials {
        Some(Credentials::Password { username, password }) => {
            vec![basic(username, password), password.expose().to_owned()]
        }
        Some(Credentials::Token(token)) => vec![token.expose().to_owned()],
        None => Vec::new(),
    }
}

fn basic(username: &str, password: &Secret) -> String {
    BASE64.encode(format!("{username}:{}", password.expose()))
}

/// A name as an identifier of InfluxQL.
pub fn quoted(name: &str) -> String {
    let mut quoted = "\"".to_owned();
    for char in name.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(version: InfluxdbVersion) -> Influxdb {
        Influxdb {
            version,
            database: "a b&c".to_owned(),
            ..Influxdb::at("http://db:8086".parse().unwrap())
        }
    }

    #[test]
    fn names_are_encoded_into_the_target() {
        assert_eq!(
            write_target(&settings(InfluxdbVersion::V08)),
            "/db/a%20b%26c/series?time_precision=u"
        );
        let one = Influxdb {
            retention_policy: Some("7d".to_owned()),
            ..settings(InfluxdbVersion::V1)
        };
        assert_eq!(write_target(&one), "/write?db=a+b%26c&precision=ns&rp=7d");
        let two = Influxdb {
            organization: Some("o&o".to_owned()),
            ..settings(InfluxdbVersion::V2)
        };
        assert_eq!(
            write_target(&two),
            "/api/v2/write?org=o%26o&bucket=a+b%26c&precision=ns"
        );
        assert_eq!(
            write_target(&settings(InfluxdbVersion::V3)),
            "/api/v3/write_lp?db=a+b%26c&precision=nanosecond&accept_partial=true&no_sync=false"
        );
    }

    #[test]
    fn lines_of_json_become_an_array() {
        let lines = Bytes::from_static(b"{\"name\":\"a\"}\n{\"name\":\"b\"}\n");
        let (array, _) = body(InfluxdbVersion::V08, &lines);
        assert_eq!(array, r#"[{"name":"a"},{"name":"b"}]"#);
        assert_eq!(body(InfluxdbVersion::V1, &lines).0, lines);
    }

    #[test]
    fn who_we_are_goes_into_one_header() {
        let user = Credentials::Password {
            username: "agent".to_owned(),
            password: Secret::new("s3cret".to_owned()),
        };
        let token = Credentials::Token(Secret::new("t0ken".to_owned()));
        for (credentials, header) in [(&user, "Basic YWdlbnQ6czNjcmV0"), (&token, "Token t0ken")] {
            let made = authorization(Some(credentials)).unwrap().unwrap();
            assert_eq!(made, header);
            assert!(made.is_sensitive());
        }
        let unprintable = Credentials::Token(Secret::new("a\nb".to_owned()));
        assert!(authorization(Some(&unprintable)).is_err());
    }

    #[test]
    fn a_name_is_quoted() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\n""#);
    }
}
