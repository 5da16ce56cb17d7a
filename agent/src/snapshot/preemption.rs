//! Who ran while tasks of one entry waited: what the programs deal out, as totals of a few.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use agent_ebpf::path::PathHash;

use crate::container::CgroupId;

/// Takers that are told one by one: those that took most of late.
pub const TOLD: usize = 5;

/// Takers that are remembered, so that their totals go on when they are told again.
pub const KEPT: usize = 16;

/// What counts as of late, in bits: of what one took a 64th is forgotten at each tick, so half in some 44 ticks.
const FORGOTTEN: u32 = 6;

/// What was dealt out of the waits of one slot since it was last read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// While tasks of the same slot ran, in nanoseconds.
    pub own_ns: u64,
    /// While others ran that found no place, in nanoseconds.
    pub rest_ns: u64,
    /// While nobody ran, or nobody that is known, in nanoseconds.
    pub unknown_ns: u64,
    /// While these slots ran, in nanoseconds.
    pub takers: Vec<(u32, u64)>,
}

/// The same of one entry, with takers by their series.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Growth {
    /// While its own tasks ran, in nanoseconds.
    pub own_ns: u64,
    /// While others ran that have no series of their own or found no place, in nanoseconds.
    pub other_ns: u64,
    /// While nobody ran, or nobody that is known, in nanoseconds.
    pub unknown_ns: u64,
    /// While these ran, in nanoseconds, by the names that they are published under.
    pub takers: HashMap<Arc<str>, (CgroupId, u64)>,
}

/// Who took the CPU from an entry since the making of its cgroup, as far as that was counted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PreemptionTotals {
    /// Those that took most of late, the one that took most first.
    pub takers: Vec<TakerTotal>,
    /// Tasks of the entry itself.
    pub own: Waited,
    /// All others.
    pub other: Waited,
    /// Nobody, or nobody that is known.
    pub unknown: Waited,
}

/// One of those that took the CPU.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakerTotal {
    /// The name it is published under.
    pub name: Arc<str>,
    /// Its cgroup; the root's for the host.
    pub cgroup: CgroupId,
    /// What it took while it was among those told.
    pub waited: Waited,
}

/// Time that tasks of an entry waited while somebody ran.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Waited {
    /// In all, in nanoseconds.
    pub total_ns: u64,
    /// Since the tick before, in nanoseconds.
    pub grown_ns: u64,
}

/// The account of one entry: each wait is added to one total and to no other, so all of them together are its waits.
#[derive(Clone, Debug, Default)]
pub struct TakerAccount {
    /// By what they took of late, most first.
    kept: Vec<Kept>,
    own: Waited,
    other: Waited,
    unknown: Waited,
    /// Totals of a former process, by the hash of the taker's name, until it is met again.
    former: Vec<(u64, u64)>,
}

#[derive(Clone, Debug)]
struct Kept {
    taker: TakerTotal,
    /// What it took, the longer ago the less, in nanoseconds.
    of_late_ns: u64,
}

/// What outlives the process of an account; names as hashes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SavedTakers {
    /// [`PreemptionTotals::own`], in nanoseconds.
    pub own_ns: u64,
    /// [`PreemptionTotals::other`], in nanoseconds.
    pub other_ns: u64,
    /// [`PreemptionTotals::unknown`], in nanoseconds.
    pub unknown_ns: u64,
    /// Name's hash and total of each taker, at most [`KEPT`].
    pub takers: Vec<(u64, u64)>,
}

impl Growth {
    /// Adds what `taker` took.
    pub fn add(&mut self, name: &Arc<str>, cgroup: CgroupId, ns: u64) {
        let taker = self.takers.entry(Arc::clone(name)).or_insert((cgroup, 0));
        taker.1 += ns;
    }
}

impl TakerAccount {
    /// Goes on from what a former process saved.
    pub fn go_on_from(saved: SavedTakers) -> Self {
        let begun = |total_ns| Waited {
            total_ns,
            grown_ns: 0,
        };
        Self {
            kept: Vec::new(),
            own: begun(saved.own_ns),
            other: begun(saved.other_ns),
            unknown: begun(saved.unknown_ns),
            former: saved.takers,
        }
    }

    /// Takes in what was dealt out since the tick before. Who takes most of late is told; what the others took in this
    /// tick is added to what all others took.
    pub fn advance(&mut self, growth: Growth) {
        self.own.grow(growth.own_ns);
        self.unknown.grow(growth.unknown_ns);
        let mut other_ns = growth.other_ns;
        for kept in &mut self.kept {
            kept.taker.waited.grown_ns = 0;
            // Rounded up, so that it comes to an end.
            kept.of_late_ns -= kept.of_late_ns.div_ceil(1 << FORGOTTEN);
        }
        for (name, (cgroup, ns)) in growth.takers {
            let at = self.place_of(name);
            let kept = &mut self.kept[at];
            kept.taker.cgroup = cgroup;
            kept.taker.waited.grown_ns = ns;
            kept.of_late_ns += ns;
        }
        let rank = |kept: &Kept| (Reverse(kept.of_late_ns), Arc::clone(&kept.taker.name));
        self.kept.sort_by_cached_key(rank);
        for (rank, kept) in self.kept.iter_mut().enumerate() {
            let waited = &mut kept.taker.waited;
            if rank < TOLD {
                waited.total_ns += waited.grown_ns;
            } else {
                other_ns += std::mem::take(&mut waited.grown_ns);
            }
        }
        self.kept.truncate(KEPT);
        self.kept.retain(|kept| kept.of_late_ns != 0);
        self.other.grow(other_ns);
    }

    /// Where the taker of this name stands; at the end, if it is new.
    fn place_of(&mut self, name: Arc<str>) -> usize {
        if let Some(at) = self.kept.iter().position(|it| it.taker.name == name) {
            return at;
        }
        let hash = hash(&name);
        let former = self.former.iter().position(|(it, _)| *it == hash);
        let former = former.map(|at| self.former.swap_remove(at));
        self.kept.push(Kept {
            taker: TakerTotal {
                name,
                cgroup: CgroupId(0),
                waited: Waited {
                    total_ns: former.map_or(0, |(_, total_ns)| total_ns),
                    grown_ns: 0,
                },
            },
            of_late_ns: 0,
        });
        self.kept.len() - 1
    }

    /// What is told of it.
    pub fn totals(&self) -> PreemptionTotals {
        let told = self.kept.iter().take(TOLD);
        PreemptionTotals {
            takers: told.map(|kept| kept.taker.clone()).collect(),
            own: self.own,
            other: self.other,
            unknown: self.unknown,
        }
    }

    /// What is to be saved of it.
    pub fn saved(&self) -> SavedTakers {
        let kept = self.kept.iter().map(|it| {
            let TakerTotal { name, waited, .. } = &it.taker;
            (hash(name), waited.total_ns)
        });
        let takers = kept.chain(self.former.iter().copied());
        SavedTakers {
            own_ns: self.own.total_ns,
            other_ns: self.other.total_ns,
            unknown_ns: self.unknown.total_ns,
            takers: takers.filter(|(_, ns)| *ns != 0).take(KEPT).collect(),
        }
    }
}

impl Waited {
    fn grow(&mut self, ns: u64) {
        self.total_ns += ns;
        self.grown_ns = ns;
    }
}

fn hash(name: &str) -> u64 {
    name.bytes().fold(PathHash::START, PathHash::with).number()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn growth(takers: &[(&str, u64)]) -> Growth {
        let mut growth = Growth::default();
        for (name, ns) in takers {
            growth.add(&Arc::from(*name), CgroupId(7), *ns);
        }
        growth
    }

    fn told(account: &TakerAccount) -> Vec<(String, u64)> {
        let takers = account.totals().takers.into_iter();
        takers
            .map(|it| (it.name.to_string(), it.waited.total_ns))
            .collect()
    }

    #[test]
    fn the_five_that_took_most_of_late_are_told_and_what_the_others_take_is_others() {
        let mut account = TakerAccount::default();
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let all: Vec<(&str, u64)> = names.into_iter().zip((1..).map(|it| it * 1000)).collect();
        account.advance(growth(&all));
        let expected = ["g", "f", "e", "d", "c"].map(str::to_owned);
        let first: Vec<String> = told(&account).into_iter().map(|it| it.0).collect();
        assert_eq!(first, expected);
        assert_eq!(account.totals().other.total_ns, 3000);
        for _ in 0..500 {
            account.advance(growth(&[("a", 5000)]));
        }
        assert_eq!(told(&account)[0], ("a".to_owned(), 500 * 5000));
    }

    #[test]
    fn totals_go_on_after_a_restart_as_soon_as_a_taker_is_met_again() {
        let mut account = TakerAccount::default();
        let mut first = growth(&[("web", 500), ("db", 200)]);
        (first.own_ns, first.other_ns, first.unknown_ns) = (1, 2, 3);
        account.advance(first);
        let mut next = TakerAccount::go_on_from(account.saved());
        assert_eq!(next.saved(), account.saved());
        next.advance(growth(&[("db", 10)]));
        assert_eq!(told(&next), [("db".to_owned(), 210)]);
        next.advance(growth(&[("web", 10)]));
        assert!(told(&next).contains(&("web".to_owned(), 510)));
        let totals = next.totals();
        let sums = [totals.own, totals.other, totals.unknown];
        assert_eq!(sums.map(|it| it.total_ns), [1, 2, 3]);
    }

    proptest! {
        /// However takers come and go: what grows in a tick is what was dealt out in it, no total of one that is told goes
        /// backwards, and there are never more than were said.
        #[test]
        fn sums_close_and_nothing_is_unbounded(
            ticks in prop::collection::vec(prop::collection::vec((0_u8..40, 1_u64..1_000_000), 0..30), 1..60)
        ) {
            let mut account = TakerAccount::default();
            let mut before: HashMap<Arc<str>, u64> = HashMap::new();
            for tick in ticks {
                let mut growth = Growth { own_ns: 3, other_ns: 5, unknown_ns: 7, ..Growth::default() };
                let mut dealt_ns = 15;
                for (taker, ns) in tick {
                    growth.add(&Arc::from(taker.to_string()), CgroupId(1), ns);
                    dealt_ns += ns;
                }
                account.advance(growth);
                let totals = account.totals();
                prop_assert!(totals.takers.len() <= TOLD && account.kept.len() <= KEPT);
                let of_takers: u64 = totals.takers.iter().map(|it| it.waited.grown_ns).sum();
                let others = [totals.own, totals.other, totals.unknown].map(|it| it.grown_ns);
                prop_assert_eq!(of_takers + others.iter().sum::<u64>(), dealt_ns);
                let kept: HashMap<Arc<str>, u64> = account.kept.iter()
                    .map(|it| (Arc::clone(&it.taker.name), it.taker.waited.total_ns))
                    .collect();
                for (name, total_ns) in &kept {
                    prop_assert!(before.get(name).is_none_or(|before| before <= total_ns));
                }
                before = kept;
            }
        }

        /// What is told first is what took most, where nobody took anything before.
        #[test]
        fn of_one_tick_the_largest_are_told(takers in prop::collection::hash_map(0_u8..60, 1_u64..1_000_000, 1..50)) {
            let mut account = TakerAccount::default();
            let mut growth = Growth::default();
            for (taker, ns) in &takers {
                growth.add(&Arc::from(taker.to_string()), CgroupId(1), *ns);
            }
            account.advance(growth);
            let mut largest: Vec<u64> = takers.into_values().collect();
            largest.sort_unstable_by(|one, other| other.cmp(one));
            largest.truncate(TOLD);
            let told: Vec<u64> = told(&account).into_iter().map(|it| it.1).collect();
            prop_assert_eq!(told, largest);
        }
    }
}
