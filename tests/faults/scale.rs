//! How often and how long faults are injected: compressed, or in full where `cargo xtask test --full` says so.

use std::env;

/// The first in `cargo xtask test`, the second in its long form.
pub(super) fn scaled<T>(short: T, full: T) -> T {
    if env::var_os("CGFLUX_TESTS_FULL").is_some() {
        full
    } else {
        short
    }
}
