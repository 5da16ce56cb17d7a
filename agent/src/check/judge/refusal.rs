//! Why the kernel said no. An error number alone tells nobody what to do; together with the other facts it does.

use crate::{
    check::facts::{Access, Capability, Facts, Refusal},
    kernel::Obstacle,
};

/// What a refusal comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Explanation {
    /// Whose fault it is.
    pub(super) cause: Cause,
    /// What follows for whom.
    pub(super) why: String,
    /// What to do.
    pub(super) fix: String,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// The kernel's, or how it is built and set up.
    Kernel,
    /// This process's privileges.
    Privilege,
    /// Neither's: it may go better next time.
    Chance,
}

/// What tracing programs take.
pub(super) const NEEDED: [Capability; 2] = [Capability::BPF, Capability::PERFMON];

/// The first version with the ring buffer, `CAP_BPF` and `CAP_PERFMON`.
pub(super) const FIRST_VERSION: (u32, u32) = (5, 8);

/// The first version that does not charge maps as locked memory.
pub(super) const FIRST_WITHOUT_MEMLOCK: (u32, u32) = (5, 11);

/// Explains a refusal by the first of the facts that is reason enough for it.
pub(super) fn explain(facts: &Facts, refusal: &Refusal) -> Explanation {
    let kernel = |why: &str, fix: &str| explanation(Cause::Kernel, why, fix);
    let privilege = |why: &str, fix: &str| explanation(Cause::Privilege, why, fix);
    let before = |version| facts.kernel.version().is_some_and(|it| it < version);
    match facts.kernel.type_information {
        Access::Missing | Access::Failed(_) => {
            let why =
                "the programs find their way by the kernel's type information, and there is none";
            return kernel(why, "see `type information` above");
        }
        Access::Forbidden => {
            let why = "this process may not read the kernel's type information";
            return privilege(why, "see `type information` above");
        }
        Access::Open => {}
    }
    if facts.kernel.bpf == Some(false) {
        return kernel(
            "this kernel runs no BPF programs",
            "see `bpf system call` above",
        );
    }
    if before(FIRST_VERSION) {
        return kernel("this kernel is too old", "see `version` above");
    }
    if facts.privileges.first_user_namespace == Some(false) {
        let why = "capabilities within a user namespace count for nothing here";
        return privilege(why, OUT_OF_NAMESPACE);
    }
    let missing: Vec<Capability> = NEEDED
        .into_iter()
        .filter(|it| facts.privileges.holds(*it) == Some(false))
        .collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|it| it.name).collect();
        let why = format!(
            "the kernel takes programs only from a process with CAP_BPF and CAP_PERFMON; this one lacks {}",
            names.join(" and "),
        );
        return privilege(&why, &how_to_get(facts, &missing));
    }
    match refusal.obstacle {
        Obstacle::Privileges if before(FIRST_WITHOUT_MEMLOCK) && is_short_of_memlock(facts) => {
            let why =
                "before Linux 5.11 kernel maps count as locked memory, and its limit is too low";
            privilege(why, MORE_MEMLOCK)
        }
        Obstacle::Privileges if facts.privileges.seccomp == Some(true) => {
            let why = "the capabilities are held, but a seccomp filter on this process refuses `bpf` calls";
            let fix = "admit `bpf` in the filter: `docker run --security-opt seccomp=unconfined`, or take it out of \
                       SystemCallFilter= of the unit";
            privilege(why, fix)
        }
        Obstacle::Privileges => {
            let why = "the capabilities are held, but a security module (SELinux, AppArmor, lockdown) or the hypervisor's \
                 kernel refuses";
            privilege(
                why,
                "look for the denial in `dmesg` or `ausearch -m avc`, and admit it there",
            )
        }
        Obstacle::Feature => {
            let why = "this kernel does not take what this version of cgflux brings";
            kernel(why, "please report it with what `cgflux check --json` says")
        }
        Obstacle::Other => {
            let why = format!(
                "memory or file descriptors ran short, or something got in between; the maps have {} slots",
                facts.collect.slots
            );
            let fix = "try again; with memory short, lower `slots` in [collect]";
            explanation(Cause::Chance, &why, fix)
        }
    }
}

/// How this process gets capabilities that it lacks.
pub(super) fn how_to_get(facts: &Facts, missing: &[Capability]) -> String {
    if facts.privileges.first_user_namespace == Some(false) {
        return OUT_OF_NAMESPACE.to_owned();
    }
    let could = |it: &Capability| facts.privileges.may_hold(*it) != Some(false);
    let with_prefix: Vec<&str> = missing.iter().map(|it| it.name).collect();
    let names = with_prefix.join(" ");
    let takes_new_names = missing.iter().any(|it| NEEDED.contains(it));
    let instead = if takes_new_names {
        INSTEAD_OF_NEW_NAMES
    } else {
        ""
    };
    if !missing.iter().all(could) {
        let added: Vec<String> = with_prefix
            .iter()
            .map(|name| format!("--cap-add {}", name.trim_start_matches("CAP_")))
            .collect();
        return format!(
            "whoever started this process took it away for good; give it back there: `docker run {}` (a Docker that \
             does not know these takes `--cap-add SYS_ADMIN`), or in the unit, by `systemctl edit cgflux`, both \
             `AmbientCapabilities={names}` and `CapabilityBoundingSet={names}`{instead}",
            added.join(" "),
        );
    }
    if facts.privileges.uid == 0 {
        return "run it from a root shell that has all capabilities: `sudo -i`".to_owned();
    }
    format!(
        "run it with sudo, or give its unit, by `systemctl edit cgflux`, `AmbientCapabilities={names}`{instead}"
    )
}

/// systemd passes over names in a unit that it was built without.
const INSTEAD_OF_NEW_NAMES: &str = ", or where systemd does not know CAP_BPF and CAP_PERFMON, as its journal then says, \
     CAP_SYS_ADMIN in their place: /usr/share/doc/cgflux/examples/privileged.conf is such a drop-in";

/// Whether locked memory is limited below what the maps need: some hundred bytes a slot and stripe, so a few MiB.
pub(super) fn is_short_of_memlock(facts: &Facts) -> bool {
    facts
        .privileges
        .memlock_bytes
        .is_some_and(|limit| limit < 64 << 20)
}

/// What raises the limit of locked memory.
pub(super) const MORE_MEMLOCK: &str = "`ulimit -l unlimited`, or LimitMEMLOCK=infinity in the unit";

/// What leads out of a user namespace.
pub(super) const OUT_OF_NAMESPACE: &str = "start it outside of the user namespace: with sudo on the host itself, or with \
     `docker run --userns=host`; rootless containers cannot";

fn explanation(cause: Cause, why: &str, fix: &str) -> Explanation {
    Explanation {
        cause,
        why: why.to_owned(),
        fix: fix.to_owned(),
    }
}
