//! The state folder: what must outlive the process, and the lock that keeps a second one out.

mod lock;
mod totals;

pub use lock::{Lock, LockError};
pub use totals::{Saved, SavedTotals, TotalsError};
