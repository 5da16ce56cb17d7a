//! What the agent says of itself.

use super::{Kind, Metric, NO_METRIC, Resolution, Source, Unit};

/// All of them, in the order of publication.
pub(super) static AGENT_METRICS: &[&Metric] = &[
    &AGENT_CPU,
    &AGENT_PROGRAMS,
    &AGENT_PROGRAM_COUNT,
    &AGENT_RSS,
    &AGENT_MAPPED,
    &AGENT_ENTRIES,
    &AGENT_SLOTS,
    &AGENT_TICK,
    &AGENT_TICKS_SKIPPED,
    &AGENT_CLOCK_STEPS,
    &AGENT_CLOCK_AHEAD,
    &AGENT_CLOCK_BACK,
    &AGENT_TICKS_WITHOUT_CLOCK,
    &AGENT_LOSSES,
    &ACCOUNTED_CPU,
    &ROOT_CPU,
    &UNACCOUNTED_CPU,
    &AGENT_NAME_COLLISIONS,
    &AGENT_SERIES_OVERFLOW,
    &AGENT_MACHINE,
    &AGENT_METRIC_SOURCE,
    &AGENT_BUDGET_USED,
    &AGENT_FAMILIES_SHED,
    &AGENT_SHEDS,
    &AGENT_FAMILY_STATE,
    &SINK_SENT,
    &SINK_DROPPED,
    &SINK_ERRORS,
    &SINK_BYTES,
    &SINK_LAST_ACK,
    &SINK_FAILING,
    &SINK_WAITING_BATCHES,
    &SINK_WAITING_POINTS,
    &SINK_WAITING_BYTES,
    &SINK_OLDEST,
    &SINK_SPOOL_BYTES,
    &SINK_SPOOL_LIMIT,
    &SINK_LOST,
    &SOCKET_REQUESTS,
    &SOCKET_REQUESTS_REFUSED,
    &SOCKET_LINES_TAKEN,
    &SOCKET_LINES_REFUSED,
    &HTTP_CONNECTIONS,
    &HTTP_CUT,
    &HTTP_DENIED,
];

const AGENT_METRIC: Metric = Metric {
    measurement: "agent_self",
    kind: Kind::Gauge,
    sources: &[Source::Agent],
    ..NO_METRIC
};

/// The reasons by which [`AGENT_LOSSES`] are told apart; the README says what each means.
pub const LOSS_REASONS: [&str; 14] = [
    "slots_exhausted",
    "events_lost",
    "unslotted_charges",
    "unslotted_packets",
    "unlisted_addresses",
    "unseen_switch_ins",
    "block_records_exhausted",
    "paths_exhausted",
    "recursion_misses",
    "event_mishaps",
    "runtime_files",
    "unsaved_totals",
    "regressions",
    "nameless",
];

/// CPU time the agent used itself.
pub static AGENT_CPU: Metric = Metric {
    field: "cpu_ns",
    prometheus: "process_cpu_seconds_total",
    unit: Unit::Nanoseconds,
    kind: Kind::Counter,
    help: "CPU time the agent itself used, in user and kernel mode.",
    ..AGENT_METRIC
};
/// CPUs that the kernel programs use.
pub static AGENT_PROGRAMS: Metric = Metric {
    field: "programs_cpus",
    prometheus: "cgflux_kernel_programs_cpus",
    unit: Unit::Cpus,
    help: "CPUs that the kernel programs used, measured for one tick a minute; includes some 45 ns a call of measuring.",
    ..AGENT_METRIC
};
/// Kernel programs that run.
pub static AGENT_PROGRAM_COUNT: Metric = Metric {
    field: "programs",
    prometheus: "cgflux_kernel_programs",
    unit: Unit::Count,
    help: "Kernel programs that are attached; absent where cgroup files serve.",
    ..AGENT_METRIC
};
/// Resident memory of the agent.
pub static AGENT_RSS: Metric = Metric {
    field: "rss_bytes",
    prometheus: "process_resident_memory_bytes",
    unit: Unit::Bytes,
    help: "Resident memory of the agent, mapped kernel records included.",
    ..AGENT_METRIC
};
/// Kernel records mapped.
pub static AGENT_MAPPED: Metric = Metric {
    field: "mapped_record_bytes",
    prometheus: "cgflux_mapped_record_bytes",
    unit: Unit::Bytes,
    help: "Kernel records mapped into the agent: chunks in use x records x their bytes.",
    ..AGENT_METRIC
};
/// Entries by kind.
pub static AGENT_ENTRIES: Metric = Metric {
    field: "entries",
    prometheus: "cgflux_entries",
    help: "Live entries, by kind: containers, systemd units, other cgroups.",
    ..AGENT_METRIC
};
/// Slots in use.
pub static AGENT_SLOTS: Metric = Metric {
    field: "slots_in_use",
    prometheus: "cgflux_slots_in_use",
    help: "Kernel slots that count for a cgroup, of `collect.slots`.",
    ..AGENT_METRIC
};
/// Time a tick took.
pub static AGENT_TICK: Metric = Metric {
    field: "tick_ns",
    prometheus: "cgflux_tick_duration_seconds",
    unit: Unit::Nanoseconds,
    help: "Time the last collection took, from reading the counters to handing the batch on.",
    ..AGENT_METRIC
};
/// Ticks left out.
pub static AGENT_TICKS_SKIPPED: Metric = Metric {
    field: "ticks_skipped",
    prometheus: "cgflux_ticks_skipped_total",
    kind: Kind::Counter,
    help: "Collections left out because the one before was late.",
    ..AGENT_METRIC
};
/// How often the wall clock was set.
pub static AGENT_CLOCK_STEPS: Metric = Metric {
    field: "clock_steps",
    prometheus: "cgflux_clock_steps_total",
    kind: Kind::Counter,
    help: "How often the wall clock was set by more than half a second.",
    ..AGENT_METRIC
};
/// By how much ahead, if the last step was one.
pub static AGENT_CLOCK_AHEAD: Metric = Metric {
    field: "clock_step_ahead_ns",
    prometheus: "cgflux_clock_step_ahead_seconds",
    unit: Unit::Nanoseconds,
    help: "By how much the wall clock was set ahead when it was set last; 0 if it was set back, absent if never.",
    ..AGENT_METRIC
};
/// By how much back, if the last step was one.
pub static AGENT_CLOCK_BACK: Metric = Metric {
    field: "clock_step_back_ns",
    prometheus: "cgflux_clock_step_back_seconds",
    unit: Unit::Nanoseconds,
    help: "By how much the wall clock was set back when it was set last; 0 if it was set ahead, absent if never.",
    ..AGENT_METRIC
};
/// Ticks before the clock was set.
pub static AGENT_TICKS_WITHOUT_CLOCK: Metric = Metric {
    field: "ticks_without_clock",
    prometheus: "cgflux_ticks_without_clock_total",
    kind: Kind::Counter,
    help: "Collections that no sink was sent because the wall clock was not set: it said a time before 2026.",
    ..AGENT_METRIC
};
/// What went unrecorded.
pub static AGENT_LOSSES: Metric = Metric {
    field: "losses",
    prometheus: "cgflux_losses_total",
    kind: Kind::Counter,
    help: "What could not be recorded, by reason.",
    ..AGENT_METRIC
};
/// All entries' CPU time.
pub static ACCOUNTED_CPU: Metric = Metric {
    field: "accounted_cpu_ns",
    prometheus: "cgflux_accounted_cpu_seconds_total",
    unit: Unit::Nanoseconds,
    kind: Kind::Counter,
    help: "CPU time of all entries together, ended ones and the host's own included, since the agent began.",
    ..AGENT_METRIC
};
/// The root's CPU time.
pub static ROOT_CPU: Metric = Metric {
    field: "root_cpu_ns",
    prometheus: "cgflux_root_cpu_seconds_total",
    unit: Unit::Nanoseconds,
    kind: Kind::Counter,
    help: "CPU time by the root cgroup's own counter since the agent began: cpuacct.usage, else cpu.stat, which is sampled.",
    ..AGENT_METRIC
};
/// CPU time that no entry has.
pub static UNACCOUNTED_CPU: Metric = Metric {
    field: "unaccounted_cpu",
    prometheus: "cgflux_unaccounted_cpu_ratio",
    unit: Unit::Ratio,
    help: "The part of the root's CPU time that no entry has; below zero, what entries have beyond it.",
    ..AGENT_METRIC
};
/// Names that collided.
pub static AGENT_NAME_COLLISIONS: Metric = Metric {
    field: "name_collisions",
    prometheus: "cgflux_name_collisions_total",
    kind: Kind::Counter,
    help: "Containers whose name was in use by another live one, so that the short id was appended.",
    ..AGENT_METRIC
};
/// Names that were too many.
pub static AGENT_SERIES_OVERFLOW: Metric = Metric {
    field: "series_overflow",
    prometheus: "cgflux_series_overflow_total",
    kind: Kind::Counter,
    help: "New names beyond `ship.max_names` within an hour; what carries one is counted in `_other`.",
    ..AGENT_METRIC
};
/// Which machine this is.
pub static AGENT_MACHINE: Metric = Metric {
    field: "machine_info",
    prometheus: "cgflux_machine_info",
    help: "1, with a hash of the machine's id as `machine`; absent without /etc/machine-id.",
    resolution: Resolution::Hourly,
    ..AGENT_METRIC
};
/// Source in use per metric.
pub static AGENT_METRIC_SOURCE: Metric = Metric {
    field: "metric_source",
    prometheus: "cgflux_metric_source",
    help: "1 for the source that each metric of a container is read from.",
    resolution: Resolution::Hourly,
    ..AGENT_METRIC
};
/// CPUs used, as the budget counts.
pub static AGENT_BUDGET_USED: Metric = Metric {
    field: "budget_used_cpus",
    prometheus: "cgflux_budget_used_cpus",
    unit: Unit::Cpus,
    help: "CPUs that the agent and its kernel programs used together, on average over the last `budget.window`.",
    ..AGENT_METRIC
};
/// Families shed now.
pub static AGENT_FAMILIES_SHED: Metric = Metric {
    field: "families_shed",
    prometheus: "cgflux_families_shed",
    help: "Families of metrics that are not measured now because the CPU budget was exceeded.",
    ..AGENT_METRIC
};
/// How often a family was shed.
pub static AGENT_SHEDS: Metric = Metric {
    field: "sheds",
    prometheus: "cgflux_family_sheds_total",
    kind: Kind::Counter,
    help: "How often a family of metrics was shed because the CPU budget was exceeded.",
    ..AGENT_METRIC
};
/// Which families are not measured.
pub static AGENT_FAMILY_STATE: Metric = Metric {
    field: "family_state",
    prometheus: "cgflux_family_state",
    help: "1 for each family of metrics that is not measured: `off` by the configuration, or `shed`.",
    resolution: Resolution::Hourly,
    ..AGENT_METRIC
};
/// Points acknowledged.
pub static SINK_SENT: Metric = Metric {
    field: "points_sent",
    prometheus: "cgflux_sink_points_sent_total",
    kind: Kind::Counter,
    help: "Points that the sink acknowledged.",
    ..AGENT_METRIC
};
/// Points lost.
pub static SINK_DROPPED: Metric = Metric {
    field: "points_dropped",
    prometheus: "cgflux_sink_points_dropped_total",
    kind: Kind::Counter,
    help: "Points that will never arrive, for whatever reason.",
    ..AGENT_METRIC
};
/// Failed writes.
pub static SINK_ERRORS: Metric = Metric {
    field: "write_errors",
    prometheus: "cgflux_sink_write_errors_total",
    kind: Kind::Counter,
    help: "Writes that failed and were tried again.",
    ..AGENT_METRIC
};
/// Bytes sent.
pub static SINK_BYTES: Metric = Metric {
    field: "bytes_sent",
    prometheus: "cgflux_sink_sent_bytes_total",
    unit: Unit::Bytes,
    kind: Kind::Counter,
    help: "Bytes of the bodies sent, failed attempts included.",
    ..AGENT_METRIC
};
/// When the sink last acknowledged.
pub static SINK_LAST_ACK: Metric = Metric {
    field: "last_ack_ns",
    prometheus: "cgflux_sink_last_ack_timestamp_seconds",
    unit: Unit::Nanoseconds,
    help: "When the sink last acknowledged a write, since the Unix epoch; absent before the first.",
    ..AGENT_METRIC
};
/// Whether writing fails.
pub static SINK_FAILING: Metric = Metric {
    field: "failing",
    prometheus: "cgflux_sink_failing",
    help: "1 while writing to the sink fails, else 0.",
    ..AGENT_METRIC
};
/// Batches that wait.
pub static SINK_WAITING_BATCHES: Metric = Metric {
    field: "waiting_batches",
    prometheus: "cgflux_sink_waiting_batches",
    help: "Batches that the sink has not acknowledged yet.",
    ..AGENT_METRIC
};
/// Points that wait.
pub static SINK_WAITING_POINTS: Metric = Metric {
    field: "waiting_points",
    prometheus: "cgflux_sink_waiting_points",
    help: "Points that the sink has not acknowledged yet.",
    ..AGENT_METRIC
};
/// Bytes that wait.
pub static SINK_WAITING_BYTES: Metric = Metric {
    field: "waiting_bytes",
    prometheus: "cgflux_sink_waiting_bytes",
    unit: Unit::Bytes,
    help: "Bytes of the batches that the sink has not acknowledged yet, compressed.",
    ..AGENT_METRIC
};
/// The oldest point that waits.
pub static SINK_OLDEST: Metric = Metric {
    field: "oldest_waiting_ns",
    prometheus: "cgflux_sink_oldest_waiting_timestamp_seconds",
    unit: Unit::Nanoseconds,
    help: "The time of the oldest point that the sink has not acknowledged yet, since the Unix epoch; absent without one.",
    ..AGENT_METRIC
};
/// Bytes on disk.
pub static SINK_SPOOL_BYTES: Metric = Metric {
    field: "spool_bytes",
    prometheus: "cgflux_sink_spool_bytes",
    unit: Unit::Bytes,
    help: "Bytes of the files that the sink's batches wait in; absent where they wait in memory alone.",
    ..AGENT_METRIC
};
/// Bytes on disk at most.
pub static SINK_SPOOL_LIMIT: Metric = Metric {
    field: "spool_limit_bytes",
    prometheus: "cgflux_sink_spool_limit_bytes",
    unit: Unit::Bytes,
    help: "Bytes that these files may have before the oldest points go: `spool_bytes` of the sink.",
    ..AGENT_METRIC
};
/// Points lost, by reason.
pub static SINK_LOST: Metric = Metric {
    field: "points_lost",
    prometheus: "cgflux_sink_points_lost_total",
    kind: Kind::Counter,
    help: "Points that will never arrive, by reason.",
    ..AGENT_METRIC
};
/// Requests on the socket.
pub static SOCKET_REQUESTS: Metric = Metric {
    field: "socket_requests",
    prometheus: "cgflux_socket_requests_total",
    kind: Kind::Counter,
    help: "Writes of other processes on the socket, good and bad; absent, like the next three, without `socket.enabled`.",
    ..AGENT_METRIC
};
/// Requests on the socket that were refused as a whole.
pub static SOCKET_REQUESTS_REFUSED: Metric = Metric {
    field: "socket_requests_refused",
    prometheus: "cgflux_socket_requests_refused_total",
    kind: Kind::Counter,
    help: "Writes on the socket that were refused as a whole: a bound was hit, or they could not be read.",
    ..AGENT_METRIC
};
/// Lines taken.
pub static SOCKET_LINES_TAKEN: Metric = Metric {
    field: "socket_lines_taken",
    prometheus: "cgflux_socket_lines_taken_total",
    kind: Kind::Counter,
    help: "Lines that came in by the socket and were handed to every sink.",
    ..AGENT_METRIC
};
/// Lines refused.
pub static SOCKET_LINES_REFUSED: Metric = Metric {
    field: "socket_lines_refused",
    prometheus: "cgflux_socket_lines_refused_total",
    kind: Kind::Counter,
    help: "Lines that came in by the socket and were refused, by reason.",
    ..AGENT_METRIC
};
/// Connections of the page's server.
pub static HTTP_CONNECTIONS: Metric = Metric {
    field: "http_connections",
    prometheus: "cgflux_http_connections",
    help: "Connections to the page, the API and /metrics that are open; absent, like the next two, without `http.enabled`.",
    ..AGENT_METRIC
};
/// Connections cut or not taken.
pub static HTTP_CUT: Metric = Metric {
    field: "http_cut",
    prometheus: "cgflux_http_connections_cut_total",
    kind: Kind::Counter,
    help: "Connections that were cut or not taken, by reason: `client` has too many, others need the `room`, `slow`, `malformed`, no `tls`.",
    ..AGENT_METRIC
};
/// Requests refused.
pub static HTTP_DENIED: Metric = Metric {
    field: "http_denied",
    prometheus: "cgflux_http_requests_denied_total",
    kind: Kind::Counter,
    help: "Requests refused by who asks, by reason: `host` is not ours, `no_token`, `wrong_token`, too many `attempts`, not for the `role`.",
    ..AGENT_METRIC
};
