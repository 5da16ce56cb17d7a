//! Which slot a cgroup counts in.

/// A cgroup's slot, as stored for it in the kernel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct SlotEntry {
    /// Index of the slot.
    pub slot: u32,
    /// [`SlotEntry::OWNS_SUBTREE`] and [`SlotEntry::INHERITED`], or 0.
    pub flags: u32,
}

const _: () = assert!(size_of::<SlotEntry>() == 8);

impl SlotEntry {
    /// The agent's mark on a container: cgroups made below it count in its slot.
    pub const OWNS_SUBTREE: u32 = 1;
    /// The slot is another cgroup's: its end does not free it.
    pub const INHERITED: u32 = 2;

    /// Whether cgroups made below count in this slot.
    #[inline]
    pub const fn owns_subtree(self) -> bool {
        self.flags & Self::OWNS_SUBTREE != 0
    }

    /// The same slot for a cgroup made below.
    #[inline]
    #[must_use]
    pub const fn inherited(self) -> Self {
        Self {
            slot: self.slot,
            flags: self.flags | Self::INHERITED,
        }
    }

    /// The slot that is free when the cgroup ends; 0 for none.
    #[inline]
    pub const fn own_slot(self) -> u32 {
        if self.flags & Self::INHERITED == 0 {
            self.slot
        } else {
            0
        }
    }
}
