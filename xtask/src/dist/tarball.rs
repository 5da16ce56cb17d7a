//! The archive for every other system: the static program and all that the packages hold.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::stage::Stage;
use crate::{command, session::Session};

/// Makes it.
pub(super) fn make(session: &Session, stage: &Stage, packages: &Path) -> Result<PathBuf> {
    let machine = stage.build.machine();
    let name = format!("cgflux-{}-{machine}-static", stage.version);
    let package = packages.join(format!("{name}.tar.gz"));
    let mut tar = session.person.command("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0"])
        .args(["--numeric-owner", "--format=gnu"])
        .arg(format!("--mtime=@{}", stage.epoch))
        .arg(format!(
            r"--transform=s,^_cgflux,{name}/usr/share/zsh/site-functions/_cgflux,;s,^\./,{name}/,;s,^\.$,{name},"
        ))
        .args(["--use-compress-program", "gzip -9 -n", "--file"])
        .arg(&package)
        .arg("--directory")
        .arg(stage.root())
        .arg(".")
        .arg("--directory")
        .arg(stage.folder().join("docs"))
        .arg("_cgflux");
    command::run_hidden(&session.output, "tar", &mut tar)?;
    Ok(package)
}
