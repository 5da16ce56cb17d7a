//! A server that is ready to be measured, with a Redis of its own.

use std::{net::SocketAddr, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context as _, anyhow, ensure};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{
    Tools, client, http, machine, nginx,
    process::Process,
    variant::{Needs, Variant},
    waiting::Waiting,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// How many ask at once, and how often each, to see whether a counter counts.
const CLIENTS: usize = 64;
const ASKED: usize = 25;

/// What was started for a variant; it ends with the value, the server first.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    waiting: &'a Waiting,
    server: Option<Process>,
    redis: Option<Process>,
    /// Where HTTP is spoken.
    pub(crate) address: SocketAddr,
    /// Where Redis is, if there is one.
    pub(crate) redis_address: SocketAddr,
    _folder: TempDir,
}

impl<'a> Stage<'a> {
    /// Starts what the variant needs, and waits until it answers.
    pub(crate) fn set(
        variant: Variant,
        tools: &'a Tools,
        waiting: &'a Waiting,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(&tools.folder)?;
        let [port, redis_port, admin_port] = http::free_ports()?;
        let on_loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, redis_address) = (on_loopback(port), on_loopback(redis_port));
        let needs = variant.needs();
        let redis = match needs {
            Needs::Nginx => None,
            _ => Some(start_redis(redis_address, folder.path(), waiting)?),
        };
        let log = folder.path().join("server.log");
        let server = match needs {
            Needs::Nginx => Some(nginx::start(address, folder.path())?),
            Needs::Ours(mode) => {
                let mut web = Command::new(&tools.agent);
                web.args(["web", "--points=none"])
                    .arg(format!("--listen={address}"))
                    .arg(format!("--admin={}", on_loopback(admin_port)))
                    .arg(format!("--redis-address={redis_address}"))
                    .arg(format!("--redis-mode={mode}"));
                Some(Process::start(&mut web, log)?)
            }
            Needs::Go(flags) => {
                let mut go = Command::new(&tools.baseline);
                go.args(flags)
                    .arg(format!("-listen={address}"))
                    .arg(format!("-redis-address={redis_address}"));
                Some(Process::start(&mut go, log)?)
            }
            Needs::Redis(_) => None,
        };
        let mut stage = Self {
            waiting,
            server,
            redis,
            address,
            redis_address,
            _folder: folder,
        };
        if let Some(server) = &mut stage.server {
            let name = variant.name();
            waiting.until(&format!("an answer of {name}"), PATIENCE, || {
                server.said().context(name)?;
                Ok(http::get(address, "/").ok())
            })?;
        }
        Ok(stage)
    }

    /// Fails unless many at once are told every number of a row once, each of them in order, and Redis has counted as many.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.server.is_none() || self.redis.is_none() {
            return Ok(());
        }
        let before = self.hits()?;
        let told = told_at_once(self.address)?;
        let after = self.hits()?;
        let expected: Vec<u64> = (before + 1..=before + told.len() as u64).collect();
        ensure!(told == expected, "numbers were told twice, or left out");
        ensure!(
            after == before + told.len() as u64,
            "it told {} numbers, but Redis counted {} hits",
            told.len(),
            after - before
        );
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What Redis has counted; 0 where there is none.
    pub(crate) fn hits(&self) -> anyhow::Result<u64> {
        if self.redis.is_none() {
            return Ok(0);
        }
        let mut ask = Command::new("redis-cli");
        ask.args(["-p", &self.redis_address.port().to_string()])
            .args(["--raw", "GET", "hits"]);
        let said = client::to_its_end(&mut ask, self.waiting)?;
        match said.trim() {
            "" => Ok(0),
            hits => hits.parse().context("hits in Redis"),
        }
    }

    /// All processes of the server; none where Redis is alone.
    pub(crate) fn server(&self) -> anyhow::Result<Vec<Pid>> {
        all_of(self.server.as_ref())
    }

    /// Those of Redis; none where nginx is alone.
    pub(crate) fn redis(&self) -> anyhow::Result<Vec<Pid>> {
        all_of(self.redis.as_ref())
    }
}

/// What each of [`CLIENTS`] is told at once, in order of the numbers.
fn told_at_once(address: SocketAddr) -> anyhow::Result<Vec<u64>> {
    let ask = || -> anyhow::Result<Vec<u64>> {
        let told = (0..ASKED).map(|_| Ok(http::get(address, "/")?.parse()?));
        let told: Vec<u64> = told.collect::<anyhow::Result<_>>()?;
        ensure!(told.is_sorted(), "a later answer had a smaller number");
        Ok(told)
    };
    let told = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let told = clients.into_iter().map(|client| {
            let told = client.join();
            told.unwrap_or_else(|_| Err(anyhow!("a client has died")))
        });
        told.collect::<anyhow::Result<Vec<_>>>()
    });
    let mut told = told?.concat();
    told.sort_unstable();
    Ok(told)
}

fn all_of(process: Option<&Process>) -> anyhow::Result<Vec<Pid>> {
    process.map_or_else(|| Ok(Vec::new()), |it| machine::with_children(it.pid()))
}

/// Keeps nothing on disk.
fn start_redis(address: SocketAddr, folder: &Path, waiting: &Waiting) -> anyhow::Result<Process> {
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", &address.ip().to_string()])
        .args(["--port", &address.port().to_string()])
        .args(["--save", "", "--appendonly", "no"])
        .current_dir(folder);
    let mut redis = Process::start(&mut command, folder.join("redis.log"))?;
    waiting.until("Redis being ready", PATIENCE, || {
        let said = redis.said().context("Redis")?;
        Ok(said.contains("Ready to accept connections").then_some(()))
    })?;
    Ok(redis)
}
