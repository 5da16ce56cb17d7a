//! What was asked.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    bench::{
        daemon::Options as DaemonOptions, load::Options as LoadOptions,
        sink::Options as SinkOptions, web::Options as WebOptions,
    },
    dashboards::Options as DashboardOptions,
    demo::cli::{DemoTask, DemoVerb},
    dist::Options as DistOptions,
    guest::Guest,
};

/// The developer tool of cgflux: it installs what it needs, builds, runs and tests.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    after_help = "\
Two commands are enough for a start:
  cargo xtask run     builds cgflux, starts it and says where its page is
  cargo xtask test    runs every test against the real kernel, Docker and InfluxDB

It is a guest here: packages come by apt after you agree, nothing is removed, no service is
started that was not running, and a Docker that is there is used as it is. Builds run as you; only
the agent and the tests that need the kernel run as root, by sudo. Everything is kept in target/.

Exit codes: 0 done, 1 failed, 2 wrong usage or nobody to ask, 69 something is missing, 77 no root."
)]
pub(crate) struct Cli {
    /// Agree beforehand to the packages that will be installed.
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Show commands whole, with their environment and all they print.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// No spinner, no colour.
    #[arg(long, global = true, hide = true)]
    pub(crate) plain: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Install what building and testing need (the other verbs do it themselves).
    Setup,
    /// Build the kernel objects and the agent.
    Build {
        /// Optimized, as it is packaged and measured.
        #[arg(long)]
        release: bool,
        /// As one static program, which `packaging/container/Dockerfile` makes an image of: target/image.
        #[arg(long = "static")]
        whole: bool,
    },
    /// Build the agent, start it and say where its page is. Ctrl-C ends it.
    ///
    /// Where no container runs, a labelled cgroup with a varying load makes the page move.
    #[command(after_help = "Example: cargo xtask run -- --influx http://127.0.0.1:8086")]
    Run {
        /// Passed to `cgflux run`.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// The whole story at once: counter, Redis, InfluxDB, collector, load, and where the step is seen.
    ///
    /// Each service is a process in a cgroup of its own, /cgflux-demo/NAME; only the collector runs as root. The counter
    /// answers on 127.0.0.1:48080, the page is on 127.0.0.1:8190. Ctrl-C ends all of it.
    #[command(after_help = "\
With a verb it is handled piece by piece, from any shell:
  cargo xtask demo up -d          start it, return when all is healthy
  cargo xtask demo ps             what runs, and how it is
  cargo xtask demo logs -f web    what the counter says
  cargo xtask demo load           two rates of load, from a cgroup of their own
  cargo xtask demo down           end all of it")]
    Demo {
        #[command(subcommand)]
        verb: Option<DemoVerb>,
    },
    /// Run all tests: unit tests as you, system tests as root.
    ///
    /// The last line says how many passed, failed and were skipped. Those that were skipped are
    /// listed with what they lack.
    Test {
        /// Only tests whose name contains this.
        filter: Option<String>,
        /// Boot every kernel in every way, not only two of them, a Debian with our package in it, and a 64-bit ARM; and
        /// inject each fault in its long form.
        #[arg(long)]
        full: bool,
    },
    /// Boot Debian's kernels 5.10 to 7.x, emulated, and try the agent on each.
    ///
    /// Each machine has a load in cgroups, and everything that is counted is compared with the kernel's own files.
    /// Some lack something: `cgflux check` must then name it. Kernels are fetched once, into target/vm. Two machines are
    /// of another kind: a Debian 13 in which our package is installed, and a 64-bit ARM.
    #[command(after_help = "\
Without arguments: Linux 6.1 and 6.12, boot `v2`, as `cargo xtask test` does.
Examples:
  cargo xtask vm 5.10                  every boot of one kernel
  cargo xtask vm all --boot v2         one boot of every kernel
  cargo xtask vm all                   the whole matrix
  cargo xtask vm packages              our .deb in a Debian 13 with its Docker, from installation to purge
  cargo xtask vm aarch64               the agent built for a 64-bit ARM, run on one")]
    Vm(Machines),
    /// Make the packages: .deb, .rpm, Alpine's, Arch's, and an archive with the static program.
    ///
    /// They go to target/packages, with their checksums. Packages of one commit are the same byte for byte: their files bear
    /// the time of the commit, or of `SOURCE_DATE_EPOCH`. lintian and rpmlint have to be content. For 64-bit ARM there are
    /// the .deb, Alpine's package and the archive, all with the static program: entries in the journal are lines there.
    #[command(after_help = "\
Examples:
  cargo xtask dist                     all of them; some 10 minutes the first time
  cargo xtask dist --format deb,rpm    two of them
  cargo xtask dist --arch aarch64      for 64-bit ARM, built here, in target/packages/aarch64
  cargo xtask dist --debug             of the debug build, to try the packages themselves")]
    Dist(DistOptions),
    /// Check formatting, lints of host and kernel code, docs and the rules of the house.
    Check,
    /// Make Grafana's dashboards and the alert rules anew, below packaging/.
    Dashboards(DashboardOptions),
    /// Build and run a benchmark, as root.
    Bench {
        #[command(subcommand)]
        name: Benchmark,
    },
    /// What the other verbs do as root.
    #[command(hide = true)]
    AsRoot {
        #[command(subcommand)]
        task: RootTask,
    },
    /// The varying load of `run`.
    #[command(hide = true)]
    Wave,
}

/// The benchmarks: examples of the agent, named `bench_` and this.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// What a packet costs, against empty programs.
    Packet(Passed),
    /// What a block request costs, against an empty program.
    Request(Passed),
    /// What a context switch costs, against empty programs.
    Switch(Passed),
    /// What reading all counters costs, by number of cgroups.
    Snapshot(Passed),
    /// What the daemon costs as users run it: CPU, memory, its programs; cAdvisor beside it.
    ///
    /// The release agent counts a workload and ships it to an InfluxDB of the benchmark's own, collecting every
    /// second, everything on. Printed at the end: its CPU and that of its kernel programs, resident memory, kernel
    /// memory of its maps (measured, and computed for 2, 16 and 64 CPUs), Docker's CPU meanwhile, what arrived and
    /// what was lost; then the same of cAdvisor 0.38.7 beside the same workload.
    #[command(after_help = "\
Without a workload: 200 containers, some 8 minutes. A machine that does nothing else is measured best.
Examples:
  cargo xtask bench daemon                                  the workload other collectors were measured with
  cargo xtask bench daemon --cgroups 1000 --cgroups 10000   many cgroups without Docker, one run after the other
  cargo xtask bench daemon --containers 20 --ship-every 1 --warm-up 5 --seconds 10 --rounds 0 --no-cadvisor

The programs run on the account of whatever they interrupt, so they are told apart in two ways: the kernel measures
them for ten seconds, and the workload's own CPU is compared without and with the agent in turns.
cAdvisor comes from Debian 11 by an apt with folders of its own, below target/tools; nothing of it is installed.
Ctrl-C takes away all that was started.")]
    Daemon(DaemonOptions),
    /// What delivery costs: lines a second, CPU a line, bytes on disk; then the whole agent with its spool and without.
    ///
    /// The same lines go to an InfluxDB of the benchmark's own by every way in each round: bare requests, a sink without
    /// a spool, a sink with one, a spool while the server is away, and that spool once the server is back. The floors
    /// stand beside them: bare requests, and gzip with one synced append a shipment. Then the release agent counts as
    /// many cgroups every second and ships them every second, with its spool and without.
    #[command(after_help = "\
Some 7 minutes once it is built. A machine that does nothing else is measured best.
Examples:
  cargo xtask bench sink
  cargo xtask bench sink --containers 200 --seconds 5 --rounds 3 --no-agent")]
    Sink(SinkOptions),
    /// What the counter costs: `cgflux web` beside the same in Go, nginx and Redis by themselves.
    ///
    /// One server at a time, each with a Redis of its own, in a new order each round, loaded by wrk. Told: requests a
    /// second, latency, CPU a request of server, Redis and client, system calls a request, memory; then ours beside
    /// the better of two Go pools and nginx, within each round, and whether the goals are met. First it is checked that
    /// each counter counts.
    #[command(after_help = "\
Some 15 minutes once it is built. It waits for the machine to be quiet, and drops runs in which it was not.
Examples:
  cargo xtask bench web
  cargo xtask bench web --connections 64 --rounds 15           the goals alone, and more surely
  cargo xtask bench web --foreign 2 --patience 0               on a machine that is never quiet")]
    Web(WebOptions),
    /// What making load costs: `cgflux load` beside wrk, and how exactly it keeps a rate.
    ///
    /// Both load the same nginx in turns. Told: requests a second and the client's own CPU a request; then, at some
    /// rates, how long after the intended moment requests were sent.
    #[command(after_help = "\
Some 3 minutes once it is built. It waits for the machine to be quiet, and drops runs in which it was not.
Examples:
  cargo xtask bench load
  cargo xtask bench load --rounds 15 --connections 64 --connections 256 --rate 1000")]
    Load(LoadOptions),
}

/// For benchmarks with few arguments, which they read themselves.
#[derive(Args, Clone, Debug)]
pub(crate) struct Passed {
    /// Passed to the benchmark.
    #[arg(last = true)]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootTask {
    /// Install packages.
    Install {
        /// Fetch package lists first.
        #[arg(long)]
        refresh: bool,
        packages: Vec<String>,
    },
    /// Make a Debian that packages are installed in.
    Guest { release: Guest },
    /// Make the Debian that is booted.
    Debian,
    /// Run a program until it ends or standard input does.
    Exec(Exec),
    /// Parts of the demo.
    Demo {
        #[command(subcommand)]
        task: DemoTask,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Machines {
    /// A kernel: 5.10, 6.1, 6.12, 6.18, 7.x or all; or `packages` or `aarch64`.
    #[arg(value_name = "KERNEL")]
    pub(crate) machine: Option<String>,
    /// Only this way of booting: v2, hybrid, v1-only, lockdown, …
    #[arg(long, value_name = "NAME")]
    pub(crate) boot: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Exec {
    /// Have a Docker, and name it in `DOCKER_HOST`.
    #[arg(long)]
    pub(crate) docker: bool,
    /// Start a varying load if the agent that listens here sees no container.
    #[arg(long)]
    pub(crate) wave: Option<SocketAddr>,
    /// Where to run it.
    #[arg(long)]
    pub(crate) directory: Option<PathBuf>,
    #[arg(last = true, required = true)]
    pub(crate) program: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn agent_arguments_come_after_two_dashes() {
        let cli = Cli::parse_from(["xtask", "run", "--yes", "--", "--influx", "http://h"]);
        let Verb::Run { arguments } = cli.verb else {
            panic!("{:?}", cli.verb)
        };
        assert_eq!(arguments, ["--influx", "http://h"]);
        assert!(cli.yes);
    }
}
