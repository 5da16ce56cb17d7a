//! Batches and shipments → text, one format a file; and what other processes hand in, written again.
//!
//! Pure and infallible: whatever a name contains, the lines are valid. Writing them anywhere is left to `sink`.

pub mod cadvisor;
mod encoder;
mod escape;
#[cfg(test)]
pub(crate) mod fixture;
mod gaps;
pub mod intake;
pub mod json;
mod known;
mod line;
pub mod line_protocol;
mod losses;
mod payload;
mod point;
pub mod probe;
pub mod prometheus;
mod readings;
mod tags;
mod taken;
mod telegraf;

pub use cadvisor::{CadvisorEncoder, Influxdb08Encoder};
pub use encoder::Encoder;
pub use gaps::gap;
pub use line_protocol::LineEncoder;
pub use losses::{losses, tells_of_losses};
pub use payload::{Damaged, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_LINES, Packed, Payload};
pub use point::{Field, point};
pub use tags::{TagError, Tagging};
pub use telegraf::TelegrafEncoder;

pub use crate::times::Times;

#[cfg(test)]
mod oracle;
