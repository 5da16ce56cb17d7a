//! `/proc/stat`: CPU time by mode, and what the scheduler counts.

use procfs::{FromBufReadSI as _, KernelStats, LocalSystemInfo, SystemInfoInterface as _};

use crate::snapshot::{CpuTimes, Scheduler};

const SECOND_NS: u64 = 1_000_000_000;

/// What the file says; `None` if it is not in its documented form.
pub(super) fn parse(text: &[u8]) -> Option<(CpuTimes, Scheduler)> {
    let ticks_per_second = LocalSystemInfo.ticks_per_second();
    let stats = KernelStats::from_buf_read(text, &LocalSystemInfo).ok()?;
    let tick_ns = SECOND_NS.checked_div(ticks_per_second)?;
    let ns = |ticks: u64| ticks.saturating_mul(tick_ns);
    let total = &stats.total;
    let times = CpuTimes {
        user_ns: ns(total.user),
        nice_ns: ns(total.nice),
        system_ns: ns(total.system),
        idle_ns: ns(total.idle),
        iowait_ns: total.iowait.map(ns),
        irq_ns: total.irq.map(ns),
        softirq_ns: total.softirq.map(ns),
        steal_ns: total.steal.map(ns),
        guest_ns: total.guest.map(ns),
        guest_nice_ns: total.guest_nice.map(ns),
    };
    let scheduler = Scheduler {
        cpus: stats.cpu_time.len() as u64,
        context_switches: stats.ctxt,
        forks: stats.processes,
        boot_wall_ns: stats.btime.saturating_mul(SECOND_NS),
        running: stats.procs_running.map(u64::from),
        blocked: stats.procs_blocked.map(u64::from),
    };
    Some((times, scheduler))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18, two CPUs, `intr` and `softirq` cut.
    const STAT: &str = "\
cpu  1504684 2304 477652 950714 92058 0 7200 12385 0 0
cpu0 725870 1007 231751 524867 32349 0 1397 6066 0 0
cpu1 778814 1296 245901 425847 59709 0 5802 6319 0 0
intr 23196754 0 0 0 1 1 14
ctxt 137147839
btime 1795446080
processes 2953752
procs_running 2
procs_blocked 0
softirq 16291078 0 1217526 6694
";

    #[test]
    fn ticks_become_nanoseconds_and_each_mode_has_its_own() {
        let (times, scheduler) = parse(STAT.as_bytes()).unwrap();
        // USER_HZ is 100 on every architecture that this runs on.
        assert_eq!(
            times,
            CpuTimes {
                user_ns: 15_046_840_000_000,
                nice_ns: 23_040_000_000,
                system_ns: 4_776_520_000_000,
                idle_ns: 9_507_140_000_000,
                iowait_ns: Some(920_580_000_000),
                irq_ns: Some(0),
                softirq_ns: Some(72_000_000_000),
                steal_ns: Some(123_850_000_000),
                guest_ns: Some(0),
                guest_nice_ns: Some(0),
            }
        );
        assert_eq!(
            scheduler,
            Scheduler {
                cpus: 2,
                context_switches: 137_147_839,
                forks: 2_953_752,
                boot_wall_ns: 1_795_446_080_000_000_000,
                running: Some(2),
                blocked: Some(0),
            }
        );
    }

    #[test]
    fn a_mode_that_a_kernel_does_not_tell_is_absent() {
        let text = STAT.replace("950714 92058 0 7200 12385 0 0", "950714 92058");
        let (times, _) = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (times.iowait_ns, times.steal_ns),
            (Some(920_580_000_000), None)
        );
        assert_eq!(parse(b"cpu  1 2\n"), None);
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(text in super::super::odd_text(STAT)) {
            let _parsed = parse(&text);
        }
    }
}
