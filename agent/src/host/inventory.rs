//! What the machine has: processors, caches, nodes of memory, disks, interfaces, ids. Read when somebody asks.
//!
//! Paths: Documentation/ABI/{stable,testing}/sysfs-* of Linux 6.12. What a file does not say is absent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::encode::cadvisor::api::{
    Cache, Core, DiskInfo, Hugepages, Machine, NetInfo, Node, System,
};

use super::machine_id;

/// What an interface's name begins with that cAdvisor has no word for: the loopback, and ends of containers' pairs.
const INNER_INTERFACES: [&str; 3] = ["lo", "veth", "docker"];

/// The same of disks: files, memory, discs.
const INNER_DISKS: [&str; 3] = ["loop", "ram", "sr"];

/// Things of one kind that are listed.
const MOST: usize = 1_024;

/// Where the kernel shows what there is.
#[derive(Clone, Debug)]
pub struct Inventory {
    sys: PathBuf,
    proc: PathBuf,
    etc: PathBuf,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            etc: "/etc".into(),
        }
    }
}

impl Inventory {
    /// What the machine has, but for what the batches tell: memory, swap space, filesystems.
    pub fn machine(&self) -> Machine {
        let cpuinfo = text(&self.proc.join("cpuinfo")).unwrap_or_default();
        let of_cpus = |key: &str| {
            let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            let key = key.to_owned();
            lines
                .filter(move |(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim())
        };
        let topology = self.topology();
        let cores = || topology.iter().flat_map(|node| &node.cores);
        let mut sockets: Vec<u32> = cores().map(|core| core.socket_id).collect();
        sockets.sort_unstable();
        sockets.dedup();
        let known = |count: usize| (count > 0).then_some(count);
        Machine {
            vendor_id: of_cpus("vendor_id").next().map(str::to_owned),
            num_cores: cores().map(|core| core.thread_ids.len()).sum(),
            num_physical_cores: known(cores().count()),
            num_sockets: known(sockets.len()),
            cpu_frequency_khz: self.frequency_khz(of_cpus("cpu MHz")),
            hugepages: hugepages(&self.sys.join("kernel/mm/hugepages")),
            machine_id: machine_id::hashed(&self.etc.join("machine-id")),
            system_uuid: text(&self.sys.join("class/dmi/id/product_uuid")),
            boot_id: text(&self.proc.join("sys/kernel/random/boot_id")),
            disk_map: self.disks(),
            network_devices: self.interfaces(),
            topology,
            ..Machine::default()
        }
    }

    /// What runs on it.
    pub fn system(&self) -> System {
        let release = text(&self.etc.join("os-release")).unwrap_or_default();
        let name = release
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        System {
            kernel_version: text(&self.proc.join("sys/kernel/osrelease")),
            os_version: name.map(|name| name.trim_matches('"').to_owned()),
        }
    }

    /// Major and minor number of the disk or partition called so.
    pub fn disk_number(&self, name: &str) -> Option<(u32, u32)> {
        // `/` in a device's name is `!` in its folder's.
        let folder = name.replace('/', "!");
        let number = text(&self.sys.join("class/block").join(folder).join("dev"))?;
        pair(&number)
    }

    fn frequency_khz<'a>(&self, mhz: impl Iterator<Item = &'a str>) -> Option<u64> {
        let governed = self
            .sys
            .join("devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
        if let Some(khz) = number(&governed) {
            return Some(khz);
        }
        // `2445.430`
        let khz = mhz.filter_map(|mhz| {
            let (whole, part) = mhz.split_once('.').unwrap_or((mhz, ""));
            let part = format!("{part:0<3}");
            Some(whole.parse::<u64>().ok()? * 1_000 + part.get(..3)?.parse::<u64>().ok()?)
        });
        khz.max()
    }

    fn topology(&self) -> Vec<Node> {
        let cpus = self.sys.join("devices/system/cpu");
        let nodes = numbered(&self.sys.join("devices/system/node"), "node");
        let mut known = BTreeMap::new();
        for (cpu, folder) in numbered(&cpus, "cpu") {
            // One that is off has no topology.
            let Some(core_id) = number(&folder.join("topology/core_id")) else {
                continue;
            };
            let socket = number(&folder.join("topology/physical_package_id")).unwrap_or(0);
            let at = numbered(&folder, "node")
                .first()
                .map_or(0, |(node, _)| *node);
            let node: &mut Node = known.entry(at).or_default();
            node.node_id = at;
            let (core_id, socket_id) = (small(core_id), small(socket));
            let is_it = |core: &&mut Core| core.core_id == core_id && core.socket_id == socket_id;
            let caches = caches(&folder);
            let own = caches.iter().filter(|(_, is_own)| *is_own);
            match node.cores.iter_mut().find(is_it) {
                Some(core) => core.thread_ids.push(cpu),
                None => node.cores.push(Core {
                    core_id,
                    thread_ids: vec![cpu],
                    caches: own.map(|(cache, _)| cache.clone()).collect(),
                    socket_id,
                }),
            }
            for (cache, _) in caches.into_iter().filter(|(_, is_own)| !is_own) {
                if !node.caches.contains(&cache) {
                    node.caches.push(cache);
                }
            }
        }
        for (at, folder) in nodes {
            let Some(node) = known.get_mut(&at) else {
                continue;
            };
            node.memory = memory_of_node(&folder);
            node.hugepages = hugepages(&folder.join("hugepages"));
            let distances = text(&folder.join("distance")).unwrap_or_default();
            let distances = distances.split(' ');
            node.distances = distances.filter_map(|it| it.parse().ok()).collect();
        }
        known.into_values().collect()
    }

    fn disks(&self) -> BTreeMap<String, DiskInfo> {
        let disks = names(&self.sys.join("block")).into_iter();
        disks
            .filter(|name| !INNER_DISKS.iter().any(|it| name.starts_with(it)))
            .filter_map(|name| {
                let folder = self.sys.join("block").join(&name);
                let number_text = text(&folder.join("dev"))?;
                let (major, minor) = pair(&number_text)?;
                let info = DiskInfo {
                    name: name.replace('!', "/"),
                    major,
                    minor,
                    size: number(&folder.join("size"))?.saturating_mul(512),
                    // Where requests are in no queue there is no such file.
                    scheduler: scheduler(
                        &text(&folder.join("queue/scheduler")).unwrap_or_else(|| "none".to_owned()),
                    ),
                };
                Some((number_text, info))
            })
            .collect()
    }

    fn interfaces(&self) -> Vec<NetInfo> {
        let names = names(&self.sys.join("class/net")).into_iter();
        names
            .filter(|name| !INNER_INTERFACES.iter().any(|it| name.starts_with(it)))
            .filter_map(|name| {
                let folder = self.sys.join("class/net").join(&name);
                let signed = |file| text(&folder.join(file))?.parse().ok();
                Some(NetInfo {
                    mac_address: text(&folder.join("address"))?,
                    speed: signed("speed"),
                    mtu: signed("mtu")?,
                    name,
                })
            })
            .collect()
    }
}

/// The caches that a CPU uses; with each whether its own core alone does.
fn caches(cpu: &Path) -> Vec<(Cache, bool)> {
    let siblings = text(&cpu.join("topology/thread_siblings_list"));
    let caches = numbered(&cpu.join("cache"), "index").into_iter();
    caches
        .filter_map(|(_, folder)| {
            let size = text(&folder.join("size"))?;
            let kib: u64 = size.strip_suffix('K')?.parse().ok()?;
            let is_own = text(&folder.join("shared_cpu_list")) == siblings;
            let cache = Cache {
                id: number(&folder.join("id")),
                size: kib.saturating_mul(1 << 10),
                kind: text(&folder.join("type"))?,
                level: small(number(&folder.join("level"))?),
            };
            Some((cache, is_own))
        })
        .collect()
}

/// `Node 0 MemTotal:  24684092 kB`
fn memory_of_node(folder: &Path) -> Option<u64> {
    let meminfo = text(&folder.join("meminfo"))?;
    let line = meminfo.lines().find(|line| line.contains("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(3)?.parse().ok()?;
    kib.checked_mul(1 << 10)
}

fn hugepages(folder: &Path) -> Vec<Hugepages> {
    let mut sizes: Vec<_> = names(folder)
        .into_iter()
        .filter_map(|name| {
            let size = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
            Some(Hugepages {
                page_size: size.parse().ok()?,
                num_pages: number(&folder.join(&name).join("nr_hugepages"))?,
            })
        })
        .collect();
    sizes.sort_by_key(|it| std::cmp::Reverse(it.page_size));
    sizes
}

/// The one in use of `none [mq-deadline] bfq`.
fn scheduler(text: &str) -> String {
    let used = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    used.map_or(text, |(used, _)| used).to_owned()
}

/// The entries of a folder called `prefix` and a number, by it.
fn numbered(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<_> = names(folder)
        .into_iter()
        .filter_map(|name| {
            let number = name.strip_prefix(prefix)?.parse().ok()?;
            Some((number, folder.join(name)))
        })
        .collect();
    found.sort_unstable();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.truncate(MOST);
    names
}

/// A file's text; `None` of one that cannot be read or is empty.
fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Numbers of cores, sockets and levels.
fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_cores_share_is_their_nodes() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for cpu in ["0", "1"] {
            let cpu_folder = format!("sys/devices/system/cpu/cpu{cpu}");
            put(&format!("{cpu_folder}/node0/x"), "");
            put(
                &format!("{cpu_folder}/topology/core_id"),
                &format!("{cpu}\n"),
            );
            put(&format!("{cpu_folder}/topology/physical_package_id"), "0\n");
            put(
                &format!("{cpu_folder}/topology/thread_siblings_list"),
                &format!("{cpu}\n"),
            );
            for (index, kind, size, level, shared) in [
                ("0", "Data", "32K", "1", cpu),
                ("1", "Unified", "32768K", "3", "0-1"),
            ] {
                let cache = format!("{cpu_folder}/cache/index{index}");
                put(&format!("{cache}/type"), kind);
                put(&format!("{cache}/size"), size);
                put(&format!("{cache}/level"), level);
                put(&format!("{cache}/shared_cpu_list"), shared);
            }
        }
        put(
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal:  1000 kB\n",
        );
        put("sys/devices/system/node/node0/distance", "10\n");
        put("sys/block/vda/dev", "254:0\n");
        put("sys/block/vda/size", "2048\n");
        put("sys/block/vda/queue/scheduler", "none [mq-deadline] bfq\n");
        put("sys/block/loop0/dev", "7:0\n");
        put(
            "proc/cpuinfo",
            "vendor_id\t: GenuineIntel\ncpu MHz\t\t: 2445.430\n",
        );
        put(
            "etc/os-release",
            "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
        );
        let inventory = Inventory {
            sys: folder.path().join("sys"),
            proc: folder.path().join("proc"),
            etc: folder.path().join("etc"),
        };
        let machine = inventory.machine();
        let [node] = machine.topology.as_slice() else {
            panic!("{machine:?}");
        };
        assert_eq!(node.memory, Some(1_024_000));
        assert_eq!(node.caches.len(), 1);
        assert_eq!(node.cores.len(), 2);
        assert_eq!(node.cores[1].thread_ids, [1]);
        assert_eq!(node.cores[1].caches.len(), 1);
        assert_eq!((machine.num_cores, machine.num_sockets), (2, Some(1)));
        assert_eq!(machine.cpu_frequency_khz, Some(2_445_430));
        assert_eq!(machine.disk_map.len(), 1);
        assert_eq!(machine.disk_map["254:0"].scheduler, "mq-deadline");
        assert_eq!(machine.disk_map["254:0"].size, 1 << 20);
        let system = inventory.system();
        assert_eq!(system.os_version.as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(system.kernel_version, None);
    }
}
