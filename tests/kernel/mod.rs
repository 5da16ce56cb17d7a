//! What the kernel counts and what the agent says of it, side by side.

mod accuracy;
mod churn;
mod environment;
mod files_source;
mod finals;
mod remains;
mod restart;
mod slots;
mod sums;
