//! What container runtimes say of their containers, read from their state files.
//!
//! The files need no runtime to answer and no membership of its group, only the right to read. Each runtime's layout
//! is known to one file; where the files are is found, not assumed.

mod containerd;
pub(super) mod docker;
mod oci;
mod places;
mod state_file;
mod storage;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use self::{
    places::{Found, Places},
    state_file::StateFiles,
};
use super::outside::below;
use crate::container::{Identity, Runtime, RuntimeInfo, user_of};

/// Names, images and labels by the runtimes' state files.
#[derive(Debug)]
pub struct Runtimes {
    /// Where the machine's `/` is for this process.
    root: PathBuf,
    files: StateFiles,
    found: Found,
    /// Docker's data root as its API told it.
    docker_root: Option<PathBuf>,
    searched: Instant,
}

/// How long a fruitless search for the runtimes' places is not repeated. One reads the command line of every process:
/// some 10 µs each.
const SEARCH_INTERVAL: Duration = Duration::from_secs(30);

impl Runtimes {
    /// Finds the runtimes of the machine whose `/` is at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let mut files = StateFiles::default();
        Self {
            found: places::find(&root, &mut files),
            root,
            files,
            docker_root: None,
            searched: Instant::now(),
        }
    }

    /// What the runtime's files say of a container, or of a cgroup that may be one; `None` if nothing is found. Takes
    /// 20–80 µs. A container that is not found may have a runtime that came later: the search for places is done
    /// again, but not more often than every half minute.
    pub fn lookup(&mut self, identity: &Identity) -> Option<RuntimeInfo> {
        let found = self.read(identity);
        let worthwhile = identity.id.is_some() && self.searched.elapsed() >= SEARCH_INTERVAL;
        if found.is_some() || !worthwhile {
            return found.map(bounded);
        }
        self.found = places::find(&self.root, &mut self.files);
        self.searched = Instant::now();
        self.read(identity).map(bounded)
    }

    /// Takes Docker's own word for where its data root is.
    pub fn set_docker_root(&mut self, path: &Path) {
        self.docker_root = Some(below(&self.root, path));
    }

    /// The folders in which the machine's own runtimes keep what is read of them, whether or not they are there, each
    /// with the name of its runtimes.
    pub fn folders(&mut self) -> Vec<(&'static str, PathBuf)> {
        let Places {
            docker,
            containerd,
            storage,
        } = self.places_of(0);
        let docker = docker.iter().map(|root| root.join(docker::CONTAINERS));
        let containerd = containerd.iter().map(|state| state.join(containerd::TASKS));
        let docker = docker.map(|folder| ("docker", folder));
        let containerd = containerd.map(|folder| ("containerd", folder));
        let storage = storage.into_iter().map(|root| ("podman, cri-o", root));
        docker.chain(containerd).chain(storage).collect()
    }

    /// Where the machine's own Docker keeps everything, as the machine calls it, if it is there.
    pub fn docker_root(&mut self) -> Option<PathBuf> {
        let roots = self.places_of(0).docker;
        let root = roots.into_iter().find(|root| root.is_dir())?;
        let inside = root.strip_prefix(&self.root).unwrap_or(&root);
        Some(Path::new("/").join(inside))
    }

    /// How often a state file that is there could not be read or understood.
    pub fn failures(&self) -> u64 {
        self.files.failures()
    }

    fn read(&mut self, identity: &Identity) -> Option<RuntimeInfo> {
        let uid = user_of(&identity.owner_path).unwrap_or(0);
        let places = self.places_of(uid);
        let files = &mut self.files;
        if identity.runtime == Runtime::Cgroup {
            return containerd::read_path(files, &places.containerd, &identity.owner_path);
        }
        let id = identity.id.as_deref()?;
        let docker = |files: &mut _| docker::read(files, &places.docker, id);
        let containerd = |files: &mut _| containerd::read(files, &places.containerd, id);
        let store = |files: &mut _, runtime| storage::read(files, &places.storage, runtime, id);
        match identity.runtime {
            // A bare id below a parent of the user's choice may be nerdctl's.
            Runtime::Docker => docker(files).or_else(|| containerd(files)),
            Runtime::Containerd => containerd(files),
            Runtime::Crio => store(files, Runtime::Crio),
            Runtime::Kubernetes => containerd(files)
                .or_else(|| store(files, Runtime::Crio))
                .or_else(|| docker(files)),
            Runtime::Podman => {
                let stored = store(files, Runtime::Podman);
                let is_named = stored.as_ref().is_some_and(|info| info.name.is_some());
                let monitored = self.found.names.get(id).filter(|(by, _)| *by == uid);
                match monitored {
                    Some((_, name)) if !is_named => Some(RuntimeInfo {
                        name: Some(name.clone()),
                        ..stored.unwrap_or_default()
                    }),
                    _ => stored,
                }
            }
            Runtime::Nspawn
            | Runtime::Lxc
            | Runtime::Systemd
            | Runtime::Cgroup
            | Runtime::Other
            | Runtime::Host => None,
        }
    }

    /// The places of a user's runtimes; 0 is the machine's.
    fn places_of(&mut self, uid: u32) -> Places {
        let mut places = self.found.places.get(&uid).cloned().unwrap_or_default();
        if uid == 0 {
            places.docker.splice(0..0, self.docker_root.clone());
        } else {
            let usual = places::of_user(uid, &self.root, &mut self.files);
            places.docker.extend(usual.docker);
            places.containerd.extend(usual.containerd);
            places.storage.extend(usual.storage);
        }
        places
    }
}

/// Longest text and most labels taken over from a runtime: what is longer is cut at a character, what is more is left
/// out. Users write these; a series key in InfluxDB ends at 64 KiB.
const MAX_TEXT: usize = 1024;
const MAX_LABELS: usize = 128;

pub(super) fn bounded(info: RuntimeInfo) -> RuntimeInfo {
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text
    };
    let told = |text: Option<String>| text.filter(|text| !text.is_empty()).map(cut);
    let labels = info.labels.into_iter().take(MAX_LABELS);
    RuntimeInfo {
        runtime: info.runtime,
        id: told(info.id),
        name: told(info.name),
        image: told(info.image),
        namespace: told(info.namespace),
        pod: told(info.pod),
        labels: labels.map(|(key, value)| (cut(key), cut(value))).collect(),
    }
}

/// The folders right below one, in no order; none if it cannot be listed.
fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::identify;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/runtimes");
    const ALICE: &str = "/user.slice/user-1000.slice/user@1000.service/user.slice";
    const ALICES: &str = "b375a1cab53a4a03b36f25dec2d2e7556387ffb66ad6e64eef7370245d4fb781";

    #[test]
    fn docker_names_its_containers() {
        let id = "65f39d803f402759ae9c01fdfc86f887853152ec385e868b7e32c77fe603ef40";
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/own/parent/{id}"),
        ] {
            let info = told("docker-20.10", &path);
            assert_eq!(info.name.as_deref(), Some("web-1"));
            assert_eq!(info.image.as_deref(), Some("busybox-local"));
            assert_eq!(info.labels["com.docker.compose.service"], "web");
            assert_eq!(info.labels.len(), 3);
        }
    }

    #[test]
    fn podman_names_its_containers_rootful_and_rootless() {
        let id = "ca2606e81f19b55a20f7bb6be063d3b0a2898c333d3a87947d0f64b186d3e401";
        for path in [
            format!("/libpod_parent/libpod-{id}"),
            format!("/machine.slice/libpod-{id}.scope"),
        ] {
            let info = told("podman-4.3", &path);
            assert_eq!(info.name.as_deref(), Some("p3"));
            assert_eq!(
                info.image.as_deref(),
                Some("localhost/busybox-local:latest")
            );
            assert!(info.pod.is_some_and(|pod| pod.starts_with("200f99e28361")));
        }
        let info = told("podman-4.3", &format!("{ALICE}/libpod-{ALICES}.scope"));
        assert_eq!(info.name.as_deref(), Some("as1"));
        assert_eq!(info.runtime, Some(Runtime::Podman));
    }

    #[test]
    fn a_users_containers_are_looked_for_in_no_other_store() {
        for path in [
            format!("/user.slice/user@1001.service/user.slice/libpod-{ALICES}.scope"),
            format!("/machine.slice/libpod-{ALICES}.scope"),
        ] {
            assert_eq!(lookup("podman-4.3", &path), None, "{path}");
        }
    }

    #[test]
    fn containerds_cri_names_the_pod_too() {
        let pod = "/kubepods/burstable/pod3d5b2f0e-6c1a-4f57-9f8e-0a1b2c3d4e5f";
        let id = "9e2624daecb1b87afa2152598ad0c6486d379af38ab0352492d9ebce2fbdfd8e";
        let info = told("containerd-1.6", &format!("{pod}/{id}"));
        assert_eq!(info.runtime, Some(Runtime::Containerd));
        assert_eq!(info.name.as_deref(), Some("app"));
        assert_eq!(info.namespace.as_deref(), Some("shop"));
        assert_eq!(info.pod.as_deref(), Some("web-6d8f7c9b5-x2x4z"));
        assert_eq!(
            info.image.as_deref(),
            Some("docker.io/library/busybox-local:latest")
        );

        let sandbox = "126b6258c73ebcf913f8edbb1d50ef7b4794996921dcb148145eb73e2512bc70";
        let info = told("containerd-1.6", &format!("{pod}/{sandbox}"));
        assert_eq!(info.name.as_deref(), Some("POD"));
    }

    #[test]
    fn a_plain_path_is_a_container_if_containerd_made_it() {
        let info = told("containerd-1.6", "/demo/web1");
        assert_eq!(info.runtime, Some(Runtime::Containerd));
        assert_eq!(info.id.as_deref(), Some("web1"));
        assert_eq!(info.name.as_deref(), Some("demo/web1"));
        assert_eq!(info.labels["com.example.team"], "edge");
        for path in [
            "/demo",
            "/demo/web2",
            "/demo/web1/x",
            "/demo/..",
            "/k8s.io/web1",
        ] {
            assert_eq!(lookup("containerd-1.6", path), None, "{path}");
        }
    }

    #[test]
    fn crio_names_the_pod_too() {
        let id = "134b58ab2e0cfd7432a9db818b1b4ec52fdc747333f0ba2c9342860dc2ea7c50";
        let slice =
            "/kubepods.slice/kubepods-besteffort-podaaaa2b4a_f398_41c0_928b_049e1cc4ec40.slice";
        let info = told("cri-o", &format!("{slice}/crio-{id}.scope"));
        assert_eq!(info.runtime, Some(Runtime::Crio));
        assert_eq!(info.name.as_deref(), Some("POD"));
        assert_eq!(info.pod.as_deref(), Some("segfaulter"));
        assert_eq!(info.namespace.as_deref(), Some("default"));
        assert_eq!(info.labels["run"], "segfaulter");
    }

    #[test]
    fn dockers_own_word_for_its_root_comes_first_and_a_remapped_root_is_entered() {
        let id = "65f39d803f402759ae9c01fdfc86f887853152ec385e868b7e32c77fe603ef40";
        let root = tempfile::tempdir().expect("a folder");
        let file = format!("containers/{id}/config.v2.json");
        let own = root.path().join("srv/docker/100000.100000").join(&file);
        fs::create_dir_all(own.parent().expect("a folder")).expect("made");
        fs::copy(
            format!("{FIXTURES}/docker-20.10/var/lib/docker/{file}"),
            own,
        )
        .expect("copied");
        let mut runtimes = Runtimes::new(root.path());
        let identity = identify(&format!("/docker/{id}"));
        assert_eq!(runtimes.lookup(&identity), None);

        runtimes.set_docker_root(Path::new("/srv/docker"));

        let info = runtimes.lookup(&identity).expect("found");
        assert_eq!(info.name.as_deref(), Some("web-1"));
        assert_eq!(runtimes.failures(), 0);
    }

    #[test]
    fn what_a_user_wrote_is_bounded() {
        let info = bounded(RuntimeInfo {
            name: Some("é".repeat(1000)),
            image: Some(String::new()),
            labels: (0..200)
                .map(|at| (at.to_string(), "x".repeat(2000)))
                .collect(),
            ..RuntimeInfo::default()
        });
        assert_eq!(info.name.map(|name| name.len()), Some(MAX_TEXT));
        assert_eq!(info.image, None);
        assert_eq!(info.labels.len(), MAX_LABELS);
        assert!(info.labels.values().all(|value| value.len() == MAX_TEXT));
    }

    fn told(tree: &str, path: &str) -> RuntimeInfo {
        lookup(tree, path).unwrap_or_else(|| panic!("{tree} says nothing of {path}"))
    }

    fn lookup(tree: &str, path: &str) -> Option<RuntimeInfo> {
        Runtimes::new(format!("{FIXTURES}/{tree}")).lookup(&identify(path))
    }
}
