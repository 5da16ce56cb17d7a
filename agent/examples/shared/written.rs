//! What a process wrote to disks.

use std::{fs, io::ErrorKind};

use anyhow::Context as _;
use nix::unistd::Pid;

/// Bytes that a process has had written to disks, ended threads included; `None` if it has ended.
///
/// `write_bytes` of `/proc/PID/io`, proc(5): counted when a page becomes dirty, so what is written over again before it
/// reaches the disk counts once, and so does every page that a sync sends there.
pub(crate) fn bytes(pid: Pid) -> anyhow::Result<Option<u64>> {
    let path = format!("/proc/{pid}/io");
    match fs::read_to_string(&path) {
        Ok(io) => {
            let written = written_in(&io);
            Ok(Some(written.with_context(|| {
                format!("{path} does not tell what was written")
            })?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
    }
}

fn written_in(io: &str) -> Option<u64> {
    let written = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))?;
    written.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_not_what_was_to_be() {
        let io =
            "rchar: 1\nwchar: 99\nread_bytes: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(written_in(io), Some(4_096));
        assert_eq!(written_in("wchar: 99\n"), None);
    }
}
