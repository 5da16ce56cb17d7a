//! What the kernel counts and what the agent says of it, side by side.

mod accuracy;
mod block_io;
mod block_latencies;
mod block_restart;
mod block_sums;
mod chains;
mod churn;
mod environment;
mod families;
mod files_source;
mod finals;
mod host;
mod memory;
mod names;
mod namespaces;
mod network;
mod oom;
mod packets;
mod pids;
mod pressure;
mod remains;
mod restart;
mod slots;
mod space;
mod sums;
