//! What the kernel counts and what the agent says of it, side by side.

mod accuracy;
mod churn;
mod finals;
mod sums;
