//! What passes between who keeps and who writes: a batch, which one it is, and what it came to.

use std::time::Duration;

use super::spool::Seq;
use crate::{
    encode::{Packed, Payload},
    loss::Losses,
};

/// Which batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// One on disk.
    Disk(Seq),
    /// One in memory.
    Memory(u64),
}

impl Key {
    /// Its number on disk, if it is there.
    pub(super) fn on_disk(self) -> Option<Seq> {
        match self {
            Self::Disk(seq) => Some(seq),
            Self::Memory(_) => None,
        }
    }
}

/// A batch to be written.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) key: Key,
    pub(super) packed: Packed,
    pub(super) payload: Payload,
    /// Whether newer ones may go before it.
    pub(super) has_waited: bool,
}

/// What became of points.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// How many are stored.
    pub(super) stored: u64,
    /// Which never will be.
    pub(super) lost: Losses,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Write this.
    Batch(Box<Batch>),
    /// What waits is to wait for so long yet.
    Later(Duration),
    /// Nothing waits.
    Nothing,
}
