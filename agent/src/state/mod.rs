//! The state folder: what must outlive the process, and the lock that keeps a second one out.

mod block_totals;
mod boot_id;
mod last_tick;
mod lock;
mod record_file;
mod takers;
mod totals;

pub use block_totals::SavedBlockIo;
pub use last_tick::LastTick;
pub use lock::{Lock, LockError};
pub use record_file::TotalsError;
pub use takers::SavedPreemption;
pub use totals::{Saved, SavedTotals};
