//! Environment variables → values. `CGFLUX_COLLECT__INTERVAL` is `collect.interval`: two underscores part sections,
//! and letters are made small. Beside these, what the surroundings suggest where no layer says anything.

use std::collections::BTreeMap;

use super::{Given, Key, Origin, Surroundings, Value};

const PREFIX: &str = "CGFLUX_";

/// The setting outside of all sections, whose variable holds no double underscore.
const TOP_LEVEL: &str = "STATE_DIR";

/// The values among `environment`.
///
/// A variable with the prefix but without a double underscore is left alone: container platforms make such variables
/// of service names (`CGFLUX_PORT`, `CGFLUX_SERVICE_HOST`), and they must not stop a start.
pub(super) fn read(environment: &BTreeMap<String, String>) -> Vec<Given> {
    let mut given = Vec::new();
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if name.contains("__") || name == TOP_LEVEL {
            let parts = name.split("__").map(str::to_lowercase).collect();
            given.push(Given {
                key: Key::from_parts(parts),
                value: Value::Untyped(text.clone()),
                origin: Origin::Variable(variable.clone()),
            });
        }
    }
    given
}

/// What the surroundings suggest: the host's name and the state folder. The lowest layer but for the built-in one.
pub(super) fn suggested(around: &Surroundings<'_>) -> Vec<Given> {
    let host = [
        around.variable("CGFLUX_HOST", str::to_owned),
        around.variable("NODE_NAME", str::to_owned),
        around.host_name.clone().map(|name| (name, Origin::System)),
    ];
    // systemd names several folders with colons between; the unit asks for one.
    let first = |folders: &str| folders.split(':').next().unwrap_or_default().to_owned();
    let fixed = ("/var/lib/cgflux".to_owned(), Origin::Default);
    let fixed = around.is_root.then_some(fixed);
    let state = [
        around.variable("STATE_DIRECTORY", first),
        fixed,
        around.variable("XDG_STATE_HOME", |parent| format!("{parent}/cgflux")),
        around.variable("HOME", |home| format!("{home}/.local/state/cgflux")),
    ];
    let given = |key: &str, (text, origin): (String, Origin)| Given {
        key: Key::of(key),
        value: Value::Text(text),
        origin,
    };
    let first_of = |key: &str, found: Vec<Option<(String, Origin)>>| {
        found
            .into_iter()
            .flatten()
            .next()
            .map(|found| given(key, found))
    };
    [
        first_of("host.name", host.into()),
        first_of("state_dir", state.into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_name_a_setting_are_read() {
        let environment = [
            ("CGFLUX_COLLECT__INTERVAL", "2s"),
            ("CGFLUX_SINKS__INFLUX_2__URL", "http://a:1"),
            ("CGFLUX_STATE_DIR", "/s"),
            ("CGFLUX_PORT", "tcp://10.0.0.1:8190"),
            ("CGFLUX_SERVICE_HOST", "10.0.0.1"),
            ("COLLECT__INTERVAL", "3s"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let keys: Vec<String> = read(&BTreeMap::from(environment))
            .iter()
            .map(|given| given.key.to_string())
            .collect();
        assert_eq!(
            keys,
            ["collect.interval", "sinks.influx_2.url", "state_dir"]
        );
    }
}
