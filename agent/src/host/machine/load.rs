//! `/proc/loadavg`: load averages, and how many tasks there are.

use procfs::{FromRead as _, LoadAverage};

use crate::snapshot::Load;

/// What the file says; `None` if it is not in its documented form.
pub(super) fn parse(text: &[u8]) -> Option<Load> {
    let load = LoadAverage::from_read(text).ok()?;
    // The file has two decimals; in double precision the single one would get more.
    let exact = |average: f32| (f64::from(average) * 100.0).round() / 100.0;
    let averages = [load.one, load.five, load.fifteen].map(exact);
    averages.iter().all(|it| it.is_finite()).then_some(Load {
        averages,
        tasks: u64::from(load.max),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18.
    const LOADAVG: &str = "0.17 0.53 1.40 1/90 6748\n";

    #[test]
    fn averages_have_the_files_two_decimals() {
        let expected = Load {
            averages: [0.17, 0.53, 1.4],
            tasks: 90,
        };
        assert_eq!(parse(LOADAVG.as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_number_is_no_load() {
        assert_eq!(parse(b"NaN 0.53 1.40 1/90 6748\n"), None);
        assert_eq!(parse(b"0.17\n"), None);
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(text in super::super::odd_text(LOADAVG)) {
            let _parsed = parse(&text);
        }
    }
}
