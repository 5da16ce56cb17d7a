//! Grafana's variables in a query → what Grafana would send. Pure.
//!
//! A text is gone through once, so that a name that looks like a variable stays what it is; and a name is a pattern in
//! which nothing of it acts.

use std::time::Duration;

use super::Flavour;

/// The time and the names that a page is looked at with.
#[derive(Clone, Debug)]
pub struct View {
    /// Begin of the time shown, in nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// Its end.
    pub end_ns: i64,
    /// Time between two points.
    pub interval: Duration,
    /// Time between two scrapes of Prometheus.
    pub scrape_interval: Duration,
    /// The host chosen; all without.
    pub host: Option<String>,
    /// The container chosen; all without.
    pub container: Option<String>,
}

/// A variable that this program does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the variable ${0} is not known")]
pub struct UnknownVariable(pub String);

impl View {
    /// The query as it is sent.
    pub fn fill(&self, text: &str, flavour: Flavour) -> Result<String, UnknownVariable> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            let (name, behind) = variable(after);
            if name.is_empty() {
                filled.push('$');
            } else {
                let value = self.value(name, flavour);
                filled.push_str(&value.ok_or_else(|| UnknownVariable(name.to_owned()))?);
            }
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str, flavour: Flavour) -> Option<String> {
        Some(match name {
            "timeFilter" => format!("time >= {} and time <= {}", self.start_ns, self.end_ns),
            "__interval" => words(self.interval),
            "__rate_interval" => {
                words((self.interval + self.scrape_interval).max(4 * self.scrape_interval))
            }
            "__range" => {
                let range_ns = self.end_ns.saturating_sub(self.start_ns);
                words(Duration::from_nanos(range_ns.unsigned_abs()))
            }
            "host" => pattern(self.host.as_deref(), flavour),
            "container" => pattern(self.container.as_deref(), flavour),
            _ => return None,
        })
    }
}

/// The name that a text behind a `$` begins with, without its format, and what follows.
fn variable(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{')
        && let Some((inside, behind)) = braced.split_once('}')
    {
        let name = inside.split_once(':').map_or(inside, |(name, _)| name);
        return (name, behind);
    }
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let end = text.find(|char| !is_of_name(char)).unwrap_or(text.len());
    text.split_at(end)
}

/// As both languages write a duration.
fn words(duration: Duration) -> String {
    format!("{}s", duration.as_secs().max(1))
}

/// One name as a pattern, or all names.
fn pattern(name: Option<&str>, flavour: Flavour) -> String {
    let Some(name) = name else {
        return ".*".to_owned();
    };
    let mut pattern = String::new();
    for char in name.chars() {
        match char {
            '\n' => pattern.push_str("\\n"),
            // Between slashes in InfluxQL.
            '/' if flavour == Flavour::Influxql => pattern.push_str("\\/"),
            '\\' | '^' | '$' | '*' | '+' | '?' | '.' | '(' | ')' | '|' | '[' | ']' | '{' | '}' => {
                pattern.extend(['\\', char]);
            }
            _ => pattern.push(char),
        }
    }
    match flavour {
        Flavour::Influxql => pattern,
        // Within a string.
        Flavour::Promql => pattern.replace('\\', r"\\").replace('"', "\\\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(container: Option<&str>) -> View {
        View {
            start_ns: 60_000_000_000,
            end_ns: 180_000_000_000,
            interval: Duration::from_secs(10),
            scrape_interval: Duration::from_secs(15),
            host: None,
            container: container.map(str::to_owned),
        }
    }

    #[test]
    fn each_variable_has_its_value() {
        let text = "WHERE $timeFilter AND h =~ /^${host:regex}$/ GROUP BY time($__interval) [$__range] [$__rate_interval]";
        assert_eq!(
            view(None).fill(text, Flavour::Influxql).unwrap(),
            "WHERE time >= 60000000000 and time <= 180000000000 AND h =~ /^.*$/ GROUP BY time(10s) [120s] [60s]"
        );
        let unknown = view(None).fill("$other", Flavour::Promql);
        assert_eq!(unknown, Err(UnknownVariable("other".to_owned())));
    }

    #[test]
    fn a_name_stays_within_its_pattern_and_is_not_looked_at_again() {
        for (name, influxql, promql) in [
            ("a.b", r"a\.b", r"a\\.b"),
            ("x$/ OR 1=1", r"x\$\/ OR 1=1", r"x\\$/ OR 1=1"),
            (
                "\"} or up{a=\"",
                "\"\\} or up\\{a=\"",
                r#"\"\\} or up\\{a=\""#,
            ),
            ("$host", r"\$host", r"\\$host"),
            ("a\\\n", r"a\\\n", r"a\\\\\\n"),
        ] {
            let view = view(Some(name));
            let filled = view.fill("/^${container:regex}$/", Flavour::Influxql);
            assert_eq!(filled.unwrap(), format!("/^{influxql}$/"));
            let filled = view.fill("{n=~\"$container\"}", Flavour::Promql);
            assert_eq!(filled.unwrap(), format!("{{n=~\"{promql}\"}}"));
        }
    }
}
