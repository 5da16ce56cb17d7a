//! User and system time: the kernel's sampled shares, scaled to the exact total.
//!
//! A tick samples what a task does just then; under throttling the sampled sum was seen 35 % off. Only the ratio is
//! used, as `cputime_adjust` does (kernel/sched/cputime.c, Linux 6.12), and like there neither part ever shrinks.

/// The parts of one entry's CPU time as last published.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Split {
    /// User mode, in nanoseconds.
    pub user_ns: u64,
    /// Kernel mode, in nanoseconds.
    pub system_ns: u64,
}

impl Split {
    /// The parts of `total_ns` in the ratio of the sampled `user` and `system`, in any common unit. Neither is less
    /// than before and both sum to `total_ns`, provided that `total_ns` is not less than before.
    #[must_use]
    pub fn advance(self, total_ns: u64, user: u64, system: u64) -> Self {
        let sampled = u128::from(user) + u128::from(system);
        // Nothing sampled yet: what ran so far was too short to be seen in kernel mode.
        let share = (u128::from(total_ns) * u128::from(system))
            .checked_div(sampled)
            .unwrap_or(0);
        let share = u64::try_from(share).unwrap_or(total_ns);
        let most = total_ns.saturating_sub(self.user_ns);
        let system_ns = share.max(self.system_ns).min(most);
        Self {
            user_ns: total_ns - system_ns,
            system_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_exact_total_is_shared_in_the_sampled_ratio() {
        let split = Split::default().advance(1_000, 30, 10);
        assert_eq!(
            split,
            Split {
                user_ns: 750,
                system_ns: 250
            }
        );
    }

    #[test]
    fn a_ratio_that_swings_back_takes_nothing_away() {
        let split = Split::default().advance(1_000, 0, 10).advance(1_100, 10, 0);
        assert_eq!(
            split,
            Split {
                user_ns: 100,
                system_ns: 1_000
            }
        );
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_and_never_shrink(
            steps in prop::collection::vec((0_u64..1 << 40, 0_u64..1 << 40, 0_u64..1 << 40), 1..50),
        ) {
            let (mut split, mut total) = (Split::default(), 0);
            for (more, user, system) in steps {
                total += more;
                let next = split.advance(total, user, system);
                prop_assert_eq!(next.user_ns + next.system_ns, total);
                prop_assert!(next.user_ns >= split.user_ns && next.system_ns >= split.system_ns);
                split = next;
            }
        }
    }
}
