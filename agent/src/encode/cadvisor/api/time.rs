//! Times as Go's programs write and read them in JSON (RFC 3339).

use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A time in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(pub i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl Time {
    /// In UTC, without the zeros at the end of a second's parts. What is before 1970 is 1970.
    pub fn text(self) -> String {
        let since = Duration::from_nanos(self.0.max(0).unsigned_abs());
        let text = humantime::format_rfc3339_nanos(UNIX_EPOCH + since).to_string();
        let digits = text.trim_end_matches('Z').trim_end_matches('0');
        format!("{}Z", digits.trim_end_matches('.'))
    }

    /// Reads one; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, offset_s) = if let Some(local) = text.strip_suffix('Z') {
            (local, 0)
        } else {
            let at = text.len().checked_sub("+00:00".len())?;
            let (local, offset) = text.split_at_checked(at)?;
            (local, offset_seconds(offset)?)
        };
        let year: u32 = local.get(..4)?.parse().ok()?;
        if year < 1970 {
            // Go knows of such times, which its own zero is among. Here nothing was before 1970.
            let later = local.replacen(local.get(..4)?, "1972", 1);
            humantime::parse_rfc3339(&format!("{later}Z")).ok()?;
            return Some(Self(0));
        }
        let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
        let since = time.duration_since(UNIX_EPOCH).ok()?;
        let local_ns = i64::try_from(since.as_nanos()).ok()?;
        let utc = local_ns.checked_sub(offset_s.checked_mul(1_000_000_000)?)?;
        Some(Self(utc))
    }
}

/// `+01:30` and the like.
fn offset_seconds(text: &str) -> Option<i64> {
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let two_digits = |text: &str, below: i64| {
        let is_of_digits = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
        let number: i64 = text.parse().ok().filter(|_| is_of_digits)?;
        (number < below).then_some(number)
    };
    Some(sign * (two_digits(hours, 24)? * 3_600 + two_digits(minutes, 60)? * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_500_000_000, "1970-01-01T00:00:01.5Z"),
            (1_796_082_323_256_265_517, "2026-11-30T23:45:23.256265517Z"),
            (-1, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Time(ns).text(), text);
        }
    }

    #[test]
    fn times_of_any_zone_are_read() {
        let noon = Some(Time(12 * 3_600 * 1_000_000_000));
        for text in [
            "1970-01-01T12:00:00Z",
            "1970-01-01T13:00:00+01:00",
            "1970-01-01T06:30:00.000-05:30",
        ] {
            assert_eq!(Time::parse(text), noon, "{text}");
        }
        assert_eq!(Time::parse("0001-01-01T00:00:00Z"), Some(Time(0)));
        for text in [
            "",
            "0001-01-01",
            "Z",
            "+01:00",
            "yesterday",
            "1970-01-01T12:00:00",
            "1970-01-01T12:00:00+0100",
            "é+01:00",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ns in 0..i64::MAX) {
            prop_assert_eq!(Time::parse(&Time(ns).text()), Some(Time(ns)));
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,40}") {
            let _ = Time::parse(&text);
        }
    }
}
