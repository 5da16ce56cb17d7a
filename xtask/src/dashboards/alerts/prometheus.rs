//! The alerts as a rule file of Prometheus. Pure.

use super::{Pace, all, words};

/// The whole file.
pub(in crate::dashboards) fn rules(pace: Pace) -> String {
    let mut text =
        "# Made by `cargo xtask dashboards`; name it in `rule_files` of prometheus.yml.\n\
         groups:\n  - name: cgflux\n    rules:\n"
            .to_owned();
    for alert in all(pace) {
        // Quoted as JSON, which YAML reads alike.
        let quoted = |text: &str| format!("{text:?}");
        let subject = "{{ $labels.instance }}{{ with $labels.name }}, container {{ . }}{{ end }}\
             {{ with $labels.sink }}, sink {{ . }}{{ end }}{{ with $labels.mount }}, {{ . }}{{ end }}";
        let rule = format!(
            "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          severity: {}\n        \
             annotations:\n          summary: {}\n          description: {}\n",
            alert.name,
            quoted(&alert.promql),
            words(alert.wait),
            alert.severity,
            quoted(&format!("{subject}: {}", alert.summary)),
            quoted(alert.advice),
        );
        text.push_str(&rule);
    }
    text
}
