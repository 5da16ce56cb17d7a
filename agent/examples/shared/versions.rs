//! What was measured, by what each program says of itself.

use std::{ffi::OsStr, process::Command};

use anyhow::Context as _;

/// The first line that it prints when asked with `flag`, wherever and with whatever exit code.
pub(crate) fn first_line(program: impl AsRef<OsStr>, flag: &str) -> anyhow::Result<String> {
    let program = program.as_ref();
    let said = Command::new(program).arg(flag).output();
    let said = said.with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
