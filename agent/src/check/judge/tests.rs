//! One fact is taken away at a time; the rest is as it should be.

use super::*;
use crate::{
    check::facts::{
        Access, Api, Capability, CgroupFacts, DaemonFacts, DeliveryFacts, Holder, KeptFacts,
        KernelFacts, Page, Privileges, Refusal, RuntimeFacts, Sandbox, SinkFacts, SinkState,
        SocketFacts, SpoolFacts, StateFolder,
    },
    config::{Budget, Collect, Http},
    host::cgroup_tree::Mode,
    kernel::{NotNeeded, Obstacle, PROGRAMS, ProgramReport, ProgramState, Role, StorageKind},
    metrics::catalog::Source,
    snapshot::Totals,
};

/// A machine where all is well.
fn facts() -> Facts {
    let reports = PROGRAMS.iter().map(|spec| ProgramReport {
        spec,
        state: ProgramState::Loaded,
        forbidden: false,
    });
    Facts {
        collect: Collect::default(),
        budget: Budget::default(),
        kernel: KernelFacts {
            release: "6.12.9".to_owned(),
            type_information: Access::Open,
            sysfs: true,
            bpf: Some(true),
            jit: Some(true),
            lockdown: Some("none".to_owned()),
        },
        privileges: Privileges {
            uid: 0,
            effective: Some(u64::MAX),
            bounding: Some(u64::MAX),
            first_user_namespace: Some(true),
            seccomp: Some(false),
            memlock_bytes: None,
        },
        sandbox: Sandbox::default(),
        cgroups: Ok(CgroupFacts {
            mode: Mode::V2,
            mount: "/sys/fs/cgroup".into(),
            is_unified: true,
            is_whole: true,
            count: Ok(40),
            unreadable: 0,
            legacy: Vec::new(),
            unified: ["cpu", "memory", "pids"].map(str::to_owned).into(),
            enabled: ["cpu", "memory", "pids"].map(str::to_owned).into(),
            root_total: true,
            pressure: Access::Open,
            told: Totals::default(),
        }),
        programs: Programs::Attached {
            storage: StorageKind::CgrpStorage,
            passed_over: None,
            reports: reports.collect(),
        },
        runtimes: vec![RuntimeFacts {
            name: "docker",
            folders: vec![("/var/lib/docker/containers".into(), Access::Open)],
            api: Some((
                "/var/run/docker.sock".into(),
                Api::Answers("Docker".to_owned()),
            )),
        }],
        daemon: DaemonFacts {
            state_dir: "/var/lib/cgflux".into(),
            state: StateFolder::Writable,
            holder: None,
            pages: Http::default()
                .listen
                .into_iter()
                .map(|listen| (listen, Page::Free))
                .collect(),
            shed: Vec::new(),
        },
        sinks: vec![SinkFacts {
            name: "influxdb".to_owned(),
            place: "InfluxDB at http://127.0.0.1:8086".to_owned(),
            state: SinkState::Answers("version 1.6.7".to_owned()),
        }],
        delivery: DeliveryFacts {
            kept: vec![KeptFacts {
                name: "influxdb".to_owned(),
                spool: Some(SpoolFacts {
                    path: "/var/lib/cgflux/spool/influxdb.db".into(),
                    folder: StateFolder::CanBeMade,
                    bytes: 1 << 20,
                    most_bytes: 1 << 30,
                    free_bytes: Some(2 << 30),
                }),
                refused: None,
            }],
            socket: Some(SocketFacts {
                path: "/run/cgflux/points.sock".into(),
                mode: 0o660,
                folder: StateFolder::Writable,
            }),
            machine: Some("f7c5d8470e85".to_owned()),
        },
    }
}

/// What `change` takes away is told at `path` (section and item) by that level, and comes to that verdict. Whatever is
/// less than well says why and what to do.
#[track_caller]
fn check(path: &str, level: Level, verdict: Verdict, change: impl FnOnce(&mut Facts)) -> Item {
    let mut facts = facts();
    change(&mut facts);
    let report = judge(&facts);
    for section in &report.sections {
        for item in section.items.iter().filter(|it| it.level >= Level::Warn) {
            assert!(item.why.is_some() && item.fix.is_some(), "{item:?}");
        }
    }
    assert_eq!(report.verdict, verdict, "{}", report.summary);
    let item = find(&report, path);
    assert_eq!(item.level, level, "{item:?}");
    item
}

#[track_caller]
fn find(report: &Report, path: &str) -> Item {
    let (section, name) = path.split_once('/').expect("section/item");
    let items = report.sections.iter().find(|it| it.name == section);
    let found = items.and_then(|it| it.items.iter().find(|it| it.name == name));
    found.unwrap_or_else(|| panic!("no {path}")).clone()
}

fn programs(facts: &mut Facts) -> &mut Vec<ProgramReport> {
    match &mut facts.programs {
        Programs::Attached { reports, .. } => reports,
        other => panic!("{other:?}"),
    }
}

fn refused(obstacle: Obstacle) -> Programs {
    Programs::Refused(Refusal {
        text: "cannot load".to_owned(),
        obstacle,
    })
}

fn without(capability: Capability) -> u64 {
    let implied = capability.implied_by().map_or(0, |it| 1 << it.number);
    !(1 << capability.number | implied)
}

#[test]
fn where_all_is_well_nothing_is_said_to_be_wrong() {
    let report = judge(&facts());
    assert_eq!(report.verdict, Verdict::Ready);
    for section in &report.sections {
        for item in &section.items {
            assert!(item.level <= Level::Note, "{}: {item:?}", section.name);
        }
    }
}

#[test]
fn a_kernel_that_lacks_something_is_no_end_while_files_serve() {
    use Level::{Fail, Note, Warn};
    let degraded = Verdict::Degraded;
    check("kernel/version", Fail, degraded, |it| {
        it.kernel.release = "5.4.0".to_owned();
    });
    check("kernel/version", Note, Verdict::Ready, |it| {
        it.kernel.release.clear();
    });
    check("kernel/bpf system call", Fail, degraded, |it| {
        it.kernel.bpf = Some(false);
    });
    check("kernel/compiler", Warn, degraded, |it| {
        it.kernel.jit = Some(false);
    });
    check("kernel/compiler", Note, Verdict::Ready, |it| {
        it.kernel.jit = None;
    });
    for access in [
        Access::Missing,
        Access::Forbidden,
        Access::Failed("I/O".to_owned()),
    ] {
        check("kernel/type information", Fail, degraded, |it| {
            it.kernel.type_information = access;
        });
    }
    check("kernel/lockdown", Note, Verdict::Ready, |it| {
        it.kernel.lockdown = Some("confidentiality".to_owned());
    });
}

#[test]
fn a_refusal_is_explained_by_what_else_is_known() {
    let explained = |because: &str, verdict, change: &dyn Fn(&mut Facts)| {
        let item = check("programs/all programs", Level::Fail, verdict, |it| {
            it.collect.source = SourceChoice::Kernel;
            it.programs = refused(Obstacle::Privileges);
            change(it);
        });
        let why = item.why.unwrap_or_default();
        assert!(why.contains(because), "{why}");
    };
    let (kernel, privilege) = (Verdict::KernelLacks, Verdict::NotPrivileged);
    explained("type information", kernel, &|it| {
        it.kernel.type_information = Access::Missing;
    });
    explained("no BPF", kernel, &|it| it.kernel.bpf = Some(false));
    explained("too old", kernel, &|it| {
        it.kernel.release = "4.19.0".to_owned();
    });
    explained("user namespace", privilege, &|it| {
        it.privileges.first_user_namespace = Some(false);
    });
    explained("lacks CAP_BPF", privilege, &|it| {
        it.privileges.effective = Some(without(Capability::BPF));
    });
    explained("lacks CAP_BPF and CAP_PERFMON", privilege, &|it| {
        it.privileges.effective = Some(0);
    });
    explained("seccomp", privilege, &|it| {
        it.privileges.seccomp = Some(true);
    });
    explained("security module", privilege, &|_| {});
    explained("locked memory", privilege, &|it| {
        it.kernel.release = "5.10.0".to_owned();
        it.privileges.memlock_bytes = Some(64 << 10);
    });
    explained("ran short", Verdict::CannotStart, &|it| {
        it.programs = refused(Obstacle::Other);
    });
    explained("does not take", kernel, &|it| {
        it.programs = refused(Obstacle::Feature);
    });
}

#[test]
fn refused_programs_are_no_end_unless_nothing_else_is_wanted() {
    let refuse = |it: &mut Facts| it.programs = refused(Obstacle::Privileges);
    check(
        "programs/all programs",
        Level::Fail,
        Verdict::Degraded,
        refuse,
    );
    check("metrics/usage_ns", Level::Warn, Verdict::Degraded, refuse);
    check(
        "metrics/runq_wait_ns",
        Level::Warn,
        Verdict::Degraded,
        refuse,
    );
    check("metrics/user_ns", Level::Pass, Verdict::Degraded, refuse);
    check(
        "metrics/user_ns",
        Level::Fail,
        Verdict::NotPrivileged,
        |it| {
            refuse(it);
            it.collect.source = SourceChoice::Kernel;
        },
    );
    check(
        "kernel/type information",
        Level::Note,
        Verdict::Ready,
        |it| {
            it.collect.source = SourceChoice::Files;
            it.programs = Programs::NotWanted;
            it.kernel.type_information = Access::Missing;
            it.privileges.effective = Some(without(Capability::BPF));
        },
    );
    let wanted = |it: &mut Facts| {
        it.collect.source = SourceChoice::Files;
        it.programs = Programs::NotWanted;
        it.privileges.effective = Some(0);
        it.privileges.uid = 0;
    };
    check(
        "programs/all programs",
        Level::Note,
        Verdict::Degraded,
        wanted,
    );
    check("privileges/CAP_BPF", Level::Note, Verdict::Degraded, wanted);
    check("metrics/usage_ns", Level::Pass, Verdict::Degraded, wanted);
    check(
        "metrics/runq_wait_ns",
        Level::Note,
        Verdict::Degraded,
        wanted,
    );
}

#[test]
fn each_capability_says_what_it_buys_and_how_to_get_it() {
    for (capability, level, verdict) in [
        (Capability::BPF, Level::Fail, Verdict::Degraded),
        (Capability::PERFMON, Level::Fail, Verdict::Degraded),
        (Capability::DAC_READ_SEARCH, Level::Warn, Verdict::Degraded),
        (Capability::SYS_PTRACE, Level::Note, Verdict::Ready),
        (Capability::NET_ADMIN, Level::Warn, Verdict::Degraded),
    ] {
        let path = format!("privileges/{}", capability.name);
        check(&path, level, verdict, |it| {
            it.privileges.effective = Some(without(capability));
        });
        check(&path, Level::Note, Verdict::Ready, |it| {
            it.privileges.effective = None;
        });
    }
    let fix = |change: &dyn Fn(&mut Privileges)| {
        let item = check("privileges/CAP_BPF", Level::Fail, Verdict::Degraded, |it| {
            it.privileges.effective = Some(without(Capability::BPF));
            change(&mut it.privileges);
        });
        item.fix.unwrap_or_default()
    };
    assert!(fix(&|it| it.uid = 7).contains("AmbientCapabilities=CAP_BPF"));
    assert!(fix(&|_| {}).contains("root shell"));
    assert!(fix(&|it| it.bounding = it.effective).contains("--cap-add BPF"));
    assert!(fix(&|it| it.first_user_namespace = Some(false)).contains("--userns=host"));
}

#[test]
fn a_systemd_that_does_not_know_the_names_gets_a_drop_in_and_an_old_kernel_no_advice_that_is_no_use()
 {
    // As a unit on such a systemd: the names it knows are there, and in the bounding set too.
    let known = without(Capability::BPF) & without(Capability::PERFMON);
    let known = known & !(1 << Capability::SYS_ADMIN.number);
    let unit = |it: &mut Facts| {
        it.privileges.uid = 990;
        it.privileges.effective = Some(known);
        it.privileges.bounding = Some(known);
    };
    let item = check("privileges/CAP_BPF", Level::Fail, Verdict::Degraded, unit);
    let fix = item.fix.unwrap_or_default();
    for words in [
        "`CapabilityBoundingSet=CAP_BPF CAP_PERFMON`",
        "CAP_SYS_ADMIN in their place",
        "examples/privileged.conf",
    ] {
        assert!(fix.contains(words), "{fix}");
    }
    let item = check("privileges/CAP_BPF", Level::Fail, Verdict::Degraded, |it| {
        unit(it);
        it.kernel.release = "5.4.0".to_owned();
    });
    assert!(item.finding.starts_with("not known to this kernel"));
    assert!(item.fix.unwrap_or_default().contains("Linux 5.8"));
}

#[test]
fn what_a_sandbox_hides_is_named_with_the_setting_that_does_it() {
    let covered = [
        "/dev",
        "/home",
        "/proc/sys",
        "/srv",
        "/tmp",
        "/usr/lib/modules",
    ];
    let hides = |it: &mut Facts| it.sandbox.covered = covered.map(Into::into).into();
    let item = check("privileges/sandbox", Level::Warn, Verdict::Degraded, hides);
    for words in [
        "/home (ProtectHome=)",
        "/tmp (PrivateTmp=)",
        "/srv (Inaccessible",
    ] {
        assert!(item.finding.contains(words), "{}", item.finding);
    }
    for words in ["/dev", "/proc", "/usr"] {
        assert!(!item.finding.contains(words), "{}", item.finding);
    }
    let fix = item.fix.unwrap_or_default();
    assert!(fix.contains("ProtectHome=read-only and "), "{fix}");
    // They are opened all the same.
    check("privileges/sandbox", Level::Note, Verdict::Ready, |it| {
        hides(it);
        it.sandbox.is_open = true;
    });
    let mut facts = facts();
    facts.sandbox.covered = vec!["/dev".into(), "/run/credentials".into()];
    let report = judge(&facts);
    let mut items = report.sections.iter().flat_map(|it| &it.items);
    assert!(items.all(|it| it.name != "sandbox"));
}

#[test]
fn programs_on_packets_want_a_capability_of_their_own() {
    let item = check(
        "programs/network_egress",
        Level::Warn,
        Verdict::Degraded,
        |it| {
            it.privileges.effective = Some(without(Capability::NET_ADMIN));
            let mut reports = programs(it).iter_mut();
            let report = reports.rfind(|it| it.spec.role.counts_packets());
            let report = report.expect("a program on packets");
            report.state = ProgramState::Refused("Operation not permitted (os error 1)".to_owned());
            report.forbidden = true;
        },
    );
    assert!(item.fix.unwrap_or_default().contains("root shell"));
    assert!(item.why.unwrap_or_default().contains("CAP_NET_ADMIN"));
}

#[test]
fn what_each_program_takes_with_it_is_told_by_its_metrics() {
    let lacking = |source, state: ProgramState| {
        move |it: &mut Facts| {
            let mut reports = programs(it).iter_mut();
            let report = reports.find(|it| it.spec.role == Role::Metric(source));
            report.expect("a program of that source").state = state;
        }
    };
    let unsupported = || ProgramState::Unsupported("no tracepoint".to_owned());
    let refused = || ProgramState::Refused("Invalid argument (os error 22)".to_owned());
    let (warn, degraded) = (Level::Warn, Verdict::Degraded);

    check(
        "programs/sched_switch",
        warn,
        degraded,
        lacking(Source::SchedSwitch, unsupported()),
    );
    check(
        "programs/sched_switch",
        warn,
        degraded,
        lacking(Source::SchedSwitch, refused()),
    );
    let item = check(
        "metrics/runq_wait_ns",
        warn,
        degraded,
        lacking(Source::SchedSwitch, refused()),
    );
    assert!(
        item.why
            .unwrap_or_default()
            .contains("sched_switch was refused: Invalid")
    );

    let exact = Source::SchedStatRuntime;
    let item = check(
        "metrics/usage_ns",
        warn,
        degraded,
        lacking(exact, unsupported()),
    );
    assert_eq!(item.details[0], ("source", "sched_switch".to_owned()));
    let not_needed = ProgramState::NotNeeded(NotNeeded::ChargedAtSwitches);
    check("metrics/usage_ns", Level::Pass, Verdict::Ready, |it| {
        it.collect.exact = false;
        lacking(exact, not_needed)(it);
    });
    check("metrics/usage_ns", Level::Pass, Verdict::Ready, |it| {
        lacking(exact, ProgramState::Skipped)(it);
    });
    check(
        "programs/sched_stat_runtime",
        Level::Note,
        Verdict::Ready,
        |it| {
            lacking(exact, ProgramState::Skipped)(it);
        },
    );
    check("programs/cgroup_mkdir", warn, degraded, |it| {
        programs(it)[0].state = ProgramState::Refused("Operation not permitted".to_owned());
    });
}

#[test]
fn a_hash_is_second_best_only_where_there_is_better() {
    let hash = |release: &'static str| {
        move |it: &mut Facts| {
            it.kernel.release = release.to_owned();
            if let Programs::Attached {
                storage,
                passed_over,
                ..
            } = &mut it.programs
            {
                *storage = StorageKind::Hash;
                *passed_over = Some(Refusal {
                    text: "no such map".to_owned(),
                    obstacle: Obstacle::Feature,
                });
            }
        }
    };
    check("programs/slots", Level::Pass, Verdict::Ready, hash("6.1.0"));
    check(
        "programs/slots",
        Level::Warn,
        Verdict::Degraded,
        hash("6.12.0"),
    );
}

#[test]
fn without_cgroups_there_is_nothing_to_measure() {
    let nothing = |it: &mut Facts| {
        it.cgroups = Err("none is mounted".to_owned());
        it.programs = Programs::NoHierarchy;
    };
    check(
        "cgroups/hierarchy",
        Level::Fail,
        Verdict::KernelLacks,
        nothing,
    );
    check(
        "programs/all programs",
        Level::Fail,
        Verdict::KernelLacks,
        nothing,
    );
    check(
        "metrics/user_ns",
        Level::Fail,
        Verdict::KernelLacks,
        nothing,
    );
    let with = |change: fn(&mut CgroupFacts)| {
        move |it: &mut Facts| change(it.cgroups.as_mut().expect("cgroups"))
    };
    let (warn, degraded) = (Level::Warn, Verdict::Degraded);
    check(
        "cgroups/accounting",
        Level::Fail,
        Verdict::KernelLacks,
        with(|it| it.count = Err("closed".to_owned())),
    );
    check(
        "cgroups/accounting",
        warn,
        degraded,
        with(|it| it.count = Ok(4096)),
    );
    check(
        "cgroups/accounting",
        warn,
        degraded,
        with(|it| it.unreadable = 1),
    );
    check(
        "cgroups/view",
        warn,
        degraded,
        with(|it| it.is_whole = false),
    );
    check(
        "cgroups/cpu controller",
        warn,
        degraded,
        with(|it| it.enabled.clear()),
    );
    let none = |it: &mut CgroupFacts| {
        it.enabled.clear();
        it.unified.clear();
    };
    check("cgroups/cpu controller", warn, degraded, with(none));
    check("metrics/throttled_ns", warn, degraded, with(none));
    check(
        "cgroups/root total",
        Level::Note,
        Verdict::Ready,
        with(|it| it.root_total = false),
    );
    let v1 = |it: &mut CgroupFacts| {
        it.enabled.clear();
        it.legacy = ["cpu", "memory", "pids"]
            .map(|name| (name.to_owned(), format!("/sys/fs/cgroup/{name}").into()))
            .into();
    };
    check(
        "cgroups/cpu controller",
        Level::Pass,
        Verdict::Ready,
        with(v1),
    );
}

#[test]
fn what_only_files_tell_is_absent_with_their_controller_or_where_the_kernel_does_not_tell_it() {
    let with = |change: fn(&mut CgroupFacts)| {
        move |it: &mut Facts| change(it.cgroups.as_mut().expect("hierarchies"))
    };
    let (warn, note) = (Level::Warn, Level::Note);
    let (ready, degraded) = (Verdict::Ready, Verdict::Degraded);
    for (item, controller) in [("usage_bytes", "memory"), ("pids", "pids")] {
        let without = move |it: &mut Facts| {
            let cgroups = it.cgroups.as_mut().expect("hierarchies");
            cgroups.enabled.retain(|it| it != controller);
        };
        check(&format!("metrics/{item}"), warn, degraded, without);
        check(
            &format!("cgroups/{controller} controller"),
            warn,
            degraded,
            without,
        );
    }
    check(
        "metrics/memory_full_ns",
        warn,
        degraded,
        with(|it| it.pressure = Access::Missing),
    );
    check(
        "metrics/memory_full_ns",
        warn,
        degraded,
        with(|it| it.is_unified = false),
    );
    let old = with(|it| {
        it.told.memory.usage_bytes = Some(1);
        it.told.pressure.cpu.some_ns = Some(1);
    });
    check("metrics/usage_bytes", Level::Pass, ready, old);
    check("metrics/peak_bytes", note, ready, old);
    check("metrics/cpu_full_ns", note, ready, old);
    // That there is no limit is no lack.
    check("metrics/limit_bytes", Level::Pass, ready, old);
    check("metrics/size_bytes", note, ready, |it| {
        it.privileges.effective = Some(without(Capability::SYS_PTRACE));
    });
}

#[test]
fn names_come_from_files_or_from_the_api() {
    let with = |access: Access, api: Api| {
        move |it: &mut Facts| {
            it.runtimes[0].folders[0].1 = access;
            it.runtimes[0].api = Some(("/s".into(), api));
        }
    };
    let answers = || Api::Answers("Docker".to_owned());
    let (ready, degraded) = (Verdict::Ready, Verdict::Degraded);
    let (files, api) = ("runtimes/docker files", "runtimes/docker API");
    check(
        files,
        Level::Warn,
        degraded,
        with(Access::Forbidden, answers()),
    );
    check(
        files,
        Level::Note,
        ready,
        with(Access::Missing, Api::Missing),
    );
    check(api, Level::Note, ready, with(Access::Missing, Api::Missing));
    check(api, Level::Note, ready, with(Access::Open, Api::Forbidden));
    check(
        api,
        Level::Warn,
        degraded,
        with(Access::Forbidden, Api::Forbidden),
    );
    check(
        api,
        Level::Warn,
        degraded,
        with(Access::Open, Api::Silent("x".to_owned())),
    );
}

#[test]
fn a_daemon_needs_its_folder_and_its_address_unless_it_runs() {
    let page = |page: Page| move |it: &mut Facts| it.daemon.pages[0].1 = page;
    let taken = || Page::Taken("nginx".to_owned());
    let forbidden = || StateFolder::Forbidden("/var/lib".into());
    let cannot = Verdict::CannotStart;
    check("daemon/address", Level::Fail, cannot, page(taken()));
    for errno in [Some(libc::EACCES), Some(libc::EADDRNOTAVAIL), None] {
        check(
            "daemon/address",
            Level::Fail,
            cannot,
            page(Page::Unusable(errno, "x".to_owned())),
        );
    }
    check("daemon/state folder", Level::Fail, cannot, |it| {
        it.daemon.state = forbidden();
    });
    check("daemon/state folder", Level::Pass, Verdict::Ready, |it| {
        it.daemon.state = StateFolder::CanBeMade;
    });
    check("daemon/address", Level::Note, Verdict::Ready, |it| {
        it.daemon.pages.clear();
    });
    check("daemon/state folder", Level::Note, Verdict::Ready, |it| {
        it.daemon.state = forbidden();
        page(Page::Daemon)(it);
    });
    check("daemon/address", Level::Note, Verdict::Ready, |it| {
        it.daemon.holder = Some(Holder { pid: Some(7) });
        page(taken())(it);
    });
}

#[test]
fn a_sink_that_takes_no_points_does_not_stop_the_daemon() {
    for (state, level) in [
        (SinkState::Silent("refused".to_owned()), Level::Fail),
        (SinkState::Unwritable("full".to_owned()), Level::Fail),
        (SinkState::Odd(404), Level::Warn),
    ] {
        check("sinks/influxdb", level, Verdict::Degraded, |it| {
            it.sinks[0].state = state;
        });
    }
    check("sinks/sinks", Level::Note, Verdict::Ready, |it| {
        it.sinks.clear();
    });
}

#[test]
fn what_cannot_wait_on_disk_is_told_with_the_way_out() {
    let spool = "delivery/influxdb spool";
    let of = |facts: &mut Facts, change: &dyn Fn(&mut SpoolFacts)| {
        facts.delivery.kept[0].spool.iter_mut().for_each(change);
    };
    let fine = check(spool, Level::Pass, Verdict::Ready, |_| {});
    assert!(fine.finding.contains("1.0 MiB of 1.0 GiB"), "{fine:?}");
    let small = check(spool, Level::Warn, Verdict::Degraded, |it| {
        of(it, &|spool| spool.free_bytes = Some(1 << 20));
    });
    assert!(
        small
            .fix
            .is_some_and(|it| it.contains("`spool_bytes` in [sinks.influxdb]"))
    );
    check(spool, Level::Warn, Verdict::Degraded, |it| {
        of(it, &|spool| {
            spool.folder = StateFolder::Forbidden("/var/lib".into());
        });
    });
    check(spool, Level::Note, Verdict::Ready, |it| {
        it.delivery.kept[0].spool = None;
    });
    check(
        "delivery/influxdb quarantine",
        Level::Warn,
        Verdict::Degraded,
        |it| {
            it.delivery.kept[0].refused =
                Some(("/var/lib/cgflux/quarantine/influxdb.lp".into(), 7));
        },
    );
}

#[test]
fn a_socket_that_cannot_be_made_keeps_the_daemon_from_starting() {
    let forbidden = || StateFolder::Forbidden("/run".into());
    let socket = |it: &mut Facts| {
        it.delivery
            .socket
            .iter_mut()
            .for_each(|socket| socket.folder = forbidden());
    };
    check("delivery/socket", Level::Fail, Verdict::CannotStart, socket);
    check("delivery/socket", Level::Note, Verdict::Ready, |it| {
        socket(it);
        it.daemon.holder = Some(Holder { pid: Some(7) });
    });
    check("delivery/socket", Level::Note, Verdict::Ready, |it| {
        it.delivery.socket = None;
    });
    check("delivery/machine", Level::Note, Verdict::Ready, |it| {
        it.delivery.machine = None;
    });
}

#[test]
fn a_budget_that_cannot_see_the_programs_says_so() {
    check("families/cpu budget", Level::Pass, Verdict::Ready, |_| {});
    let blind = check("families/cpu budget", Level::Note, Verdict::Ready, |it| {
        it.privileges.effective = Some(without(Capability::SYS_ADMIN));
    });
    assert!(blind.finding.ends_with("of the daemon alone"), "{blind:?}");
}
