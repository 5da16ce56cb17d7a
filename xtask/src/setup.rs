//! `cargo xtask setup`: finds out what is missing and, where apt can bring it, brings it.

use std::{
    env,
    io::{self, BufRead as _, IsTerminal as _},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    apt, command, compiler, elevate,
    failure::Failure,
    guard, influxd, linker,
    packages::{self, Facts, Need, Package},
    services,
    session::Session,
    versions,
};

/// What the machine is made ready for. Each takes what is built, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Building the kernel objects and the agent.
    Build,
    /// What the demo consists of.
    Demo,
    /// What the counter and its load are compared with.
    Benchmarks,
    /// What packs it and looks at packages.
    Packages,
    /// What packs it for another processor.
    ForeignPackages,
    /// What emulates machines.
    Machines,
    /// That, and what the Debian consists of that our package is installed in.
    PackagesMachine,
    /// What builds for another processor and emulates it.
    ForeignMachine,
    /// The real things that the tests run against, and what emulates machines.
    Tests,
    /// That, and all other machines.
    FullTests,
}

impl Purpose {
    /// Whether machines are all that is wanted.
    pub(crate) fn has_machines(self) -> bool {
        matches!(
            self,
            Self::Machines | Self::PackagesMachine | Self::ForeignMachine
        )
    }
}

/// Makes the machine ready, and compiles the linker so that a build has nothing left to fetch.
pub(crate) fn run(session: &Session) -> Result<()> {
    ensure(session, Purpose::Tests)?;
    linker::ensure(session)?;
    influxd::offer(session, false);
    session
        .output
        .note("Everything is there: `cargo xtask run` starts cgflux.");
    Ok(())
}

/// Installs what `purpose` needs and the machine lacks.
pub(crate) fn ensure(session: &Session, purpose: Purpose) -> Result<()> {
    let facts = gather(session);
    let missing = packages::missing(&facts, purpose);
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::is_here() {
        return Err(Failure::Unavailable(without_apt(session, &missing)).into());
    }
    announce(session, &missing);
    consent(session)?;
    install(session, &missing)?;

    let still = packages::missing(&gather(session), purpose);
    if still.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = still.iter().map(|package| package.name).collect();
    Err(Failure::Unavailable(format!("still missing after apt: {}", names.join(", "))).into())
}

fn gather(session: &Session) -> Facts {
    let programs = packages::TABLE.iter().filter_map(|package| package.program);
    // Where apt brings LLVM, its packages are looked at one by one: it comes in several.
    let llvm_by_hand = env::var_os("LLVM_PREFIX").is_some() || !apt::is_here();
    Facts {
        apt: apt::is_here(),
        compiler: compiler::find(&session.person).is_ok(),
        linker: linker::find(session).is_some()
            || (llvm_by_hand && linker::llvm_prefix().is_some()),
        library: command::read(Command::new("pkg-config").args(["--modversion", "libsystemd"]))
            .is_some(),
        docker_answers: services::docker_state().is_there(),
        installed: apt::installed(packages::TABLE.iter().map(|package| package.name)),
        programs: programs
            .filter(|program| command::find_program(program).is_some())
            .collect(),
    }
}

fn announce(session: &Session, missing: &[&Package]) {
    session.output.step("Packages to install");
    for package in missing {
        session
            .output
            .note(&format!("    {:16} {}", package.name, package.reason));
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if let Some(count) = apt::count_with_dependencies(&names) {
        session
            .output
            .note(&format!("    with what they depend on: {count} packages"));
    }
    session
        .output
        .note("    Nothing is removed, and no service is started.");
}

fn consent(session: &Session) -> Result<()> {
    if session.agreed {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::NeedsYes.into());
    }
    session.output.note("Install them? [Y/n]");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    match answer.trim().to_lowercase().as_str() {
        "" | "y" | "yes" => Ok(()),
        _ => anyhow::bail!("nothing was installed, and nothing can be built without it"),
    }
}

fn install(session: &Session, missing: &[&Package]) -> Result<()> {
    let names: Vec<_> = missing
        .iter()
        .map(|package| package.name.to_owned())
        .collect();
    let refresh = apt::lists_are_old() || !apt::without_candidate(&names).is_empty();
    let mut task = vec!["install".to_owned()];
    task.extend(refresh.then(|| "--refresh".to_owned()));
    task.extend(names);
    let mut install = elevate::as_root(session, task)?;
    session.output.command(&install);
    // Guarded, so that after Ctrl-C it is waited for: it has something to put away.
    let status = guard::run_elevated(&mut install, |_| Ok(()))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Reported(guard::exit_code(status)).into())
}

/// For a system without apt: everything that is missing and how to get it, in one message.
fn without_apt(session: &Session, missing: &[&Package]) -> String {
    let lacks = |need| missing.iter().any(|package| package.need == need);
    let mut parts = vec!["this system has no apt, so these have to come by hand:".to_owned()];
    if lacks(Need::Compiler) {
        let complaints = compiler::find(&session.person).err().unwrap_or_default();
        parts.push(no_compiler(&complaints));
    }
    if lacks(Need::Linker) {
        let (linker, llvm) = (versions::BPF_LINKER, versions::LLVM_MAJOR);
        parts.push(format!(
            "bpf-linker {linker}: `cargo binstall bpf-linker@{linker}`, or LLVM {llvm} with its \
             headers (LLVM_PREFIX names its folder) and xtask compiles it"
        ));
    }
    if lacks(Need::Library) {
        parts.push(
            "libsystemd with its headers, known to pkg-config: libsystemd-dev or systemd-devel; or \
             `cargo build --no-default-features`, without fields in the journal"
                .to_owned(),
        );
    }
    let programs = missing.iter().filter(|package| {
        !matches!(
            package.need,
            Need::Compiler | Need::Linker | Need::Library | Need::Machines
        )
    });
    parts.extend(programs.map(|package| {
        format!(
            "{}: {}",
            package.program.unwrap_or(package.name),
            package.reason
        )
    }));
    parts.join("\n\n")
}

/// Why no compiler can build the kernel objects, and what would.
pub(crate) fn no_compiler(complaints: &[String]) -> String {
    let (nightly, llvm) = (versions::NIGHTLY, versions::LLVM_MAJOR);
    let mut lines = vec![
        format!("a Rust compiler for the kernel objects, with LLVM {llvm} and its library source:"),
        format!("  rustup toolchain install {nightly} --profile minimal --component rust-src"),
        "  or, on Debian 12 with its security archive: apt-get install rustc-web cargo-web \
         rust-web-src"
            .to_owned(),
    ];
    lines.extend(
        complaints
            .iter()
            .map(|complaint| format!("  found: {complaint}")),
    );
    lines.join("\n")
}
