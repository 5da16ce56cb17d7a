//! The machine: `MachineInfo` of v1 and `Attributes` of v2.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time::Time;

/// What the machine has.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// When this was found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Time>,
    /// Who made its processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// CPUs.
    pub num_cores: usize,
    /// Cores of its processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_physical_cores: Option<usize>,
    /// Its processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_sockets: Option<usize>,
    /// The highest frequency of a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_frequency_khz: Option<u64>,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_capacity: Option<u64>,
    /// Bytes of swap space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_capacity: Option<u64>,
    /// Huge pages set aside, by size.
    pub hugepages: Vec<Hugepages>,
    /// A hash of the machine's id, which is to be kept confidential (machine-id(5)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<String>,
    /// What the firmware calls it, where that may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_uuid: Option<String>,
    /// The kernel's name for the time since the machine started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Its filesystems.
    pub filesystems: Vec<MachineFilesystem>,
    /// Its disks, by their numbers as in `8:0`.
    pub disk_map: BTreeMap<String, DiskInfo>,
    /// Its interfaces.
    pub network_devices: Vec<NetInfo>,
    /// Its nodes of memory with their cores.
    pub topology: Vec<Node>,
    /// Whose machine it is. That is not looked for.
    pub cloud_provider: Unknown,
    /// Which of theirs.
    pub instance_type: Unknown,
    /// What they call it.
    pub instance_id: NoInstance,
}

/// cAdvisor's word for a cloud that it does not know.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub enum Unknown {
    /// It.
    #[default]
    Unknown,
}

/// cAdvisor's word for what no cloud has named.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub enum NoInstance {
    /// It.
    #[default]
    None,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Hugepages {
    /// In KiB.
    pub page_size: u64,
    /// How many are set aside.
    pub num_pages: u64,
}

/// A filesystem of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct MachineFilesystem {
    /// The device, or where it is mounted if it is in memory.
    pub device: String,
    /// Its size in bytes.
    pub capacity: u64,
    /// As in [`super::Stats`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Inodes there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes: Option<u64>,
    /// Whether their number is known.
    pub has_inodes: bool,
}

/// A disk.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DiskInfo {
    /// Its name.
    pub name: String,
    /// The first of its numbers.
    pub major: u32,
    /// The other.
    pub minor: u32,
    /// In bytes.
    pub size: u64,
    /// How its requests are put in order.
    pub scheduler: String,
}

/// An interface.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NetInfo {
    /// Its name.
    pub name: String,
    /// Its address.
    pub mac_address: String,
    /// In Mbit/s; −1 where the driver does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<i64>,
    /// The largest packet.
    pub mtu: i64,
}

/// A node of memory and the cores near it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Node {
    /// Its number.
    pub node_id: u32,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Huge pages set aside on it.
    pub hugepages: Vec<Hugepages>,
    /// Its cores.
    pub cores: Vec<Core>,
    /// Caches that all of its cores share.
    pub caches: Vec<Cache>,
    /// How far its memory and that of each node is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<u64>,
}

/// A core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Core {
    /// Its number.
    pub core_id: u32,
    /// Its CPUs.
    pub thread_ids: Vec<u32>,
    /// Caches of its own.
    pub caches: Vec<Cache>,
    /// Which processor it is of.
    pub socket_id: u32,
}

/// A cache.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Cache {
    /// Its number, where the kernel gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// In bytes.
    pub size: u64,
    /// `Data`, `Instruction` or `Unified`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is from the core.
    pub level: u32,
}

/// What runs on the machine.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// The kernel's release.
    pub kernel_version: Option<String>,
    /// The distribution.
    pub os_version: Option<String>,
}

/// `attributes` of v2.
#[derive(Clone, Debug, Serialize)]
pub struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_os_version: Option<String>,
    cadvisor_version: &'static str,
    num_cores: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_frequency_khz: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_capacity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_uuid: Option<String>,
    hugepages: Vec<Hugepages>,
    filesystems: Vec<MachineFilesystem>,
    disk_map: BTreeMap<String, DiskInfo>,
    network_devices: Vec<NetInfo>,
    topology: Vec<Node>,
    cloud_provider: Unknown,
    instance_type: Unknown,
}

impl Attributes {
    /// Of a machine and what runs on it; `version` is ours.
    pub fn of(machine: Machine, system: System, version: &'static str) -> Self {
        Self {
            kernel_version: system.kernel_version,
            container_os_version: system.os_version,
            cadvisor_version: version,
            num_cores: machine.num_cores,
            cpu_frequency_khz: machine.cpu_frequency_khz,
            memory_capacity: machine.memory_capacity,
            machine_id: machine.machine_id,
            system_uuid: machine.system_uuid,
            hugepages: machine.hugepages,
            filesystems: machine.filesystems,
            disk_map: machine.disk_map,
            network_devices: machine.network_devices,
            topology: machine.topology,
            cloud_provider: machine.cloud_provider,
            instance_type: machine.instance_type,
        }
    }
}
