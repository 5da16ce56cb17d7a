//! What a client takes: in which format `/metrics` is told, by what the `Accept` header likes best (RFC 9110, section
//! 12.5.1), and whether the page may be packed.
//!
//! OpenMetrics goes to whom asks for it by name; a wildcard, as browsers and `curl` send it, means text. Who takes
//! neither gets text, as the section allows.

use hyper::{HeaderMap, header};

use crate::encode::prometheus::Format;

/// The format for a request with these headers.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<Range<'_>> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let quality = |names: &[&str], versions: &[&str]| {
        // The most specific range that fits says how much it is liked.
        let fitting = names.iter().map(|name| {
            let fits = |it: &&Range<'_>| {
                it.media_type.eq_ignore_ascii_case(name)
                    && it.version.is_none_or(|version| versions.contains(&version))
            };
            let qualities = ranges.iter().filter(fits).map(|it| it.thousandths);
            qualities.max()
        });
        fitting.flatten().next()
    };
    let open = quality(&["application/openmetrics-text"], &["1.0.0"]).unwrap_or(0);
    let text = quality(&["text/plain", "text/*", "*/*"], &["0.0.4"]).unwrap_or(0);
    if open > 0 && open >= text {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// Whether an answer may be packed by gzip: the `Accept-Encoding` header (RFC 9110, section 12.5.3) names it, or anything,
/// and not to say that it is not wanted.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings: Vec<Range<'_>> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let quality = |name: &str| {
        let mut named = codings
            .iter()
            .filter(|it| it.media_type.eq_ignore_ascii_case(name));
        named.next().map(|it| it.thousandths)
    };
    quality("gzip")
        .or_else(|| quality("*"))
        .is_some_and(|it| it > 0)
}

/// One media range of the header, or one coding.
struct Range<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    /// How much it is liked.
    thousandths: u16,
}

impl<'a> Range<'a> {
    /// `None` for what is none.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media_type: parts.next().filter(|it| !it.is_empty())?,
            version: None,
            thousandths: 1_000,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim_matches('"');
            if name.eq_ignore_ascii_case("q") {
                range.thousandths = thousandths(value)?;
            } else if name.eq_ignore_ascii_case("version") {
                range.version = Some(value);
            }
        }
        Some(range)
    }
}

/// `0`, `0.75`, `1.000` and the like.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, part) = quality.split_once('.').unwrap_or((quality, ""));
    let is_of_digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" if is_of_digits && part < 1_000 => Some(part),
        "1" if is_of_digits && part == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const OPEN: &str = "application/openmetrics-text";

    fn of(accept: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        format(&headers)
    }

    #[test]
    fn prometheus_gets_openmetrics_and_a_person_text() {
        // As Prometheus 2.42 sends it.
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(of(&[prometheus]), Format::OpenMetrics);
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in [browser, "*/*", "", "application/*", "application/json"] {
            assert_eq!(of(&[accept]), Format::Text, "{accept}");
        }
        assert_eq!(of(&[]), Format::Text);
    }

    #[test]
    fn gzip_goes_to_who_takes_it() {
        for (accept, takes) in [
            ("gzip, deflate, br, zstd", true),
            ("br, GZIP;q=0.1", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            let accept_value = HeaderValue::from_str(accept).unwrap();
            headers.append(header::ACCEPT_ENCODING, accept_value);
            assert_eq!(takes_gzip(&headers), takes, "{accept}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_liked_more_is_sent() {
        for (accept, format) in [
            (format!("{OPEN};q=0.5, text/plain;q=0.6"), Format::Text),
            (
                format!("{OPEN};q=0.6, text/plain;q=0.5"),
                Format::OpenMetrics,
            ),
            (format!("{OPEN};q=0.5, text/*;q=0.6"), Format::Text),
            (
                format!("{OPEN};q=0.5, text/plain;q=0.1, */*"),
                Format::OpenMetrics,
            ),
            (format!("text/plain, {OPEN}"), Format::OpenMetrics),
            (format!("{OPEN};q=0, */*;q=0"), Format::Text),
            (format!("{OPEN}; version=0.0.1"), Format::Text),
            (
                format!("{OPEN}; Version=\"1.0.0\"; charset=utf-8"),
                Format::OpenMetrics,
            ),
            (format!("{OPEN};q=nonsense"), Format::Text),
            (format!("{OPEN};q=1.5, {OPEN};q=0.0001"), Format::Text),
        ] {
            assert_eq!(of(&[&accept]), format, "{accept}");
        }
        assert_eq!(of(&["text/plain;q=0.5", OPEN]), Format::OpenMetrics);
    }
}
