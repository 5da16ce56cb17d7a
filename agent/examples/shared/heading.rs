//! What stands above figures, so that others can get the same: the machine and the command.

use std::{fs, thread::available_parallelism};

use serde::Serialize;

use super::flags;

/// Of `cargo xtask bench NAME` with these options.
pub(crate) fn of(name: &str, options: &impl Serialize) -> anyhow::Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let about = fs::read_to_string("/proc/cpuinfo")?;
    let model = about
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown model", |(_, model)| model);
    let flags = flags::of(options);
    let flags: Vec<_> = flags.iter().map(|flag| flag.to_string_lossy()).collect();
    Ok(format!(
        "Linux {}, {} CPUs ({model})\ncargo xtask bench {name} {}",
        release.trim(),
        available_parallelism()?,
        flags.join(" ")
    ))
}
