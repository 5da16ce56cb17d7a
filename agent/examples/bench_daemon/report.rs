//! The figures as a table, and which of them reach their target.

use std::time::Duration;

use super::{
    daemon::Told,
    kernel_side::{Cpus, MapUse, ProgramUse, bytes_with},
    load::Target,
    memory::Memory,
    spread::spread,
    window::Spent,
};

/// What the kernel's measuring of a program adds to each of its runs: a reading of the clock.
const MEASURING_NS: f64 = 25.0;

/// Width of the column of names, and of the others.
const NAME: usize = 44;
const VALUE: usize = 22;

/// CPU of other programs, in percent of a core, that spoils the figures. The kernel's own work on account of the
/// workload, in no cgroup, is in it and is less than that.
const DISTURBING_PERCENT: f64 = 25.0;

const MIB: f64 = 1_048_576.0;

/// One collector beside the workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) spent: Spent,
    pub(crate) memory: Memory,
    /// Containers that it shows.
    pub(crate) seen: u64,
    /// Of the agent only.
    pub(crate) agent: Option<AgentPart>,
}

/// What only the agent has.
#[derive(Clone, Debug, Default)]
pub(crate) struct AgentPart {
    pub(crate) told: Told,
    /// From its start until it had taken in all that was there.
    pub(crate) ready_after: Duration,
    pub(crate) maps: Vec<MapUse>,
    /// Over `program_seconds`.
    pub(crate) programs: Vec<ProgramUse>,
    pub(crate) program_seconds: f64,
}

impl AgentPart {
    /// CPU of the programs in percent of one core, as the kernel measured it.
    pub(crate) fn programs_percent(&self) -> f64 {
        let run_ns: u64 = self.programs.iter().map(|program| program.run_ns).sum();
        run_ns as f64 / 1e9 / self.program_seconds * 100.0
    }

    /// The part of it that is the measuring itself.
    fn measuring_percent(&self) -> f64 {
        let runs: u64 = self.programs.iter().map(|program| program.runs).sum();
        runs as f64 * MEASURING_NS / 1e9 / self.program_seconds * 100.0
    }
}

/// Both halves of the paired rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) without: Vec<Spent>,
    pub(crate) with: Vec<Spent>,
}

/// All columns beside one workload, with the targets in the last.
pub(crate) fn table(columns: &[Column], target: Option<Target>) -> String {
    let mut rows = Rows::new(columns);
    rows.line("", "target", |column| column.title.clone());
    let cpu = target.map_or_else(String::new, |target| format!("≤ {}", target.cpu));
    rows.line("CPU of its own, % of a core", "", |column| {
        format!("{:.2}", column.spent.collector)
    });
    rows.agent("its programs, by the kernel's measuring", |agent| {
        format!("{:.2}", agent.programs_percent())
    });
    rows.line("both together", &cpu, |column| {
        let together = together(column);
        judged(format!("{together:.2}"), column, target, |it| {
            together <= it.cpu
        })
    });
    rows.line("dockerd and containerd meanwhile, %", "", |column| {
        format!("{:.2}", column.spent.docker)
    });
    rows.line("InfluxDB meanwhile, %", "", |column| {
        if column.agent.is_some() {
            format!("{:.2}", column.spent.database)
        } else {
            "–".to_owned()
        }
    });
    let rss = target.map_or_else(String::new, |target| format!("≤ {}", target.rss_mib));
    rows.line("RSS, MiB", &rss, |column| {
        let mib = column.memory.rss_bytes as f64 / MIB;
        judged(format!("{mib:.1}"), column, target, |it| mib <= it.rss_mib)
    });
    rows.line("peak RSS since its start, MiB", "", |column| {
        format!("{:.1}", column.memory.peak_bytes as f64 / MIB)
    });
    rows.agent("kernel records mapped, in its RSS, MiB", |agent| {
        format!("{:.1}", agent.told.mapped_bytes as f64 / MIB)
    });
    rows.agent("BPF maps, kernel memory, MiB", |agent| {
        let bytes: u64 = agent.maps.iter().map(|map| map.bytes).sum();
        format!("{:.1}", bytes as f64 / MIB)
    });
    rows.agent("ready after its start, s", |agent| {
        format!("{:.1}", agent.ready_after.as_secs_f64())
    });
    rows.line("containers it shows", "", |column| column.seen.to_string());
    rows.line("points stored in InfluxDB, per second", "", |column| {
        of_agent(column, format!("{:.0}", column.spent.points_per_second))
    });
    rows.line("line protocol stored, kB per second", "", |column| {
        of_agent(
            column,
            format!("{:.1}", column.spent.bytes_per_second / 1000.0),
        )
    });
    rows.agent("its spool on disk, KiB", |agent| {
        format!("{:.0}", agent.told.spool_bytes as f64 / 1024.0)
    });
    rows.line("written to disk by it, kB per second", "", |column| {
        let written = column.spent.written_per_second / 1000.0;
        of_agent(column, format!("{written:.1}"))
    });
    rows.agent("lost, by its own count", |agent| {
        let lost: u64 = agent.told.losses.iter().map(|(_, count)| count).sum();
        lost.to_string()
    });
    for column in columns {
        if let Some(agent) = &column.agent
            && !agent.told.losses.is_empty()
        {
            let lost = losses(&agent.told);
            rows.text
                .push_str(&[&column.title, ": lost ", &lost, "\n"].concat());
        }
    }
    rows.text
}

/// What each program did.
pub(crate) fn programs(agent: &AgentPart) -> String {
    let mut lines = vec![format!(
        "Programs, measured by the kernel (bpf_stats) for {:.0} s. The measuring itself is some {MEASURING_NS:.0} ns of each \
         run, {:.2} % of a core in all;\nwhat a hook costs before and after its program is not in it.\n\
         {:<24}{:>12}{:>12}{:>14}",
        agent.program_seconds,
        agent.measuring_percent(),
        "program",
        "runs/s",
        "ns/run",
        "% of a core"
    )];
    for program in &agent.programs {
        let percent = program.run_ns as f64 / 1e9 / agent.program_seconds * 100.0;
        lines.push(format!(
            "{:<24}{:>12.0}{:>12.0}{percent:>14.3}",
            program.name,
            program.runs as f64 / agent.program_seconds,
            program.run_ns as f64 / program.runs.max(1) as f64,
        ));
    }
    lines.join("\n") + "\n"
}

/// What the paired rounds tell.
pub(crate) fn pairs(pairs: &Pairs, seconds: u64) -> String {
    let mut lines = vec![format!(
        "{} paired rounds of {seconds} s each, without and with the agent in turns; % of a core, median [quartiles]\n\
         {:<NAME$}{:>25}{:>25}{:>25}",
        pairs.with.len(),
        "",
        "without",
        "with",
        "difference"
    )];
    for (name, value) in [
        (
            "workload's cgroups",
            (|spent| spent.workload) as fn(&Spent) -> f64,
        ),
        ("machine less agent, InfluxDB, Docker", |spent| spent.rest),
        ("dockerd and containerd", |spent| spent.docker),
    ] {
        let all = |halves: &[Spent]| halves.iter().map(value).collect::<Vec<_>>();
        let differences = pairs
            .with
            .iter()
            .zip(&pairs.without)
            .map(|(with, without)| value(with) - value(without));
        lines.push(format!(
            "{name:<NAME$}{:>25}{:>25}{:>25}",
            spread(all(&pairs.without), 2),
            spread(all(&pairs.with), 2),
            spread(differences.collect(), 2)
        ));
    }
    lines.join("\n") + "\n"
}

/// The memory of the maps with other numbers of CPUs.
pub(crate) fn map_memory(agent: &AgentPart, here: Cpus, others: &[Cpus]) -> String {
    let measured: u64 = agent.maps.iter().map(|map| map.bytes).sum();
    let mut lines = vec![format!(
        "BPF maps by the number of CPUs, computed from those measured here; {} slots in use\n\
         {:<NAME$}{:>10}{:>14}{:>30}",
        agent.told.slots_in_use, "", "stripes", "maps, MiB", "mapped into the agent, MiB"
    )];
    let mut line = |name: String, stripes: u64, maps: u64, mapped: u64| {
        lines.push(format!(
            "{name:<NAME$}{stripes:>10}{:>14.1}{:>30.1}",
            maps as f64 / MIB,
            mapped as f64 / MIB
        ));
    };
    line(
        format!("{} CPUs, measured", here.possible),
        here.stripes,
        measured,
        agent.told.mapped_bytes,
    );
    for there in others {
        line(
            format!("{} CPUs", there.possible),
            there.stripes,
            bytes_with(&agent.maps, here, *there),
            agent.told.mapped_bytes / here.stripes * there.stripes,
        );
    }
    lines.join("\n") + "\n"
}

/// What others used at most while one of these stretches lasted, where it was enough to spoil the figures.
pub(crate) fn disturbance<'a>(stretches: impl Iterator<Item = &'a Spent>) -> Option<String> {
    let others = stretches
        .map(|spent| spent.rest - spent.workload)
        .fold(0.0, f64::max);
    (others > DISTURBING_PERCENT).then(|| {
        format!(
            "Other programs of this machine used up to {others:.0} % of a core meanwhile: on a quiet one the figures are \
             lower, and the paired rounds tell more.\n"
        )
    })
}

struct Rows<'a> {
    columns: &'a [Column],
    text: String,
}

impl<'a> Rows<'a> {
    fn new(columns: &'a [Column]) -> Self {
        Self {
            columns,
            text: String::new(),
        }
    }

    fn line(&mut self, name: &str, target: &str, value: impl Fn(&Column) -> String) {
        let values = self.columns.iter();
        let values: Vec<String> = values
            .map(|column| format!("{:>VALUE$}", value(column)))
            .collect();
        let values = values.concat();
        let line = format!("{name:<NAME$}{values}{target:>12}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn agent(&mut self, name: &str, value: impl Fn(&AgentPart) -> String) {
        self.line(name, "", |column| {
            column.agent.as_ref().map_or_else(|| "–".to_owned(), &value)
        });
    }
}

fn together(column: &Column) -> f64 {
    let programs = column.agent.as_ref().map(AgentPart::programs_percent);
    column.spent.collector + programs.unwrap_or_default()
}

/// Only the agent has targets.
fn judged(
    figure: String,
    column: &Column,
    target: Option<Target>,
    reached: impl Fn(Target) -> bool,
) -> String {
    match target {
        Some(target) if column.agent.is_some() && !reached(target) => format!("{figure} missed"),
        Some(_) if column.agent.is_some() => format!("{figure} reached"),
        _ => figure,
    }
}

fn of_agent(column: &Column, figure: String) -> String {
    if column.agent.is_some() {
        figure
    } else {
        "–".to_owned()
    }
}

fn losses(told: &Told) -> String {
    let losses = told
        .losses
        .iter()
        .map(|(what, count)| format!("{count} {what}"));
    losses.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    fn agent(cpu: f64, program_ns: u64) -> Column {
        Column {
            title: "agent".to_owned(),
            spent: Spent {
                collector: cpu,
                ..Spent::default()
            },
            memory: Memory {
                rss_bytes: 10 << 20,
                peak_bytes: 12 << 20,
            },
            seen: 200,
            agent: Some(AgentPart {
                programs: vec![ProgramUse {
                    name: "sched_switch".to_owned(),
                    runs: 10_000,
                    run_ns: program_ns,
                }],
                program_seconds: 10.0,
                ..AgentPart::default()
            }),
        }
    }

    #[test]
    fn the_programs_count_toward_the_target() {
        let target = Load::Containers(200).target();
        // 0.3 % and 10 ms in 10 s: 0.1 %.
        let text = table(&[agent(0.3, 10_000_000)], target);
        assert!(text.contains("0.40 reached"), "{text}");
        let text = table(&[agent(0.45, 10_000_000)], target);
        assert!(text.contains("0.55 missed"), "{text}");
    }

    #[test]
    fn what_is_not_the_agent_is_not_judged() {
        let other = Column {
            agent: None,
            ..agent(50.0, 0)
        };
        let text = table(&[other], Load::Containers(200).target());
        assert!(
            !text.contains("missed") && !text.contains("reached"),
            "{text}"
        );
        assert!(text.contains("≤ 0.5") && text.contains("≤ 20"), "{text}");
    }

    #[test]
    fn a_busy_machine_is_told_of() {
        let stretch = |rest| Spent {
            workload: 40.0,
            rest,
            ..Spent::default()
        };
        assert_eq!(disturbance([stretch(50.0)].iter()), None);
        let told = disturbance([stretch(50.0), stretch(190.0)].iter()).unwrap();
        assert!(told.contains("150 %"), "{told}");
    }

    #[test]
    fn what_was_lost_is_told_by_reason() {
        let mut column = agent(0.3, 0);
        let lost = vec![("slots_exhausted".to_owned(), 3), ("points".to_owned(), 4)];
        column.agent.as_mut().unwrap().told.losses = lost;
        let text = table(&[column], None);
        assert!(
            text.ends_with("agent: lost 3 slots_exhausted, 4 points\n"),
            "{text}"
        );
    }

    #[test]
    fn a_pair_is_compared_within_its_round() {
        let half = |workload| Spent {
            workload,
            ..Spent::default()
        };
        let both = Pairs {
            without: vec![half(40.0), half(44.0), half(48.0)],
            with: vec![half(40.5), half(44.5), half(48.5)],
        };
        let text = pairs(&both, 10);
        assert!(text.contains("0.50 [0.50, 0.50]"), "{text}");
    }
}
