//! The stack of `packaging/compose.yaml`, by Docker Compose itself, from images that are made here: nothing is pulled.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{Docker, cgroup, skip};

/// Where `cargo xtask test` lays it ready.
const COMPOSE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/docker-compose-trixie/usr/libexec/docker/cli-plugins/docker-compose"
);

/// InfluxDB 1.8.10, as the file asks for it.
const INFLUXD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/influxd-1.8.10/bin/influxd"
);

/// The root of the image, laid ready by `cargo xtask test`.
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/image/usr/bin/cgflux"
);

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging");

/// Docker Compose.
pub(crate) struct Compose(());

/// The stack under a name of its own. Everything of it is removed when dropped.
pub(crate) struct Stack {
    docker: Docker,
    /// Compose's name for it.
    pub(crate) project: String,
    arguments: Vec<String>,
    images: Vec<String>,
    /// Docker's data folder.
    pub(crate) root: String,
    _folder: TempDir,
}

impl Compose {
    /// `None` where it was not compiled.
    #[track_caller]
    pub(crate) fn here() -> Option<Self> {
        if !Path::new(COMPOSE).exists() {
            return skip("Docker Compose is missing (`cargo xtask test` fetches it)");
        }
        Some(Self(()))
    }

    /// What it makes of these files of `packaging/`, as JSON. Panics where they do not hold.
    #[expect(clippy::unused_self, reason = "who has it knows that it is there")]
    #[track_caller]
    pub(crate) fn read(&self, files: &[&str], profile: &str) -> serde_json::Value {
        let mut command = Command::new(COMPOSE);
        for file in files {
            command.arg("--file").arg(Path::new(PACKAGING).join(file));
        }
        command.args(["--profile", profile, "config", "--format", "json"]);
        serde_json::from_str(&said(&mut command)).unwrap()
    }
}

impl Stack {
    /// Makes the images and prepares the stack; nothing runs yet. `None` where something of it is missing.
    #[track_caller]
    pub(crate) fn prepare(docker: &Docker) -> Option<Self> {
        Compose::here()?;
        for (file, reason) in [
            (
                PROGRAM,
                "the image's program is missing (`cargo xtask build --static`)",
            ),
            (
                INFLUXD,
                "InfluxDB 1.8.10 is missing (`cargo xtask test` has it compiled, by a Go)",
            ),
            (
                "/usr/bin/redis-server",
                "redis-server is missing (apt-get install redis-server)",
            ),
        ] {
            if !Path::new(file).exists() {
                return skip(reason);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let project = cgroup::unique("compose");
        let image = |name: &str| format!("cgflux-test-{name}:{project}");
        let stack = Self {
            docker: docker.clone(),
            arguments: arguments(folder.path(), &project, image),
            images: ["redis", "influxdb", "cgflux"].map(image).to_vec(),
            project,
            root: docker.command(&["info", "--format", "{{.DockerRootDir}}"]),
            _folder: folder,
        };
        stack.import_redis(stack.image("redis"));
        stack.import_influxdb(stack.image("influxdb"));
        Some(stack)
    }

    /// Builds and starts these services, and waits until they are healthy. `None` where somebody has one of their ports.
    #[track_caller]
    pub(crate) fn up(&self, services: &[&str]) -> Option<()> {
        let up = ["up", "-d", "--build", "--wait", "--wait-timeout", "180"];
        match self.try_compose(&[&up[..], services].concat()) {
            Ok(_) => Some(()),
            Err(told) if told.contains("already in use") || told.contains("already allocated") => {
                skip(&format!("a port of the stack is taken: {told}"))
            }
            Err(told) => {
                let logs = self.try_compose(&["logs", "--no-color"]);
                println!("{}", logs.unwrap_or_else(|told| told));
                panic!("docker compose up: {told}");
            }
        }
    }

    /// A command of Docker Compose about this stack, and what it says.
    #[track_caller]
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        self.try_compose(arguments)
            .unwrap_or_else(|told| panic!("docker compose {arguments:?}: {told}"))
    }

    fn try_compose(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The name that Compose gives the container of a service.
    pub(crate) fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project)
    }

    /// An image that was made for it.
    pub(crate) fn image(&self, service: &str) -> &str {
        let named = format!("-{service}:");
        let image = self.images.iter().find(|image| image.contains(&named));
        image.expect("an image of this name")
    }

    /// What is answered at an address of the host that Docker runs on, as `curl` there would have it.
    pub(crate) fn get(&self, url: &str) -> Result<String, String> {
        let network = ["run", "--rm", "--network", "host", "cgflux-test:busybox"];
        let fetch = ["wget", "-q", "-O", "-", url];
        self.docker.try_command(&[&network[..], &fetch].concat())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(COMPOSE);
        command.args(&self.arguments).args(arguments);
        // What a person may have set for a stack of their own.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("COMPOSE_") || name.starts_with("CGFLUX_") {
                command.env_remove(&*name);
            }
        }
        command.env("CGFLUX_DOCKER_ROOT", &self.root);
        command.env("CGFLUX_LOAD_RATE", "100");
        command
    }

    /// Debian's Redis, with the libraries that it needs.
    fn import_redis(&self, image: &str) {
        let root = tempfile::tempdir().unwrap();
        for program in ["/usr/bin/redis-server", "/usr/bin/redis-cli"] {
            take(Path::new(program), root.path());
            for library in libraries(program) {
                take(&library, root.path());
            }
        }
        self.import(root.path(), image, &["WORKDIR /data"]);
    }

    /// The real InfluxDB, with a shell's `wget` for its health check, where the image that the file names has one too.
    fn import_influxdb(&self, image: &str) {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("usr/bin");
        let etc = root.path().join("etc/influxdb");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&etc).unwrap();
        fs::copy(INFLUXD, bin.join("influxd")).unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        symlink("busybox", bin.join("wget")).unwrap();
        let data = "/var/lib/influxdb";
        let settings = format!(
            "[meta]\ndir = \"{data}/meta\"\n[data]\ndir = \"{data}/data\"\nwal-dir = \"{data}/wal\"\n"
        );
        fs::write(etc.join("influxdb.conf"), settings).unwrap();
        self.import(root.path(), image, &["CMD [\"influxd\"]"]);
    }

    fn import(&self, root: &Path, image: &str, changes: &[&str]) {
        let archive = root.with_extension("tar");
        let (root, archive_text) = (root.to_str().unwrap(), archive.to_str().unwrap());
        said(Command::new("tar").args(["-C", root, "-cf", archive_text, "."]));
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let changes: Vec<&str> = changes.collect();
        let arguments = [&["import"], &changes[..], &[archive_text, image]].concat();
        self.docker.command(&arguments);
        fs::remove_file(archive).unwrap();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut down = self.command(&["--profile", "*", "down", "--volumes", "--timeout", "5"]);
        let down = down.stdin(Stdio::null()).output();
        drop(down);
        for image in &self.images {
            // One may never have been made.
            drop(self.docker.try_command(&["rmi", "--force", image]));
        }
    }
}

/// The files of the stack, the last one with the images that are made here.
fn arguments(folder: &Path, project: &str, image: impl Fn(&str) -> String) -> Vec<String> {
    let ours = format!(
        "{{image: \"{}\", build: {{args: {{PROGRAM: ready}}}}}}",
        image("cgflux")
    );
    let images = format!(
        "services:\n  redis: {{image: \"{}\"}}\n  influxdb: {{image: \"{}\"}}\n  cgflux: {ours}\n  web: {ours}\n  load: {ours}\n",
        image("redis"),
        image("influxdb"),
    );
    let images_file = folder.join("images.yaml");
    fs::write(&images_file, images).unwrap();
    let packaging = PathBuf::from(PACKAGING);
    let files = [
        packaging.join("compose.yaml"),
        packaging.join("compose.old-docker.yaml"),
        images_file,
    ];
    let files = files.into_iter();
    let files = files.flat_map(|file| ["--file".to_owned(), file.display().to_string()]);
    let project = ["--project-name".to_owned(), project.to_owned()];
    project.into_iter().chain(files).collect()
}

/// Copies a file to the same place below `root`.
fn take(file: &Path, root: &Path) {
    let to = root.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(file, to).unwrap();
}

/// The libraries that a program is started with, the loader among them.
fn libraries(program: &str) -> Vec<PathBuf> {
    let said = said(Command::new("ldd").arg(program));
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
