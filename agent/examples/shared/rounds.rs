//! What benchmarks without flags of their own are asked for on the command line.

use std::env;

/// How many rounds, 31 if nobody says, and how much is done in each.
pub(crate) fn asked_for(usual: u64) -> anyhow::Result<(usize, u64)> {
    let mut arguments = env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(31), |it| it.parse())?;
    let much = arguments.next().map_or(Ok(usual), |it| it.parse())?;
    Ok((rounds, much))
}
