//! What benchmarks are asked for on the command line, and how their figures are told.

use std::env;

/// How many rounds, 31 if nobody says, and how much is done in each.
pub(crate) fn rounds_of(usual: u64) -> anyhow::Result<(usize, u64)> {
    let mut arguments = env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(31), |it| it.parse())?;
    let much = arguments.next().map_or(Ok(usual), |it| it.parse())?;
    Ok((rounds, much))
}

/// Median and quartiles.
pub(crate) fn spread(values: &[f64]) -> String {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    format!("{:.0} [{:.0}, {:.0}]", at(2), at(1), at(3))
}
