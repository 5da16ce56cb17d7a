//! The Docker that the tests run against: the one that answers, else one of our own.
//!
//! Our own has its data below `target/` and a network namespace to itself. A second daemon in the
//! first one's network namespace removes the first one's bridge, and a daemon leaves its bridge
//! and firewall rules behind when it ends: both end with the namespace.

use std::{
    env, fs,
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{ask, cgroup, command, output::Output, tree::Tree};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Sockets and process ids of our own daemon. Not below `target/`: the path of a socket holds 107
/// bytes, which a clone in a deep folder exceeds.
const RUNTIME: &str = "/run/cgflux-dockerd";

/// Told by the daemon when it serves.
const SERVES: &str = "API listen on";

const START_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// What can be said of Docker without being root.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DockerState {
    /// It answers.
    Answers,
    /// There is a socket that only others may use.
    Refuses,
    /// Nothing is there.
    Silent,
}

impl DockerState {
    /// Whether a daemon is there, usable by us or not.
    pub(crate) fn is_there(self) -> bool {
        self != Self::Silent
    }
}

/// Asks the daemon that `DOCKER_HOST` names, else the one at the usual place.
pub(crate) fn docker_state() -> DockerState {
    match ping(&docker_host()) {
        Ok(()) => DockerState::Answers,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => DockerState::Refuses,
        Err(_) => DockerState::Silent,
    }
}

fn docker_host() -> String {
    env::var("DOCKER_HOST").unwrap_or_else(|_| format!("unix://{DEFAULT_SOCKET}"))
}

fn ping(host: &str) -> io::Result<()> {
    if let Some(socket) = host.strip_prefix("unix://") {
        return ask::unix(Path::new(socket), "/_ping").map(drop);
    }
    let address = host
        .strip_prefix("tcp://")
        .and_then(|address| address.parse().ok());
    let unknown = || io::Error::other("not an address that xtask can ask");
    ask::tcp(address.ok_or_else(unknown)?, "/_ping").map(drop)
}

/// A Docker to test with.
#[derive(Debug)]
pub(crate) struct Docker {
    host: String,
    own: Option<OwnDaemon>,
}

impl Docker {
    /// The daemon that answers; where none does and none runs, a new one. Needs root.
    pub(crate) fn ensure(output: &Output, tree: &Tree) -> Result<Self> {
        if docker_state() == DockerState::Answers {
            return Ok(Self {
                host: docker_host(),
                own: None,
            });
        }
        if let Some(pid) = running_daemon() {
            bail!("dockerd runs (process {pid}) but does not answer: set DOCKER_HOST");
        }
        let own = OwnDaemon::start(output, tree)?;
        Ok(Self {
            host: format!("unix://{RUNTIME}/docker.sock"),
            own: Some(own),
        })
    }

    /// What `DOCKER_HOST` is to be.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Ends what was started here, and nothing else.
    pub(crate) fn stop(self, output: &Output) -> Result<()> {
        self.own.map_or(Ok(()), |own| own.stop(output))
    }
}

/// Any daemon, whatever socket it listens on; one in a container is in nobody's way.
fn running_daemon() -> Option<u32> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let ours = namespace("self");
    let processes = fs::read_dir("/proc").ok()?;
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "dockerd\n")
                && namespace(&pid.to_string()) == ours
        })
}

/// A daemon that xtask started.
#[derive(Debug)]
struct OwnDaemon {
    daemon: Child,
    /// Its lines; ends when it has ended.
    said: Receiver<String>,
    data: PathBuf,
}

impl OwnDaemon {
    fn start(output: &Output, tree: &Tree) -> Result<Self> {
        let data = tree.run().join("docker");
        let runtime = Path::new(RUNTIME);
        fs::create_dir_all(&data).context("cannot make Docker's data folder")?;
        fs::create_dir_all(runtime).context("cannot make Docker's runtime folder")?;
        fs::set_permissions(runtime, fs::Permissions::from_mode(0o700))?;
        // Its own configuration, since the machine's may contradict the flags.
        fs::write(runtime.join("daemon.json"), "{}\n")?;
        let log = tree.run().join("docker.log");
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;

        let mut start = Command::new("unshare");
        // With a loopback that is up, as that of a host, which containers in the host's network share.
        let with_loopback = "ip link set lo up; exec dockerd \"$@\"";
        start.args(["--net", "sh", "-c", with_loopback, "dockerd", "--data-root"]);
        start.arg(&data);
        start
            .args(["--exec-root", RUNTIME, "--config-file"])
            .arg(runtime.join("daemon.json"));
        start.arg("--pidfile").arg(runtime.join("dockerd.pid"));
        start.args(["-H", &format!("unix://{RUNTIME}/docker.sock")]);
        output.command(&start);
        let waiting = output.waiting("Docker for the tests");
        let mut daemon = start
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| command::cannot_run(&start))?;
        let said = follow(daemon.stderr.take().context("dockerd has no output")?, log);
        let own = Self { daemon, said, data };
        if own.serves() {
            waiting.done();
            return Ok(own);
        }
        own.stop(output)?;
        bail!("dockerd did not start: target/run/docker.log says why")
    }

    /// Waits for the daemon's own word, no longer than the deadline after its last line.
    fn serves(&self) -> bool {
        while let Ok(line) = self.said.recv_timeout(START_DEADLINE) {
            if line.contains(SERVES) {
                return true;
            }
        }
        false
    }

    fn stop(mut self, output: &Output) -> Result<()> {
        let pid = Pid::from_raw(self.daemon.id().try_into()?);
        kill(pid, Signal::SIGTERM).context("cannot stop dockerd")?;
        loop {
            match self.said.recv_timeout(STOP_DEADLINE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    output.warn("dockerd does not end and is killed");
                    self.daemon.kill().context("cannot kill dockerd")?;
                    break;
                }
            }
        }
        self.daemon.wait().context("cannot wait for dockerd")?;
        self.clear_away()
    }

    /// What a daemon leaves behind: mounts, folders, its empty cgroups.
    fn clear_away(&self) -> Result<()> {
        let places = [self.data.as_path(), Path::new(RUNTIME)];
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Inner mounts come after outer ones.
        for mount in mounts
            .lines()
            .rev()
            .filter_map(|line| line.split(' ').nth(4))
        {
            if places
                .iter()
                .any(|place| Path::new(mount).starts_with(place))
            {
                umount2(mount, MntFlags::MNT_DETACH)
                    .with_context(|| format!("cannot unmount {mount}"))?;
            }
        }
        for place in places {
            fs::remove_dir_all(place)
                .with_context(|| format!("cannot remove {}", place.display()))?;
        }
        for hierarchy in cgroup::hierarchies() {
            // It stays where somebody has something in it.
            drop(fs::remove_dir(hierarchy.mount.join("docker")));
        }
        Ok(())
    }
}

/// Copies a daemon's lines to its log and hands them on to whoever still listens.
fn follow(stderr: impl io::Read + Send + 'static, mut log: File) -> Receiver<String> {
    // Somebody listens only at start and stop; in between lines go to the log alone.
    let (sender, said) = sync_channel(64);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // A log that cannot be written must not stop the daemon.
            drop(writeln!(log, "{line}"));
            drop(sender.try_send(line));
        }
    });
    said
}
