//! What is asked: the body of v1, the parameters of v2, those of events.

use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, error::Category};

use super::go;
use crate::encode::cadvisor::{
    Moment,
    api::{Event, EventType, Time},
};

/// Which of a container's moments are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Span {
    /// So many of the latest; `None` is all.
    last: Option<usize>,
    from: Option<Time>,
    to: Option<Time>,
}

impl Span {
    /// So many of the latest; fewer than none is all.
    pub(super) fn last(count: i64) -> Self {
        Self {
            last: usize::try_from(count).ok(),
            from: None,
            to: None,
        }
    }

    /// Those of `moments` that are asked for.
    pub(super) fn of<'a>(&self, moments: &'a [Moment]) -> &'a [Moment] {
        let begin = self
            .from
            .map_or(0, |from| moments.partition_point(|it| it.wall_ns < from.0));
        let end = self.to.map_or(moments.len(), |to| {
            moments.partition_point(|it| it.wall_ns <= to.0)
        });
        let asked = moments.get(begin..end).unwrap_or_default();
        let skipped = self.last.map_or(0, |last| asked.len().saturating_sub(last));
        &asked[skipped..]
    }
}

/// Reads the body of a question to v1 as Go's `encoding/json` would: the first value in it, names in any case, others
/// left alone; of no body the default. The errors are cAdvisor's for what is no such object; of other faults of the JSON
/// they are our reader's.
pub(super) fn span(body: &[u8]) -> Result<Span, String> {
    const USUAL: i64 = 60;
    let mut span = Span::last(USUAL);
    let unable = |what: String| format!("unable to decode the json value: {what}");
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Json>();
    let fields = match values.next() {
        None | Some(Ok(Json::Null)) => return Ok(span),
        Some(Ok(Json::Object(fields))) => fields,
        Some(Ok(other)) => {
            let what = format!(
                "json: cannot unmarshal {} into Go value of type v1.ContainerInfoRequest",
                kind(&other)
            );
            return Err(unable(what));
        }
        Some(Err(error)) => return Err(unable(syntax(&error, body))),
    };
    for (name, value) in &fields {
        if name.eq_ignore_ascii_case("num_stats") {
            if value.is_null() {
                continue;
            }
            let count = value.as_i64().ok_or_else(|| {
                let what = kind(value);
                unable(format!(
                    "json: cannot unmarshal {what} into Go struct field ContainerInfoRequest.num_stats of type int"
                ))
            })?;
            span.last = usize::try_from(count).ok();
        } else if name.eq_ignore_ascii_case("start") {
            span.from = time(value).map_err(unable)?;
        } else if name.eq_ignore_ascii_case("end") {
            span.to = time(value).map_err(unable)?;
        }
    }
    Ok(span)
}

/// Go's zero time is none.
fn time(value: &Json) -> Result<Option<Time>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = value.to_string();
    let time = value.as_str().and_then(Time::parse).ok_or_else(|| {
        format!(
            "parsing time {} as \"2006-01-02T15:04:05Z07:00\"",
            go::quoted(&text)
        )
    })?;
    Ok(Some(time).filter(|it| it.0 > 0))
}

fn kind(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "bool".to_owned(),
        Json::Number(number) => format!("number {number}"),
        Json::String(_) => "string".to_owned(),
        Json::Array(_) => "array".to_owned(),
        Json::Object(_) => "object".to_owned(),
    }
}

fn syntax(error: &serde_json::Error, body: &[u8]) -> String {
    if error.classify() == Category::Eof {
        return "unexpected EOF".to_owned();
    }
    let text = String::from_utf8_lossy(body);
    match text.trim_start().chars().next() {
        Some(first) if error.line() == 1 && error.column() <= 1 => {
            format!(
                "invalid character '{}' looking for beginning of value",
                first.escape_debug()
            )
        }
        _ => error.to_string(),
    }
}

/// The parameters of a query, in order; the first of a name counts.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        Self(form_urlencoded::parse(query).into_owned().collect())
    }

    /// The value of a parameter that is there, empty or not.
    fn given(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|it| !it.is_empty())
    }
}

/// The parameters that every question to v2 may have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Options {
    /// In which namespace the container's name is; `None` for the path of its cgroup.
    pub(super) namespace: Option<&'static str>,
    pub(super) span: Span,
    pub(super) is_recursive: bool,
}

impl Options {
    /// In the order in which cAdvisor checks them. `max_age` is checked and no more: numbers are never older than a tick.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, String> {
        const USUAL: i64 = 64;
        let namespace = match parameters.get("type") {
            None | Some("name") => None,
            Some("docker") => Some("docker"),
            Some("podman") => Some("podman"),
            Some(other) => return Err(format!("unknown 'type' {}", go::quoted(other))),
        };
        let count = match parameters.get("count") {
            None => USUAL,
            Some(text) => go::integer(text)
                .ok_or_else(|| format!("failed to parse 'count' option: {text}"))?,
        };
        if count < -1 {
            return Err(format!(
                "invalid 'count' option: only -1 and larger values allowed, not {count}"
            ));
        }
        if let Some(age) = parameters.get("max_age") {
            go::check_duration(age)
                .map_err(|error| format!("failed to parse 'max_age' option: {error}"))?;
        }
        Ok(Self {
            namespace,
            span: Span::last(count),
            is_recursive: parameters.get("recursive") == Some("true"),
        })
    }
}

/// Which events are asked for. What of a parameter makes no sense is as if it were not there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventQuery {
    container: String,
    types: Vec<EventType>,
    with_subcontainers: bool,
    most: i64,
    from: Option<Time>,
    to: Option<Time>,
    /// Whether those to come are asked for, instead of those that were.
    pub(super) is_stream: bool,
}

impl EventQuery {
    /// Those of the container with that path.
    pub(super) fn of(container: String, parameters: &Parameters) -> Self {
        const USUAL: i64 = 10;
        let is = |name| parameters.given(name).and_then(go::boolean) == Some(true);
        let time = |name| parameters.given(name).and_then(Time::parse);
        let types = [
            ("oom_events", EventType::Oom),
            ("oom_kill_events", EventType::OomKill),
            ("creation_events", EventType::Creation),
            ("deletion_events", EventType::Deletion),
        ];
        let asked = types
            .into_iter()
            .filter(|(name, _)| is("all_events") || is(name));
        Self {
            container,
            types: asked.map(|(_, it)| it).collect(),
            with_subcontainers: is("subcontainers"),
            most: parameters
                .given("max_events")
                .and_then(go::integer)
                .unwrap_or(USUAL),
            from: time("start_time"),
            to: time("end_time"),
            is_stream: is("stream"),
        }
    }

    /// Whether a time is asked for, which no stream has.
    pub(super) fn has_times(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Whether an event is among those asked for.
    pub(super) fn wants(&self, event: &Event) -> bool {
        let name = event.container();
        let is_below = || {
            let rest = name.strip_prefix(&self.container);
            self.container == "/" || rest.is_some_and(|rest| rest.starts_with('/'))
        };
        self.types.contains(&event.kind())
            && self.from.is_none_or(|from| event.time() >= from)
            && self.to.is_none_or(|to| event.time() <= to)
            && (name == self.container || (self.with_subcontainers && is_below()))
    }

    /// The latest of `events`, as many as are asked for; fewer than none is all.
    pub(super) fn latest(&self, mut events: Vec<Event>) -> Vec<Event> {
        if let Ok(most) = usize::try_from(self.most) {
            let skipped = events.len().saturating_sub(most);
            drop(events.drain(..skipped));
        }
        events
    }
}

/// The path of a request as Go sees it.
pub(super) fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode::cadvisor::Number;

    fn moments(count: i64) -> Vec<Moment> {
        let moment = |second: i64| Moment {
            wall_ns: second * 1_000_000_000,
            numbers: [None; Number::ALL.len()],
            parts: Vec::new(),
        };
        (1..=count).map(moment).collect()
    }

    fn seconds(body: &str) -> Vec<i64> {
        let moments = moments(100);
        let asked = span(body.as_bytes()).unwrap();
        let asked = asked.of(&moments).iter();
        asked.map(|it| it.wall_ns / 1_000_000_000).collect()
    }

    // Bodies and answers of cAdvisor 0.38.7.
    #[test]
    fn a_body_says_which_moments_are_meant() {
        for body in [
            "",
            " ",
            "null",
            r#"{"bogus":1}"#,
            r#"{"num_stats":null}"#,
            r#"{"start":"0001-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(seconds(body).len(), 60, "{body}");
        }
        assert_eq!(seconds(r#"{"num_stats":2}"#), [99, 100]);
        assert_eq!(seconds(r#"{"Num_Stats":1} x"#), [100]);
        assert_eq!(seconds(r#"{"num_stats":-1}"#).len(), 100);
        assert!(seconds(r#"{"num_stats":0}"#).is_empty());
        let times = r#""start":"1970-01-01T00:00:10Z","end":"1970-01-01T00:00:12Z""#;
        assert_eq!(seconds(&format!("{{{times}}}")), [10, 11, 12]);
        assert_eq!(seconds(&format!("{{\"num_stats\":1,{times}}}")), [12]);
    }

    // The same.
    #[test]
    fn a_body_that_makes_no_sense_is_refused_in_cadvisors_words() {
        for (body, error) in [
            (
                r#"{"num_stats":"x"}"#,
                "json: cannot unmarshal string into Go struct field ContainerInfoRequest.num_stats of type int",
            ),
            (
                r#"{"num_stats":1.5}"#,
                "json: cannot unmarshal number 1.5 into Go struct field ContainerInfoRequest.num_stats of type int",
            ),
            (
                "[]",
                "json: cannot unmarshal array into Go value of type v1.ContainerInfoRequest",
            ),
            (
                "hello",
                "invalid character 'h' looking for beginning of value",
            ),
            (r#"{"num_stats":"#, "unexpected EOF"),
            (
                r#"{"start":"yesterday"}"#,
                r#"parsing time "\"yesterday\"" as "2006-01-02T15:04:05Z07:00""#,
            ),
        ] {
            assert_eq!(
                span(body.as_bytes()),
                Err(format!("unable to decode the json value: {error}"))
            );
        }
    }

    fn options(query: &str) -> Result<Options, String> {
        Options::of(&Parameters::of(Some(query)))
    }

    #[test]
    fn parameters_of_v2_have_defaults_and_bounds() {
        let usual = options("").unwrap();
        assert_eq!(usual, options("type=name&count=64&recursive=1").unwrap());
        assert_eq!(options("type=docker").unwrap().namespace, Some("docker"));
        assert!(options("recursive=true").unwrap().is_recursive);
        assert_eq!(options("count=-1").unwrap().span, Span::last(-1));
        for (query, error) in [
            ("type=bogus", "unknown 'type' \"bogus\""),
            ("count=x", "failed to parse 'count' option: x"),
            (
                "count=-2",
                "invalid 'count' option: only -1 and larger values allowed, not -2",
            ),
            (
                "max_age=5",
                "failed to parse 'max_age' option: time: missing unit in duration \"5\"",
            ),
        ] {
            assert_eq!(options(query), Err(error.to_owned()));
        }
    }

    #[test]
    fn parameters_of_events_that_make_no_sense_are_not_there() {
        let query = |text| EventQuery::of("/".to_owned(), &Parameters::of(Some(text)));
        let odd = "all_events=banana&max_events=x&start_time=y&stream=maybe";
        assert_eq!(query(odd), query(""));
        assert_eq!(query("all_events=1").types.len(), 4);
        assert_eq!(
            query("oom_events=t&deletion_events=0").types,
            [EventType::Oom]
        );
        assert!(query("end_time=2026-11-29T00:00:00%2B01:00").has_times());
    }

    proptest! {
        #[test]
        fn nothing_that_is_asked_is_too_odd(text in "\\PC{0,60}", body in "[\\[\\]{}:,\"a-z0-9_. -]{0,40}") {
            drop(options(&text));
            drop(EventQuery::of(decoded(&text), &Parameters::of(Some(&text))));
            if let Ok(span) = span(body.as_bytes()) {
                prop_assert!(span.of(&moments(3)).len() <= 3);
            }
        }
    }
}
