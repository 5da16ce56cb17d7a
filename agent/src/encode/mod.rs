//! Batches and shipments → text, one format a file; and what other processes hand in, written again.
//!
//! Pure and infallible: whatever a name contains, the lines are valid. Writing them anywhere is left to `sink`.

mod escape;
#[cfg(test)]
pub(crate) mod fixture;
pub mod intake;
pub mod json;
mod line;
pub mod line_protocol;
mod losses;
mod payload;
pub mod prometheus;
mod tags;

pub use line_protocol::LineEncoder;
pub use losses::losses;
pub use payload::{Damaged, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_LINES, Packed, Payload};
pub use tags::{TagError, Tagging};

pub use crate::times::Times;

#[cfg(test)]
mod oracle;
