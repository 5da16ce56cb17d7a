//! The agent as the one program of its image, laid ready as the image's root: `target/image`.
//!
//! `packaging/container/Dockerfile` takes it from there.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{dist, session::Session};

/// Beneath the image's root; the second is the name under which it takes cAdvisor's command line.
const PROGRAM: &str = "usr/bin/cgflux";
const ALIAS: &str = "usr/bin/cadvisor";

/// The certificates that https servers are believed by, as this system has them.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Builds it and gives the program's path.
pub(crate) fn build(session: &Session, release: bool) -> Result<PathBuf> {
    let program = dist::static_program(session, release)?;
    let root = session.tree.image();
    lay_ready(&program, &root).with_context(|| format!("cannot write {}", root.display()))?;
    Ok(root.join(PROGRAM))
}

fn lay_ready(program: &Path, root: &Path) -> io::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let certificates = Path::new("/").join(CERTIFICATES);
    let files = [(program, PROGRAM), (certificates.as_path(), CERTIFICATES)];
    for (from, to) in files.into_iter().filter(|(from, _)| from.exists()) {
        let to = root.join(to);
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        fs::copy(from, to)?;
    }
    symlink("cgflux", root.join(ALIAS))
}
