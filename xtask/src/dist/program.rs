//! The agent as it is packaged, and what it asks of the system it runs on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::stage::DOCS;
use crate::{
    cargo, command,
    foreign::{self, Processor},
    session::Session,
    versions,
};

/// How the agent is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Build {
    /// With the system's C library and libsystemd.
    Dynamic {
        /// Unoptimized, as the tests have built it already.
        debug: bool,
    },
    /// With all that it needs in one file; it knows no libsystemd.
    Static {
        /// The same.
        debug: bool,
    },
    /// Such a one for another processor.
    Foreign {
        /// Which.
        processor: Processor,
        /// The same.
        debug: bool,
    },
}

impl Build {
    /// What is said before.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Dynamic { debug: false } => "Agent (once, some 4 min)",
            Self::Dynamic { debug: true } => "Agent, unoptimized",
            Self::Static { debug: false } => "Agent without libraries (once, some 4 min)",
            Self::Static { debug: true } => "Agent without libraries, unoptimized",
            Self::Foreign { debug: false, .. } => "Agent for another processor (once, some 12 min)",
            Self::Foreign { debug: true, .. } => "Agent for another processor, unoptimized",
        }
    }

    /// What it runs on, as `uname -m` tells it.
    pub(super) fn machine(self) -> &'static str {
        match self {
            Self::Foreign { processor, .. } => processor.machine(),
            _ => std::env::consts::ARCH,
        }
    }

    /// What strips it.
    pub(super) fn strip(self) -> String {
        match self {
            Self::Foreign { processor, .. } => processor.tool("strip"),
            _ => "strip".to_owned(),
        }
    }
}

/// Builds it and gives its path; one that would not run on the oldest system we name is refused.
pub(super) fn build(session: &Session, build: Build) -> Result<PathBuf> {
    if let Build::Foreign { processor, debug } = build {
        let program = foreign::build(session, processor, debug)?;
        check_static(session, &program)?;
        return Ok(program);
    }
    let mut arguments = vec!["build", "--bin", "cgflux"];
    match build {
        // As the tests build it, so that nothing is built twice.
        Build::Dynamic { debug: true } => arguments.extend(["--workspace", "--example", DOCS]),
        Build::Static { debug: true } => arguments.extend(["--package", "cgflux"]),
        _ => arguments.extend(["--package", "cgflux", "--profile", "dist"]),
    }
    let mut environment = Vec::new();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    if matches!(build, Build::Static { .. }) {
        // The target is named so that build scripts, which run here, are built as they always are.
        arguments.extend(["--no-default-features", "--target", &target]);
        environment.push(("RUSTFLAGS", "-C target-feature=+crt-static"));
    }
    let built = cargo::build_with(session, &arguments, &environment)?;
    let program = built
        .into_iter()
        .find(|executable| executable.target == "cgflux");
    let program = program.context("cargo built no agent")?.path;
    match build {
        Build::Dynamic { .. } => check_floor(session, &program)?,
        _ => check_static(session, &program)?,
    }
    Ok(program)
}

/// A version that a symbol asks for, as in `GLIBC_2.34`.
fn newest_glibc(symbols: &str) -> Option<(u32, u32)> {
    let versions = symbols.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
        let (major, minor) = rest[..end.unwrap_or(rest.len())].split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.max()
}

fn check_floor(session: &Session, program: &Path) -> Result<()> {
    let symbols = command::read(Command::new("objdump").arg("-T").arg(program))
        .context("objdump cannot read the agent's symbols")?;
    let newest = newest_glibc(&symbols).context("the agent asks for no glibc")?;
    let floor = versions::GLIBC_FLOOR;
    ensure!(
        newest <= floor,
        "the agent asks for glibc {}.{}, and the packages promise {}.{}: build it on an older system, or raise the floor \
         in xtask/src/versions.rs, agent/Cargo.toml, packaging/nfpm.yaml and README",
        newest.0,
        newest.1,
        floor.0,
        floor.1
    );
    session.output.note(&format!(
        "    it asks for glibc {}.{} or newer, of {}.{} that the packages promise",
        newest.0, newest.1, floor.0, floor.1
    ));
    Ok(())
}

fn check_static(session: &Session, program: &Path) -> Result<()> {
    // Unlike objdump it reads programs of any processor.
    let entries = command::read(Command::new("readelf").arg("-d").arg(program))
        .context("readelf cannot read what the agent needs")?;
    if let Some(needed) = entries.lines().find(|line| line.contains("NEEDED")) {
        bail!("the static agent asks for {}", needed.trim());
    }
    session.output.note("    it asks for no library");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_is_found_by_number() {
        let symbols = "0 DF *UND* 0 (GLIBC_2.9)  malloc\n0 DF *UND* 0 (GLIBC_2.34) __libc_start_main\n\
                       0 DF *UND* 0 (GLIBC_2.2.5) read\n0 DF *UND* 0 (LIBSYSTEMD_209) sd_notify\n";
        assert_eq!(newest_glibc(symbols), Some((2, 34)));
        assert_eq!(newest_glibc("no symbols"), None);
    }
}
