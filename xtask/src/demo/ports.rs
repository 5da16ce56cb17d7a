//! Which ports are taken, and by whom as far as `/proc` tells.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context as _, Result, bail};

use super::services::Service;

/// Fails with the first port of the service that is taken, and names who listens there.
pub(super) fn ensure_free(service: &Service) -> Result<()> {
    for &port in service.ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let by = listener(port).map_or_else(String::new, |who| format!(" by {who}"));
                bail!(
                    "port {port}, which {} wants, is taken{by}: end that, then try again",
                    service.name
                );
            }
            Err(error) => return Err(error).context(format!("cannot listen on port {port}")),
        }
    }
    Ok(())
}

/// Who listens there: its name and number. Sees what root sees.
fn listener(port: u16) -> Option<String> {
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    let wanted: Vec<_> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find_map(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.find(|file| {
            wanted
                .iter()
                .any(|socket| file.as_os_str() == socket.as_str())
        })?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(format!(
            "{} (process {pid})",
            name.trim_end().escape_debug()
        ))
    })
}

/// Inodes of sockets that listen on `port`, out of `/proc/net/tcp` or `tcp6`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        let (_, local_port) = local.rsplit_once(':')?;
        let is_it = state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
        is_it.then(|| inode.parse().ok())?
    };
    table.lines().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18.
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:BBD0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5151 1 0000000000000000 100 0 0 10 0
   1: 0100007F:BBD0 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 5152 1 0000000000000000 20 4 30 10 -1
";

    #[test]
    fn only_sockets_that_listen_on_the_port_count() {
        assert_eq!(listening_inodes(TABLE, 48080), [5151]);
        assert_eq!(listening_inodes(TABLE, 8190), [0_u64; 0]);
    }

    #[test]
    fn whoever_listens_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let who = listener(taken.local_addr().unwrap().port()).unwrap();
        let own = format!("(process {})", std::process::id());
        assert!(who.ends_with(&own), "{who}");
    }
}
