//! What 2.x is told, in Flux: a task for each measurement that is rolled up. Pure.

use std::iter;

use super::rollup::{self, Function, OVER};

/// How long a task waits for points that come late: longer than anything is shipped.
const OFFSET: &str = "1m";

/// The script of the task `name` that rolls `measurement` up from one bucket into another of `organization`.
pub(super) fn task(
    name: &str,
    measurement: &str,
    [from, to]: [&str; 2],
    organization: &str,
) -> String {
    let head = format!(
        "option task = {{name: {}, every: {OVER}, offset: {OFFSET}}}\n\n\
         points = from(bucket: {})\n    |> range(start: -task.every)\n    \
         |> filter(fn: (r) => r._measurement == {})\n",
        quoted(name),
        quoted(from),
        quoted(measurement)
    );
    let of_function = |function: Function| {
        let fields = rollup::fields(measurement).filter(|(_, its)| *its == function);
        let fields: Vec<&str> = fields.map(|(field, _)| field).collect();
        let (fields, function) = (fields.join("|"), function.as_str());
        // Each result has a name of its own, or there may be one only.
        let sum = format!(
            "\npoints\n    |> filter(fn: (r) => r._field =~ /^({fields})$/)\n    \
             |> aggregateWindow(every: task.every, fn: {function}, createEmpty: false)\n    \
             |> to(bucket: {}, org: {})\n    |> yield(name: \"{function}\")\n",
            quoted(to),
            quoted(organization)
        );
        (!fields.is_empty()).then_some(sum)
    };
    let sums = Function::ALL.into_iter().filter_map(of_function);
    iter::once(head).chain(sums).collect()
}

/// A string of Flux, in which nothing is evaluated.
fn quoted(text: &str) -> String {
    let inner: String = text.chars().flat_map(escaped).collect();
    format!("\"{inner}\"")
}

fn escaped(char: char) -> impl Iterator<Item = char> {
    let (is_escaped, char) = match char {
        '\n' => (true, 'n'),
        // `${` begins an expression.
        '"' | '\\' | '$' => (true, char),
        _ => (false, char),
    };
    iter::repeat_n('\\', usize::from(is_escaped)).chain([char])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_rolled_up_as_they_were_last_and_gauges_on_average() {
        let script = task("t", "container_cpu", ["b", "b_5m"], "o");
        for (function, field) in [
            ("last", "usage_ns"),
            ("mean", "usage_cpus"),
            ("max", "usage_cpus_max"),
        ] {
            let of_function = script
                .split("\npoints\n")
                .find(|it| it.contains(&format!("fn: {function},")))
                .unwrap();
            let is_there = ["(", "|"].iter().any(|before| {
                [")", "|"]
                    .iter()
                    .any(|after| of_function.contains(&[before, field, after].concat()))
            });
            assert!(is_there, "{field} in {of_function}");
        }
        assert_eq!(
            script.matches("to(bucket: \"b_5m\", org: \"o\")").count(),
            3
        );
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        assert_eq!(quoted("a \"b\" ${c} \\\n"), r#""a \"b\" \${c} \\\n""#);
    }
}
