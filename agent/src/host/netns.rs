//! Network namespaces: which one a process is in, what its interfaces counted, which addresses are its own.
//!
//! All is read through a process that is in it. Nothing is kept open: an open file of `/proc/PID/net` would keep the
//! namespace, and its interfaces, beyond the end of their container.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::MetadataExt as _,
};

use agent_ebpf::network::Traffic;

use crate::snapshot::Interfaces;

/// How much of a table is read: a router's can have millions of lines, its own addresses come among them.
const MOST_BYTES: u64 = 4 << 20;

/// A network namespace, by the inode number of `/proc/PID/ns/net`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Namespace(pub u64);

/// The namespace that a process is in. Needs the right to trace it.
pub fn of_process(pid: u32) -> io::Result<Namespace> {
    Ok(Namespace(
        fs::metadata(format!("/proc/{pid}/ns/net"))?.ino(),
    ))
}

/// Which interfaces there are: equal for the same names in the same order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Names(u64);

/// What the interfaces of a process's namespace counted since they were made, and which they are.
pub fn interfaces(pid: u32) -> io::Result<(Interfaces, Names)> {
    let table = read(pid, "dev")?;
    parse_interfaces(&table).ok_or_else(|| io::Error::other("not in its documented form"))
}

/// What one interface counted since it was made: bytes, packets, errors and drops received, and the same sent.
pub type Counters = [u64; 8];

/// The interfaces of a process's namespace by name, the loopback left out.
pub fn each_interface(pid: u32) -> io::Result<Vec<(String, Counters)>> {
    let table = read(pid, "dev")?;
    let rows: Option<Vec<_>> = rows(&table).collect();
    let rows = rows.ok_or_else(|| io::Error::other("not in its documented form"))?;
    let others = rows.into_iter().filter(|(name, _)| *name != "lo");
    Ok(others
        .map(|(name, counters)| (name.to_owned(), counters))
        .collect())
}

/// The addresses of a process's namespace, but those of its loopback interface.
pub fn addresses(pid: u32) -> io::Result<Vec<IpAddr>> {
    let mut addresses = parse_fib_trie(&read(pid, "fib_trie")?);
    // Without IPv6 there is no such file.
    if let Ok(table) = read(pid, "if_inet6") {
        addresses.extend(parse_if_inet6(&table));
    }
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn read(pid: u32, file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/net/{file}"))?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn parse_interfaces(table: &str) -> Option<(Interfaces, Names)> {
    let mut interfaces = Interfaces::default();
    let mut names = DefaultHasher::new();
    for row in rows(table) {
        let (name, [rx_bytes, rx_packets, _, _, tx_bytes, tx_packets, _, _]) = row?;
        let traffic = Traffic {
            rx_bytes,
            rx_packets,
            tx_bytes,
            tx_packets,
        };
        name.hash(&mut names);
        match name {
            "lo" => interfaces.loopback += &traffic,
            _ => interfaces.others += &traffic,
        }
    }
    Some((interfaces, Names(names.finish())))
}

/// `/proc/net/dev`: two lines of heads, then for each interface eight numbers received and eight sent
/// (`dev_seq_printf_stats` in net/core/net-procfs.c, Linux 6.12), of which the first four are bytes, packets, errors and
/// drops. `None` for a line that is none of these.
fn rows(table: &str) -> impl Iterator<Item = Option<(&str, Counters)>> {
    table.lines().skip(2).map(|line| {
        // A name may have colons of its own: an alias.
        let (name, counters) = line.rsplit_once(':')?;
        let mut numbers = counters.split_ascii_whitespace().map(str::parse);
        let mut number = |skipped| numbers.nth(skipped)?.ok();
        let counters = [
            number(0)?,
            number(0)?,
            number(0)?,
            number(0)?,
            number(4)?,
            number(0)?,
            number(0)?,
            number(0)?,
        ];
        Some((name.trim(), counters))
    })
}

/// `/proc/net/fib_trie`: leaves `|-- address`, each followed by what it is good for, as `/32 host LOCAL`
/// (`fib_trie_seq_show` in `net/ipv4/fib_trie.c`, Linux 6.12).
fn parse_fib_trie(table: &str) -> Vec<IpAddr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut addresses = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf.filter(|leaf| !leaf.is_loopback()).map(IpAddr::V4));
        }
    }
    addresses
}

/// `/proc/net/if_inet6`: the address in hexadecimal, then numbers (`if6_seq_show` in net/ipv6/addrconf.c, Linux 6.12).
fn parse_if_inet6(table: &str) -> Vec<IpAddr> {
    let addresses = table.lines().filter_map(|line| {
        let digits = line.split(' ').next()?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(Ipv6Addr::from_bits(bits))
    });
    addresses
        .filter(|address| !address.is_loopback())
        .map(IpAddr::V6)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Linux 6.18, a container of Docker 20.10 on its default bridge.
    const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     168       2    0    0    0     0          0         0      168       2    0    0    0     0       0          0
  eth0:    1216      14    1    0    0     0          0         0      126       3    0    0    0     0       0          0
";
    const FIB_TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        |-- 172.17.0.0
           /16 link UNICAST
        |-- 172.17.0.2
           /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
";
    const IF_INET6: &str = "fe80000000000000004282fffed30e3a 05 40 20 80  docker0
00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 04 40 00 82     eth0
";

    #[test]
    fn interfaces_are_summed_but_for_loopback() {
        let (interfaces, names) = parse_interfaces(DEV).expect("in its form");
        let traffic = |rx_bytes, rx_packets, tx_bytes, tx_packets| Traffic {
            rx_bytes,
            rx_packets,
            tx_bytes,
            tx_packets,
        };
        assert_eq!(interfaces.loopback, traffic(168, 2, 168, 2));
        assert_eq!(interfaces.others, traffic(1216, 14, 126, 3));
        let later = DEV.replace("1216", "1217");
        let renamed = DEV.replace("eth0", "eth1");
        let names_of = |table: &str| parse_interfaces(table).map(|(_, names)| names);
        assert_eq!(names_of(&later), Some(names));
        assert_ne!(names_of(&renamed), Some(names));
        assert!(parse_interfaces("a\nb\nlo: 1 2 x").is_none());
        let each: Vec<_> = rows(DEV).flatten().collect();
        assert_eq!(each[1], ("eth0", [1216, 14, 1, 0, 126, 3, 0, 0]));
    }

    #[test]
    fn addresses_are_what_is_local_but_for_loopback() {
        assert_eq!(parse_fib_trie(FIB_TRIE), [IpAddr::from([172, 17, 0, 2])]);
        let found: Vec<String> = parse_if_inet6(IF_INET6)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["fe80::42:82ff:fed3:e3a", "fd00::2"]);
    }

    #[test]
    fn this_process_is_in_a_namespace_with_a_loopback_interface() {
        let own = std::process::id();
        assert_eq!(of_process(own).ok(), of_process(own).ok());
        let (interfaces, _) = interfaces(own).expect("readable");
        assert_eq!(
            interfaces.loopback.rx_packets,
            interfaces.loopback.tx_packets
        );
        addresses(own).expect("readable");
    }
}
