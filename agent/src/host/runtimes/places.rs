//! Where the runtimes of this machine keep their state: asked of their running daemons' command lines and their
//! configuration first, the documented defaults last. What runs in a container is not asked: whoever is root there could
//! have this machine's containers named as they please.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use procfs::process::{Process, all_processes_with_root};
use serde::Deserialize;

use super::state_file::StateFiles;
use crate::host::outside::{below, is_in_container};

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The places of each user that runs a daemon or monitor; 0 has those of the machine.
    pub(super) places: HashMap<u32, Places>,
    /// Container id → the user whose monitor process watches it, and the name that one was told.
    pub(super) names: HashMap<String, (u32, String)>,
}

/// Folders of one user's runtimes, best first; paths as this process can open them.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Docker's data roots.
    pub(super) docker: Vec<PathBuf>,
    /// containerd's state folders.
    pub(super) containerd: Vec<PathBuf>,
    /// Graph roots and run roots of containers/storage.
    pub(super) storage: Vec<PathBuf>,
}

/// Searches the machine whose `/` is at `root`.
pub(super) fn find(root: &Path, files: &mut StateFiles) -> Found {
    let mut found = Found::default();
    for (process, uid, command) in command_lines(root) {
        if let Some(mut told) = Told::by(&command)
            && !is_in_container(&process)
        {
            let container = told.take_container();
            found
                .names
                .extend(container.map(|(id, name)| (id, (uid, name))));
            let places = found.places.entry(uid).or_default();
            places.add(told, root, files);
        }
    }
    let machine = found.places.entry(0).or_default();
    machine.add_configured(root, files);
    found
}

/// The places where the user's rootless runtimes keep their state unless told otherwise.
pub(super) fn of_user(uid: u32, root: &Path, files: &mut StateFiles) -> Places {
    let mut places = Places::default();
    places
        .containerd
        .push(below(root, format!("/run/user/{uid}/containerd")));
    places
        .storage
        .push(below(root, format!("/run/user/{uid}/containers")));
    if let Some(home) = home(uid, root, files) {
        let configured = below(root, home.join(".config/containers/storage.conf"));
        places.add_storage(&configured, root, files);
        places
            .docker
            .push(below(root, home.join(".local/share/docker")));
        places
            .storage
            .push(below(root, home.join(".local/share/containers/storage")));
    }
    places
}

/// What a command line says of places.
#[derive(Debug, Eq, PartialEq)]
enum Told {
    Docker {
        data_root: Option<PathBuf>,
        config: PathBuf,
    },
    Containerd {
        state: Option<PathBuf>,
        config: PathBuf,
    },
    /// The monitor of one container of Podman or CRI-O.
    Conmon {
        storage: Option<PathBuf>,
        container: Option<(String, String)>,
    },
}

impl Told {
    fn by(command: &[String]) -> Option<Self> {
        let (program, arguments) = command.split_first()?;
        let flag = |names: &[&str]| flag(arguments, names);
        let path = |names: &[&str]| flag(names).map(PathBuf::from).filter(|it| it.is_absolute());
        match program.rsplit('/').next()? {
            "dockerd" => Some(Self::Docker {
                data_root: path(&["--data-root", "-g", "--graph"]),
                config: path(&["--config-file"]).unwrap_or_else(|| DOCKER_CONFIG.into()),
            }),
            "containerd" => Some(Self::Containerd {
                state: path(&["--state"]),
                config: path(&["--config", "-c"]).unwrap_or_else(|| CONTAINERD_CONFIG.into()),
            }),
            "conmon" => Some(Self::Conmon {
                storage: path(&["-b", "--bundle"]).and_then(|bundle| storage_of(&bundle)),
                container: flag(&["-c", "--cid"]).zip(flag(&["-n", "--name"])),
            }),
            _ => None,
        }
    }

    fn take_container(&mut self) -> Option<(String, String)> {
        match self {
            Self::Conmon { container, .. } => container.take(),
            Self::Docker { .. } | Self::Containerd { .. } => None,
        }
    }
}

const DOCKER_CONFIG: &str = "/etc/docker/daemon.json";
const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
const STORAGE_CONFIGS: [&str; 2] = [
    "/etc/containers/storage.conf",
    "/usr/share/containers/storage.conf",
];

/// Where Docker, containerd (alone, below Docker, in k3s and RKE2, in the microk8s snap), Podman and CRI-O keep their state
/// unless told otherwise.
const DOCKER_DEFAULT: &str = "/var/lib/docker";
const CONTAINERD_DEFAULTS: [&str; 4] = [
    "/run/containerd",
    "/run/docker/containerd/daemon",
    "/run/k3s/containerd",
    "/var/snap/microk8s/common/run/containerd",
];
const STORAGE_DEFAULTS: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];

/// Largest configuration file read.
const MAX_CONFIG: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
struct DockerConfig {
    #[serde(rename = "data-root")]
    data_root: Option<PathBuf>,
    graph: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct ContainerdConfig {
    state: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct StorageConfig {
    storage: Option<Storage>,
}

#[derive(Debug, Deserialize)]
struct Storage {
    graphroot: Option<PathBuf>,
    runroot: Option<PathBuf>,
}

impl Places {
    fn add(&mut self, told: Told, root: &Path, files: &mut StateFiles) {
        match told {
            Told::Docker { data_root, config } => {
                let config = || files.json::<DockerConfig>(&below(root, config), MAX_CONFIG);
                let configured = || config().and_then(|config| config.data_root.or(config.graph));
                let data_root = data_root.or_else(configured);
                push_new(&mut self.docker, data_root.map(|path| below(root, path)));
            }
            Told::Containerd { state, config } => {
                let config = || files.toml::<ContainerdConfig>(&below(root, config), MAX_CONFIG);
                let state = state.or_else(|| config().and_then(|config| config.state));
                push_new(&mut self.containerd, state.map(|path| below(root, path)));
            }
            Told::Conmon { storage, .. } => {
                push_new(&mut self.storage, storage.map(|path| below(root, path)));
            }
        }
    }

    /// Adds what the machine's configuration files say, whether or not a daemon runs, and then the defaults.
    fn add_configured(&mut self, root: &Path, files: &mut StateFiles) {
        let docker = Told::Docker {
            data_root: None,
            config: DOCKER_CONFIG.into(),
        };
        let containerd = Told::Containerd {
            state: None,
            config: CONTAINERD_CONFIG.into(),
        };
        self.add(docker, root, files);
        self.add(containerd, root, files);
        for config in STORAGE_CONFIGS {
            self.add_storage(&below(root, config), root, files);
        }
        push_new(&mut self.docker, [below(root, DOCKER_DEFAULT)]);
        push_new(
            &mut self.containerd,
            CONTAINERD_DEFAULTS.map(|path| below(root, path)),
        );
        push_new(
            &mut self.storage,
            STORAGE_DEFAULTS.map(|path| below(root, path)),
        );
    }

    fn add_storage(&mut self, config: &Path, root: &Path, files: &mut StateFiles) {
        let config: Option<StorageConfig> = files.toml(config, MAX_CONFIG);
        if let Some(storage) = config.and_then(|config| config.storage) {
            let roots = [storage.graphroot, storage.runroot].into_iter().flatten();
            push_new(&mut self.storage, roots.map(|path| below(root, path)));
        }
    }
}

fn push_new(places: &mut Vec<PathBuf>, new: impl IntoIterator<Item = PathBuf>) {
    for place in new {
        if !places.contains(&place) {
            places.push(place);
        }
    }
}

/// The value of the last of the named flags: `--flag value`, `--flag=value`, `-f value`.
fn flag(arguments: &[String], names: &[&str]) -> Option<String> {
    let mut value = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, joined)) => (name, Some(joined.to_owned())),
            None => (argument.as_str(), None),
        };
        if names.contains(&name) {
            value = joined.or_else(|| arguments.next().cloned());
        }
    }
    value
}

/// The root of the store in which a bundle `<root>/<driver>-containers/<id>/userdata` lies.
fn storage_of(bundle: &Path) -> Option<PathBuf> {
    let containers = bundle.parent()?.parent()?;
    let name = containers.file_name()?.to_str()?;
    name.ends_with("-containers")
        .then(|| containers.parent().map(Path::to_owned))?
}

/// Owner and arguments of each process. The owner matters: anyone may run a program by the name of `dockerd`.
fn command_lines(root: &Path) -> impl Iterator<Item = (Process, u32, Vec<String>)> {
    all_processes_with_root(below(root, "/proc"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|process| {
            let (uid, command) = (process.uid().ok()?, process.cmdline().ok()?);
            Some((process, uid, command))
        })
}

/// The user's home by `/etc/passwd`. Users known to other services only are found by their monitors' command lines.
fn home(uid: u32, root: &Path, files: &mut StateFiles) -> Option<PathBuf> {
    let passwd = files.text(&below(root, "/etc/passwd"), MAX_CONFIG)?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_theirs = fields.next()?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (is_theirs && home.starts_with('/')).then(|| PathBuf::from(home))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn dockers_data_root_is_on_its_command_line_in_any_form() {
        for arguments in [
            "--data-root /srv/docker -H fd://",
            "-H fd:// --data-root=/srv/docker",
            "-g /srv/docker",
            "--graph=/elsewhere --graph /srv/docker",
        ] {
            let Some(Told::Docker { data_root, .. }) =
                told(&format!("/usr/bin/dockerd {arguments}"))
            else {
                panic!("a dockerd");
            };
            assert_eq!(
                data_root.as_deref(),
                Some(Path::new("/srv/docker")),
                "{arguments}"
            );
        }
        assert_eq!(told("/usr/bin/docker-proxy -g /x"), None);
        assert_eq!(Told::by(&[]), None);
    }

    /// The command line of conmon 2.1.6 as Podman 4.3.1 made it, cut short.
    #[test]
    fn a_conmon_tells_its_store_and_its_containers_name() {
        let id = "75e19d4c50c64150fc8a82b3914268ec6fbd58f78350fbf113204ecafa758ad9";
        let told = told(&format!(
            "/usr/bin/conmon --api-version 1 -c {id} -u {id} -r /usr/sbin/runc \
             -b /data/store/vfs-containers/{id}/userdata -p /run/pidfile -n p2 --full-attach"
        ));
        let expected = Told::Conmon {
            storage: Some("/data/store".into()),
            container: Some((id.to_owned(), "p2".to_owned())),
        };
        assert_eq!(told, Some(expected));
    }

    #[test]
    fn configured_places_come_before_the_defaults() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = below(root.path(), path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        write(
            DOCKER_CONFIG,
            r#"{"data-root": "/srv/docker", "debug": true}"#,
        );
        write(
            CONTAINERD_CONFIG,
            "version = 2\nstate = \"/srv/containerd\"\n[grpc]\naddress = \"x\"\n",
        );
        write(
            STORAGE_CONFIGS[0],
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"/srv/storage\"\n",
        );

        let found = find(root.path(), &mut StateFiles::default());

        let machine = &found.places[&0];
        let at = |path| below(root.path(), path);
        assert_eq!(machine.docker, [at("/srv/docker"), at(DOCKER_DEFAULT)]);
        assert_eq!(
            machine.containerd[..2],
            [at("/srv/containerd"), at("/run/containerd")]
        );
        assert_eq!(
            machine.storage[..2],
            [at("/srv/storage"), at(STORAGE_DEFAULTS[0])]
        );
    }

    fn told(command: &str) -> Option<Told> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        Told::by(&words)
    }
}
