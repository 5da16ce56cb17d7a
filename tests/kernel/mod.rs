//! What the kernel counts and what the agent says of it, side by side.

mod accuracy;
mod finals;
mod sums;
