//! Durations on the command line that have bounds.

use std::{ops::RangeInclusive, time::Duration};

/// Reads a duration such as `250ms`; one outside `allowed` is refused with the bounds.
pub(super) fn between(text: &str, allowed: RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if allowed.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [*allowed.start(), *allowed.end()].map(humantime::format_duration);
    Err(format!("is not between {least} and {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_allowed_and_told() {
        let allowed = Duration::ZERO..=Duration::from_mins(1);
        for (text, duration) in [("0s", Duration::ZERO), ("1m", Duration::from_mins(1))] {
            assert_eq!(between(text, allowed.clone()), Ok(duration));
        }
        let refusal = between("61s", allowed).unwrap_err();
        assert_eq!(refusal, "is not between 0s and 1m");
    }
}
