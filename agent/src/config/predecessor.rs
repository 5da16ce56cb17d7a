//! What the programs that this one takes the place of bring along: what they did unasked, and the variables of their
//! images → values below every layer but the built-in one. Names such as `DB_HOST` are other programs' too, so the
//! variables are read only where they are known to be meant.

use std::collections::BTreeMap;

use super::{Given, Key, Origin, Secret, Value};

/// A program in whose place this one was started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predecessor {
    /// What it did where nobody said anything. What it says of `sinks.influxdb` holds only where there is such a sink.
    pub suggested: Vec<Given>,
    /// What is to be said of its command line.
    pub warnings: Vec<String>,
    /// Whether the variables of its images are meant for this process; absent where nobody said.
    pub reads_variables: Option<bool>,
}

/// The section that all of it is about.
const SINK: &str = "sinks.influxdb";

/// Port of an InfluxDB, where none is named.
const PORT: u16 = 8086;

/// Settings that say who writes. Whoever names one of them in a file or a variable names all.
const WHO: [&str; 4] = ["username", "password_file", "token_file", "version"];

impl Predecessor {
    /// Values below those of files and variables (`written`) and of `flags`, and what is to be said of them.
    pub(super) fn values(
        &self,
        environment: &BTreeMap<String, String>,
        written: &[Given],
        flags: &[Given],
    ) -> (Vec<Given>, Vec<String>) {
        let mut warnings = self.warnings.clone();
        let others = || written.iter().chain(flags);
        let variables = if self.reads_variables == Some(true) {
            let sinks = others().map(|it| &it.key);
            variables(environment, sinks, &mut warnings)
        } else {
            Vec::new()
        };
        let sink = Key::of(SINK);
        let is_ours = |given: &Given| given.key == sink || given.key.is_below(&sink);
        let has_sink = others().chain(&variables).any(is_ours);
        let who = |given: &Given| WHO.iter().any(|name| given.key == sink.child(name));
        let is_somebody = written.iter().any(who);
        let about_who = |given: &Given| who(given) || given.key == sink.child("password");
        let mut values: Vec<Given> = self.suggested.iter().chain(&variables).cloned().collect();
        values.retain(|it| !is_ours(it) || has_sink && !(is_somebody && about_who(it)));
        (values, warnings)
    }
}

/// `DB_HOST`, `DB_NAME`, `DB_USER`, `DB_PASS` and `PRE_CREATE_DB` as settings; nothing without an InfluxDB to write to.
fn variables<'a>(
    environment: &BTreeMap<String, String>,
    others: impl Iterator<Item = &'a Key>,
    warnings: &mut Vec<String>,
) -> Vec<Given> {
    let text = |name: &'static str| {
        let text = environment.get(name)?;
        // Docker's links set `ALIAS_NAME=/container/alias`, which is no database.
        let is_link = name == "DB_NAME" && text.starts_with('/');
        (!text.is_empty() && !is_link).then_some((name, text.as_str()))
    };
    let names = ["DB_HOST", "DB_NAME", "DB_USER", "DB_PASS", "PRE_CREATE_DB"];
    let [host, name, user, password, created] = names.map(text);
    let sinks: Vec<&Key> = others
        .filter(|key| key.is_below(&Key::of("sinks")))
        .collect();
    let has_sink = sinks.iter().any(|key| key.is_below(&Key::of(SINK)));
    if !has_sink && (host.is_none() || !sinks.is_empty()) {
        let unused: Vec<&str> = [host, name, user, password, created]
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
            .collect();
        if !unused.is_empty() {
            let unused = unused.join(", ");
            let reason = if sinks.is_empty() {
                "without DB_HOST there is no InfluxDB to write to"
            } else {
                "there are sinks already"
            };
            warnings.push(format!("{unused} have no effect: {reason}"));
        }
        return Vec::new();
    }
    let mut given = Vec::new();
    let mut set = |variable: &str, name: &str, value: Value| {
        given.push(Given {
            key: Key::of(SINK).child(name),
            value,
            origin: Origin::Variable(variable.to_owned()),
        });
    };
    if let Some((variable, host)) = host {
        set(variable, "url", Value::Untyped(url(host)));
    }
    let databases = created.map(|(variable, list)| {
        let databases: Vec<&str> = list
            .split(';')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        (variable, databases)
    });
    if let Some((variable, databases)) = &databases {
        let of_role = ["database", "host_database"].into_iter().zip(databases);
        for (role, database) in of_role {
            set(variable, role, Value::Untyped((*database).to_owned()));
        }
        if databases.len() > 2 {
            warnings.push(format!(
                "{variable}: the first two databases are used, and no other is made"
            ));
        }
    }
    if let Some((variable, name)) = name {
        set(variable, "database", Value::Untyped(name.to_owned()));
    }
    match (user, password) {
        (Some((user_variable, user)), Some((variable, password))) => {
            set(user_variable, "username", Value::Untyped(user.to_owned()));
            set(
                variable,
                "password",
                Value::Secret(Secret::new(password.to_owned())),
            );
            warnings.push(format!(
                "{variable} can be read by whoever sees the environment of this process; {SINK}.password_file is safer"
            ));
        }
        (Some((one, _)), None) | (None, Some((one, _))) => {
            warnings.push(format!(
                "{one} has no effect: DB_USER and DB_PASS go together"
            ));
        }
        (None, None) => {}
    }
    given
}

/// `host`, `host:port`, or a URL as it is.
fn url(host: &str) -> String {
    if host.contains("://") {
        return host.to_owned();
    }
    let host = host.trim_end_matches('/');
    let is_bare_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = !is_bare_ipv6 && !host.ends_with(']') && host.contains(':');
    match (is_bare_ipv6, has_port) {
        (true, _) => format!("http://[{host}]:{PORT}"),
        (false, true) => format!("http://{host}"),
        (false, false) => format!("http://{host}:{PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_or_be_a_url() {
        for (host, expected) in [
            ("influxdb", "http://influxdb:8086"),
            ("influxdb:9000", "http://influxdb:9000"),
            ("10.0.0.1", "http://10.0.0.1:8086"),
            ("::1", "http://[::1]:8086"),
            ("[::1]", "http://[::1]:8086"),
            ("[::1]:9", "http://[::1]:9"),
            (
                "https://influx.example:443/x",
                "https://influx.example:443/x",
            ),
        ] {
            assert_eq!(url(host), expected);
        }
    }
}
