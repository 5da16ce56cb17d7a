//! Installs packages, as root and as a guest: nothing is removed, nothing is started, nothing
//! will start at boot.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{apt, command, failure::Failure, output::Output, packages};

/// Debian's maintainer scripts ask this program before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Tells our policy file from one that the machine's owner wrote.
const MARK: &str = "by `cargo xtask setup` of cgflux";

/// Installs `names`, with fresh lists if `refresh`.
pub(crate) fn install(output: &Output, refresh: bool, names: &[String]) -> Result<()> {
    // None of them may end us before the policy file is gone. Ctrl-C reaches apt too, which stops
    // where it safely can, and that may be at its end.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let policy = NoServiceStart::impose()?;
    if refresh {
        command::run_hidden(output, "package lists", policy.apt_get().arg("update"))?;
    }
    let unknown = apt::without_candidate(names);
    if !unknown.is_empty() {
        return Err(Failure::Unavailable(format!(
            "apt knows no package {}: is the distribution's security archive among its sources?",
            unknown.join(", ")
        ))
        .into());
    }
    let new_units: Vec<_> = units_of(names).filter(|unit| !is_known(unit)).collect();
    let mut install = policy.apt_get();
    install
        .args(["install", "--yes", "--no-remove", "--no-install-recommends"])
        // A configuration file that was edited stays as it is.
        .args([
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
        ])
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .args(names);
    let installed = command::run_hidden(output, "packages", &mut install);
    // Also when apt was interrupted: part of it may be installed.
    leave_off(output, new_units)?;
    installed?;
    ensure!(
        !interrupted.load(Ordering::Relaxed),
        "interrupted; the packages are installed"
    );
    Ok(())
}

fn units_of(names: &[String]) -> impl Iterator<Item = &'static str> {
    packages::TABLE
        .iter()
        .filter(|package| names.iter().any(|name| name == package.name))
        .flat_map(|package| package.units.iter().copied())
}

fn is_known(unit: &str) -> bool {
    [
        "/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/etc/systemd/system",
    ]
    .iter()
    .any(|folder| Path::new(folder).join(unit).exists())
}

/// Units that came just now would start at the next boot.
fn leave_off(output: &Output, new_units: Vec<&str>) -> Result<()> {
    let new_units: Vec<_> = new_units
        .into_iter()
        .filter(|unit| is_known(unit))
        .collect();
    if new_units.is_empty() || command::find_program("systemctl").is_none() {
        return Ok(());
    }
    output.note(&format!(
        "Not started, and left off at boot: {}",
        new_units.join(", ")
    ));
    let mut disable = Command::new("systemctl");
    command::run_hidden(
        output,
        "units",
        disable.args(["disable", "--quiet"]).args(new_units),
    )
}

/// As long as this lives, no package starts a service.
#[derive(Debug)]
struct NoServiceStart {
    /// Whether the policy file is ours to remove.
    is_ours: bool,
}

impl NoServiceStart {
    /// Lays a policy file, unless the machine's owner has one: that is never touched.
    fn impose() -> Result<Self> {
        let left_behind = fs::read_to_string(POLICY).is_ok_and(|policy| policy.contains(MARK));
        if left_behind {
            fs::remove_file(POLICY).with_context(|| format!("cannot remove {POLICY}"))?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        match file.and_then(|mut file| file.write_all(policy().as_bytes())) {
            Ok(()) => Ok(Self { is_ours: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Self { is_ours: false })
            }
            Err(error) => Err(error).with_context(|| format!("cannot write {POLICY}")),
        }
    }

    fn apt_get(&self) -> Command {
        let mut apt_get = Command::new("apt-get");
        apt_get.env("DEBIAN_FRONTEND", "noninteractive");
        // Ubuntu's apt would otherwise restart services of upgraded libraries.
        apt_get.env("NEEDRESTART_SUSPEND", "1");
        if !self.is_ours {
            // The owner's policy may allow a start; then systemctl does not reach the manager.
            apt_get.env("SYSTEMD_OFFLINE", "1");
        }
        apt_get
    }
}

impl Drop for NoServiceStart {
    fn drop(&mut self) {
        if self.is_ours {
            // Nobody is left to tell; the file that stays allows everything once we are gone.
            drop(fs::remove_file(POLICY));
        }
    }
}

/// 101 forbids, 104 allows. It forbids only while this process lives, whatever becomes of it.
fn policy() -> String {
    format!(
        "#!/bin/sh\n# Written {MARK}, for one run of apt; may be deleted.\n\
         kill -0 {} 2>/dev/null && exit 101\nexit 104\n",
        std::process::id()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str) -> Option<i32> {
        Command::new("sh")
            .args(["-c", policy])
            .status()
            .unwrap()
            .code()
    }

    #[test]
    fn the_policy_forbids_while_we_live() {
        assert_eq!(ask(&policy()), Some(101));
    }

    #[test]
    fn the_policy_of_a_process_that_is_gone_allows() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let gone = policy().replace(&std::process::id().to_string(), &child.id().to_string());
        assert_eq!(ask(&gone), Some(104));
    }

    #[test]
    fn the_units_are_those_of_the_named_packages() {
        let units: Vec<_> = units_of(&["influxdb".to_owned(), "iptables".to_owned()]).collect();
        assert_eq!(units, ["influxdb.service"]);
    }
}
