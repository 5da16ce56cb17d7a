//! Percentiles in the text form of `HdrHistogram`, which its plotters read; values in milliseconds, as those of wrk2.

use std::fmt::Write as _;

use super::window::Latencies;

/// Steps to each half of the distance to 100 %.
const STEPS: u32 = 5;

/// The whole distribution.
pub(super) fn text(latencies: &Latencies) -> String {
    let histogram = &latencies.histogram;
    let mut text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
    let mut count = 0;
    // Writing to memory does not fail.
    let mut line = |written: std::fmt::Arguments<'_>| text.write_fmt(written).unwrap_or_default();
    for step in histogram.iter_quantiles(STEPS) {
        count += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = ms(step.value_iterated_to() as f64);
        if quantile < 1.0 {
            line(format_args!(
                "{value:12.3} {quantile:2.12} {count:10} {:14.2}\n",
                1.0 / (1.0 - quantile)
            ));
        } else {
            line(format_args!(
                "{value:12.3} {quantile:2.12} {count:10}            inf\n"
            ));
        }
    }
    line(format_args!(
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        ms(histogram.mean()),
        ms(histogram.stdev()),
        ms(latencies.max_us as f64),
        histogram.len(),
        histogram.buckets(),
        2_048
    ));
    text
}

fn ms(us: f64) -> f64 {
    us / 1e3
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::fixture, *};

    #[test]
    fn each_line_is_value_percentile_and_count() {
        let text = text(&fixture().total.latency);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|it| it.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0][1..3], ["0.000000000000", "1"], "{text}");
        let last = rows.iter().rfind(|it| !it[0].starts_with('#')).unwrap();
        assert_eq!(last[1..], ["1.000000000000", "100", "inf"], "{text}");
        assert!(text.contains("Total count    =          100]"), "{text}");
    }
}
