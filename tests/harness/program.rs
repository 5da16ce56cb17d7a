//! A server program that a test starts, kills, freezes and starts again.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// It ends with the test.
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    log: PathBuf,
    process: Child,
}

impl Program {
    /// Starts it; what it says is appended to `log`.
    pub(super) fn start(path: PathBuf, arguments: Vec<OsString>, log: PathBuf) -> Self {
        let process = spawn(&path, &arguments, &log);
        Self {
            path,
            arguments,
            log,
            process,
        }
    }

    /// The same once more, after its end.
    pub(super) fn start_again(&mut self) {
        self.process = spawn(&self.path, &self.arguments, &self.log);
    }

    /// Ends it as a crash would, frozen or not.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal: `SIGSTOP` freezes it, `SIGCONT` has it go on.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// What it has said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(path: &PathBuf, arguments: &[OsString], log: &PathBuf) -> Child {
    let log = fs::File::options().append(true).create(true).open(log);
    let log = log.unwrap();
    Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
