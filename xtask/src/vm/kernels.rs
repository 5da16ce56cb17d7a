//! The kernels of the matrix: Debian's own, fetched by an apt that has nothing to do with the machine's.
//!
//! Only the archive and the keys are the machine's. Sources, lists and caches lie below `target/vm`; nothing is
//! installed. Versions rot: the newest of each series is looked up whenever the lists are fetched.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

use super::series::{self, Package, Series};
use crate::{
    archive::{Archives, KEYS},
    command,
    failure::Failure,
    session::Session,
};

/// Releases whose kernels are in the matrix.
const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "trixie-backports"];

/// The release whose newest kernels are in its security archive, since it is no longer in the other.
const SECURED_RELEASE: &str = "bullseye";

/// A kernel in the cache serves that long before a newer one is looked for.
const IS_FRESH: Duration = Duration::from_hours(7 * 24);

/// A kernel ready to boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) series: &'static Series,
    /// As the package names it: `6.12.117+deb13-cloud-amd64`.
    pub(crate) release: String,
    pub(crate) image: PathBuf,
}

/// Gives the newest kernel of `series`, fetching it where the cache has none or an old one. Where nothing can be
/// fetched, an old one serves.
pub(crate) fn kernel(session: &Session, series: &'static Series) -> Result<Kernel> {
    let folder = session.tree.vm().join("kernels").join(series.name);
    let cached = cached(series, &folder);
    match &cached {
        Some((_, age)) if *age < IS_FRESH => {}
        Some((kernel, _)) => {
            if let Err(error) = fetch(session, series, &folder) {
                let release = &kernel.release;
                let why = format!("no newer kernel than {release} can be had: {error:#}");
                session.output.warn(&why);
            }
        }
        None => fetch(session, series, &folder)?,
    }
    let found = self::cached(series, &folder).or(cached);
    found
        .map(|(kernel, _)| kernel)
        .with_context(|| format!("no kernel in {}", folder.display()))
}

/// What the cache has, and how long ago it was fetched.
fn cached(series: &'static Series, folder: &Path) -> Option<(Kernel, Duration)> {
    let note = folder.join("release");
    let image = folder.join("vmlinuz");
    let release = fs::read_to_string(&note).ok()?;
    let fetched = fs::metadata(&note).and_then(|it| it.modified()).ok()?;
    let age = SystemTime::now()
        .duration_since(fetched)
        .unwrap_or_default();
    image.is_file().then_some(())?;
    let kernel = Kernel {
        series,
        release,
        image,
    };
    Some((kernel, age))
}

fn fetch(session: &Session, series: &'static Series, folder: &Path) -> Result<()> {
    let apt = Apt::with_fresh_lists(session)?;
    let listed = apt.kernels()?;
    let Some(package) = series::newest(series, &listed) else {
        let missing = format!("the archive has no kernel {}", series.name);
        return Err(Failure::Unavailable(missing).into());
    };
    if cached(series, folder).is_none_or(|(kernel, _)| kernel.release != package.release) {
        let unpacked = apt.unpack(&package)?;
        let taken = take(&unpacked, &package, folder);
        fs::remove_dir_all(&unpacked)?;
        taken?;
    }
    // Written anew even if nothing is newer: its age is that of the look-up.
    fs::write(folder.join("release"), &package.release).context("cannot note the release")
}

/// Keeps the image and, where the package has it, the configuration.
fn take(unpacked: &Path, package: &Package, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let release = &package.release;
    let boot = unpacked.join("boot");
    let images = [
        boot.join(format!("vmlinuz-{release}")),
        unpacked.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let image = images.iter().find(|image| image.is_file());
    let image = image.with_context(|| format!("{} has no kernel image", package.name))?;
    fs::rename(image, folder.join("vmlinuz"))?;
    let configuration = boot.join(format!("config-{release}"));
    if configuration.is_file() {
        fs::rename(configuration, folder.join("config"))?;
    }
    Ok(())
}

/// An apt of our own.
struct Apt<'a> {
    session: &'a Session,
    folder: PathBuf,
}

impl<'a> Apt<'a> {
    fn with_fresh_lists(session: &'a Session) -> Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            if command::find_program(program).is_none() {
                let missing = format!("there is no {program}, and the kernels are Debian's");
                return Err(Failure::Unavailable(missing).into());
            }
        }
        if !Path::new(KEYS).exists() {
            let missing = format!("there is no {KEYS} (package debian-archive-keyring)");
            return Err(Failure::Unavailable(missing).into());
        }
        let apt = Self {
            session,
            folder: session.tree.vm().join("apt"),
        };
        apt.lay_out()?;
        if apt.lists_are_old() {
            apt.update()?;
        }
        Ok(apt)
    }

    fn lay_out(&self) -> Result<()> {
        for folder in ["state/lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        let sources = sources(&Archives::found()?);
        fs::write(self.folder.join("sources.list"), sources)?;
        let folder = self.folder.display();
        let settings = format!(
            "Dir::State \"{folder}/state\";\n\
             Dir::State::status \"/dev/null\";\n\
             Dir::Cache \"{folder}/cache\";\n\
             Dir::Etc::sourcelist \"{folder}/sources.list\";\n\
             Dir::Etc::sourceparts \"-\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\n\
             APT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             // The release that is kept for its old kernel is not signed anew any more.\n\
             Acquire::Check-Valid-Until \"false\";\n"
        );
        fs::write(self.folder.join("apt.conf"), settings).context("cannot write apt's settings")
    }

    fn lists_are_old(&self) -> bool {
        let fetched = fs::metadata(self.fetched()).and_then(|it| it.modified());
        let age = fetched.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        age.map_or(true, |age| age > IS_FRESH)
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
            "lists of Debian's kernels",
            &mut update,
        )?;
        fs::write(self.fetched(), "").context("cannot note that the lists were fetched")
    }

    /// The names of all kernels that the lists have.
    fn kernels(&self) -> Result<Vec<Package>> {
        let mut search = self.command("apt-cache");
        search.args([
            "search",
            "--names-only",
            "^linux-(image|binary)-.*-cloud-amd64$",
        ]);
        let found = command::read(&mut search).context("the lists cannot be read")?;
        let names = found.lines().filter_map(|line| line.split(' ').next());
        Ok(names.filter_map(Package::named).collect())
    }

    /// Fetches a package and unpacks it; gives the folder.
    fn unpack(&self, package: &Package) -> Result<PathBuf> {
        let packages = self.folder.join("packages");
        fs::remove_dir_all(&packages)?;
        fs::create_dir_all(&packages)?;
        let mut download = self.command("apt-get");
        download
            .args(["download", &package.name])
            .current_dir(&packages);
        let label = format!("Linux {}", package.release);
        command::run_hidden(&self.session.output, &label, &mut download)?;
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

fn sources(archives: &Archives) -> String {
    let line =
        |address: &str, release: &str| format!("deb [signed-by={KEYS}] {address} {release} main\n");
    let security = archives.security.iter();
    RELEASES
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
        let sources = sources(&Archives {
            main: "http://mirror/debian".to_owned(),
            security: Some("http://mirror/debian-security".to_owned()),
        });
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
