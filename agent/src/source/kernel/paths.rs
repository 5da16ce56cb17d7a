//! Paths of cgroups of which an event told the id alone: those too long for an event, and all under lockdown.

use std::collections::HashMap;

use crate::{container::CgroupId, source::roster::Roster};

/// Walks through the tree between two ticks. A user may make and remove such cgroups without end; what is left is found
/// with the next look through the tree.
const MOST_WALKS: usize = 8;

/// What was found in the walks since the last tick.
#[derive(Debug, Default)]
pub(super) struct Paths {
    known: HashMap<CgroupId, String>,
    walks: usize,
}

/// Where a cgroup is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Place {
    At(String),
    Gone,
    /// Not looked for, or not to be found in what could be seen of the tree.
    Unknown,
}

impl Paths {
    /// Forgets what was found, which may not be true for long.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Looks for a cgroup, in the tree if need be.
    pub(super) fn find(&mut self, id: CgroupId, roster: &mut Roster) -> Place {
        self.find_by(id, || {
            let walk = roster.walk();
            (walk.is_complete(), walk.cgroups)
        })
    }

    fn find_by(
        &mut self,
        id: CgroupId,
        walk: impl FnOnce() -> (bool, Vec<(CgroupId, String)>),
    ) -> Place {
        if let Some(path) = self.known.get(&id) {
            return Place::At(path.clone());
        }
        if self.walks == MOST_WALKS {
            return Place::Unknown;
        }
        self.walks += 1;
        let (is_complete, cgroups) = walk();
        self.known = cgroups.into_iter().collect();
        match self.known.get(&id) {
            Some(path) => Place::At(path.clone()),
            None if is_complete => Place::Gone,
            None => Place::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_walk_finds_all_that_are_there() {
        let mut paths = Paths::default();
        let all = || (1..=3).map(|id| (CgroupId(id), format!("/{id}"))).collect();
        for id in 1..=3 {
            let place = paths.find_by(CgroupId(id), || (true, all()));
            assert_eq!(place, Place::At(format!("/{id}")));
        }
        assert_eq!(paths.walks, 1);
    }

    #[test]
    fn only_a_whole_walk_tells_that_one_is_gone() {
        let mut paths = Paths::default();
        let id = CgroupId(7);
        assert_eq!(paths.find_by(id, || (true, Vec::new())), Place::Gone);
        assert_eq!(paths.find_by(id, || (false, Vec::new())), Place::Unknown);
    }

    #[test]
    fn whoever_makes_and_removes_without_end_buys_no_walk_each() {
        let mut paths = Paths::default();
        let mut walks = 0;
        for id in 0..1_000 {
            paths.find_by(CgroupId(id), || {
                walks += 1;
                (true, Vec::new())
            });
        }
        assert_eq!(walks, MOST_WALKS);
        paths.forget();
        assert_eq!(
            paths.find_by(CgroupId(1), || (true, Vec::new())),
            Place::Gone
        );
    }
}
