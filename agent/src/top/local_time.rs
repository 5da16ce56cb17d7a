//! Times as the clocks of people here show them.
//!
//! By the C library, which knows the time zone: the crates that do are larger than the two calls.

use std::mem::MaybeUninit;

/// `15:04:05` here, of a time in milliseconds since the Unix epoch.
pub(super) fn time_of_day(wall_ms: i64) -> String {
    match broken_down(wall_ms.div_euclid(1000)) {
        Some(tm) => format!("{:02}:{:02}:{:02}", tm.tm_hour, tm.tm_min, tm.tm_sec),
        None => "–".to_owned(),
    }
}

/// `2026-11-29 15:04:05` here.
pub(super) fn date_and_time(wall_ms: i64) -> String {
    match broken_down(wall_ms.div_euclid(1000)) {
        Some(tm) => format!(
            "{}-{:02}-{:02} {}",
            tm.tm_year + 1900,
            tm.tm_mon + 1,
            tm.tm_mday,
            time_of_day(wall_ms)
        ),
        None => "–".to_owned(),
    }
}

/// The time that `text` means in a recording that begins at `from_ms`: a time of the day is the first such from then on, in
/// milliseconds since the Unix epoch. Besides, RFC 3339 is understood.
pub(super) fn meant(text: &str, from_ms: i64) -> Result<i64, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text)
        && let Ok(since) = time.duration_since(std::time::UNIX_EPOCH)
    {
        return i64::try_from(since.as_millis()).map_err(|error| error.to_string());
    }
    let unknown = || format!("{text:?} is no time: write 15:00, 15:00:30 or 2026-11-29T15:00:00Z");
    let (hour, minute, second) = clock_time(text).ok_or_else(unknown)?;
    let from_s = from_ms.div_euclid(1000);
    let mut tm = broken_down(from_s).ok_or_else(unknown)?;
    (tm.tm_hour, tm.tm_min, tm.tm_sec) = (hour, minute, second);
    // Whether summer time holds then is for the C library to find out.
    tm.tm_isdst = -1;
    let same_day = seconds_of(tm).ok_or_else(unknown)?;
    if same_day >= from_s {
        return Ok(same_day.saturating_mul(1000));
    }
    tm.tm_mday += 1;
    (tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_isdst) = (hour, minute, second, -1);
    Ok(seconds_of(tm).ok_or_else(unknown)?.saturating_mul(1000))
}

fn clock_time(text: &str) -> Option<(i32, i32, i32)> {
    let mut parts = text.trim().split(':');
    let mut part = |limit: i32| {
        let number: i32 = parts.next()?.parse().ok()?;
        (0..limit).contains(&number).then_some(number)
    };
    let hour = part(24)?;
    let minute = part(60)?;
    let has_seconds = text.matches(':').count() == 2;
    let second = if has_seconds { part(60)? } else { 0 };
    parts.next().is_none().then_some((hour, minute, second))
}

fn broken_down(wall_s: i64) -> Option<libc::tm> {
    let mut tm = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both point to live values of the types that localtime_r(3) takes, and it writes nothing but `tm`.
    let found = unsafe { libc::localtime_r(&raw const wall_s, tm.as_mut_ptr()) };
    // SAFETY: it returns null or the pointer to what it has filled in.
    (!found.is_null()).then(|| unsafe { tm.assume_init() })
}

fn seconds_of(mut tm: libc::tm) -> Option<i64> {
    // SAFETY: mktime(3) reads and normalises the live value it is pointed to, and keeps no pointer.
    let wall_s = unsafe { libc::mktime(&raw mut tm) };
    (wall_s != -1).then_some(wall_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_time_of_the_day_is_the_first_such_of_the_recording() {
        let from_ms = 1_764_428_400_000;
        for offset_ms in [0, 1_000, 5 * HOUR_MS, 23 * HOUR_MS] {
            let wanted_ms = from_ms + offset_ms;
            let text = time_of_day(wanted_ms);
            assert_eq!(meant(&text, from_ms), Ok(wanted_ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        assert_eq!(meant("2025-11-29T15:00:00Z", 0), Ok(1_764_428_400_000));
        for text in ["", "15", "25:00", "15:60", "15:00:61", "15:00:00:00", "x:y"] {
            let told = meant(text, 0).unwrap_err();
            assert!(told.contains("15:00:30"), "{told}");
        }
    }
}
