//! In a sandbox that hides the machine's files, the agent tells what it tells outside; `check` names what is hidden.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value as Json;

use crate::harness::{Docker, Home, LoopFilesystem, cgroup, eventually, skip};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where Docker's files are looked for unless somebody says otherwise.
const DOCKER_DEFAULT: &str = "/var/lib/docker";

/// Process 1 of the machine here: `$1` has Docker's files. Beyond it the sandbox, as a unit would have it: other folders at
/// `/home` and at Docker's place, `$2` not mounted, and a user without rights but for the capabilities `$3`.
const MACHINE: &str = r#"mount --bind "$1" /var/lib/docker; shift
unshare -m sh -c 'mount -t tmpfs none /home && mount -t tmpfs none /var/lib/docker && umount "$1" && keep=$2 && shift 2 &&
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps="$keep" --ambient-caps="$keep" "$@"' sh "$@""#;

/// What the unit gives, in the words of setpriv(1), which may be older than `CAP_PERFMON` and `CAP_BPF`.
const OF_THE_UNIT: &str = "+cap_38,+cap_39,+net_admin,+dac_read_search,+sys_ptrace";

/// The same without what looks into other processes.
const WITHOUT_PTRACE: &str = "+cap_38,+cap_39,+net_admin,+dac_read_search";

/// A folder that is there as long as the test.
struct Place(Option<PathBuf>);

impl Place {
    fn at(path: &str) -> Self {
        let is_there = Path::new(path).is_dir();
        fs::create_dir_all(path).unwrap();
        Self((!is_there).then(|| path.into()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(made) = &self.0 {
            fs::remove_dir(made).unwrap();
        }
    }
}

/// The command in a sandbox on a machine of its own, with process ids of its own.
fn sandboxed(command: &Command, docker_files: &str, mount: &Path, capabilities: &str) -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "-p",
        "-m",
        "-f",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        MACHINE,
        "sh",
    ]);
    unshare.arg(docker_files).arg(mount).arg(capabilities);
    unshare.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshare.env(name, value),
            None => unshare.env_remove(name),
        };
    }
    // Names are to come from files.
    unshare.env("DOCKER_HOST", "unix:///nowhere");
    unshare
}

#[test]
fn what_a_sandbox_hides_is_told_all_the_same_and_named() {
    let Some(docker) = Docker::here() else { return };
    let Some(disk) = LoopFilesystem::new("hidden") else {
        return;
    };
    if !Path::new("/home").is_dir() {
        skip::<()>("there is no /home to hide");
        return;
    }
    let _place = Place::at(DOCKER_DEFAULT);
    let files = docker.command(&["info", "--format", "{{.DockerRootDir}}"]);
    let name = cgroup::unique("hidden");
    let container = docker.run(&["--name", &name], "sleep 1000");
    let home = Home::with("[collect]\nfile_interval = \"1s\"\n");

    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let point = disk.point().to_str().unwrap();
    let sandboxed = |command: &Command, capabilities| {
        sandboxed(command, files.trim(), disk.point(), capabilities)
    };

    for (capabilities, level) in [(OF_THE_UNIT, "note"), (WITHOUT_PTRACE, "warn")] {
        let check = home.command("check --json");
        let found = item(sandboxed(&check, capabilities));
        let finding = found["finding"].as_str().unwrap();
        println!("{level}: {finding}");
        for hidden in ["/home (ProtectHome=)", "/var/lib/docker (", point] {
            assert!(finding.contains(hidden), "{hidden}: {found}");
        }
        assert!(!finding.contains("/proc"), "{found}");
        assert_eq!(found["level"], level, "{found}");
    }

    let run = home.command("run");
    let agent = home.launch(run, |command| {
        // What it writes to stays with it.
        let mut sandboxed = sandboxed(&command, OF_THE_UNIT);
        let log = |stream: &str| fs::File::create(home.path().join(format!("{stream}-0"))).unwrap();
        sandboxed.stdout(log("stdout")).stderr(log("stderr"));
        sandboxed.spawn().unwrap()
    });
    let batch = agent.next_batch();
    let entry = batch.container(&container.id).expect("it is listed");
    println!("{} is called {}", container.id, entry.name);
    assert_eq!(entry.name, name);
    eventually(PATIENCE, "the filesystem is told", || {
        let metrics = agent.metrics();
        let mut lines = metrics.lines();
        let told =
            lines.find(|it| it.starts_with("cgflux_host_fs_size_bytes{") && it.contains(point));
        told.map(|line| println!("{line}")).ok_or(metrics)
    });
}

/// What `check` says of the sandbox.
#[track_caller]
fn item(mut check: Command) -> Json {
    let output = check.output().unwrap();
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let sections = report["sections"].as_array().into_iter().flatten();
    let mut items = sections.flat_map(|it| it["items"].as_array().into_iter().flatten());
    let found = items.find(|it| it["name"] == "sandbox");
    found.unwrap_or_else(|| panic!("{report}")).clone()
}
