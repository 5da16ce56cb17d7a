//! What the kernel counts and what the agent says of it, side by side.

mod accuracy;
mod chains;
mod churn;
mod environment;
mod files_source;
mod finals;
mod names;
mod oom;
mod remains;
mod restart;
mod slots;
mod sums;
