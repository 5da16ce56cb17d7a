//! What joins the cgroups of several hierarchies: a container has one in each, all with the same path.
//!
//! Under cgroup v1 a block I/O request leads to a cgroup of the blkio hierarchy and a page to one of the memory
//! hierarchy, while slots are given in the accounting one. Each cgroup's path is kept as a number, and under that
//! number the slot: so it does not matter which of them was made first.

use crate::lifecycle::PATH_BYTES;

/// A cgroup of any hierarchy.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct CgroupKey {
    /// Its id, of its hierarchy's own numbers.
    pub id: u64,
    /// The hierarchy; 0 is the unified one.
    pub hierarchy: u32,
    /// Unused; a key has no padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<CgroupKey>() == 16);

impl CgroupKey {
    /// The cgroup `id` of `hierarchy`.
    #[inline]
    pub const fn of(hierarchy: u32, id: u64) -> Self {
        Self {
            id,
            hierarchy,
            reserved: 0,
        }
    }
}

/// A path as a number: 64-bit FNV-1a, a byte at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PathHash(u64);

impl PathHash {
    /// Of the empty path.
    pub const START: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Of the path with one more byte.
    #[inline]
    #[must_use]
    pub const fn with(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
    }

    /// Of `path`; `None` for one that does not fit an event: such a cgroup counts where the one above it does.
    pub fn of(path: &str) -> Option<Self> {
        let all = |path: &str| path.bytes().fold(Self::START, Self::with);
        (path.len() + 1 < PATH_BYTES).then(|| all(path))
    }

    /// The number.
    #[inline]
    pub const fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_number_that_fnv_gives_it() {
        // From the algorithm's authors.
        assert_eq!(PathHash::of("a"), Some(PathHash(0xaf63_dc4c_8601_ec8c)));
        assert_eq!(
            PathHash::of("foobar"),
            Some(PathHash(0x8594_4171_f739_67e8))
        );
    }

    #[test]
    fn a_path_that_may_have_been_cut_has_none() {
        assert!(PathHash::of(&"x".repeat(PATH_BYTES - 2)).is_some());
        assert_eq!(PathHash::of(&"x".repeat(PATH_BYTES - 1)), None);
    }
}
