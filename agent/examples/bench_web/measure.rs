//! A variant's turn: it is warmed up, then loaded for as long as was asked for.

use std::process::Command;

use anyhow::ensure;
use nix::unistd::Pid;
use procfs::process::Process;

use super::{
    Tools,
    client::{self, Run},
    redis_benchmark,
    rounds::{Figures, Syscalls},
    stage::Stage,
    syscalls::Counter,
    variant::{Needs, Variant},
    waiting::Waiting,
    wrk,
};

/// Long enough to fill pools, caches and branch predictors.
const WARM_UP_SECONDS: u64 = 1;

/// How long system calls are counted, which slows them down: never while time is taken.
const COUNTED_SECONDS: u64 = 1;

/// A variant that is warm.
pub(crate) struct Turn<'a> {
    stage: &'a Stage<'a>,
    tools: &'a Tools,
    waiting: &'a Waiting,
    connections: u32,
    load: Load,
}

/// By what it is loaded.
#[derive(Clone, Copy, Debug)]
enum Load {
    Wrk,
    RedisBenchmark {
        pipeline: u32,
        /// Commands a second, as warming up has shown: it takes a count, not a time.
        rate: f64,
    },
}

/// What a load generator found.
struct Seen {
    requests: u64,
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    errors: u64,
}

impl<'a> Turn<'a> {
    /// Warms it up.
    pub(crate) fn new(
        variant: Variant,
        stage: &'a Stage<'a>,
        connections: u32,
        tools: &'a Tools,
        waiting: &'a Waiting,
    ) -> anyhow::Result<Self> {
        let load = match variant.needs() {
            Needs::Redis(pipeline) => Load::RedisBenchmark {
                pipeline,
                rate: 10_000.0,
            },
            _ => Load::Wrk,
        };
        let mut turn = Self {
            stage,
            tools,
            waiting,
            connections,
            load,
        };
        let (seen, _) = turn.run(WARM_UP_SECONDS)?;
        if let Load::RedisBenchmark { rate, .. } = &mut turn.load {
            *rate = seen.rate;
        }
        Ok(turn)
    }

    /// What it takes, and how many CPUs were busy for others. Fails if a hit was lost or counted twice.
    pub(crate) fn measure(&self, seconds: u64) -> anyhow::Result<(Figures, f64)> {
        let server = self.stage.server()?;
        let user_before = user_and_system(&server)?;
        let hits_before = self.stage.hits()?;
        let (seen, run) = self.run(seconds)?;
        let hits = self.stage.hits()? - hits_before;
        let user = user_and_system(&server)?;
        if hits > 0 {
            let good = seen.requests.saturating_sub(seen.errors);
            // wrk hangs up on whom it still waits for.
            let most = seen.requests + seen.errors + u64::from(self.connections);
            ensure!(
                (good..=most).contains(&hits),
                "{good} good answers, but Redis counted {hits} hits"
            );
        }
        let per_request = |time| client::per_request_us(time, seen.requests);
        let of = |at: usize, pids: &[Pid]| (!pids.is_empty()).then(|| per_request(run.servers[at]));
        let user_ticks = user.0 - user_before.0;
        let ticks = user_ticks + user.1 - user_before.1;
        let figures = Figures {
            rate: seen.rate,
            p50_us: seen.p50_us,
            p99_us: seen.p99_us,
            errors: seen.errors,
            server_us: of(0, &server),
            user_share: user_ticks as f64 / ticks as f64,
            redis_us: of(1, &self.stage.redis()?),
            client_us: per_request(run.cpu),
            resident_bytes: resident_bytes(&server)?,
        };
        Ok((figures, run.foreign))
    }

    /// System calls a request, of the server and of Redis.
    pub(crate) fn count_syscalls(&self) -> anyhow::Result<Syscalls> {
        let on = |pids: Vec<Pid>| (!pids.is_empty()).then(|| Counter::on(&pids)).transpose();
        let (server, redis) = (on(self.stage.server()?)?, on(self.stage.redis()?)?);
        let (seen, _) = self.run(COUNTED_SECONDS)?;
        let per_request = |counter: Option<Counter>| -> anyhow::Result<Option<f64>> {
            let count = counter.map(Counter::read).transpose()?;
            Ok(count.map(|count| count as f64 / seen.requests as f64))
        };
        Ok(Syscalls {
            server: per_request(server)?,
            redis: per_request(redis)?,
        })
    }

    fn run(&self, seconds: u64) -> anyhow::Result<(Seen, Run)> {
        let servers = [self.stage.server()?, self.stage.redis()?];
        let run = |command: &mut Command| client::run(command, &servers, self.waiting);
        match self.load {
            Load::Wrk => {
                let url = self.stage.url();
                let script = &self.tools.script;
                let run = run(&mut wrk::command(&url, self.connections, seconds, script))?;
                let seen = wrk::Seen::of(&run.said)?;
                let seen = Seen {
                    requests: seen.requests,
                    rate: seen.rate(),
                    p50_us: seen.p50_us,
                    p99_us: seen.p99_us,
                    errors: seen.errors(),
                };
                Ok((seen, run))
            }
            Load::RedisBenchmark { pipeline, rate } => {
                let address = self.stage.redis_address;
                let requests = redis_benchmark::requests(rate, seconds);
                let mut command =
                    redis_benchmark::command(address, self.connections, pipeline, requests);
                let run = run(&mut command)?;
                let seen = redis_benchmark::Seen::of(&run.said)?;
                let seen = Seen {
                    requests,
                    rate: seen.rate,
                    p50_us: seen.p50_ms * 1e3,
                    p99_us: seen.p99_ms * 1e3,
                    errors: 0,
                };
                Ok((seen, run))
            }
        }
    }
}

/// Clock ticks in user mode and in the kernel.
fn user_and_system(pids: &[Pid]) -> anyhow::Result<(u64, u64)> {
    let mut sum = (0, 0);
    for pid in pids {
        let stat = Process::new(pid.as_raw())?.stat()?;
        sum.0 += stat.utime;
        sum.1 += stat.stime;
    }
    Ok(sum)
}

fn resident_bytes(pids: &[Pid]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        sum += Process::new(pid.as_raw())?
            .status()?
            .vmrss
            .unwrap_or_default()
            * 1_024;
    }
    Ok(sum)
}
