//! Network namespaces, and wires between them: traffic of the tests' own, on no interface of the machine.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::Command,
    thread,
};

use nix::sched::{CloneFlags, setns};

use super::{Cgroup, cgroup::unique, skip};

/// A network namespace with nothing but a loopback interface. Removed when dropped.
pub(crate) struct Namespace {
    name: String,
}

/// A wire between two namespaces. Its ends know each other's link addresses, so that nothing but IP packets of the
/// tests passes: no ARP, no neighbour discovery.
pub(crate) struct Veth {
    /// Both ends' interface.
    pub(crate) name: String,
    /// The first end's address.
    pub(crate) near: IpAddr,
    /// The second end's address.
    pub(crate) far: IpAddr,
}

/// What a wire speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ip {
    V4,
    V6,
}

/// What an interface counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Interface {
    pub(crate) rx_bytes: u64,
    pub(crate) rx_packets: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) tx_packets: u64,
}

impl Namespace {
    /// A new one; `None` where `ip` is missing.
    #[track_caller]
    pub(crate) fn new(name: &str) -> Option<Self> {
        let name = unique(name);
        let made = Command::new("ip").args(["netns", "add", &name]).status();
        if !made.is_ok_and(|status| status.success()) {
            return skip("no network namespace can be made (apt-get install iproute2)");
        }
        let namespace = Self { name };
        // Without IPv6 no interface says anything by itself.
        namespace.run(
            "for all in all default; do switch=/proc/sys/net/ipv6/conf/$all/disable_ipv6; \
             [ ! -e $switch ] || echo 1 >$switch; done",
        );
        namespace.run("ip link set lo up");
        Some(namespace)
    }

    /// The file that stands for it.
    pub(crate) fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Runs a shell script inside.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "sh", "-ec", script]);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{script}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// The same script as one to be run elsewhere.
    pub(crate) fn script(&self, script: &str) -> String {
        format!("exec ip netns exec {} sh -c '{script}'", self.name)
    }

    /// Does something inside, in a cgroup: a socket that it makes belongs to both for good.
    pub(crate) fn within<T: Send>(&self, cgroup: &Cgroup, act: impl FnOnce() -> T + Send) -> T {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let own = super::cgroup::folder(own.expect("a unified hierarchy")).join("cgroup.procs");
        // A process is in a cgroup as a whole, a thread can be in a namespace alone.
        cgroup.enter("0");
        let result = self.inside(act);
        fs::write(own, "0").unwrap();
        result
    }

    /// Does something inside.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = fs::File::open(self.path()).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    /// What an interface of it counted.
    pub(crate) fn interface(&self, name: &str) -> Interface {
        let table = self.inside(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
        Interface::in_table(&table, name)
    }

    /// A counter of `/proc/net/snmp` or `/proc/net/netstat`, as in `Tcp RetransSegs`.
    pub(crate) fn counter(&self, protocol: &str, counter: &str) -> u64 {
        let table = self.inside(|| {
            let read = |file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
            read("snmp") + &read("netstat")
        });
        let mut lines = table.lines().filter_map(|line| line.split_once(": "));
        let mut next = || lines.find(|(found, _)| *found == protocol).unwrap().1;
        let (names, values) = (next(), next());
        let at = names.split(' ').position(|name| name == counter).unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    }

    /// A counter of `/proc/net/snmp6`.
    pub(crate) fn counter6(&self, counter: &str) -> u64 {
        let table = self.inside(|| fs::read_to_string("/proc/thread-self/net/snmp6").unwrap());
        let mut words = table.split_ascii_whitespace();
        words.find(|word| *word == counter).unwrap();
        words.next().unwrap().parse().unwrap()
    }
}

impl Interface {
    /// What an interface of a process's namespace counted.
    pub(crate) fn of(pid: &str, name: &str) -> Self {
        let table = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
        Self::in_table(&table, name)
    }

    /// What was counted since it was `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes - before.rx_bytes,
            rx_packets: self.rx_packets - before.rx_packets,
            tx_bytes: self.tx_bytes - before.tx_bytes,
            tx_packets: self.tx_packets - before.tx_packets,
        }
    }

    /// Both together.
    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes + more.rx_bytes,
            rx_packets: self.rx_packets + more.rx_packets,
            tx_bytes: self.tx_bytes + more.tx_bytes,
            tx_packets: self.tx_packets + more.tx_packets,
        }
    }

    /// Bytes and packets received.
    pub(crate) fn received(self) -> (u64, u64) {
        (self.rx_bytes, self.rx_packets)
    }

    /// Bytes and packets sent.
    pub(crate) fn sent(self) -> (u64, u64) {
        (self.tx_bytes, self.tx_packets)
    }

    fn in_table(table: &str, name: &str) -> Self {
        let line = table.lines().find_map(|line| {
            let (found, counters) = line.split_once(':')?;
            (found.trim() == name).then_some(counters)
        });
        let line = line.unwrap_or_else(|| panic!("no {name} in {table}"));
        let numbers: Vec<u64> = line
            .split_ascii_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        Self {
            rx_bytes: numbers[0],
            rx_packets: numbers[1],
            tx_bytes: numbers[8],
            tx_packets: numbers[9],
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let removed = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        assert!(
            removed.is_ok_and(|status| status.success()),
            "{}",
            self.name
        );
    }
}

impl Ip {
    /// Either.
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Bytes of the IP and TCP headers of a segment with a timestamp, which each has.
    pub(crate) const fn tcp_headers(self) -> u64 {
        const TCP: u64 = 20 + 12;
        match self {
            Self::V4 => 20 + TCP,
            Self::V6 => 40 + TCP,
        }
    }

    /// The address of a loopback interface.
    pub(crate) fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// Lets an interface speak it, without addresses of its own making.
    pub(crate) fn allow(self, namespace: &Namespace, interface: &str) {
        if self == Self::V6 {
            namespace.run(&format!(
                "cd /proc/sys/net/ipv6/conf/{interface}; echo 1 >addr_gen_mode; echo 0 >disable_ipv6"
            ));
        }
    }
}

impl Veth {
    /// A wire; `options` are those of `ip link add` for either end.
    #[track_caller]
    pub(crate) fn between(near: &Namespace, far: &Namespace, ip: Ip, options: &str) -> Self {
        let (near_ip, far_ip, prefix) = match ip {
            Ip::V4 => ("10.213.0.1", "10.213.0.2", "24"),
            Ip::V6 => ("fd00:213::1", "fd00:213::2", "64 nodad"),
        };
        let wire = Self {
            name: "wire".to_owned(),
            near: near_ip.parse().unwrap(),
            far: far_ip.parse().unwrap(),
        };
        let name = &wire.name;
        let (near_mac, far_mac) = ("02:00:00:00:d5:01", "02:00:00:00:d5:02");
        near.run(&format!(
            "ip link add {name} address {near_mac} {options} type veth peer name {name} netns {} address {far_mac} \
             {options}",
            far.name
        ));
        for (here, address, other, mac) in [
            (near, wire.near, wire.far, far_mac),
            (far, wire.far, wire.near, near_mac),
        ] {
            if ip == Ip::V6 {
                // It tells who listens to which group.
                here.run("ip6tables -A OUTPUT -p icmpv6 -j DROP");
            }
            ip.allow(here, name);
            here.run(&format!(
                "ip address add {address}/{prefix} dev {name}; ip link set {name} up; \
                 ip neighbour replace {other} lladdr {mac} dev {name} nud permanent"
            ));
        }
        wire
    }
}
