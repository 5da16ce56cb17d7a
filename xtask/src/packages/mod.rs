//! What a Debian-like system must bring, and which of it is missing.
//!
//! Pure: facts in, packages out. Elsewhere the same table says which programs to look for.

mod table;

use std::collections::BTreeSet;

use crate::setup::Purpose;
pub(crate) use table::TABLE;

/// What a package is needed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// Compiling the kernel objects, where no rustup nightly can.
    Compiler,
    /// Compiling `bpf-linker`.
    Linker,
    /// Linking the agent with libsystemd.
    Library,
    /// A Docker to test against.
    Docker,
    /// Making and looking at packages.
    Packages,
    /// What emulates machines, to test on other kernels. Those are Debian's, so only apt brings them.
    Machines,
    /// What any machine's kernel is trusted by.
    Keys,
    /// What makes a Debian to install packages in.
    Debian,
    /// Building for another processor.
    Foreign,
    /// What emulates another processor, for the full tests alone.
    ForeignMachine,
    /// What test containers and machines are made of.
    Userland,
    /// What the demo consists of besides, which the tests use too.
    Demo,
    /// The tests' other real things.
    Tests,
    /// What the counter counts in, for demo, benchmarks and tests.
    Counter,
    /// What the page is tested behind, and the counter compared with.
    Proxy,
    /// What the counter and its load are compared with besides.
    Benchmarks,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    /// Printed beside the name.
    pub(crate) reason: &'static str,
    /// The program that shows, on any system, that this is there without the package. `None` where
    /// no program can show it.
    pub(crate) program: Option<&'static str>,
    /// Units that the package would start at boot.
    pub(crate) units: &'static [&'static str],
}

/// What is there already.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, found in a way of its own"
)]
pub(crate) struct Facts {
    /// This system has apt.
    pub(crate) apt: bool,
    /// A compiler for the kernel objects was found.
    pub(crate) compiler: bool,
    /// `bpf-linker` was found.
    pub(crate) linker: bool,
    /// pkg-config knows libsystemd.
    pub(crate) library: bool,
    /// A Docker daemon answers, or refuses this person.
    pub(crate) docker_answers: bool,
    /// Names of installed packages.
    pub(crate) installed: BTreeSet<String>,
    /// Programs of the table that were found.
    pub(crate) programs: BTreeSet<&'static str>,
}

/// The packages to install for that purpose.
pub(crate) fn missing(facts: &Facts, purpose: Purpose) -> Vec<&'static Package> {
    TABLE
        .iter()
        .filter(|package| is_wanted(package, facts, purpose))
        .collect()
}

fn is_wanted(package: &Package, facts: &Facts, purpose: Purpose) -> bool {
    let is_for = |purposes: &[Purpose]| purposes.contains(&purpose);
    let is_for_tests = is_for(&[Purpose::Tests, Purpose::FullTests]);
    let needed = match package.need {
        Need::Compiler => !facts.compiler,
        Need::Linker => !facts.linker,
        Need::Library => !facts.library,
        Need::Machines => {
            facts.apt && (is_for_tests || is_for(&[Purpose::Machines, Purpose::PackagesMachine]))
        }
        Need::Keys => facts.apt && (is_for_tests || purpose.has_machines()),
        Need::Userland => is_for_tests || purpose.has_machines(),
        Need::Debian => is_for_tests || purpose == Purpose::PackagesMachine,
        Need::Foreign => is_for(&[
            Purpose::ForeignPackages,
            Purpose::ForeignMachine,
            Purpose::FullTests,
        ]),
        Need::ForeignMachine => facts.apt && is_for(&[Purpose::ForeignMachine, Purpose::FullTests]),
        Need::Docker => is_for_tests && !facts.docker_answers,
        Need::Demo => is_for_tests || is_for(&[Purpose::Demo, Purpose::PackagesMachine]),
        Need::Tests => is_for_tests,
        Need::Counter => is_for_tests || is_for(&[Purpose::Demo, Purpose::Benchmarks]),
        Need::Proxy => is_for_tests || purpose == Purpose::Benchmarks,
        Need::Benchmarks => purpose == Purpose::Benchmarks,
        Need::Packages => is_for_tests || is_for(&[Purpose::Packages, Purpose::ForeignPackages]),
    };
    let there = facts.installed.contains(package.name)
        || package
            .program
            .is_some_and(|program| facts.programs.contains(program));
    needed && !there
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(facts: &Facts, purpose: Purpose) -> Vec<&'static str> {
        missing(facts, purpose)
            .iter()
            .map(|package| package.name)
            .collect()
    }

    #[test]
    fn a_bare_system_needs_the_compiler_the_linker_and_a_library_to_build() {
        let build = [
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            "llvm-22-dev",
            "libpolly-22-dev",
            "libsystemd-dev",
            "pkg-config",
        ];
        assert_eq!(names(&Facts::default(), Purpose::Build), build);
        let with_apt = Facts {
            apt: true,
            ..Facts::default()
        };
        let all_but = |needs: &[Need]| {
            let rest = TABLE.iter().filter(|it| !needs.contains(&it.need));
            rest.count()
        };
        let tests = names(&with_apt, Purpose::Tests).len();
        let foreign = [Need::Benchmarks, Need::Foreign, Need::ForeignMachine];
        assert_eq!(tests, all_but(&foreign));
        let full = names(&with_apt, Purpose::FullTests).len();
        assert_eq!(full, all_but(&[Need::Benchmarks]));
    }

    #[test]
    fn a_benchmark_of_the_counter_needs_redis_and_rivals_and_no_docker() {
        let facts = Facts {
            apt: true,
            compiler: true,
            linker: true,
            library: true,
            ..Facts::default()
        };
        let rivals = ["redis-server", "nginx-light", "wrk"];
        assert_eq!(names(&facts, Purpose::Benchmarks), rivals);
    }

    #[test]
    fn a_nightly_and_a_linker_make_every_build_package_unneeded() {
        let facts = Facts {
            compiler: true,
            linker: true,
            library: true,
            ..Facts::default()
        };
        assert_eq!(names(&facts, Purpose::Build), [""; 0]);
    }

    #[test]
    fn a_library_from_elsewhere_is_not_installed_again() {
        let facts = Facts {
            library: true,
            ..Facts::default()
        };
        assert!(!names(&facts, Purpose::Build).contains(&"libsystemd-dev"));
        assert!(!names(&facts, Purpose::Build).contains(&"pkg-config"));
    }

    #[test]
    fn a_docker_that_answers_is_never_replaced() {
        let facts = Facts {
            docker_answers: true,
            ..Facts::default()
        };
        assert!(!names(&facts, Purpose::Tests).contains(&"docker.io"));
        assert!(!names(&facts, Purpose::Tests).contains(&"iptables"));
    }

    #[test]
    fn a_docker_from_elsewhere_that_does_not_run_is_never_replaced() {
        let facts = Facts {
            programs: ["dockerd"].into(),
            ..Facts::default()
        };
        assert!(!names(&facts, Purpose::Tests).contains(&"docker.io"));
    }

    #[test]
    fn only_apt_brings_what_emulates_machines() {
        let without = names(&Facts::default(), Purpose::Tests);
        assert!(!without.contains(&"qemu-system-x86"));
        let apt = Facts {
            apt: true,
            compiler: true,
            linker: true,
            library: true,
            ..Facts::default()
        };
        let machines = [
            "qemu-system-x86",
            "debian-archive-keyring",
            "busybox-static",
        ];
        assert_eq!(names(&apt, Purpose::Machines), machines);
    }

    #[test]
    fn a_machine_of_another_kind_needs_what_it_is_made_by_and_no_more() {
        let facts = Facts {
            apt: true,
            compiler: true,
            linker: true,
            library: true,
            ..Facts::default()
        };
        let packages = [
            "qemu-system-x86",
            "debian-archive-keyring",
            "influxdb",
            "mmdebstrap",
            "busybox-static",
        ];
        assert_eq!(names(&facts, Purpose::PackagesMachine), packages);
        let foreign = [
            "debian-archive-keyring",
            "gcc-aarch64-linux-gnu",
            "libc6-dev-arm64-cross",
            "qemu-system-arm",
            "busybox-static",
        ];
        assert_eq!(names(&facts, Purpose::ForeignMachine), foreign);
    }

    #[test]
    fn the_demo_needs_its_database_and_its_redis_alone() {
        let facts = Facts {
            apt: true,
            compiler: true,
            linker: true,
            library: true,
            ..Facts::default()
        };
        assert_eq!(names(&facts, Purpose::Demo), ["influxdb", "redis-server"]);
    }

    #[test]
    fn an_installed_package_is_not_installed_again() {
        let facts = Facts {
            installed: ["influxdb".to_owned()].into(),
            ..Facts::default()
        };
        assert!(!names(&facts, Purpose::Tests).contains(&"influxdb"));
    }
}
