//! A real `InfluxDB` of each line that is compiled, to test against: by a Go, once, and kept.
//!
//! What a build leaves behind, but for the program, is removed: 800 MB of 1.8, 2.8 GB of 2.7.

mod v1;
mod v2;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{command, golang::Go, session::Session, versions};

/// One that is compiled here.
struct Release {
    version: &'static str,
    /// What is said before.
    step: &'static str,
    /// Makes the program with this Go, in a folder that is removed afterwards.
    compile: fn(&Session, &Go, &Path) -> Result<()>,
}

const V1: Release = Release {
    version: versions::INFLUXD,
    step: "An InfluxDB with the 2.x write API, to test with (once, some 3 min)",
    compile: v1::compile,
};

const V2: Release = Release {
    version: versions::INFLUXD_2,
    step: "An InfluxDB 2, to test with (once, some 10 min)",
    compile: v2::compile,
};

/// Has the programs lie where the tests look for them: 1.8, and 2.7 with the long forms of the tests. Without one its
/// tests skip themselves, so nothing is lost but they.
pub(crate) fn offer(session: &Session, full: bool) {
    let releases = if full { &[V1, V2][..] } else { &[V1] };
    for release in releases {
        if let Err(error) = ensure(session, release) {
            let version = release.version;
            session
                .output
                .warn(&format!("no InfluxDB {version} to test with: {error:#}"));
        }
    }
}

fn ensure(session: &Session, release: &Release) -> Result<()> {
    let version = release.version;
    let folder = session.tree.tools().join(format!("influxd-{version}"));
    let program = folder.join("bin/influxd");
    if is_version(session, &program, version) {
        return Ok(());
    }
    session.output.step(release.step);
    let build = folder.join("build");
    fs::create_dir_all(&build).context("cannot make the build folder")?;
    session.reclaim_target()?;
    let built = compile(session, release, &build, &program);
    // Half a build is of no use to the next attempt's fresh one.
    fs::remove_dir_all(&build).context("cannot remove the build folder")?;
    built?;
    anyhow::ensure!(
        is_version(session, &program, version),
        "it does not run here"
    );
    Ok(())
}

fn compile(session: &Session, release: &Release, build: &Path, program: &Path) -> Result<()> {
    let go = Go::working_in(build, session)?;
    (release.compile)(session, &go, program)
}

fn is_version(session: &Session, program: &Path, version: &str) -> bool {
    let said = command::read(session.person.command(program).arg("version"));
    said.is_some_and(|said| said.contains(&format!("v{version}")))
}
