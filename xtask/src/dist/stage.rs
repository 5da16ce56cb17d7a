//! The tree that every package holds, laid below `target/packages/stage/root`; beside it what package managers are told.
//!
//! Times are those of the last commit, or `SOURCE_DATE_EPOCH`: packages of one commit are the same byte for byte.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

use super::{changelog::Changelog, program::Build, third_party};
use crate::{cargo, command, session::Session};

/// What writes the manual and the completions: an example of the agent, which knows its command line.
pub(super) const DOCS: &str = "package_docs";

/// Files that are laid as they are: from the source tree, to the package's tree.
const FILES: [(&str, &str); 11] = [
    (
        "packaging/systemd/cgflux.service",
        "usr/lib/systemd/system/cgflux.service",
    ),
    (
        "packaging/systemd/cgflux-web.service",
        "usr/lib/systemd/system/cgflux-web.service",
    ),
    (
        "packaging/systemd/sysusers.conf",
        "usr/lib/sysusers.d/cgflux.conf",
    ),
    (
        "packaging/systemd/tmpfiles.conf",
        "usr/lib/tmpfiles.d/cgflux.conf",
    ),
    ("packaging/cgflux.toml", "etc/cgflux/cgflux.toml"),
    ("packaging/systemd/web.env", "etc/cgflux/web.env"),
    (
        "packaging/examples/privileged.conf",
        "usr/share/doc/cgflux/examples/privileged.conf",
    ),
    (
        "packaging/examples/credential.conf",
        "usr/share/doc/cgflux/examples/credential.conf",
    ),
    ("README.md", "usr/share/doc/cgflux/README.md"),
    ("LICENSE-MIT", "usr/share/licenses/cgflux/LICENSE-MIT"),
    ("LICENSE-GPL", "usr/share/licenses/cgflux/LICENSE-GPL"),
];

/// What shells complete with: as the documentation writer calls it, and its place. That of zsh is another on each
/// system, so it stays in `docs`.
const COMPLETIONS: [(&str, &str); 2] = [
    (
        "cgflux.bash",
        "usr/share/bash-completion/completions/cgflux",
    ),
    (
        "cgflux.fish",
        "usr/share/fish/vendor_completions.d/cgflux.fish",
    ),
];

/// A tree that is laid.
#[derive(Debug)]
pub(super) struct Stage {
    folder: PathBuf,
    /// The version that is packaged.
    pub(super) version: String,
    /// What the program is, and what it runs on.
    pub(super) build: Build,
    /// Seconds since the Unix epoch: the time of every file.
    pub(super) epoch: u64,
}

impl Stage {
    /// Lays it, with this program.
    pub(super) fn lay(session: &Session, build: Build, program: &Path) -> Result<Self> {
        let folder = session.tree.packages().join("stage");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot clear the last stage")?;
        }
        let stage = Self {
            folder,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build,
            epoch: epoch(session)?,
        };
        stage.install_program(session, program)?;
        for (from, to) in FILES {
            stage.copy(&session.tree.root().join(from), to)?;
        }
        stage.lay_docs(session)?;
        let read = |path: &str| fs::read_to_string(session.tree.root().join(path));
        let changes = read("packaging/CHANGELOG.md")?;
        let changelog = Changelog::of(&changes, &stage.version)?;
        stage.write("changelog.debian", &changelog.debian(stage.epoch))?;
        stage.write("changelog.yaml", &changelog.nfpm(stage.epoch))?;
        let third_party = third_party::listing(session)?;
        stage.write("root/usr/share/doc/cgflux/THIRD-PARTY", &third_party)?;
        stage.set_times()?;
        Ok(stage)
    }

    /// The tree itself.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The tree and what stands beside it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn install_program(&self, session: &Session, program: &Path) -> Result<()> {
        let installed = self.copy(program, "usr/bin/cgflux")?;
        fs::set_permissions(&installed, fs::Permissions::from_mode(0o755))?;
        command::run(
            &session.output,
            Command::new(self.build.strip())
                .args(["--remove-section=.comment", "--remove-section=.note"])
                .arg(&installed),
        )
    }

    fn lay_docs(&self, session: &Session) -> Result<()> {
        let built = cargo::build(
            session,
            &["build", "--workspace", "--bin", "cgflux", "--example", DOCS],
        )?;
        let writer = built.into_iter().find(|it| it.target == DOCS);
        let writer = writer.context("cargo built nothing that writes the manual")?;
        let docs = self.folder.join("docs");
        command::run(
            &session.output,
            session.person.command(&writer.path).arg(&docs),
        )?;
        for (from, to) in COMPLETIONS {
            self.copy(&docs.join(from), to)?;
        }
        for page in fs::read_dir(docs.join("man1"))? {
            let name = page?.file_name();
            let to = Path::new("usr/share/man/man1").join(&name);
            let page = self.copy(&docs.join("man1").join(&name), &to)?;
            compress(session, &page)?;
        }
        let changes = session.tree.root().join("packaging/CHANGELOG.md");
        let changes = self.copy(&changes, "usr/share/doc/cgflux/changelog")?;
        compress(session, &changes)
    }

    fn copy(&self, from: &Path, to: impl AsRef<Path>) -> Result<PathBuf> {
        let to = self.root().join(to);
        let failed = || format!("cannot copy {} to {}", from.display(), to.display());
        let folder = to.parent().with_context(failed)?;
        fs::create_dir_all(folder).with_context(failed)?;
        fs::copy(from, &to).with_context(failed)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o644))?;
        Ok(to)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.join(path);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn set_times(&self) -> Result<()> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.epoch);
        let mut pending = vec![self.folder.clone()];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                for entry in fs::read_dir(&path)? {
                    pending.push(entry?.path());
                }
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
            fs::File::open(&path)?.set_modified(time)?;
        }
        Ok(())
    }
}

/// Without name and time in it, so that the same text is the same file.
fn compress(session: &Session, page: &Path) -> Result<()> {
    let mut gzip = session.person.command("gzip");
    gzip.args(["-9", "-n", "-f"]).arg(page);
    let status = gzip.status().with_context(|| command::cannot_run(&gzip))?;
    ensure!(status.success(), "cannot compress {}", page.display());
    Ok(())
}

/// `SOURCE_DATE_EPOCH`, else when the last commit was made.
fn epoch(session: &Session) -> Result<u64> {
    if let Ok(named) = env::var("SOURCE_DATE_EPOCH") {
        return named
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH={named} is no number of seconds"));
    }
    let mut git = session.person.command("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(session.tree.root());
    let said = command::read(&mut git);
    said.and_then(|said| said.trim().parse().ok())
        .context("no commit says what time the files are of: set SOURCE_DATE_EPOCH")
}
