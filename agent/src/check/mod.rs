//! `cgflux check`: what this kernel, these cgroups and these privileges allow, and how to get the rest.
//!
//! - `facts`: what there is, found out by reading and trying. Unknown is not no.
//! - `judge`: facts → what each means, why, and what to do about it. Pure.
//! - `render`: judgements → text or JSON.

pub mod facts;
mod judge;
mod render;
mod report;

pub use facts::Facts;
pub use judge::judge;
pub use render::Look;
pub use report::{Item, Level, Report, Section, Verdict};
