//! Stretches of time that points are of.

/// The times of some points, in nanoseconds since the Unix epoch, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// The earliest.
    pub oldest_ns: i64,
    /// The latest.
    pub newest_ns: i64,
}

impl Times {
    /// One instant.
    pub fn at(wall_ns: i64) -> Self {
        Self {
            oldest_ns: wall_ns,
            newest_ns: wall_ns,
        }
    }

    /// These and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            oldest_ns: self.oldest_ns.min(other.oldest_ns),
            newest_ns: self.newest_ns.max(other.newest_ns),
        }
    }
}
