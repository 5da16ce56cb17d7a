//! `cargo xtask test`: unit tests as the person, system tests as root, one sum.

mod system;

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{
    archive, build_ebpf, cargo, command, containers, dashboards, dist, guard,
    guest::{self, Guest},
    influxd,
    libtest::{self, Tally},
    output::show,
    session::Session,
    setup::{self, Purpose},
    vm,
};

/// The test binary that drives the real agent, declared in `agent/Cargo.toml`.
const SYSTEM: &str = "system";

/// Where system tests may leave files.
const RUN_FOLDER: &str = "CGFLUX_TEST_RUN";

/// Where the system tests find packages to install, and the Debians to install them in.
const PACKAGES: &str = "CGFLUX_TEST_PACKAGES";
const GUEST: &str = "CGFLUX_TEST_GUEST";
const OLDEST_GUEST: &str = "CGFLUX_TEST_OLDEST_GUEST";

/// The module of the system tests that installs them.
const PACKAGES_MODULE: &str = "packages";

/// The system tests that compare with a cAdvisor have this in their names.
const CADVISOR_TESTS: &str = "cadvisor_api";

/// Tells them to inject faults as often and as long as the long forms of `tests/README.md` say.
const FULL: &str = "CGFLUX_TESTS_FULL=1";

/// Runs all tests, or those whose name contains `filter`.
///
/// The machines have one test each, so a filter leaves them out, unless it names them.
pub(crate) fn run(session: &Session, filter: Option<&str>, full: bool) -> Result<u8> {
    let purpose = if full {
        Purpose::FullTests
    } else {
        Purpose::Tests
    };
    setup::ensure(session, purpose)?;
    session.output.step("Kernel objects");
    build_ebpf::build(session)?;
    influxd::offer(session, full);
    containers::offer(session, filter)?;
    if libtest::asks_for(filter, CADVISOR_TESTS) {
        archive::CADVISOR.offer(session);
    }
    session.output.step("Tests");
    let mut built = cargo::build(session, &["test", "--workspace", "--tests", "--no-run"])?;
    // Cargo names them in the order in which they happened to be ready.
    built.sort_by(|one, other| one.path.cmp(&other.path));
    let (system, unit): (Vec<_>, Vec<_>) = built
        .into_iter()
        .filter(|executable| executable.is_test)
        .partition(|executable| executable.target == SYSTEM && executable.kind == "test");

    let mut tally = Tally::default();
    for executable in &unit {
        session.output.step(&format!(
            "Tests of {} ({})",
            executable.target, executable.kind
        ));
        let mut tests = session.person.command(&executable.path);
        tests.args(filter).current_dir(&executable.package);
        tests.env("CARGO_MANIFEST_DIR", &executable.package);
        count_unit(session, &mut tests, &mut tally)?;
    }
    session.output.step("Tests in the docs");
    let mut docs = cargo::cargo(session, &["test", "--workspace", "--doc", "--quiet"]);
    count_unit(session, docs.args(filter), &mut tally)?;
    let surroundings = surroundings(session, filter, full);
    for executable in &system {
        for group in system::groups(filter) {
            session.output.step(group.title);
            group.count(session, executable, &surroundings, &mut tally)?;
            ensure!(!guard::is_stopped(), "stopped");
        }
    }
    if filter.is_none_or(|filter| dashboards::typed::TEST.contains(filter)) {
        dashboards::typed::tier(session, &mut tally);
    }
    if filter.is_none_or(|filter| filter == vm::TEST) {
        vm::tier(session, full, &mut tally);
    }
    conclude(session, &tally, filter)
}

/// What the system tests are told by their environment.
fn surroundings(session: &Session, filter: Option<&str>, full: bool) -> Vec<String> {
    let mut told = vec![format!("{RUN_FOLDER}={}", session.tree.run().display())];
    told.extend(full.then(|| FULL.to_owned()));
    // The tests of the packages say so themselves where there are none; others have no need of them.
    if filter.is_some_and(|filter| !filter.starts_with(PACKAGES_MODULE)) {
        return told;
    }
    match packages(session) {
        Ok(more) => told.extend(more),
        Err(error) => session
            .output
            .warn(&format!("no packages to test: {error:#}")),
    }
    told
}

/// Where the packages are, and the archives of the Debians to install them in. The packages are made twice, for a test to
/// compare.
fn packages(session: &Session) -> Result<Vec<String>> {
    let options = dist::Options {
        format: vec![dist::Format::Deb, dist::Format::Rpm, dist::Format::Tar],
        debug: true,
        arch: None,
    };
    let folder = dist::folder(session, &options);
    for folder in [&folder, &folder.join("again")] {
        dist::make(session, &options, folder)?;
    }
    let guest = guest::ensure(session, Guest::Bookworm)?;
    let oldest = guest::ensure(session, Guest::Bullseye)?;
    let told = [(PACKAGES, folder), (GUEST, guest), (OLDEST_GUEST, oldest)];
    Ok(told
        .map(|(name, path)| format!("{name}={}", path.display()))
        .into())
}

fn count_unit(session: &Session, tests: &mut Command, tally: &mut Tally) -> Result<()> {
    session.output.command(tests);
    let failed_before = tally.failed();
    let mut child = tests
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| command::cannot_run(tests))?;
    tally.read(
        child.stdout.take().context("the tests have no output")?,
        show,
    )?;
    if !child.wait()?.success() {
        tally.ended_badly(failed_before);
    }
    Ok(())
}

fn conclude(session: &Session, tally: &Tally, filter: Option<&str>) -> Result<u8> {
    ensure!(
        !tally.is_empty(),
        "no test's name contains `{}`",
        filter.unwrap_or_default()
    );
    tally.conclude(session);
    Ok(u8::from(tally.failed() > 0))
}
