//! The delivery alone, without a kernel, as a process that can be killed: this test binary, started once more.
//!
//! It is told by lines on its standard input: line protocol, an empty line after each batch, and commands that begin
//! with `!`. It answers each command by one line that begins with `> `.

mod process;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::harness::{disk_folder, eventually};

/// How long something may take that takes a moment on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a disk that was away may go unused.
const DISK: Duration = Duration::from_secs(30);

/// Set for the process that is a delivery: the folder it lives in.
const HOME: &str = "CGFLUX_TEST_DELIVERY";

/// What it says when it takes points.
const READY: &str = "ready";

/// The folder of one delivery after another: configuration, state, log.
pub(super) struct Place {
    folder: PathBuf,
    /// Removed with it, unless the folder is another's.
    _own: Option<TempDir>,
}

impl Place {
    /// On a disk, with this configuration.
    pub(super) fn with(configuration: &str) -> Self {
        let own = disk_folder();
        let place = Self {
            folder: own.path().to_owned(),
            _own: Some(own),
        };
        place.configure(configuration);
        place
    }

    /// In a folder of the test's, such as a disk that fails.
    pub(super) fn within(folder: &Path, configuration: &str) -> Self {
        let place = Self {
            folder: folder.to_owned(),
            _own: None,
        };
        place.configure(configuration);
        place
    }

    /// Holds from the next start on.
    pub(super) fn configure(&self, configuration: &str) {
        let state = self.state();
        fs::create_dir_all(&state).unwrap();
        let text = format!(
            "state_dir = {:?}\n{configuration}",
            state.display().to_string()
        );
        fs::write(self.configuration(), text).unwrap();
    }

    /// Its folder.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// The folder of its state: spool, quarantine.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("cgflux.toml")
    }

    /// Starts a delivery here and waits until it takes points.
    #[track_caller]
    pub(super) fn start(&self) -> Delivery {
        self.start_by(Command::new(env::current_exe().unwrap()))
    }

    /// What a delivery says that may not start here.
    #[track_caller]
    pub(super) fn refusal(&self) -> String {
        let mut delivery = self.spawn(Command::new(env::current_exe().unwrap()));
        let said = delivery.answer();
        assert_ne!(said, READY);
        said
    }

    /// The same by a command that runs its last argument, such as `unshare`.
    #[track_caller]
    pub(super) fn start_by(&self, command: Command) -> Delivery {
        let mut delivery = self.spawn(command);
        assert_eq!(delivery.ask("!ready"), READY);
        delivery
    }

    fn spawn(&self, mut command: Command) -> Delivery {
        let log = fs::File::options();
        let log = log
            .clone()
            .append(true)
            .create(true)
            .open(self.folder.join("log"));
        let mut process = command
            .args(["--exact", process::TEST, "--nocapture", "--test-threads=1"])
            .env(HOME, &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        Delivery {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
            log: self.folder.join("log"),
        }
    }
}

/// A delivery that runs. Killed when dropped; a test that fails prints its log.
pub(super) struct Delivery {
    process: Child,
    /// Until it is to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
}

/// What its sinks say they did, by their names.
pub(super) type Sinks = BTreeMap<String, Told>;

/// What one sink says it did, in earlier processes too where it has a spool that remembers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Told {
    /// Points acknowledged.
    pub(super) sent: u64,
    /// Points lost, by reason.
    pub(super) lost: BTreeMap<String, u64>,
    /// Points that wait.
    pub(super) waiting: u64,
    /// Bytes of the files they wait in.
    pub(super) file_bytes: u64,
    /// Writes of this process that failed.
    pub(super) errors: u64,
    /// Why writing fails, while it does.
    pub(super) failing: Option<String>,
}

impl Told {
    /// Points lost for whatever reason.
    pub(super) fn all_lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

impl Delivery {
    /// Hands a batch to all sinks. They have it once a later command is answered.
    #[track_caller]
    pub(super) fn offer(&mut self, lines: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
    }

    /// The same from here on to a process that may be dead by now; whether it was taken is not known.
    pub(super) fn offer_blindly(&mut self, lines: &str) {
        let input = self.input.as_mut().unwrap();
        drop(input.write_all(format!("{lines}\n").as_bytes()));
    }

    /// Returns once all that was offered is where a crash does not reach it.
    #[track_caller]
    pub(super) fn keep(&mut self) {
        self.ask("!keep");
        eventually(DISK, "the disk is there", || {
            let log = self.log();
            let last = |message: &str| log.rfind(message);
            // It is tried again now and then.
            let is_there = last("cannot be kept on disk") <= last("the disk can be written again");
            is_there.then_some(()).ok_or(log)
        });
    }

    /// What its sinks did.
    #[track_caller]
    pub(super) fn sinks(&mut self) -> Sinks {
        let told = self.ask("!sinks");
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// What its only sink, or the first, did.
    #[track_caller]
    pub(super) fn told(&mut self) -> Told {
        self.sinks().into_values().next().unwrap_or_default()
    }

    /// Returns once nothing waits in any sink.
    #[track_caller]
    pub(super) fn settle(&mut self) -> Told {
        self.until("nothing waits", |sinks| {
            sinks.values().all(|sink| sink.waiting == 0)
        });
        self.told()
    }

    /// Returns once its sinks have come so far, with all that was offered.
    #[track_caller]
    pub(super) fn until(&mut self, what: &str, reached: impl Fn(&Sinks) -> bool) {
        // What was offered is on its way to the sinks, which know nothing of it yet.
        self.ask("!keep");
        eventually(PATIENCE, what, || {
            let sinks = self.sinks();
            reached(&sinks).then_some(()).ok_or(format!("{sinks:?}"))
        });
    }

    /// Ends it as the agent ends: with a last attempt. What it did, and what it says it lost.
    #[track_caller]
    pub(super) fn stop(mut self) -> Sinks {
        drop(self.input.take());
        let told = self.answer();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// Ends it as a crash would.
    pub(super) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// All that it and those before it have logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Bytes of memory that are its own: what is mapped from files is not.
    pub(super) fn own_memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Open files and sockets.
    pub(super) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid());
        fs::read_dir(folder).unwrap().count()
    }

    #[track_caller]
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    #[track_caller]
    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let length = self.output.read_line(&mut line).unwrap();
            assert!(length > 0, "the delivery has ended");
            // The test framework speaks too, and may have begun the line.
            if let Some((_, told)) = line.split_once("> ") {
                return told.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("--- log of the delivery ---\n{}---", self.log());
        }
        // It may have ended already, and then there is nothing to kill.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
