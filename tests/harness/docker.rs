//! Docker, by its own command line: containers that end with the test.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use super::{cgroup, skip};

const IMAGE: &str = "cgflux-test:busybox";
const BUSYBOX: &str = "/bin/busybox";

/// A Docker daemon that answers.
#[derive(Clone)]
pub(crate) struct Docker {
    cgroup_driver: String,
}

/// A container. Removed when dropped.
pub(crate) struct Container {
    /// The full id.
    pub(crate) id: String,
}

/// A cgroup for containers, which keeps their CPU time when they are gone. Removed when dropped.
pub(crate) struct Parent {
    /// What `--cgroup-parent` takes.
    pub(crate) name: String,
    path: String,
    systemd: bool,
}

impl Docker {
    /// The daemon of this machine, with the tests' image; `None` where none answers.
    #[track_caller]
    pub(crate) fn here() -> Option<Self> {
        let Some(cgroup_driver) = docker(&["info", "--format", "{{.CgroupDriver}}"]) else {
            return skip("no Docker daemon answers (apt-get install docker.io, start dockerd)");
        };
        if docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]).is_none() {
            if !Path::new(BUSYBOX).exists() {
                return skip("/bin/busybox is missing (apt-get install busybox-static)");
            }
            import_image();
        }
        Some(Self { cgroup_driver })
    }

    /// Starts a container that runs a shell script. `options` are those of `docker run`.
    #[track_caller]
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Container {
        let arguments = [&["run", "--detach"], options, &[IMAGE, "sh", "-c", script]].concat();
        Container {
            id: self.command(&arguments),
        }
    }

    /// Runs a shell script in a container and waits for its end.
    #[track_caller]
    pub(crate) fn run_to_its_end(&self, options: &[&str], script: &str) {
        self.command(&[&["run"], options, &[IMAGE, "sh", "-c", script]].concat());
    }

    /// The same of a script that may end badly.
    #[expect(
        clippy::unused_self,
        reason = "who has a Docker knows that its daemon answers"
    )]
    pub(crate) fn run_to_any_end(&self, options: &[&str], script: &str) {
        docker(&[&["run"], options, &[IMAGE, "sh", "-c", script]].concat()).unwrap_or_default();
    }

    /// A cgroup for containers.
    pub(crate) fn parent(&self) -> Parent {
        let systemd = self.cgroup_driver == "systemd";
        let mut name = cgroup::unique("parent");
        if systemd {
            name.push_str(".slice");
            // A slice goes with its last unit, and its counters with it, unless it was started by name.
            run("systemctl", &["start", &name]).unwrap();
        } else {
            fs::create_dir(cgroup::folder(&name)).unwrap();
        }
        Parent {
            path: format!("/{name}"),
            name,
            systemd,
        }
    }

    /// Runs a command of the docker command line and returns what it prints, or what it says of its failure.
    #[expect(
        clippy::unused_self,
        reason = "who has a Docker knows that its daemon answers"
    )]
    pub(crate) fn try_command(&self, arguments: &[&str]) -> Result<String, String> {
        run("docker", arguments)
    }

    /// Runs a command of the docker command line and returns what it prints.
    #[expect(
        clippy::unused_self,
        reason = "who has a Docker knows that its daemon answers"
    )]
    #[track_caller]
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        run("docker", arguments).unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
    }
}

impl Container {
    /// Its cgroup in the unified hierarchy; the container must run.
    #[track_caller]
    pub(crate) fn cgroup_path(&self) -> String {
        let pid = self.pid();
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let unified = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
        unified.unwrap_or_else(|| panic!("{cgroups}")).to_owned()
    }

    /// Its main process.
    #[track_caller]
    pub(crate) fn pid(&self) -> String {
        docker(&["inspect", "--format", "{{.State.Pid}}", &self.id]).unwrap()
    }

    /// Its address on Docker's own bridge.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        docker(&[
            "inspect",
            "--format",
            "{{.NetworkSettings.IPAddress}}",
            &self.id,
        ])
        .unwrap()
    }

    /// Starts one more process in it, in the background.
    #[track_caller]
    pub(crate) fn exec(&self, script: &str) {
        docker(&["exec", "--detach", &self.id, "sh", "-c", script]).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&self) {
        docker(&["wait", &self.id]).unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One started with `--rm` may be gone.
        drop(docker(&["rm", "--force", "--volumes", &self.id]));
    }
}

impl Parent {
    /// CPU time used by all containers that are or were in it, as the kernel counts it.
    pub(crate) fn usage_us(&self) -> u64 {
        cgroup::usage_us(&self.path).unwrap()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if self.systemd {
            drop(run("systemctl", &["stop", &self.name]));
            return;
        }
        cgroup::kill_all(&cgroup::folder(&self.path));
        // Docker made it in each hierarchy of version 1 too.
        for hierarchy in cgroup::hierarchies() {
            let folder = hierarchy.join(&self.name);
            if folder.exists() {
                cgroup::remove(&folder);
            }
        }
    }
}

/// Makes the image: busybox and its names, nothing to download.
fn import_image() {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for applet in run(BUSYBOX, &["--list"]).unwrap().lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet)).unwrap();
        }
    }
    let archive = root.path().join("image.tar");
    let (root, archive) = (root.path().to_str().unwrap(), archive.to_str().unwrap());
    run("tar", &["-C", root, "-cf", archive, "bin"]).unwrap();
    run("docker", &["import", archive, IMAGE]).unwrap();
}

fn docker(arguments: &[&str]) -> Option<String> {
    run("docker", arguments).ok()
}

/// Runs a program and returns what it prints, or what it says of its failure.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
