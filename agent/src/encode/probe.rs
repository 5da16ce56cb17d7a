//! The point by which a sink is tested: written, read back, and taken away again.

use super::{Field, Payload, Tagging, point};

/// Its measurement, which nothing else is written to.
pub const MEASUREMENT: &str = "cgflux_sink_test";

/// Its field.
pub const FIELD: &str = "value";

/// One such point of this host; `value` tells it from those of other tests.
pub fn probe(tagging: &Tagging, value: u64, wall_ns: i64) -> Payload {
    let fields = [(FIELD, Field::Integer(value))];
    point(tagging, None, MEASUREMENT, [], fields, wall_ns)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_probe_is_one_point_of_this_host() {
        let tags = BTreeMap::from([("dc".to_owned(), "fra1".to_owned())]);
        let tagging = Tagging::new("box", &tags, &[]).unwrap();
        let payload = probe(&tagging, 42, 7);
        assert_eq!(
            payload.lines(),
            "cgflux_sink_test,dc=fra1,host=box value=42i 7\n"
        );
    }
}
