//! cgflux: what every container on a Linux host does.
//!
//! One tick of the collector walks this line once, left to right, never back:
//!
//! ```text
//! kernel events ─► records (mmap) ─► Snapshot ─► Interval ─► + Container ─► Batch ─► encoders ─► sinks, http
//!  agent-ebpf       agent-ebpf lib    kernel      snapshot     container     metrics   encode
//! ```
//!
//! Four layers, each using only those above it: shared records (the `agent-ebpf` library); the pure core, which knows
//! no clock, no file and no task; the edges, each of which talks to one outside thing and knows no other edge; the
//! wiring, the only place that knows more than one edge.

// Pure core, in pipeline order.
pub mod text;
pub mod times;
pub mod varint;

pub mod accounts;
pub mod tls;

pub mod config;

pub mod snapshot;

pub mod container;

pub mod metrics;

pub mod shipment;

pub mod gap;
pub mod loss;

pub mod encode;

pub mod live;
pub mod recent;
pub mod stream;

pub mod budget;
pub mod measured;
pub mod reload;

pub mod self_stats;
pub mod status;

pub mod estimate;

// Edges.
pub mod client;
pub mod clock;
pub mod host;
pub mod http;
pub mod kernel;
pub mod logging;
pub mod notify;
pub mod recording;
pub mod sink;
pub mod state;
pub mod surroundings;
mod terminal;

// Wiring.
pub mod app;
pub mod check;
pub mod cli;
pub mod collector;
pub mod dashboards;
pub mod delivery;
pub mod exit;
pub mod handover;
pub mod load;
pub mod manager;
pub mod outlet;
pub mod preview;
pub mod probe;
pub mod provision;
pub mod query;
pub mod source;
pub mod stat;
pub mod telemetry;
pub mod top;
pub mod web;
