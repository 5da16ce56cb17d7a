//! Runs other programs: shown, hidden behind a spinner, or read.

use std::{
    io::{self, BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::output::Output;

/// Runs a command whose own output is worth seeing.
pub(crate) fn run(output: &Output, command: &mut Command) -> Result<()> {
    output.command(command);
    let status = command.status().with_context(|| cannot_run(command))?;
    if status.success() {
        return Ok(());
    }
    bail!("`{}` failed ({status})", name(command))
}

/// Runs a command whose output matters only if it fails; then all of it is shown.
pub(crate) fn run_hidden(output: &Output, label: &str, command: &mut Command) -> Result<()> {
    output.command(command);
    if output.is_verbose() {
        let status = command.status().with_context(|| cannot_run(command))?;
        return if status.success() {
            Ok(())
        } else {
            bail!("{label} failed ({status})")
        };
    }
    let waiting = output.waiting(label);
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn().with_context(|| cannot_run(command))?;
    // The command holds our ends of the pipe; while it does, reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut said = String::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        waiting.tell(&line);
        said.push_str(&line);
        said.push('\n');
    }
    let status = child.wait()?;
    if status.success() {
        waiting.done();
        return Ok(());
    }
    drop(waiting);
    output.note(&said);
    bail!("{label} failed ({status})")
}

/// What a command prints, `None` where it cannot be run or fails.
pub(crate) fn read(command: &mut Command) -> Option<String> {
    let result = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    result
        .status
        .success()
        .then(|| String::from_utf8_lossy(&result.stdout).into_owned())
}

/// The program's name without its folder.
pub(crate) fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    program.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The message for a program that does not even start.
pub(crate) fn cannot_run(command: &Command) -> String {
    format!("cannot run `{}`", command.get_program().to_string_lossy())
}

/// Where the shell would find a program; system administration folders count too.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_gives_nothing_to_read() {
        assert_eq!(
            read(Command::new("sh").args(["-c", "echo 1"])),
            Some("1\n".to_owned())
        );
        assert_eq!(
            read(Command::new("sh").args(["-c", "echo 1; exit 3"])),
            None
        );
        assert_eq!(read(&mut Command::new("no-such-program-here")), None);
    }

    #[test]
    fn a_hidden_command_that_fails_says_how() {
        let output = Output::new(false, true);
        let failed = run_hidden(
            &output,
            "the step",
            Command::new("sh").args(["-c", "exit 3"]),
        );
        assert_eq!(
            failed.unwrap_err().to_string(),
            "the step failed (exit status: 3)"
        );
    }
}
