//! The counter in Go, to compare with: our own program with the redigo of the Go module proxy, compiled below
//! `target/tools`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};

use crate::{command, golang::Go, session::Session};

/// Where its source lies in the tree; `go.mod` and `go.sum` pin what it is built from.
const SOURCE: &str = "agent/examples/bench_web/baseline";

/// The program, compiled now if it must be.
pub(crate) fn ensure(session: &Session) -> Result<PathBuf> {
    let source = session.tree.root().join(SOURCE);
    let folder = session.tree.tools().join("bench-web-baseline");
    let program = folder.join("baseline");
    if is_newer(&program, &source).context("cannot look at the baseline's source")? {
        return Ok(program);
    }
    session.output.step("The counter in Go, to compare with");
    let build = folder.join("build");
    fs::create_dir_all(&build).context("cannot make the build folder")?;
    session.reclaim_target()?;
    let built = compile(session, &source, &build, &program);
    fs::remove_dir_all(&build).context("cannot remove the build folder")?;
    built.map(|()| program)
}

fn compile(session: &Session, source: &Path, build: &Path, program: &Path) -> Result<()> {
    let go = Go::working_in(build, session)?;
    let mut compile = go.command(session);
    compile
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .args([program, Path::new(".")])
        .env("CGO_ENABLED", "0")
        .current_dir(source);
    command::run_hidden(&session.output, "baseline", &mut compile)
}

/// Whether the program was made after its source was last changed.
fn is_newer(program: &Path, source: &Path) -> Result<bool> {
    let Ok(made) = fs::metadata(program).and_then(|program| program.modified()) else {
        return Ok(false);
    };
    let mut changed = SystemTime::UNIX_EPOCH;
    for file in fs::read_dir(source)? {
        changed = changed.max(file?.metadata()?.modified()?);
    }
    Ok(made > changed)
}
