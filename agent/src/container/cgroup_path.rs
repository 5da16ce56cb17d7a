//! Cgroup path → what it is: which runtime made it, and where the accounted entry's own cgroup ends.
//!
//! Knows how Docker, Podman, containerd, CRI-O, Kubernetes, LXC, systemd-nspawn and systemd lay out their cgroups;
//! the layouts are the same in every hierarchy and on v1, hybrid and v2. Never touches the file system: what a path
//! does not tell (a name, an image, whose container a bare id is) is left to the runtime's own files.

use std::borrow::Cow;

use super::Runtime;

/// What a cgroup path tells by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// What made it.
    pub runtime: Runtime,
    /// The part of the path that is the accounted entry's own cgroup; what lies below belongs to that entry.
    pub owner_path: String,
    /// The runtime's own full id.
    pub id: Option<String>,
    /// Uid of the Kubernetes pod or id of the Podman pod it is in, or is.
    pub pod: Option<String>,
    /// Its name, where the path has it: machines, LXC containers, units, other cgroups.
    pub name: Option<String>,
}

/// What `path`, a cgroup's path below its hierarchy's root, is by itself.
///
/// The outermost container owns all that is in it: a unit, a pod or a container inside a container is part of it.
/// Where there is no container, the outermost service or scope is the owner, except that a user's service manager
/// does not own the units it runs. Any other cgroup owns itself alone.
pub fn identify(path: &str) -> Identity {
    let components = components(path);
    let Some(last) = components.len().checked_sub(1) else {
        return Identity {
            runtime: Runtime::Host,
            owner_path: "/".to_owned(),
            id: None,
            pod: None,
            name: None,
        };
    };
    let container =
        (0..=last).find_map(|at| container_at(&components, at).map(|found| (at, found)));
    let (at, found) = container.or_else(|| unit(&components)).unwrap_or_else(|| {
        let path = Cow::Borrowed(&path[..components[last].end]);
        (last, Found::named(Runtime::Cgroup, path))
    });
    let pod = (0..=at).rev().find_map(|at| pod_of(&components, at));
    Identity {
        runtime: found.runtime,
        owner_path: path[..components[at].end].to_owned(),
        id: found.id.map(str::to_owned),
        pod: pod.map(Cow::into_owned),
        name: found.name.map(Cow::into_owned),
    }
}

/// Uid of the user in whose service manager `path` lies: whose rootless container or unit it is.
pub fn user_of(path: &str) -> Option<u32> {
    path.split('/').find_map(manager_uid)?.parse().ok()
}

/// One name in a path.
#[derive(Clone, Copy)]
struct Component<'p> {
    name: &'p str,
    /// Where it ends in the path, in bytes.
    end: usize,
}

fn components(path: &str) -> Vec<Component<'_>> {
    let mut start = 0;
    let mut components = Vec::new();
    for name in path.split('/') {
        let end = start + name.len();
        if !name.is_empty() {
            components.push(Component { name, end });
        }
        start = end + 1;
    }
    components
}

/// What made the cgroup that a component is.
struct Found<'p> {
    runtime: Runtime,
    id: Option<&'p str>,
    name: Option<Cow<'p, str>>,
}

impl<'p> Found<'p> {
    fn with_id(runtime: Runtime, id: &'p str) -> Self {
        Self {
            runtime,
            id: Some(id),
            name: None,
        }
    }

    fn named(runtime: Runtime, name: Cow<'p, str>) -> Self {
        Self {
            runtime,
            id: None,
            name: Some(name),
        }
    }
}

fn container_at<'p>(components: &[Component<'p>], at: usize) -> Option<Found<'p>> {
    let name = components[at].name;
    let parent = at.checked_sub(1).map(|at| components[at].name);
    let in_kubernetes = || {
        let mut to_here = components[..=at].iter();
        to_here.any(|component| component.name.contains("kubepods"))
    };

    if let Some(machine) = machine(name, parent) {
        return Some(Found::named(Runtime::Nspawn, machine));
    }
    if let Some(lxc) = lxc(name, parent, at) {
        return Some(Found::named(Runtime::Lxc, Cow::Borrowed(lxc)));
    }
    if is_id(name) {
        let runtime = whose_bare_id(components, at, in_kubernetes)?;
        return Some(Found::with_id(runtime, name));
    }
    let (prefix, id) = prefixed_id(name)?;
    match prefix {
        "docker" => Some(Found::with_id(Runtime::Docker, id)),
        "libpod" | "libpod-payload" => Some(Found::with_id(Runtime::Podman, id)),
        "cri-containerd" | "nerdctl" => Some(Found::with_id(Runtime::Containerd, id)),
        "crio" => Some(Found::with_id(Runtime::Crio, id)),
        // The monitor process beside a container, in a cgroup of its own.
        monitor if monitor.ends_with("conmon") => None,
        _ if in_kubernetes() => Some(Found::with_id(Runtime::Kubernetes, id)),
        _ => None,
    }
}

/// `<prefix>-<id>.scope` (systemd driver), `<prefix>-<id>` (cgroupfs driver) or `<slice>:<prefix>:<id>` (a systemd
/// parent handed to a runtime that makes cgroups itself).
fn prefixed_id(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = name.rsplit_once([':', '-'])?;
    let prefix = prefix.rsplit_once(':').map_or(prefix, |(_, prefix)| prefix);
    is_id(id).then_some((prefix, id))
}

/// The maker of a cgroup named by nothing but an id; `None` if it is the cgroup of a Podman pod.
fn whose_bare_id(
    components: &[Component<'_>],
    at: usize,
    in_kubernetes: impl Fn() -> bool,
) -> Option<Runtime> {
    let parent = at.checked_sub(1).map(|at| components[at].name);
    let child = components
        .get(at + 1)
        .and_then(|child| prefixed_id(child.name));
    if parent == Some("libpod_parent") || child.is_some_and(|(prefix, _)| prefix == "libpod") {
        return None;
    }
    if in_kubernetes() {
        return Some(Runtime::Kubernetes);
    }
    // containerd's namespaces of nerdctl and of its CRI. All other bare ids are taken for Docker's, whose
    // `--cgroup-parent` may be anything.
    Some(match parent {
        Some("default" | "k8s.io") if at == 1 => Runtime::Containerd,
        _ => Runtime::Docker,
    })
}

/// The name of a machine registered with systemd.
fn machine<'p>(name: &'p str, parent: Option<&str>) -> Option<Cow<'p, str>> {
    let machine = if let Some(instance) = name.strip_prefix("systemd-nspawn@") {
        Cow::Borrowed(instance.strip_suffix(".service")?)
    } else if parent == Some("machine.slice") {
        unescape(name.strip_prefix("machine-")?.strip_suffix(".scope")?)
    } else {
        return None;
    };
    (!machine.is_empty()).then_some(machine)
}

/// The name of an LXC container: `lxc.payload.NAME` (LXC 4 and later, Incus), `lxc.payload/NAME`, or `/lxc/NAME`.
fn lxc<'p>(name: &'p str, parent: Option<&str>, at: usize) -> Option<&'p str> {
    match (name.strip_prefix("lxc.payload."), parent) {
        (Some(name), _) => (!name.is_empty()).then_some(name),
        (None, Some("lxc.payload")) => Some(name),
        (None, Some("lxc")) if at == 1 => Some(name),
        (None, _) => None,
    }
}

/// The pod a component is the cgroup of, or names.
fn pod_of<'p>(components: &[Component<'p>], at: usize) -> Option<Cow<'p, str>> {
    let name = components[at].name;
    let slice = name.split(':').next().unwrap_or(name);
    if let Some(slice) = slice.strip_suffix(".slice") {
        if let Some((_, pod)) = slice.split_once("libpod_pod_") {
            return is_id(pod).then_some(Cow::Borrowed(pod));
        }
        let (_, uid) = slice.rsplit_once("-pod")?;
        return (slice.contains("kubepods") && is_uid(uid))
            .then(|| Cow::Owned(uid.replace('_', "-")));
    }
    let parent = components[..at].last().map(|parent| parent.name);
    if parent == Some("libpod_parent") && is_id(name) {
        return Some(Cow::Borrowed(name));
    }
    let uid = name.strip_prefix("pod").filter(|uid| is_uid(uid))?;
    let mut above = components[..at].iter();
    above
        .any(|above| above.name.contains("kubepods"))
        .then_some(Cow::Borrowed(uid))
}

/// The outermost service or scope. A unit of a user's manager is named with the user, for every user has a
/// `dbus.service` and an `init.scope`.
fn unit<'p>(components: &[Component<'p>]) -> Option<(usize, Found<'p>)> {
    let found = |name| Found::named(Runtime::Systemd, name);
    let mut user = None;
    for (at, component) in components.iter().enumerate() {
        // systemd puts `_` before a name that could be taken for a file of the kernel's (cg_escape, systemd 252).
        let name = component.name.strip_prefix('_').unwrap_or(component.name);
        if let Some(uid) = manager_uid(name) {
            user = Some(uid);
        } else if is_unit(name) {
            let name = user.map_or(Cow::Borrowed(name), |uid| {
                Cow::Owned(format!("user@{uid}/{name}"))
            });
            return Some((at, found(name)));
        }
    }
    let last = components.len().checked_sub(1)?;
    manager_uid(components[last].name)?;
    Some((last, found(Cow::Borrowed(components[last].name))))
}

fn is_unit(name: &str) -> bool {
    [".service", ".scope"]
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

/// The user whose service manager the unit is.
fn manager_uid(name: &str) -> Option<&str> {
    let uid = name.strip_prefix("user@")?.strip_suffix(".service")?;
    (!uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit())).then_some(uid)
}

/// Whether `text` is an id as Docker, Podman, containerd's CRI and CRI-O make them.
fn is_id(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

/// Whether `text` is a pod's uid: a UUID with `-` or `_`, or 32 digits for a pod from a manifest file.
fn is_uid(text: &str) -> bool {
    match text.len() {
        32 => is_lower_hex(text),
        36 => text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
            _ => is_hex_digit(byte),
        }),
        _ => false,
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(is_hex_digit)
}

fn is_hex_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Undoes systemd's `\xNN` (systemd.unit(5), "String escaping"). What is not such an escape stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text);
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let [b'\\', b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            plain.push(high << 4 | low);
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_captured_path_is_what_made_it() {
        let mut cases = 0;
        for line in include_str!("../../../tests/fixtures/cgroup_paths.txt").lines() {
            if !line.is_empty() && !line.starts_with('#') {
                check(line);
                cases += 1;
            }
        }
        assert!(cases > 80, "cases={cases}");
    }

    #[test]
    fn a_conmon_is_never_a_container() {
        let id = "b9e3a62d9ae9edc3f97e9167bdfdb6dd73960422cf343cc6188501b05d3f88c5";
        check(&format!(
            "systemd /kubepods.slice/crio-conmon-{id}.scope name=crio-conmon-{id}.scope"
        ));
        check(&format!("cgroup /libpod_parent/libpod-conmon-{id}"));
    }

    #[test]
    fn the_cgroup_of_a_podman_pod_is_no_container() {
        let pod = "200f99e283611410e60e5662f73e99d653ad8a37d59c195c0a7c288ada6b392a";
        let id = "ca2606e81f19b55a20f7bb6be063d3b0a2898c333d3a87947d0f64b186d3e401";
        check(&format!("cgroup /libpod_parent/{pod} pod={pod}"));
        check(&format!(
            "podman /libpod_parent/{pod}/libpod-{id} id={id} pod={pod}"
        ));
        check(&format!("podman /own/{pod}/libpod-{id} id={id}"));
    }

    #[test]
    fn names_of_machines_and_units_are_as_their_tools_show_them() {
        check(r"nspawn /machine.slice/machine-qemu\x2d1\x2ddb.scope name=qemu-1-db");
        check(r"nspawn /machine.slice/machine-odd\xzz\x2.scope name=odd\xzz\x2");
        check("systemd /system.slice/_cpu.service name=cpu.service");
        check("systemd /machine.slice/machine-.scope name=machine-.scope");
    }

    #[test]
    fn a_path_without_a_leading_or_with_a_trailing_slash_keeps_to_its_components() {
        assert_eq!(identify("").runtime, Runtime::Host);
        assert_eq!(identify("//").runtime, Runtime::Host);
        assert_eq!(identify("/a//b/").owner_path, "/a//b");
        assert_eq!(identify("a.service/b").owner_path, "a.service");
    }

    #[test]
    fn a_rootless_path_tells_its_user() {
        assert_eq!(
            user_of("/user.slice/user-1000.slice/user@1000.service/x"),
            Some(1000)
        );
        assert_eq!(user_of("/system.slice/user@.service"), None);
        assert_eq!(user_of("/user@99999999999.service"), None);
    }

    /// Checks one line in the form of the fixture.
    fn check(line: &str) {
        let mut words = line.split(' ');
        let runtime = words.next().unwrap_or_default();
        let marked = words.next().unwrap_or_default();
        let (owner, _) = marked.split_once('|').unwrap_or((marked, ""));
        let path = marked.replace('|', "");
        let told = |key: &str| {
            let prefix = format!("{key}=");
            line.split(' ').find_map(|word| word.strip_prefix(&prefix))
        };

        let identity = identify(&path);

        assert_eq!(identity.runtime.as_str(), runtime, "{path}");
        assert_eq!(identity.owner_path, owner, "{path}");
        assert_begins(identity.id.as_deref(), told("id"), &path);
        assert_begins(identity.pod.as_deref(), told("pod"), &path);
        if runtime == "cgroup" {
            assert_eq!(identity.name.as_deref(), Some(owner));
        } else if told("name").is_some() || told("id").is_some() {
            assert_eq!(identity.name.as_deref(), told("name"), "{path}");
        }
    }

    fn assert_begins(value: Option<&str>, expected: Option<&str>, path: &str) {
        match expected.and_then(|expected| expected.strip_suffix('…')) {
            Some(begin) => {
                let value = value.unwrap_or_default();
                assert!(
                    value.len() == 64 && value.starts_with(begin),
                    "{path}: {value}"
                );
            }
            None => assert_eq!(value, expected, "{path}"),
        }
    }

    mod any_path {
        use proptest::{collection::vec, prelude::*, sample::select};

        use super::super::*;

        const ID: &str = "0533a1b2dc8db612f1f6898fdac37f94ef7716f5eb65e0e8afb7bb188d8797cb";

        fn component() -> impl Strategy<Value = String> {
            let word = select(vec![
                "docker",
                "default",
                "kubepods",
                "kubepods.slice",
                "lxc",
                "lxc.payload",
                "lxc.payload.c1",
                "machine.slice",
                "machine-x.scope",
                "user@1000.service",
                "user@.service",
                "a.service",
                ".scope",
                "libpod_parent",
                "systemd-nspawn@.service",
                "_",
                "pod9729a196c4723b60ab401eaff722982d",
                "",
            ]);
            prop_oneof![
                word.prop_map(str::to_owned),
                "(docker-|libpod-|crio-conmon-|x.slice:cri-containerd:|)"
                    .prop_map(|prefix| format!("{prefix}{ID}")),
                "(docker|libpod|runc)-".prop_map(|prefix| format!("{prefix}{ID}.scope")),
                r"[^/]{0,12}",
            ]
        }

        proptest! {
            #[test]
            fn has_an_owner_that_is_a_prefix_at_a_component_and_its_own_owner(
                components in vec(component(), 0..7), absolute: bool
            ) {
                let path = components.join("/");
                let path = if absolute { format!("/{path}") } else { path };

                let identity = identify(&path);

                if identity.runtime == Runtime::Host {
                    prop_assert!(path.bytes().all(|byte| byte == b'/'));
                } else {
                    let rest = path.strip_prefix(&identity.owner_path);
                    prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
                }
                prop_assert_eq!(identify(&identity.owner_path), identity);
            }
        }
    }
}
