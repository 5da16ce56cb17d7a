//! Containers by Docker's own command line, and the daemons that serve it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use cgflux::host::cgroup_tree::Layout;
use nix::unistd::Pid;

use super::{
    say,
    waiting::Waiting,
    workload::{folder_of, mark},
};

const IMAGE: &str = "cgflux-bench:busybox";
const BUSYBOX: &str = "/bin/busybox";
const SCRIPT: &str = "while :; do sleep 0.5; done";
const LABEL: &str = "cgflux.bench";

/// Removed with one command.
const REMOVED_AT_ONCE: usize = 25;

/// Containers that run. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Containers {
    ids: Vec<String>,
    /// Their folders in the accounting hierarchy.
    folders: Vec<PathBuf>,
}

impl Containers {
    /// Starts `count` of them.
    pub(crate) fn start(count: u32, network: &str, waiting: &Waiting) -> anyhow::Result<Self> {
        ensure_image()?;
        tell_of_leftovers()?;
        // From here on dropping it takes everything back.
        let mut containers = Self {
            ids: Vec::new(),
            folders: Vec::new(),
        };
        for number in 0..count {
            waiting.check()?;
            containers.ids.push(start_one(number, network)?);
            if containers.ids.len().is_multiple_of(20) {
                say(&format!(
                    "    {} of {count} containers",
                    containers.ids.len()
                ));
            }
        }
        containers.folders = folders(&containers.ids)?;
        Ok(containers)
    }

    /// Their folders in the accounting hierarchy.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        say(&format!("removing {} containers", self.ids.len()));
        for ids in self.ids.chunks(REMOVED_AT_ONCE) {
            let arguments = ["rm", "--force", "--volumes"].map(str::to_owned);
            let arguments: Vec<String> = arguments.into_iter().chain(ids.to_vec()).collect();
            if let Err(error) = docker(&arguments) {
                say(&format!("{error:#}"));
            }
        }
    }
}

/// The processes of Docker and containerd; containers' shims are left out, which do nothing while their container
/// runs.
pub(crate) fn daemons() -> Vec<Pid> {
    named(&["dockerd", "containerd"])
}

/// All processes of these names.
fn named(names: &[&str]) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|id: &i32| {
            fs::read_to_string(Path::new("/proc").join(id.to_string()).join("comm"))
                .is_ok_and(|name| names.contains(&name.trim_end()))
        })
        .map(Pid::from_raw)
        .collect()
}

fn start_one(number: u32, network: &str) -> anyhow::Result<String> {
    let name = format!("{}-{number}", mark());
    let labels = [
        LABEL.to_owned(),
        format!("com.example.number={number}"),
        "com.example.team=storage".to_owned(),
        "com.example.stage=production".to_owned(),
        "com.example.release=2026-11".to_owned(),
    ];
    let mut arguments: Vec<String> = ["run", "--detach", "--name", &name, "--network", network]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(labels.iter().map(|label| format!("--label={label}")));
    arguments.extend([IMAGE, "sh", "-c", SCRIPT].map(str::to_owned));
    docker(&arguments)
}

fn folders(ids: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let layout = Layout::find()?;
    let arguments = ["inspect", "--format", "{{.State.Pid}}"].map(str::to_owned);
    let arguments: Vec<String> = arguments.into_iter().chain(ids.to_vec()).collect();
    let pids = docker(&arguments)?;
    pids.lines()
        .map(|pid| folder_of(&layout, pid.parse().context("no process id")?))
        .collect()
}

/// Says what a benchmark that was killed has left; it is not removed, since another one may be running.
fn tell_of_leftovers() -> anyhow::Result<()> {
    let filter = format!("label={LABEL}");
    let left = docker(&["ps", "--all", "--quiet", "--filter", &filter].map(str::to_owned))?;
    let count = left.lines().count();
    if count > 0 {
        say(&format!(
            "warning: {count} containers of another benchmark are there; if none runs: \
             docker rm -f $(docker ps -aq --filter {filter})"
        ));
    }
    Ok(())
}

/// Makes the image where it is not there: busybox and its names, nothing to download.
fn ensure_image() -> anyhow::Result<()> {
    docker(&["version", "--format", "{{.Server.Version}}"].map(str::to_owned))
        .context("no Docker answers")?;
    let inspect = ["image", "inspect", "--format", "{{.Id}}", IMAGE].map(str::to_owned);
    if docker(&inspect).is_ok() {
        return Ok(());
    }
    ensure!(
        Path::new(BUSYBOX).exists(),
        "{BUSYBOX} is missing (apt-get install busybox-static)"
    );
    let root = tempfile::tempdir()?;
    let bin = root.path().join("bin");
    fs::create_dir(&bin)?;
    fs::copy(BUSYBOX, bin.join("busybox"))?;
    for applet in ["sh", "sleep"] {
        symlink("busybox", bin.join(applet))?;
    }
    let archive = root.path().join("image.tar");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(root.path())
        .arg("-cf")
        .arg(&archive)
        .arg("bin")
        .status();
    ensure!(tar?.success(), "tar failed");
    docker(&["import", &archive.to_string_lossy(), IMAGE].map(str::to_owned)).map(drop)
}

fn docker(arguments: &[String]) -> anyhow::Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot run docker")?;
    if !output.status.success() {
        let verb = arguments.first().map_or("", String::as_str);
        bail!(
            "docker {verb} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
