//! How the versions of InfluxDB want to be written to. Pure: settings in, targets and headers out.
//!
//! 1.x: <https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint>, seen on 1.6.7; 2.x:
//! <https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostWrite>, seen on 1.8.10, which has that path; 3.x:
//! <https://docs.influxdata.com/influxdb3/core/api/v3/>.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hyper::header::HeaderValue;

use super::ClientError;
use crate::config::{Credentials, Influxdb, InfluxdbVersion};

/// Path and query of a write.
pub(super) fn write_target(settings: &Influxdb) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let path = match settings.version {
        InfluxdbVersion::V1 => {
            query.append_pair("db", &settings.database);
            query.append_pair("precision", "ns");
            if let Some(policy) = &settings.retention_policy {
                query.append_pair("rp", policy);
            }
            "/write"
        }
        InfluxdbVersion::V2 => {
            if let Some(organization) = &settings.organization {
                query.append_pair("org", organization);
            }
            query.append_pair("bucket", &settings.database);
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

/// The form of a query; times in the answer are nanoseconds.
pub(super) fn query_form(statement: &str, database: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("q", statement)
        .append_pair("db", database)
        .append_pair("epoch", "ns")
        .finish()
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
            let pair = format!("{username}:{}", password.expose());
            format!("Basic {}", BASE64.encode(pair))
        }
        Credentials::Token(token) => format!("Token {}", token.expose()),
    };
    let mut header = HeaderValue::try_from(text).map_err(|_unprintable| ClientError::Secret)?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// A name as an identifier of InfluxQL.
pub(super) fn quoted(name: &str) -> String {
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
    use crate::config::Secret;

    fn settings(version: InfluxdbVersion) -> Influxdb {
        Influxdb {
            version,
            database: "a b&c".to_owned(),
            ..Influxdb::at("http://db:8086".parse().unwrap())
        }
    }

    #[test]
    fn names_are_encoded_into_the_target() {
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
