//! `cargo xtask run`: the agent, built and started, and how to see its page from elsewhere.

use std::{
    env,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use anyhow::{Context as _, Result};

use crate::{build, elevate, guard, session::Session};

/// Where the agent listens by default.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8190);

/// Builds, starts, waits; gives the agent's exit code.
pub(crate) fn run(session: &Session, arguments: &[OsString]) -> Result<u8> {
    let agent = build::run(session, true)?;
    session.output.step("Run");
    let page = listen_address(arguments);
    if let (Ok(connection), Some(page)) = (env::var("SSH_CONNECTION"), page)
        && let Some(line) = ssh_line(&connection, &session.person.name(), page)
    {
        session.output.note(&format!(
            "To see the page on your own machine, run there: {line}\n\
             and open http://127.0.0.1:{}/",
            page.port()
        ));
    }
    let mut task: Vec<OsString> = vec!["exec".into()];
    if let Some(page) = page {
        task.extend(["--wave".into(), page.to_string().into()]);
    }
    task.extend([
        "--".into(),
        agent.into(),
        "run".into(),
        "--state-dir".into(),
    ]);
    task.push(session.tree.run().join("state").into());
    task.extend_from_slice(arguments);
    let mut elevated = elevate::as_root(session, task)?;
    let status = guard::run_elevated(&mut elevated, |_| Ok(())).context("cannot run the agent")?;
    Ok(guard::exit_code(status))
}

/// Where the agent's page will be on this machine; `None` where the port is not known beforehand.
fn listen_address(arguments: &[OsString]) -> Option<SocketAddr> {
    let asked = arguments.iter().enumerate().find_map(|(index, argument)| {
        if argument == "--listen" {
            arguments.get(index + 1).and_then(|value| value.to_str())
        } else {
            argument.to_str()?.strip_prefix("--listen=")
        }
    });
    let mut address = match asked {
        Some(asked) => asked.parse().ok()?,
        None => DEFAULT,
    };
    if address.ip().is_unspecified() {
        address.set_ip(DEFAULT.ip());
    }
    (address.port() != 0).then_some(address)
}

/// The line that brings the page to the machine from which the person logged in.
///
/// `connection` is `SSH_CONNECTION`: client address, client port, server address, server port.
fn ssh_line(connection: &str, name: &str, page: SocketAddr) -> Option<String> {
    let [_, _, server, ssh_port] = connection.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let port = page.port();
    let ssh_port = if ssh_port == "22" {
        String::new()
    } else {
        format!("-p {ssh_port} ")
    };
    Some(format!("ssh {ssh_port}-L {port}:{page} {name}@{server}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(arguments: &[&str]) -> Option<String> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        listen_address(&arguments).map(|address| address.to_string())
    }

    #[test]
    fn the_page_is_where_the_agent_is_told_to_listen() {
        assert_eq!(listen(&["--influx", "x"]).unwrap(), "127.0.0.1:8190");
        assert_eq!(listen(&["--listen", "10.0.0.1:80"]).unwrap(), "10.0.0.1:80");
        assert_eq!(
            listen(&["--listen=0.0.0.0:9000"]).unwrap(),
            "127.0.0.1:9000"
        );
        assert_eq!(listen(&["--listen", "127.0.0.1:0"]), None);
        assert_eq!(listen(&["--listen", "nonsense"]), None);
        assert_eq!(listen(&["--listen"]).unwrap(), "127.0.0.1:8190");
    }

    #[test]
    fn the_ssh_line_leads_to_the_server_as_the_person_reached_it() {
        let line = |connection| ssh_line(connection, "ann", DEFAULT);
        assert_eq!(
            line("192.0.2.7 51000 192.0.2.1 22").unwrap(),
            "ssh -L 8190:127.0.0.1:8190 ann@192.0.2.1"
        );
        assert_eq!(
            line("192.0.2.7 51000 192.0.2.1 2222").unwrap(),
            "ssh -p 2222 -L 8190:127.0.0.1:8190 ann@192.0.2.1"
        );
        assert_eq!(line("garbled"), None);
    }
}
