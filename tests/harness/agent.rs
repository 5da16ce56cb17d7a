//! The agent as a process.

use std::{
    cell::Cell,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Batch, eventually, wall_ns};

/// How long a start and an end may take. The kernel takes seconds to check the programs, and longer than a minute on an
/// emulated machine that others keep busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// A folder with the configuration, the state and the logs of one agent after another.
pub(crate) struct Home {
    folder: TempDir,
    starts: Cell<u32>,
    /// What the harness proves itself by to agents that ask who it is.
    token: Option<String>,
}

/// An agent that runs. Killed when dropped; a test that fails prints its log.
pub(crate) struct AgentProcess {
    process: Child,
    address: SocketAddr,
    /// What stands before all of its paths.
    prefix: String,
    token: Option<String>,
    output: Output,
}

/// Where a process writes to.
struct Output {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Home {
    /// A home with an empty configuration.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// A home with this configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgflux.toml"), configuration).unwrap();
        Self {
            folder,
            starts: Cell::new(0),
            token: None,
        }
    }

    /// Agents started from now on are asked with this token.
    pub(crate) fn bring(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes this the configuration from the next start or SIGHUP on.
    pub(crate) fn configure(&self, configuration: &str) {
        fs::write(self.path().join("cgflux.toml"), configuration).unwrap();
    }

    /// Starts an agent here and waits until it is ready.
    #[track_caller]
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> AgentProcess {
        self.start_with(&[], arguments)
    }

    /// The same with these environment variables.
    #[track_caller]
    pub(crate) fn start_with<A: AsRef<OsStr>>(
        &self,
        variables: &[(&str, &str)],
        arguments: &[A],
    ) -> AgentProcess {
        let mut command = self.command("run");
        command.args(arguments).envs(variables.iter().copied());
        self.launch(command, |mut it| it.spawn().unwrap())
    }

    /// Starts an agent here in the place of cAdvisor, by a command line of that, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start_cadvisor(&self, variables: &[(&str, &str)], line: &str) -> AgentProcess {
        let mut command = self.bare();
        command
            .arg("cadvisor")
            .args(line.split_whitespace())
            .env("CGFLUX_STATE_DIR", self.path().join("state"))
            .envs(variables.iter().copied());
        self.launch_as_it_is(command, "", |mut it| it.spawn().unwrap())
    }

    /// Starts an agent here by `start`, and waits until it is ready.
    #[track_caller]
    pub(crate) fn launch(
        &self,
        mut command: Command,
        start: impl FnOnce(Command) -> Child,
    ) -> AgentProcess {
        // Without TLS, whatever the others have.
        command.args(["--listen", "http://127.0.0.1:0"]);
        self.launch_as_it_is(command, "", start)
    }

    /// Starts an agent here whose paths begin with `prefix`, and waits until it is ready.
    #[track_caller]
    pub(crate) fn launch_below(&self, prefix: &str, mut command: Command) -> AgentProcess {
        command.args(["--listen", "127.0.0.1:0"]);
        self.launch_as_it_is(command, prefix, |mut it| it.spawn().unwrap())
    }

    #[track_caller]
    fn launch_as_it_is(
        &self,
        mut command: Command,
        prefix: &str,
        start: impl FnOnce(Command) -> Child,
    ) -> AgentProcess {
        let output = self.next_output();
        command
            .stdout(File::create(&output.stdout).unwrap())
            .stderr(File::create(&output.stderr).unwrap());
        let process = start(command);
        let mut agent = AgentProcess {
            process,
            address: ([127, 0, 0, 1], 0).into(),
            prefix: prefix.to_owned(),
            token: self.token.clone(),
            output,
        };
        agent.become_ready();
        agent
    }

    /// The program with one of its commands, this home's configuration and state, and nothing of the environment that
    /// would configure it.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = self.bare();
        command.args(verb.split(' '));
        if verb == "run" {
            command.arg("--state-dir").arg(self.path().join("state"));
        }
        command
    }

    /// The program with this home's configuration and nothing of the environment that would configure it.
    fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cgflux"));
        let ours = |name: &OsStr| name.to_string_lossy().starts_with("CGFLUX_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        for name in ["NODE_NAME", "RUNTIME_DIRECTORY", "STATE_DIRECTORY"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command.arg("--config").arg(self.path().join("cgflux.toml"));
        command
    }

    fn next_output(&self) -> Output {
        let start = self.starts.get();
        self.starts.set(start + 1);
        Output {
            stdout: self.path().join(format!("stdout-{start}")),
            stderr: self.path().join(format!("stderr-{start}")),
        }
    }
}

impl AgentProcess {
    #[track_caller]
    fn become_ready(&mut self) {
        self.address = eventually(PATIENCE, "the agent tells its address", || {
            self.assert_runs();
            let log = self.log();
            let (_, rest) = log
                .split_once("the live page is at http://")
                .ok_or(log.clone())?;
            let address = rest.split(['/', '\n']).next().unwrap_or_default();
            address.parse().ok().ok_or(log)
        });
        eventually(PATIENCE, "the agent is ready", || {
            self.assert_runs();
            self.get("/readyz")
        });
    }

    #[track_caller]
    fn assert_runs(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("the agent ended with {status}");
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The body of a good answer.
    pub(crate) fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // 1.0, so that the body comes unchunked and ends with the connection.
        let bearer = self.token.as_ref();
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n"));
        write!(
            stream,
            "GET {}{path} HTTP/1.0\r\nHost: {}\r\n{}\r\n",
            self.prefix,
            self.address,
            bearer.unwrap_or_default()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let good = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        good.then(|| body.to_owned())
            .ok_or_else(|| io::Error::other(answer.clone()))
    }

    /// `/api/v1/containers`: the latest batch.
    #[track_caller]
    pub(crate) fn batch(&self) -> Batch {
        let body = self.get("/api/v1/containers").unwrap();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The first batch whose counters are all read after this call.
    #[track_caller]
    pub(crate) fn next_batch(&self) -> Batch {
        let asked_ns = wall_ns();
        eventually(PATIENCE, "the next batch", || {
            let batch = self.batch();
            let age_ns = asked_ns - batch.taken;
            (age_ns < 0)
                .then_some(batch)
                .ok_or(format!("a batch {age_ns} ns too old"))
        })
    }

    /// The batch that follows `before`.
    #[track_caller]
    pub(crate) fn batch_after(&self, before: &Batch) -> Batch {
        self.batch_right_after(before).expect("no batch is missed")
    }

    /// The same; `None` if one was missed.
    #[track_caller]
    pub(crate) fn batch_right_after(&self, before: &Batch) -> Option<Batch> {
        let next = eventually(PATIENCE, "the next batch", || {
            let batch = self.batch();
            let newer = batch.taken > before.taken;
            newer.then_some(batch).ok_or("the same batch")
        });
        // The interval is measured on another clock, which is not read at the very same time.
        let missed_ns = next.taken - next.interval_ns - before.taken;
        (missed_ns < 50_000_000).then_some(next)
    }

    /// `/metrics`.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        self.get("/metrics").unwrap()
    }

    /// All it has logged.
    pub(crate) fn log(&self) -> String {
        read(&self.output.stderr)
    }

    /// All it has written to standard output.
    pub(crate) fn stdout(&self) -> String {
        read(&self.output.stdout)
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Sends SIGKILL and waits for the end.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually(PATIENCE, "the agent ends", || {
            self.process.try_wait().unwrap().ok_or("it runs")
        })
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            let metrics = self.get("/metrics").unwrap_or_default();
            let losses = metrics.lines().filter(|it| it.contains("_losses_total{"));
            println!("--- losses the agent counted ---");
            losses.for_each(|line| println!("{line}"));
            println!("--- its threads ---\n{}", threads(self.pid()));
            println!("--- log of the agent ---\n{}---", self.log());
        }
        // It may have ended already, and then there is nothing to kill.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What each thread of a process does: its name, state and CPU time so far, the system call that it is in, and where it
/// waits in the kernel.
fn threads(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let told = tasks.flatten().map(|task| {
        let file = |name: &str| read(&task.path().join(name));
        let (stat, syscall, stack) = (file("schedstat"), file("syscall"), file("stack"));
        let status = file("status");
        let line = |key: &str| {
            let of_key = status.lines().find_map(|line| line.strip_prefix(key));
            of_key.unwrap_or_default().trim().to_owned()
        };
        format!(
            "{}: {}; run, waited, turns: {}; {}\n{stack}",
            line("Name:"),
            line("State:"),
            stat.trim(),
            syscall.trim(),
        )
    });
    told.collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
