//! How a program becomes a service: in its own cgroup from its first instruction, without root's rights.

use std::{
    env,
    ffi::OsStr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{self, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::{Gid, Uid, getppid, setgroups, setresgid, setresuid},
};

use super::{
    cli::Launch,
    places::{Places, cgroup},
    services::{Program, Service},
};
use crate::{cgroup::Group, command, person::Account, session::Session};

/// Variables that a service sees. None is a setting of the agent's: the demo is the same on every machine.
const KEPT: [&str; 5] = ["PATH", "TERM", "LANG", "NO_COLOR", "RUST_BACKTRACE"];

/// Starts this program again, to become `service`.
pub(super) fn service(
    session: &Session,
    places: &Places,
    agent: &Path,
    service: &Service,
    is_first: bool,
) -> Result<Command> {
    let data = places.data(service.name);
    let account = (!service.is_root).then(|| session.person.unprivileged());
    let arguments = service.arguments(&data, is_first);
    match service.program {
        Program::Agent => agent_command(session, agent, service.name, account, arguments),
        Program::Installed(name) => {
            let program = command::find_program(name)
                .with_context(|| format!("`{name}` is not installed"))?;
            Ok(launcher(
                session,
                service.name,
                &data,
                account,
                program,
                arguments,
            ))
        }
    }
}

/// Starts this program again, to become a `cgflux` in the cgroup of that name.
pub(super) fn agent_command<S: AsRef<OsStr>>(
    session: &Session,
    agent: &Path,
    name: &str,
    account: Option<Account>,
    arguments: impl IntoIterator<Item = S>,
) -> Result<Command> {
    // From its own folder, since whoever runs it may not be allowed into the folders above.
    let folder = agent.parent().context("the agent has no folder")?;
    let file = agent.file_name().context("the agent has no name")?;
    let program = Path::new(".").join(file);
    Ok(launcher(session, name, folder, account, program, arguments))
}

fn launcher<S: AsRef<OsStr>>(
    session: &Session,
    name: &str,
    folder: &Path,
    account: Option<Account>,
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut launcher = Command::new(&session.xtask);
    launcher
        .args(["as-root", "demo", "launch", "--name", name])
        .args(["--parent", &process::id().to_string()])
        .arg("--folder")
        .arg(folder);
    if let Some(Account { uid, gid }) = account {
        launcher.args(["--user", &uid.to_string(), &gid.to_string()]);
    }
    launcher.arg("--").arg(program).args(arguments);
    // What xtask gives back to whoever called sudo is given back by those that live longer.
    launcher.env_remove("SUDO_UID").stdin(Stdio::null());
    launcher
}

/// Becomes the program. Returns only where that fails.
pub(super) fn launch(launch: &Launch) -> Result<u8> {
    Group::at(&cgroup(&launch.name))?.take(process::id())?;
    env::set_current_dir(&launch.folder)
        .with_context(|| format!("cannot enter {}", launch.folder.display()))?;
    if let Some([uid, gid]) = launch.user.as_deref() {
        let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
        setgroups(&[]).context("cannot leave root's groups")?;
        setresgid(gid, gid, gid).context("cannot become the group")?;
        setresuid(uid, uid, uid).context("cannot become the user")?;
        prctl::set_no_new_privs().context("cannot give up new rights")?;
    }
    // After the change of user, which takes this back.
    prctl::set_pdeathsig(Signal::SIGTERM).context("cannot tie it to the supervisor")?;
    ensure!(
        getppid().as_raw() == launch.parent,
        "the supervisor has gone"
    );
    let (program, arguments) = launch.program.split_first().context("no program named")?;
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((*name, env::var_os(name)?)));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(kept);
    if let Some(name) = Path::new(program).file_name() {
        command.arg0(name);
    }
    Err(command.exec()).with_context(|| command::cannot_run(&command))
}
