//! What a process has in the kernel: its BPF maps with their memory, its programs with their run time.
//!
//! From the fdinfo of its descriptors (`bpf_map_show_fdinfo` and `bpf_prog_show_fdinfo` in kernel/bpf/syscall.c,
//! Linux 6.12); only names are asked of the kernel by bpf(2).

use std::{collections::BTreeMap, fs};

use agent_ebpf::maps;
use anyhow::Context as _;
use aya::{maps::loaded_maps, programs::loaded_programs};
use cgflux::kernel::PROGRAMS;
use nix::unistd::Pid;

/// The kernel's own per-CPU maps: per-CPU hash, array, LRU hash, cgroup storage (`enum bpf_map_type`).
const KERNEL_PER_CPU: [u32; 4] = [5, 6, 10, 21];

/// Names are cut by the kernel (`BPF_OBJ_NAME_LEN`, with its NUL).
const NAME_BYTES: usize = 15;

/// A map.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct MapUse {
    /// As the object has it, cut at 15 bytes.
    pub(crate) name: String,
    /// `enum bpf_map_type`.
    pub(crate) kind: u32,
    /// Bytes of one value.
    pub(crate) value_bytes: u64,
    /// Entries it was made for.
    pub(crate) entries: u64,
    /// Kernel memory it takes.
    pub(crate) bytes: u64,
}

/// A program, since it was loaded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ProgramUse {
    /// As the object has it.
    pub(crate) name: String,
    /// Its runs while the kernel measured.
    pub(crate) runs: u64,
    /// What they took.
    pub(crate) run_ns: u64,
}

/// How many CPUs a machine may have, and the stripes that the agent then gives each slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cpus {
    /// Possible CPUs.
    pub(crate) possible: u64,
    /// Stripes a slot.
    pub(crate) stripes: u64,
}

/// All maps of a process, each once.
pub(crate) fn maps_of(pid: Pid) -> anyhow::Result<Vec<MapUse>> {
    let names: BTreeMap<u32, String> = loaded_maps()
        .filter_map(Result::ok)
        .filter_map(|info| Some((info.id(), info.name_as_str()?.to_owned())))
        .collect();
    let mut found = BTreeMap::new();
    for text in fdinfo(pid)? {
        if let Some((id, mut map)) = map_in(&text) {
            map.name = names.get(&id).cloned().unwrap_or_default();
            found.insert(id, map);
        }
    }
    Ok(found.into_values().collect())
}

/// All programs of a process by their ids.
pub(crate) fn programs_of(pid: Pid) -> anyhow::Result<BTreeMap<u32, ProgramUse>> {
    let names: BTreeMap<u32, String> = loaded_programs()
        .filter_map(Result::ok)
        .filter_map(|info| Some((info.id(), info.name_as_str()?.to_owned())))
        .collect();
    let mut found = BTreeMap::new();
    for text in fdinfo(pid)? {
        if let Some((id, mut program)) = program_in(&text) {
            program.name = names.get(&id).cloned().unwrap_or_default();
            found.insert(id, program);
        }
    }
    name_whole(
        &mut found,
        &mut PROGRAMS.iter().map(|spec| spec.name).collect(),
    );
    Ok(found)
}

/// Gives back what the kernel cut from names. The agent loads its programs in the order of its table, and ids grow, so
/// of several that begin alike the first in the table is the first loaded.
fn name_whole(programs: &mut BTreeMap<u32, ProgramUse>, table: &mut Vec<&str>) {
    for program in programs.values_mut() {
        let place = table.iter().position(|whole| is_cut(whole, &program.name));
        if let Some(place) = place {
            table.remove(place).clone_into(&mut program.name);
        }
    }
}

/// What each program did between two readings, the costliest first; what never ran is left out.
pub(crate) fn between(
    before: &BTreeMap<u32, ProgramUse>,
    after: &BTreeMap<u32, ProgramUse>,
) -> Vec<ProgramUse> {
    let mut spent: Vec<ProgramUse> = after
        .iter()
        .map(|(id, after)| {
            let before = before.get(id).cloned().unwrap_or_default();
            ProgramUse {
                name: after.name.clone(),
                runs: after.runs.saturating_sub(before.runs),
                run_ns: after.run_ns.saturating_sub(before.run_ns),
            }
        })
        .filter(|spent| spent.runs > 0)
        .collect();
    spent.sort_by_key(|spent| std::cmp::Reverse(spent.run_ns));
    spent
}

/// What `maps`, seen on a machine with the CPUs `here`, would take with the CPUs `there`, in bytes.
pub(crate) fn bytes_with(maps: &[MapUse], here: Cpus, there: Cpus) -> u64 {
    maps.iter()
        .map(|map| bytes_of_one(map, here, there))
        .sum::<u64>()
}

fn bytes_of_one(map: &MapUse, here: Cpus, there: Cpus) -> u64 {
    if KERNEL_PER_CPU.contains(&map.kind) {
        return map.bytes * there.possible / here.possible;
    }
    let entries = if is_one_of(&maps::STRIPED, &map.name) {
        map.entries / here.stripes * there.stripes
    } else if is_one_of(&maps::PER_CPU, &map.name) {
        map.entries / here.possible * there.possible
    } else {
        return map.bytes;
    };
    (map.bytes + entries * map.value_bytes).saturating_sub(map.entries * map.value_bytes)
}

/// The striped maps that have another number of entries than `slots` slots make: then the figures for other CPUs
/// mean nothing.
pub(crate) fn of_another_size(maps: &[MapUse], slots: u32, here: Cpus) -> Vec<&MapUse> {
    let expected = u64::from(slots) * here.stripes;
    maps.iter()
        .filter(|map| is_one_of(&maps::STRIPED, &map.name) && map.entries != expected)
        .collect()
}

fn is_one_of(names: &[&str], cut: &str) -> bool {
    names.iter().any(|whole| is_cut(whole, cut))
}

fn is_cut(whole: &str, cut: &str) -> bool {
    whole.get(..NAME_BYTES).unwrap_or(whole) == cut
}

fn fdinfo(pid: Pid) -> anyhow::Result<Vec<String>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    // A descriptor may be closed by now.
    Ok(files
        .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
        .collect())
}

fn map_in(text: &str) -> Option<(u32, MapUse)> {
    let id = number(text, "map_id")?.try_into().ok()?;
    let map = MapUse {
        name: String::new(),
        kind: number(text, "map_type")?.try_into().ok()?,
        value_bytes: number(text, "value_size")?,
        entries: number(text, "max_entries")?,
        bytes: number(text, "memlock")?,
    };
    Some((id, map))
}

fn program_in(text: &str) -> Option<(u32, ProgramUse)> {
    // A link names its program too, but not its runs.
    let program = ProgramUse {
        name: String::new(),
        runs: number(text, "run_cnt")?,
        run_ns: number(text, "run_time_ns")?,
    };
    Some((number(text, "prog_id")?.try_into().ok()?, program))
}

fn number(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Cpus = Cpus {
        possible: 2,
        stripes: 2,
    };

    /// Linux 6.18.
    const MAP: &str = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t1064\nmap_type:\t2\nkey_size:\t4\n\
                       value_size:\t64\nmax_entries:\t8192\nmap_flags:\t0x400\nmap_extra:\t0x0\n\
                       memlock:\t524592\nmap_id:\t33\nfrozen:\t0\n";
    const PROGRAM: &str = "pos:\t0\nprog_type:\t26\nprog_jited:\t1\nprog_tag:\t0123456789abcdef\nmemlock:\t4096\n\
                           prog_id:\t77\nrun_time_ns:\t123456\nrun_cnt:\t1000\nrecursion_misses:\t0\n";
    const LINK: &str =
        "pos:\t0\nlink_type:\ttracing\nlink_id:\t5\nprog_tag:\t0123456789abcdef\nprog_id:\t77\n";

    #[test]
    fn maps_and_programs_are_told_apart() {
        let (id, map) = map_in(MAP).unwrap();
        assert_eq!((id, map.entries, map.bytes), (33, 8192, 524_592));
        let (id, program) = program_in(PROGRAM).unwrap();
        assert_eq!((id, program.runs, program.run_ns), (77, 1000, 123_456));
        assert!(map_in(PROGRAM).is_none() && program_in(LINK).is_none());
    }

    #[test]
    fn records_grow_with_the_stripes_and_the_rest_does_not() {
        let striped = MapUse {
            name: "CPU_COUNTERS".to_owned(),
            ..map_in(MAP).unwrap().1
        };
        let other = MapUse {
            name: "EVENTS".to_owned(),
            ..striped.clone()
        };
        let there = Cpus {
            possible: 64,
            stripes: 16,
        };
        let maps = [striped, other];
        assert_eq!(bytes_with(&maps, HERE, HERE), 2 * 524_592);
        assert_eq!(
            bytes_with(&maps, HERE, there),
            524_592 + 524_592 + 7 * 524_288
        );
        assert!(of_another_size(&maps, 4096, HERE).is_empty());
        assert_eq!(of_another_size(&maps, 2048, HERE).len(), 1);
    }

    #[test]
    fn names_that_begin_alike_are_told_apart_by_their_order() {
        let cut = |name: &str| ProgramUse {
            name: name.to_owned(),
            ..ProgramUse::default()
        };
        let mut programs = [
            (1, cut("sched_process_e")),
            (2, cut("sched_switch")),
            (3, cut("sched_process_e")),
            (4, cut("anything")),
        ]
        .into();
        let mut table = vec!["sched_process_exec", "sched_process_exit", "sched_switch"];
        name_whole(&mut programs, &mut table);
        let names: Vec<&str> = programs.values().map(|it| it.name.as_str()).collect();
        let expected = [
            "sched_process_exec",
            "sched_switch",
            "sched_process_exit",
            "anything",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_costliest_program_comes_first_and_an_idle_one_not_at_all() {
        let program = |name: &str, runs, run_ns| ProgramUse {
            name: name.to_owned(),
            runs,
            run_ns,
        };
        let before = [(1, program("a", 5, 50)), (2, program("b", 1, 10))].into();
        let after = [
            (1, program("a", 6, 60)),
            (2, program("b", 9, 90)),
            (3, program("c", 0, 0)),
        ];
        let spent = between(&before, &after.into());
        assert_eq!(spent, [program("b", 8, 80), program("a", 1, 10)]);
    }
}
