//! Names are unique under everything that can happen to entries, and each nested cgroup has one owner.

use std::collections::HashSet;

use super::*;
use crate::container::Rule;

const ID_A: &str = "0533a1b2dc8db612f1f6898fdac37f94ef7716f5eb65e0e8afb7bb188d8797cb";
const ID_B: &str = "441d25a6ec292727bde62b39a9e7781a236225df43586206b049455d30f9b40e";

#[test]
fn a_container_is_called_by_its_short_id_until_its_runtime_says_more() {
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), None);
    assert_eq!(name(&directory, 10), "0533a1b2dc8d");
    assert_eq!(directory.undescribed().count(), 1);

    assert!(directory.describe(ID_A, named("web")));

    assert_eq!(name(&directory, 10), "web");
    assert_eq!(directory.undescribed().count(), 0);
    assert!(!directory.describe(ID_B, named("web")), "not known yet");
}

#[test]
fn rules_are_asked_again_when_a_runtime_says_more_and_see_the_name_it_gave() {
    let rule = |text| Rule::parse(text).expect("a rule");
    let selection = Selection {
        include: vec![rule("web")],
        exclude: vec![rule("label:team=blue")],
        ..Selection::default()
    };
    let mut directory = Directory::new(CgroupId(1), selection);
    let share = |directory: &Directory, cgroup| {
        let container = directory.container(CgroupId(cgroup));
        container.expect("known").share()
    };
    directory.insert(CgroupId(10), &docker(ID_A), None);
    assert_eq!(share(&directory, 10), Share::Other);
    directory.describe(ID_A, named("web"));
    assert_eq!(share(&directory, 10), Share::Own);

    directory.insert(CgroupId(11), &docker(ID_B), Some(named("web")));
    assert_eq!(name(&directory, 11), "web-441d25a6ec29");
    assert_eq!(share(&directory, 11), Share::Own);

    let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    let info = RuntimeInfo {
        labels,
        ..RuntimeInfo::default()
    };
    directory.describe(ID_A, info);
    assert_eq!(share(&directory, 10), Share::Other);
    assert_eq!(share(&directory, 1), Share::Host);
}

#[test]
fn how_a_main_process_ended_is_the_kernels_word_before_the_runtimes() {
    let exit = |directory: &Directory| directory.container(CgroupId(10)).expect("known").exit;
    let ended = |code: u32| Exit::of_status(code << 8, false);
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), None);
    directory.exited(ID_A, Some(1));
    assert_eq!(exit(&directory).code, Some(1), "maybe of the run before");

    // A process that is the first of a pid namespace inside the container ends before it and with it.
    directory.init_exited(CgroupId(10), 2, ended(7));
    directory.init_exited(CgroupId(10), 1, ended(3));
    directory.init_exited(CgroupId(10), 2, ended(9));
    assert_eq!(exit(&directory).code, Some(1), "its cgroup is there");
    directory.end(CgroupId(10));
    assert_eq!(exit(&directory), ended(3));
    directory.exited(ID_A, Some(1));
    assert_eq!(exit(&directory), ended(3));
}

#[test]
fn a_runtime_that_said_that_memory_ran_out_is_believed_where_the_code_fits() {
    let mut directory = directory();
    for (cgroup, id, code, oom) in [(10, ID_A, 137, true), (11, ID_B, 0, false)] {
        directory.insert(CgroupId(cgroup), &docker(id), None);
        directory.out_of_memory(id);
        directory.exited(id, Some(code));
        let container = directory.container(CgroupId(cgroup)).expect("known");
        assert_eq!(container.exit.oom, Some(oom));
    }
}

#[test]
fn what_a_runtime_does_not_say_stays() {
    let mut directory = directory();
    let info = RuntimeInfo {
        image: Some("redis:7".to_owned()),
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        ..named("cache")
    };
    directory.insert(CgroupId(10), &docker(ID_A), Some(info));

    directory.describe(ID_A, named("cache-2"));

    let container = directory.container(CgroupId(10)).expect("known");
    assert_eq!(container.name, "cache-2");
    assert_eq!(container.image.as_deref(), Some("redis:7"));
    assert_eq!(container.labels.len(), 1);
}

#[test]
fn of_two_live_containers_with_one_name_the_second_gets_its_short_id_too() {
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), Some(named("web")));
    directory.insert(CgroupId(11), &docker(ID_B), Some(named("web")));

    assert_eq!(name(&directory, 10), "web");
    assert_eq!(name(&directory, 11), "web-441d25a6ec29");
    assert_eq!(directory.collisions(), 1);

    directory.end(CgroupId(10));
    directory.remove(CgroupId(10));

    assert_eq!(
        name(&directory, 11),
        "web-441d25a6ec29",
        "a series goes on under its name"
    );
}

#[test]
fn a_restarted_container_gets_its_name_back_when_the_old_final_values_are_shipped() {
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), Some(named("web")));
    directory.end(CgroupId(10));
    directory.insert(CgroupId(11), &docker(ID_A), Some(named("web")));

    assert_eq!(
        name(&directory, 10),
        "web",
        "its final values go to its own series"
    );
    assert_eq!(name(&directory, 11), "web~2");

    directory.remove(CgroupId(10));

    assert_eq!(name(&directory, 11), "web");
    assert_eq!(directory.collisions(), 0);
}

#[test]
fn what_is_said_of_a_restarted_container_goes_to_the_newest_entry_with_its_id() {
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), None);
    directory.end(CgroupId(10));
    directory.insert(CgroupId(11), &docker(ID_A), None);
    directory.exited(ID_A, Some(3));
    let exit_code = |directory: &Directory, cgroup| {
        let container = directory.container(CgroupId(cgroup)).expect("an entry");
        container.exit.code
    };
    assert_eq!(exit_code(&directory, 10), None);
    assert_eq!(exit_code(&directory, 11), Some(3));

    directory.remove(CgroupId(10));

    assert!(directory.describe(ID_A, named("web")));
    assert_eq!(name(&directory, 11), "web");
}

#[test]
fn of_two_that_wait_for_a_name_one_gets_it_and_the_other_is_a_collision() {
    let mut directory = directory();
    directory.insert(CgroupId(10), &docker(ID_A), Some(named("job")));
    directory.end(CgroupId(10));
    directory.insert(CgroupId(11), &docker(ID_A), Some(named("job")));
    directory.insert(CgroupId(12), &docker(ID_B), Some(named("job")));
    assert_eq!(name(&directory, 12), "job~3");

    directory.remove(CgroupId(10));

    assert_eq!(name(&directory, 11), "job");
    assert_eq!(name(&directory, 12), "job-441d25a6ec29");
    assert_eq!(directory.collisions(), 1);
}

#[test]
fn a_pods_container_is_named_with_its_namespace_and_full_pod_name() {
    let mut directory = directory();
    let path = format!("/kubepods/pod9729a196c4723b60ab401eaff722982d/{ID_A}");
    directory.insert(CgroupId(10), &path, None);
    let uid = directory
        .container(CgroupId(10))
        .and_then(|it| it.pod.clone());
    assert_eq!(uid.as_deref(), Some("9729a196c4723b60ab401eaff722982d"));

    let info = RuntimeInfo {
        runtime: Some(Runtime::Containerd),
        namespace: Some("shop".to_owned()),
        pod: Some("web-6d8f7c9b5-x2x4z".to_owned()),
        ..named("app")
    };
    directory.describe(ID_A, info);

    assert_eq!(name(&directory, 10), "shop/web-6d8f7c9b5-x2x4z/app");
    let container = directory.container(CgroupId(10)).expect("known");
    assert_eq!(container.runtime, Runtime::Containerd);
}

#[test]
fn what_lies_in_a_container_is_part_of_it() {
    let mut directory = directory();
    let inner = format!("{}/system.slice/dbus.service", docker(ID_A));
    let owner = docker(ID_A);
    assert_eq!(
        directory.insert(CgroupId(11), &inner, None),
        Placement::Orphan(owner.as_str()),
        "its container is not known yet"
    );
    assert_eq!(directory.owner_of(CgroupId(11)), None);

    assert_eq!(
        directory.insert(CgroupId(10), &owner, None),
        Placement::Owner
    );
    let placement = directory.insert(CgroupId(11), &inner, None);

    assert_eq!(placement, Placement::Nested(CgroupId(10)));
    assert_eq!(directory.owner_of(CgroupId(11)), Some(CgroupId(10)));
    assert_eq!(directory.container(CgroupId(11)), None);
    directory.remove(CgroupId(10));
    assert_eq!(
        directory.owner_of(CgroupId(11)),
        None,
        "gone with its container"
    );
}

#[test]
fn a_cgroup_that_only_its_runtime_knows_to_be_a_container_owns_what_lies_in_it() {
    let mut directory = directory();
    let info = RuntimeInfo {
        runtime: Some(Runtime::Containerd),
        id: Some("web1".to_owned()),
        ..named("demo/web1")
    };
    directory.insert(CgroupId(10), "/demo", None);
    directory.insert(CgroupId(11), "/demo/web1", Some(info));

    let placement = directory.insert(CgroupId(12), "/demo/web1/a/b.service", None);

    assert_eq!(placement, Placement::Nested(CgroupId(11)));
    assert!(directory.describe("web1", named("demo/web2")));
    assert_eq!(name(&directory, 11), "demo/web2");
}

#[test]
fn the_host_stays() {
    let mut directory = directory();
    directory.remove(CgroupId(1));
    assert_eq!(name(&directory, 1), "_host");
    assert_eq!(directory.len(), 1);
}

mod any_history {
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;

    /// What can happen to entries. Numbers are taken modulo what there is.
    #[derive(Clone, Debug)]
    enum Step {
        Insert(&'static str, Option<&'static str>),
        Describe(usize, &'static str),
        End(usize),
        Remove(usize),
    }

    const PATHS: [&str; 9] = [
        "/docker/0533a1b2dc8db612f1f6898fdac37f94ef7716f5eb65e0e8afb7bb188d8797cb",
        "/docker/0533a1b2dc8db612f1f6898fdac37f94ef7716f5eb65e0e8afb7bb188d8797cb/in.service",
        // Same twelve digits.
        "/docker/0533a1b2dc8d0000000000000000000000000000000000000000000000000000",
        "/system.slice/docker-441d25a6ec292727bde62b39a9e7781a236225df43586206b049455d30f9b40e.scope",
        "/system.slice",
        "/system.slice/nginx.service",
        "/user.slice/nginx.service",
        "/lxc.payload.web",
        "/lxc.payload.nginx.service",
    ];
    const NAMES: [&str; 6] = [
        "web",
        "web~2",
        "web-0533a1b2dc8d",
        "nginx.service",
        "_host",
        "/system.slice",
    ];

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (select(&PATHS[..]), option::of(select(&NAMES[..])))
                .prop_map(|(path, name)| Step::Insert(path, name)),
            2 => (any::<usize>(), select(&NAMES[..])).prop_map(|(at, name)| Step::Describe(at, name)),
            3 => any::<usize>().prop_map(Step::End),
            2 => any::<usize>().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn leaves_each_name_with_one_entry(steps in vec(step(), 1..60)) {
            let mut directory = directory();
            let mut known: Vec<CgroupId> = Vec::new();
            let mut ended: HashSet<CgroupId> = HashSet::new();
            for (at, step) in steps.into_iter().enumerate() {
                let nth = |n: usize| (!known.is_empty()).then(|| known[n % known.len()]);
                match step {
                    Step::Insert(path, name) => {
                        // A path is free again only when what was there has ended.
                        let at_path = directory.iter().filter(|it| it.path == path);
                        let before: Vec<_> = at_path.map(|it| it.cgroup).collect();
                        for cgroup in before {
                            directory.end(cgroup);
                            ended.insert(cgroup);
                        }
                        let cgroup = CgroupId(100 + at as u64);
                        directory.insert(cgroup, path, name.map(named));
                        known.push(cgroup);
                    }
                    Step::Describe(n, name) => {
                        if let Some(cgroup) = nth(n) {
                            directory.describe_entry(cgroup, named(name));
                        }
                    }
                    Step::End(n) => {
                        if let Some(cgroup) = nth(n) {
                            directory.end(cgroup);
                            ended.insert(cgroup);
                        }
                    }
                    Step::Remove(n) => {
                        if let Some(cgroup) = nth(n).filter(|cgroup| ended.contains(cgroup)) {
                            directory.remove(cgroup);
                        }
                    }
                }
                check(&directory)?;
            }
            for cgroup in ended {
                directory.remove(cgroup);
            }
            check(&directory)?;
            prop_assert!(directory.waiting.is_empty(), "no one waits for the living");
        }
    }

    fn check(directory: &Directory) -> Result<(), TestCaseError> {
        let names: HashSet<_> = directory.iter().map(|container| &container.name).collect();
        prop_assert_eq!(names.len(), directory.len(), "two entries with one name");
        prop_assert_eq!(directory.names.len(), directory.len(), "a name of no entry");
        for (name, cgroup) in &directory.names {
            prop_assert_eq!(&directory.entries[cgroup].container.name, name);
        }
        for owner in directory.nested.values() {
            prop_assert!(directory.entries.contains_key(owner), "part of no entry");
        }
        Ok(())
    }
}

fn directory() -> Directory {
    Directory::new(CgroupId(1), Selection::default())
}

fn docker(id: &str) -> String {
    format!("/docker/{id}")
}

fn named(name: &str) -> RuntimeInfo {
    RuntimeInfo {
        name: Some(name.to_owned()),
        ..RuntimeInfo::default()
    }
}

fn name(directory: &Directory, cgroup: u64) -> String {
    let container = directory.container(CgroupId(cgroup)).expect("an entry");
    container.name.clone()
}

#[test]
fn only_what_is_inside_a_path_is_below_it() {
    let mut directory = directory();
    for (id, path) in [
        (10, "/a"),
        (11, "/a.slice"),
        (12, "/a-b"),
        (13, "/b"),
        (14, "/b/c"),
    ] {
        directory.insert(CgroupId(id), path, None);
    }
    assert!(!directory.has_entries_below("/a"));
    assert!(directory.has_entries_below("/b"));
    directory.end(CgroupId(14));
    assert!(directory.has_entries_below("/b"), "not removed yet");
    directory.remove(CgroupId(14));
    assert!(!directory.has_entries_below("/b"));
}
