//! What is measured: our counter, others, and the floors below all of them.

/// One that takes its turn in each round.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Variant {
    /// nginx with a fixed answer and no Redis: what HTTP costs by itself.
    Nginx,
    /// `cgflux web`, hits of a moment in one write.
    Pipeline,
    /// `cgflux web`, hits of a moment as one command.
    Coalesce,
    /// `cgflux web`, a write for each hit.
    Single,
    /// Go with redigo and a pool of 10 connections.
    Pool10,
    /// Go with redigo and a pool of 64.
    Pool64,
    /// Go with redigo as the counter was first written, made safe by a lock.
    Locked,
    /// `redis-benchmark`, one command at a time on each connection: what Redis costs by itself.
    Redis1,
    /// `redis-benchmark`, 32 at a time.
    Redis32,
}

/// What has to run for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// nginx alone.
    Nginx,
    /// Redis, and `cgflux web` in this mode.
    Ours(&'static str),
    /// Redis, and the baseline in Go with these flags.
    Go(&'static [&'static str]),
    /// Redis alone, loaded with so many commands at a time.
    Redis(u32),
}

/// In the order in which they are told.
pub(crate) const VARIANTS: [Variant; 9] = [
    Variant::Nginx,
    Variant::Pipeline,
    Variant::Coalesce,
    Variant::Single,
    Variant::Pool10,
    Variant::Pool64,
    Variant::Locked,
    Variant::Redis1,
    Variant::Redis32,
];

/// Ours, the default first.
pub(crate) const OURS: [Variant; 3] = [Variant::Pipeline, Variant::Coalesce, Variant::Single];

/// Those to beat.
pub(crate) const POOLS: [Variant; 2] = [Variant::Pool10, Variant::Pool64];

impl Variant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, return 200 (floor)",
            Self::Pipeline => "cgflux web, pipeline",
            Self::Coalesce => "cgflux web, coalesce",
            Self::Single => "cgflux web, single",
            Self::Pool10 => "Go, redigo, pool of 10",
            Self::Pool64 => "Go, redigo, pool of 64",
            Self::Locked => "Go, redigo, INCR;GET, a lock",
            Self::Redis1 => "redis-benchmark -P 1 (floor)",
            Self::Redis32 => "redis-benchmark -P 32 (floor)",
        }
    }

    pub(crate) fn needs(self) -> Needs {
        match self {
            Self::Nginx => Needs::Nginx,
            Self::Pipeline => Needs::Ours("pipeline"),
            Self::Coalesce => Needs::Ours("coalesce"),
            Self::Single => Needs::Ours("single"),
            Self::Pool10 => Needs::Go(&["-max-connections=10"]),
            Self::Pool64 => Needs::Go(&["-max-connections=64"]),
            Self::Locked => Needs::Go(&["-seed"]),
            Self::Redis1 => Needs::Redis(1),
            Self::Redis32 => Needs::Redis(32),
        }
    }
}
