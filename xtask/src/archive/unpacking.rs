//! An apt that has nothing to do with the machine's, which fetches packages of Debian's to take files out of.
//!
//! Only the archive and the keys are the machine's. Sources, lists and caches lie below `target/apt`; nothing is
//! installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{Archives, KEYS, is_fresh};
use crate::{command, failure::Failure, session::Session};

/// The release whose newest packages are in its security archive, since it is no longer in the other.
const SECURED_RELEASE: &str = "bullseye";

/// One for a kind of processor and some releases.
pub(crate) struct Apt<'a> {
    session: &'a Session,
    folder: PathBuf,
}

impl<'a> Apt<'a> {
    /// Fetches the lists of these releases where there are none or old ones.
    pub(crate) fn with_fresh_lists(
        session: &'a Session,
        architecture: &str,
        releases: &[&str],
    ) -> Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            if command::find_program(program).is_none() {
                let missing = format!("there is no {program}, which unpacks Debian's packages");
                return Err(Failure::Unavailable(missing).into());
            }
        }
        if !Path::new(KEYS).exists() {
            let missing = format!("there is no {KEYS} (package debian-archive-keyring)");
            return Err(Failure::Unavailable(missing).into());
        }
        let apt = Self {
            session,
            folder: session
                .tree
                .lists()
                .join(format!("{architecture}-{}", releases.join("-"))),
        };
        apt.lay_out(architecture, releases)?;
        if !is_fresh(&apt.fetched()) {
            apt.update()?;
        }
        Ok(apt)
    }

    fn lay_out(&self, architecture: &str, releases: &[&str]) -> Result<()> {
        for folder in ["state/lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        let sources = sources(&Archives::found()?, releases);
        fs::write(self.folder.join("sources.list"), sources)?;
        let folder = self.folder.display();
        let settings = format!(
            "Dir::State \"{folder}/state\";\n\
             Dir::State::status \"/dev/null\";\n\
             Dir::Cache \"{folder}/cache\";\n\
             Dir::Etc::sourcelist \"{folder}/sources.list\";\n\
             Dir::Etc::sourceparts \"-\";\n\
             APT::Architecture \"{architecture}\";\n\
             APT::Architectures {{ \"{architecture}\"; }};\n\
             APT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             // The release that is kept for its old kernel is not signed anew any more.\n\
             Acquire::Check-Valid-Until \"false\";\n"
        );
        fs::write(self.folder.join("apt.conf"), settings).context("cannot write apt's settings")
    }

    /// Touched after the lists were fetched: they themselves carry the server's dates.
    fn fetched(&self) -> PathBuf {
        self.folder.join("fetched")
    }

    fn update(&self) -> Result<()> {
        let mut update = self.command("apt-get");
        // Without it a list that cannot be fetched is no failure.
        update.args(["update", "--error-on=any"]);
        command::run_hidden(
            &self.session.output,
            "lists of Debian's packages",
            &mut update,
        )?;
        fs::write(self.fetched(), "").context("cannot note that the lists were fetched")
    }

    /// The names of the lists' packages that this pattern tells.
    pub(crate) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let mut search = self.command("apt-cache");
        search.args(["search", "--names-only", pattern]);
        let found = command::read(&mut search).context("the lists cannot be read")?;
        let names = found.lines().filter_map(|line| line.split(' ').next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Fetches a package and unpacks it; gives the folder.
    pub(crate) fn unpack(&self, package: &str) -> Result<PathBuf> {
        let packages = self.folder.join("packages");
        fs::remove_dir_all(&packages)?;
        fs::create_dir_all(&packages)?;
        let mut download = self.command("apt-get");
        download.args(["download", package]).current_dir(&packages);
        command::run_hidden(&self.session.output, package, &mut download)?;
        let files: Vec<_> = fs::read_dir(&packages)?.collect::<Result<_, _>>()?;
        ensure!(
            files.len() == 1,
            "apt fetched {} files, not one",
            files.len()
        );
        let unpacked = packages.join("unpacked");
        let mut unpack = self.session.person.command("dpkg-deb");
        unpack.arg("-x").arg(files[0].path()).arg(&unpacked);
        command::run_hidden(&self.session.output, "unpacking", &mut unpack)?;
        fs::remove_file(files[0].path())?;
        Ok(unpacked)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.session.person.command(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command.env("LC_ALL", "C");
        command
    }
}

fn sources(archives: &Archives, releases: &[&str]) -> String {
    let line =
        |address: &str, release: &str| format!("deb [signed-by={KEYS}] {address} {release} main\n");
    let is_secured = releases.contains(&SECURED_RELEASE);
    let security = archives.security.iter().filter(|_| is_secured);
    releases
        .iter()
        .map(|release| line(&archives.main, release))
        .chain(security.map(|address| line(address, &format!("{SECURED_RELEASE}-security"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_is_among_the_sources_and_security_is_that_of_the_oldest() {
        let archives = Archives {
            main: "http://mirror/debian".to_owned(),
            security: Some("http://mirror/debian-security".to_owned()),
        };
        let newer = sources(&archives, &["trixie"]);
        assert!(!newer.contains("-security"), "{newer}");
        let sources = sources(&archives, &["bullseye", "trixie-backports"]);
        assert!(
            sources.contains("/debian trixie-backports main\n"),
            "{sources}"
        );
        assert!(
            sources.contains("-security bullseye-security main\n"),
            "{sources}"
        );
    }
}
