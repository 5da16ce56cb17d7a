//! The system tests: which of them together, as root, and once more where they failed.

use std::{
    ffi::OsString,
    io,
    process::{ChildStdout, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    cargo::Executable,
    elevate, guard,
    libtest::{self, Tally},
    output::show,
    session::Session,
};

/// Tests that are run together.
pub(super) struct Group<'a> {
    pub(super) title: &'static str,
    /// So many at a time.
    threads: &'static str,
    /// What tells libtest which.
    which: Vec<&'a str>,
}

/// These measure no kernel: they wait for servers, each for its own, most of the time.
const FAULTS: &str = "faults::";

/// All tests, or those whose name contains `filter`.
pub(super) fn groups(filter: Option<&str>) -> Vec<Group<'_>> {
    // They measure one kernel.
    let alone = |which| Group {
        title: "System tests, as root",
        threads: "1",
        which,
    };
    let Some(filter) = filter else {
        let faults = Group {
            title: "System tests of what fails, as root, three at a time",
            threads: "3",
            which: vec![FAULTS],
        };
        return vec![faults, alone(vec!["--skip", FAULTS])];
    };
    vec![alone(vec![filter])]
}

impl Group<'_> {
    /// Tries those that failed once more, alone: they measure a kernel that others use too, and a few may have met with bad
    /// luck.
    pub(super) fn count(
        &self,
        session: &Session,
        executable: &Executable,
        surroundings: &[String],
        tally: &mut Tally,
    ) -> Result<()> {
        let failed_before = tally.failed();
        let mut failed = Vec::new();
        let which = self.which.iter().copied();
        let status = run(
            session,
            executable,
            self.threads,
            which,
            surroundings,
            |output| {
                failed = tally.read(output, show)?;
                Ok(())
            },
        )?;
        if !status.success() {
            tally.ended_badly(failed_before);
        }
        if libtest::is_tried_again(&failed) && !guard::is_stopped() {
            session.output.step("System tests that failed, once more");
            let exactly = failed.iter().map(String::as_str).chain(["--exact"]);
            run(session, executable, "1", exactly, surroundings, |output| {
                tally.read_again(&failed, output, show)
            })?;
        }
        Ok(())
    }
}

fn run<'a>(
    session: &Session,
    executable: &Executable,
    threads: &str,
    arguments: impl IntoIterator<Item = &'a str>,
    surroundings: &[String],
    read: impl FnOnce(ChildStdout) -> io::Result<()>,
) -> Result<ExitStatus> {
    let mut task: Vec<OsString> = ["exec", "--docker", "--directory"].map(Into::into).to_vec();
    task.push(executable.package.clone().into());
    // By env(1), since sudo lets no other setting through.
    task.extend(["--".into(), "env".into()]);
    task.extend(surroundings.iter().map(OsString::from));
    task.push(executable.path.clone().into());
    // What those that passed have measured is shown too.
    task.extend([
        format!("--test-threads={threads}").into(),
        "--show-output".into(),
    ]);
    task.extend(arguments.into_iter().map(OsString::from));
    let mut elevated = elevate::as_root(session, task)?;
    guard::run_elevated(elevated.stdout(Stdio::piped()), |child| {
        let output = child.stdout.take().context("the tests have no output")?;
        read(output).context("cannot read the tests' output")
    })
}
