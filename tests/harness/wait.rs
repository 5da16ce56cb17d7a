//! Waiting: the one place that does.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// Between two attempts.
const EVERY: Duration = Duration::from_millis(10);

/// Tries until it goes well and returns what came of it. Panics `within` that time, with what was seen last.
#[track_caller]
pub(crate) fn eventually<T, E: Display>(
    within: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(result) => return result,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {within:?}: {what}; last seen: {seen}")
            }
            Err(_) => thread::park_timeout(EVERY),
        }
    }
}

/// Lets a load run for a while. To wait for something, use [`eventually`].
pub(crate) fn pause(length: Duration) {
    let end = Instant::now() + length;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
