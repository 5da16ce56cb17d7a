//! What lintian and rpmlint say of the packages: nothing, but for what they are told to pass over, with a reason each.

use std::path::PathBuf;

use anyhow::Result;

use crate::{command, session::Session};

/// Looks at each package that there is a lint for; fails where one has something to say.
pub(super) fn run(session: &Session, packages: &[PathBuf]) -> Result<()> {
    for package in packages {
        let extension = package.extension().and_then(|it| it.to_str());
        let mut lint = match extension {
            Some("deb") => {
                let mut lintian = session.person.command("lintian");
                lintian.args(["--fail-on", "error,warning", "--allow-root"]);
                lintian
            }
            Some("rpm") => {
                let mut rpmlint = session.person.command("rpmlint");
                rpmlint
                    .args(["--strict", "--config"])
                    .arg(session.tree.root().join("packaging/rpmlint.toml"));
                rpmlint
            }
            _ => continue,
        };
        lint.arg(package);
        let name = command::name(&lint);
        command::run_hidden(&session.output, &name, &mut lint)?;
    }
    Ok(())
}
