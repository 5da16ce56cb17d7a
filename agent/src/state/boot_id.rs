//! Which boot of the machine this is.

use std::{fs, io};

/// Where the kernel tells it.
pub(super) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The boot's id as text, 36 bytes.
pub(super) fn read() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}
