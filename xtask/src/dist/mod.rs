//! `cargo xtask dist`: packages, each of which holds the same staged tree.
//!
//! - `program`: the agent as it is packaged, and the glibc it asks for.
//! - `stage`: the tree that every package holds.
//! - `changelog`: the changes, in the words of each package manager.
//! - `third_party`: whose work the program is made of.
//! - `deb`, `nfpm`, `tarball`: what makes a package of the tree.
//! - `lint`: what lintian and rpmlint say of it.
//! - `report`: what there is at the end, how large, and its checksums.

mod changelog;
mod deb;
mod lint;
mod nfpm;
mod program;
mod report;
mod stage;
mod tarball;
mod third_party;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::{
    build_ebpf,
    foreign::Processor,
    session::Session,
    setup::{self, Purpose},
};
use program::Build;
use stage::Stage;

/// What is to be packaged, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Only these, parted by commas.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub(crate) format: Vec<Format>,
    /// Pack the debug build: quick to make, ten times as large, for trying the packages themselves.
    #[arg(long)]
    pub(crate) debug: bool,
    /// For another processor than this machine's: the static program in the .deb, Alpine's package and the archive.
    #[arg(long, value_enum, value_name = "PROCESSOR")]
    pub(crate) arch: Option<Processor>,
}

/// A kind of package.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// Debian, Ubuntu.
    Deb,
    /// Fedora, RHEL and their like, SUSE.
    Rpm,
    /// Alpine: the static program.
    Apk,
    /// Arch Linux.
    Arch,
    /// The static program in an archive, for every other system.
    Tar,
}

impl Format {
    /// Whether it holds the program that needs nothing of the system.
    fn is_static(self) -> bool {
        matches!(self, Self::Apk | Self::Tar)
    }

    /// Whether it may hold that program.
    fn can_be_static(self) -> bool {
        self.is_static() || self == Self::Deb
    }
}

/// Makes the packages, says what they are, and fails if a lint has something to say.
pub(crate) fn run(session: &Session, options: &Options) -> Result<()> {
    let purpose = match options.arch {
        None => Purpose::Packages,
        Some(_) => Purpose::ForeignPackages,
    };
    setup::ensure(session, purpose)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    let packages = folder(session, options);
    let made = make(session, options, &packages)?;
    session.output.step("Lint");
    lint::run(session, &made)?;
    report::tell(&packages, &made)
}

/// Builds the program that needs nothing of the system and gives its path.
pub(crate) fn static_program(session: &Session, release: bool) -> Result<PathBuf> {
    program::build(session, Build::Static { debug: !release })
}

/// The packages, in the order of [`Format`], into a folder, without having them looked at.
pub(crate) fn make(session: &Session, options: &Options, packages: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(packages).context("cannot make the packages' folder")?;
    session.reclaim_target()?;
    let mut made = Vec::new();
    for (build, wanted) in plan(options)? {
        session.output.step(build.step());
        let program = program::build(session, build)?;
        session.output.step("What the packages hold");
        let stage = Stage::lay(session, build, &program)?;
        for format in wanted {
            let package = match format {
                Format::Deb => deb::make(session, &stage, packages, options.debug)?,
                Format::Tar => tarball::make(session, &stage, packages)?,
                format => nfpm::make(session, format, &stage, packages)?,
            };
            made.push(package);
        }
    }
    Ok(made)
}

/// Which builds there are to be, and what is made of each.
fn plan(options: &Options) -> Result<Vec<(Build, Vec<Format>)>> {
    let debug = options.debug;
    let is_wanted = |it: &Format| options.format.is_empty() || options.format.contains(it);
    let wanted = |holds: &dyn Fn(Format) -> bool| -> Vec<_> {
        let all = Format::value_variants().iter().copied();
        all.filter(is_wanted).filter(|it| holds(*it)).collect()
    };
    if let Some(processor) = options.arch {
        let refused = options.format.iter().find(|it| !it.can_be_static());
        ensure!(
            refused.is_none(),
            "for another processor there is only the static program, which is in the .deb, Alpine's package and the archive"
        );
        let build = Build::Foreign { processor, debug };
        return Ok(vec![(build, wanted(&Format::can_be_static))]);
    }
    let mut plan = vec![
        (Build::Dynamic { debug }, wanted(&|it| !it.is_static())),
        (Build::Static { debug }, wanted(&Format::is_static)),
    ];
    plan.retain(|(_, wanted)| !wanted.is_empty());
    Ok(plan)
}

/// Where packages go: a folder a processor and a build, each with checksums of its own.
pub(crate) fn folder(session: &Session, options: &Options) -> PathBuf {
    let mut packages = session.tree.packages();
    packages.extend(options.arch.map(Processor::machine));
    packages.extend(options.debug.then_some("debug"));
    packages
}
