//! The service manager that started the agent: it is told what `sd_notify(3)` says.
//!
//! The protocol is one datagram of `KEY=value` lines to the socket that `$NOTIFY_SOCKET` names, so it is spoken here: the
//! `systemd` crate links libsystemd, which a static build cannot, for the sake of this one message.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

/// The socket of the service manager.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    /// The one that started this process and wants to be told; `None` where nobody does.
    pub fn of_this_process() -> io::Result<Option<Self>> {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        name.map(|name| Self::at(&name)).transpose()
    }

    /// The one at a socket: a path, or `@` and an abstract name. Those of virtual machines (`vsock:`) are not spoken to.
    pub(crate) fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read holds up nothing; what it has not been told, it is told the next time.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// The agent measures and delivers; `status` says how, in one line.
    pub fn ready(&self, status: &str) -> io::Result<()> {
        self.tell(&format!("READY=1\nSTATUS={status}"))
    }

    /// How it stands, in one line.
    pub fn status(&self, status: &str) -> io::Result<()> {
        self.tell(&format!("STATUS={status}"))
    }

    /// The configuration is being read again; [`Self::reloaded`] is the end of that.
    pub fn reloading(&self) -> io::Result<()> {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        let now_us = now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"))
    }

    /// The configuration has been read again.
    pub fn reloaded(&self) -> io::Result<()> {
        self.tell("READY=1")
    }

    /// How long it waits for [`Self::is_alive`] before it ends and starts this process again; `None` where it does not
    /// (`sd_watchdog_enabled(3)`).
    pub fn watchdog() -> Option<Duration> {
        let variable = |name: &str| env::var_os(name);
        watchdog_of(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"))
    }

    /// It is to wait for so long for [`Self::is_alive`] from here on, whatever the unit says.
    pub fn wait_for(&self, time: Duration) -> io::Result<()> {
        self.tell(&format!("WATCHDOG_USEC={}", time.as_micros()))
    }

    /// This process is alive.
    pub fn is_alive(&self) -> io::Result<()> {
        self.tell("WATCHDOG=1")
    }

    /// The agent begins to end.
    pub fn stopping(&self) -> io::Result<()> {
        self.tell("STOPPING=1\nSTATUS=what waits is being written")
    }

    fn tell(&self, state: &str) -> io::Result<()> {
        self.socket
            .send_to_addr(state.as_bytes(), &self.address)
            .map(drop)
    }
}

/// The time, unless the process that it is for is another.
fn watchdog_of(microseconds: Option<OsString>, process: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if process.is_some_and(|process| number(process) != Some(process::id().into())) {
        return None;
    }
    let microseconds = number(microseconds?)?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut datagram = [0; 256];
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        Manager::at(path.as_os_str()).unwrap().ready("ok").unwrap();
        assert_eq!(heard(&listener), "READY=1\nSTATUS=ok");

        let name = format!("cgflux-notify-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(OsStr::new(&format!("@{name}"))).unwrap();
        manager.reloading().unwrap();
        assert!(heard(&listener).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    }

    #[test]
    fn a_watchdog_is_that_of_this_process() {
        let own = process::id().to_string();
        for (microseconds, process, expected) in [
            (Some("2000000"), None, Some(2)),
            (Some("2000000"), Some(own.as_str()), Some(2)),
            (Some("2000000"), Some("1"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, Some(own.as_str()), None),
        ] {
            let watchdog = watchdog_of(microseconds.map(Into::into), process.map(Into::into));
            assert_eq!(watchdog, expected.map(Duration::from_secs));
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _unread = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.as_os_str()).unwrap();
        let refused = (0..100_000).find_map(|_| manager.status("ok").err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
        assert!(Manager::at(OsStr::new("vsock:2:1")).is_err());
    }
}
