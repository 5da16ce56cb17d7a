//! The state folder: what must outlive the process, and the lock that keeps a second one out.

mod block_totals;
mod boot_id;
mod last_tick;
mod lock;
mod preemption;
mod record_file;
mod totals;

pub use block_totals::SavedBlockIo;
pub use last_tick::LastTick;
pub use lock::{Lock, LockError};
pub use preemption::SavedPreemption;
pub use record_file::TotalsError;
pub use totals::{Saved, SavedTotals};
