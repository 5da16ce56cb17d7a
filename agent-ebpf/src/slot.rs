//! Which slot a cgroup counts in.

/// A cgroup's slot, as stored for it in the kernel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct SlotEntry {
    /// Index of the slot.
    pub slot: u32,
    /// [`SlotEntry::OWNS_SUBTREE`] or 0.
    pub flags: u32,
}

const _: () = assert!(size_of::<SlotEntry>() == 8);

impl SlotEntry {
    /// The agent's mark on a container: cgroups made below it count in its slot.
    pub const OWNS_SUBTREE: u32 = 1;

    /// Whether cgroups made below count in this slot.
    #[inline]
    pub const fn owns_subtree(self) -> bool {
        self.flags & Self::OWNS_SUBTREE != 0
    }
}
