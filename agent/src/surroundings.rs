//! Reads what a configuration is made of: files, variables, who we are and where. Meaning is left to `config`.

use std::{
    collections::BTreeMap,
    env, fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::unistd;

use crate::config::{
    self, Complaint, Complaints, File, Given, Predecessor, Resolved, SecretFile, Surroundings,
};

/// The main configuration file; may be absent.
pub const MAIN_FILE: &str = "/etc/cgflux/cgflux.toml";
/// Folder of further files `*.toml`, read in the order of their names; may be absent.
pub const FURTHER_FILES: &str = "/etc/cgflux/conf.d";

/// The host's name in a container made for cAdvisor, which has `/` mounted there.
const ROOT_OF_CADVISORS_HOST: &str = "/rootfs/etc/hostname";

/// `true` where `DB_HOST` and the like are meant for this program, as in its image, whose environment is nobody else's.
const PREDECESSORS_VARIABLES: &str = "CGFLUX_DB_VARIABLES";

/// Inode numbers of the first namespaces: `PROC_UTS_INIT_INO` and `PROC_PID_INIT_INO` of
/// `include/linux/proc_ns.h`, the same since Linux 3.8.
const FIRST_UTS_NAMESPACE: u64 = 0xEFFF_FFFE;
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Reads everything and makes one configuration of it. With `file`, that file alone is read: what it says then does
/// not depend on what else is installed, nor on who may write to the folder it stands in.
pub fn resolve(
    file: Option<&Path>,
    flags: Vec<Given>,
    predecessor: Predecessor,
) -> Result<Resolved, Complaints> {
    let paths = match file {
        Some(file) => vec![file.to_owned()],
        None => installed_files().map_err(|complaint| Complaints(vec![complaint]))?,
    };
    let environment = variables();
    let is_said = environment
        .get(PREDECESSORS_VARIABLES)
        .map(|it| it == "true");
    let predecessor = Predecessor {
        reads_variables: predecessor.reads_variables.or(is_said),
        ..predecessor
    };
    resolve_of(paths, flags, environment, predecessor)
}

/// The same of these files alone, in nobody's place.
pub fn resolve_files(paths: Vec<PathBuf>, flags: Vec<Given>) -> Result<Resolved, Complaints> {
    resolve_of(paths, flags, variables(), Predecessor::default())
}

fn resolve_of(
    paths: Vec<PathBuf>,
    flags: Vec<Given>,
    environment: BTreeMap<String, String>,
    predecessor: Predecessor,
) -> Result<Resolved, Complaints> {
    let mut files = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        match fs::read_to_string(&path) {
            Ok(text) => files.push(File { path, text }),
            Err(error) => complaints.push(unreadable(&path, &error)),
        }
    }
    if !complaints.is_empty() {
        return Err(Complaints(complaints));
    }
    config::resolve(&Surroundings {
        files,
        host_name: host_name(&environment),
        environment,
        flags,
        predecessor,
        is_root: unistd::geteuid().is_root(),
        read_secret: &read_secret,
    })
}

fn installed_files() -> Result<Vec<PathBuf>, Complaint> {
    let folder = Path::new(FURTHER_FILES);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries: Vec<fs::DirEntry> = entries.map_err(|error| unreadable(folder, &error))?;
    let mut further: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    further.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    further.sort();
    if Path::new(MAIN_FILE).exists() {
        further.insert(0, PathBuf::from(MAIN_FILE));
    }
    Ok(further)
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    Complaint {
        key: None,
        origin: None,
        problem: format!("cannot read {}: {error}", path.display()),
    }
}

/// All variables; what is no UTF-8 in them is replaced.
fn variables() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// Reads a file that holds a secret, and its mode.
pub fn read_secret(path: &Path) -> io::Result<SecretFile> {
    let mut file = fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let text = io::read_to_string(&mut file)?;
    Ok(SecretFile { text, mode })
}

/// What tells whose name the kernel gives us.
#[derive(Clone, Debug, Default)]
struct NameFacts {
    /// The name in our UTS namespace.
    ours: Option<String>,
    /// Whether that namespace is the first one.
    in_first_uts: bool,
    /// Whether anything says that we are in a container.
    in_container: bool,
    /// The name in the files of process 1, where that is the host's, or below where containers of cAdvisor have them.
    of_host_files: Option<String>,
}

fn host_name(environment: &BTreeMap<String, String>) -> Option<String> {
    let is_first = |namespace: &str, inode: u64| {
        fs::metadata(namespace).is_ok_and(|metadata| metadata.ino() == inode)
    };
    let marks = [
        "/.dockerenv",
        "/run/.containerenv",
        "/run/host/container-manager",
    ];
    let variables = ["container", "KUBERNETES_SERVICE_HOST"];
    let is_among_hosts_processes = is_first("/proc/self/ns/pid", FIRST_PID_NAMESPACE);
    let files = is_among_hosts_processes.then_some("/proc/1/root/etc/hostname");
    let files = files.into_iter().chain([ROOT_OF_CADVISORS_HOST]);
    let of_host_files = files
        .into_iter()
        .find_map(|file| fs::read_to_string(file).ok());
    decide_host_name(NameFacts {
        ours: unistd::gethostname()
            .ok()
            .map(|name| name.to_string_lossy().into_owned()),
        in_first_uts: is_first("/proc/self/ns/uts", FIRST_UTS_NAMESPACE),
        in_container: marks.iter().any(|mark| Path::new(mark).exists())
            || variables
                .iter()
                .any(|variable| environment.contains_key(*variable)),
        of_host_files,
    })
}

/// A service manager may give a service a UTS namespace too (`ProtectHostname=`), but it bears the host's name; that
/// of a container bears the container's.
fn decide_host_name(facts: NameFacts) -> Option<String> {
    let name = if facts.in_first_uts || !facts.in_container {
        facts.ours
    } else {
        facts.of_host_files
    };
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_never_called_by_a_containers_name() {
        let facts = |in_first_uts, in_container| NameFacts {
            ours: Some("ours".to_owned()),
            in_first_uts,
            in_container,
            of_host_files: Some("host\n".to_owned()),
        };
        assert_eq!(
            decide_host_name(facts(true, false)).as_deref(),
            Some("ours")
        );
        assert_eq!(decide_host_name(facts(true, true)).as_deref(), Some("ours"));
        assert_eq!(
            decide_host_name(facts(false, false)).as_deref(),
            Some("ours")
        );
        assert_eq!(
            decide_host_name(facts(false, true)).as_deref(),
            Some("host")
        );
        let hidden = NameFacts {
            of_host_files: None,
            ..facts(false, true)
        };
        assert_eq!(decide_host_name(hidden), None);
    }

    #[test]
    fn a_file_that_was_asked_for_must_be_there() {
        let file = Path::new("/nonexistent/cgflux.toml");
        let error = resolve(Some(file), Vec::new(), Predecessor::default());
        let error = error.expect_err("absent").to_string();
        assert!(
            error.starts_with("cannot read /nonexistent/cgflux.toml: "),
            "{error}"
        );
    }

    #[test]
    fn a_password_file_is_read_with_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        fs::write(&path, "secret\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        let secret = read_secret(&path).expect("read");
        assert_eq!(
            (secret.text.as_str(), secret.mode & 0o777),
            ("secret\n", 0o640)
        );
    }
}
