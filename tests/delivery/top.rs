//! `cgflux top` in a real terminal: what it shows, that it leaves the terminal as it found it, and recordings.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use cgflux::{
    recording::{Line, Reader},
    stream::Tick,
    top::screen::Screen,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value as Json;

use super::{PATIENCE, page::picture};
use crate::harness::{
    AgentProcess, Browser, Container, Docker, Home, Tmux, cgroup, eventually, skip,
};

/// Set where a test starts this test binary as a program that takes the terminal and panics.
const PANICS: &str = "CGFLUX_TEST_PANICS";

/// The name of the test below that does so.
const PANICKING: &str = "delivery::top::takes_the_terminal_and_panics_where_a_test_starts_it_to";

/// A container that uses as much CPU as it gets, always on the same one.
fn busy(docker: &Docker) -> (Container, String) {
    let name = cgroup::unique("top-busy");
    let label = format!("tested={name}");
    let limits = ["--cpus", "0.3", "--cpuset-cpus", "0"];
    let options = [&["--name", &name, "--label", &label][..], &limits].concat();
    (docker.run(&options, "while :; do :; done"), name)
}

/// The command that shows what the agent tells, for a shell.
fn top(home: &Home, agent: &AgentProcess, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_cgflux");
    let config = home.path().join("cgflux.toml");
    let (config, address) = (config.display(), agent.address());
    format!("{program} --config {config} top --url http://{address} {arguments}")
}

/// A terminal in which something is about to run, and what its settings were before.
struct Before<'a> {
    tmux: &'a Tmux,
    folder: &'a Path,
}

impl<'a> Before<'a> {
    /// Runs a line in the shell that tells how it ended.
    #[track_caller]
    fn run(tmux: &'a Tmux, folder: &'a Path, line: &str) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let (before, after) = (file("before"), file("after"));
        fs::remove_file(&after).unwrap_or_default();
        tmux.line("clear");
        tmux.until("what was before is gone", |screen| !Self::is_over(screen));
        tmux.line(&format!(
            "clear; stty -a >{before}; {line}; echo it ended with $?; stty -a >{after}; echo and was looked at"
        ));
        Self { tmux, folder }
    }

    fn is_over(screen: &str) -> bool {
        screen.lines().any(|line| line == "and was looked at")
    }

    /// Expects it to end so, and the terminal to be as it was.
    #[track_caller]
    fn ended(self, with: &str) -> String {
        let screen = self.tmux.until("the end is told", Self::is_over);
        assert!(
            screen.contains(&format!("it ended with {with}")),
            "{screen}"
        );
        let told = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap();
        assert_eq!(told("before"), told("after"));
        assert_eq!(self.tmux.modes(), (false, true), "{screen}");
        screen
    }
}

#[test]
fn containers_are_watched_filtered_and_looked_into_and_the_terminal_is_as_it_was() {
    let (Some(docker), Some(tmux)) = (Docker::here(), Tmux::start(80, 24)) else {
        return;
    };
    let (container, name) = busy(&docker);
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let watched = Before::run(&tmux, home.path(), &top(&home, &agent, ""));
    let screen = tmux.until("the container is listed with its CPU", |screen| {
        screen.lines().any(|line| {
            let mut words = line.split_whitespace();
            let has_name = words
                .next()
                .is_some_and(|word| name.starts_with(word.trim_end_matches('…')));
            has_name
                && words
                    .next()
                    .and_then(|cpu| cpu.parse().ok())
                    .is_some_and(|cpu: f64| cpu > 5.0)
        })
    });
    assert!(screen.contains("live from http://"), "{screen}");
    assert!(screen.contains("lost nothing"), "{screen}");
    assert_eq!(
        tmux.modes(),
        (true, false),
        "another screen, without a cursor"
    );

    tmux.keys(&["/"]);
    tmux.text("tested:nobody");
    tmux.until("the filter leaves nothing", |screen| {
        screen.contains("Nothing fits the filter")
    });
    tmux.keys(&["C-u"]);
    tmux.text(&format!("tested:{name} runtime:docker"));
    tmux.until("the filter leaves one", |screen| screen.contains("1 of "));
    tmux.keys(&["Enter", "Enter"]);
    let short_id = &container.id[..12];
    let detail = tmux.until("the detail is shown", |screen| {
        screen.contains(short_id) && screen.contains("throttled") && screen.contains('█')
    });
    assert!(detail.contains(" of 30.0%"), "its limit: {detail}");
    assert!(detail.contains("waits 50%<"), "its waits: {detail}");

    // Of another size, and one that is too small, while it is shown.
    tmux.resize(140, 50);
    tmux.until("the path has room", |screen| screen.contains(&container.id));
    tmux.resize(40, 10);
    tmux.until("it says that there is no room", |screen| {
        screen.contains("At least 60×12")
    });
    tmux.resize(80, 24);
    tmux.keys(&["C-l"]);
    tmux.until("the detail is shown again", |screen| {
        screen.contains(short_id) && screen.contains('█')
    });

    // Back to the shell, and on again.
    tmux.keys(&["C-z"]);
    let stopped_by = 128 + Signal::SIGSTOP as i32;
    watched.ended(&stopped_by.to_string());
    tmux.line("fg");
    tmux.until("it goes on", |screen| screen.contains(short_id));
    assert_eq!(tmux.modes(), (true, false));
    tmux.keys(&["q"]);
    tmux.until("the list is shown", |screen| {
        screen.contains("NAME") && screen.contains("CPU%")
    });
    let before = fs::read_to_string(home.path().join("before")).unwrap();
    // The filter, then the program.
    tmux.keys(&["q", "q"]);
    tmux.until("the shell asks again", |screen| {
        screen.trim_end().ends_with('$')
    });
    Before::run(&tmux, home.path(), "true").ended("0");
    let now = fs::read_to_string(home.path().join("before")).unwrap();
    assert_eq!(before, now);
}

#[test]
fn a_signal_or_a_panic_leaves_the_terminal_as_it_was() {
    let Some(tmux) = Tmux::start(80, 24) else {
        return;
    };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    for signal in ["TERM", "INT", "HUP"] {
        let watched = Before::run(&tmux, home.path(), &top(&home, &agent, ""));
        tmux.until("it is shown", |screen| screen.contains("live from"));
        let pid = eventually(PATIENCE, "the program", || asking(&agent));
        kill(pid, format!("SIG{signal}").parse::<Signal>().unwrap()).unwrap();
        watched.ended("0");
    }
    let itself = env::current_exe().unwrap();
    let line = format!(
        "{PANICS}=1 RUST_BACKTRACE=0 {} --exact {PANICKING} --nocapture",
        itself.display()
    );
    let screen = Before::run(&tmux, home.path(), &line).ended("101");
    assert!(
        screen.contains("on purpose"),
        "the message can be read: {screen}"
    );
}

/// The process of `top` that asks this agent.
fn asking(agent: &AgentProcess) -> Result<Pid, String> {
    let wanted = format!("--url\0http://{}", agent.address());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let found = pids.find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with(env!("CARGO_BIN_EXE_cgflux")) && line.contains(&wanted)
    });
    found.map(Pid::from_raw).ok_or("none".to_owned())
}

#[test]
fn takes_the_terminal_and_panics_where_a_test_starts_it_to() {
    if env::var_os(PANICS).is_none() {
        return;
    }
    let mut screen = Screen::take().unwrap();
    screen
        .draw(|frame| {
            frame
                .buffer_mut()
                .set_string(0, 0, "in the way", ratatui::style::Style::new());
        })
        .unwrap();
    // In another thread, as a collector's panic is; this one waits for it and ends as it did.
    let panics = thread::spawn(|| panic!("on purpose"));
    panics.join().unwrap();
}

#[test]
fn a_recording_has_what_the_daemon_told_and_is_shown_again() {
    let Some(docker) = Docker::here() else {
        return;
    };
    let (container, name) = busy(&docker);
    let home = Home::new();
    let agent = home.start::<&str>(&["--interval", "200ms"]);
    let file = home.path().join("day.cgflux");
    record(&home, &agent, &file, 10, Signal::SIGTERM);
    let history: Json = serde_json::from_str(
        &agent
            .get(&format!("/api/v1/containers/{}", container.id))
            .unwrap(),
    )
    .unwrap();
    let cgroup = history["cgroup"].as_u64().unwrap();
    let (recorded, is_cut) = recorded(&file, cgroup);
    assert!(!is_cut);
    let told = history["history"]["taken"].as_array().unwrap().iter();
    let told: BTreeMap<i64, Option<f64>> = told
        .zip(history["history"]["usage_cpus"].as_array().unwrap())
        .map(|(taken, cpus)| (taken.as_i64().unwrap() / 1_000_000, cpus.as_f64()))
        .collect();
    let compared = recorded.iter().filter(|(t, _)| told.contains_key(t));
    println!(
        "{} ticks recorded, {} of them in the history",
        recorded.len(),
        compared.clone().count()
    );
    assert!(compared.clone().count() >= 10);
    for (t, cpus) in compared {
        assert_eq!(told[t], *cpus, "at {t}");
    }

    // The same number on the screen: of the tick that is shown.
    let (last_ms, cpus) = recorded.iter().next_back().unwrap();
    let at = format!("{last_ms}");
    let at = rfc3339(at.parse().unwrap());
    let output = home
        .command("top")
        .arg("--replay")
        .arg(&file)
        .args(["--at", &at, "--once"])
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let row = table.lines().find(|line| line.starts_with(&name));
    let row = row.unwrap_or_else(|| panic!("{table}\n{}", String::from_utf8_lossy(&output.stderr)));
    let shown: f64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("recorded {cpus:?} CPUs, shown {shown} %");
    assert!((shown - cpus.unwrap() * 100.0).abs() <= 0.051, "{row}");
    replayed(&home, &file, &name);

    // Of a recorder that is killed all but the last seconds is there.
    let killed = home.path().join("killed.cgflux");
    record(&home, &agent, &killed, 25, Signal::SIGKILL);
    let (recorded, is_cut) = self::recorded(&killed, cgroup);
    println!(
        "{} ticks are left of a recorder that was killed",
        recorded.len()
    );
    assert!(is_cut && !recorded.is_empty());
}

/// Plays it in a terminal: it can be stopped, wound and left.
fn replayed(home: &Home, file: &Path, name: &str) {
    let Some(tmux) = Tmux::start(120, 40) else {
        return;
    };
    let program = env!("CARGO_BIN_EXE_cgflux");
    let line = format!("{program} top --replay {}", file.display());
    let watched = Before::run(&tmux, home.path(), &line);
    tmux.until("it is played", |screen| {
        screen.contains('▶') && screen.contains(name)
    });
    tmux.until("it is played to its end", |screen| {
        screen.contains("the end of the recording")
    });
    tmux.keys(&["["]);
    let wound = tmux.until("it is wound back", |screen| screen.contains("❙❙"));
    assert!(wound.contains(name), "{wound}");
    tmux.keys(&["g"]);
    tmux.text("never");
    tmux.keys(&["Enter"]);
    tmux.until("no time is told so", |screen| screen.contains("is no time"));
    tmux.keys(&["q"]);
    watched.ended("0");
}

/// Records, without a terminal, until the file has so many ticks.
pub(super) fn record(home: &Home, agent: &AgentProcess, file: &Path, ticks: usize, end: Signal) {
    let mut command = home.command("top");
    command
        .arg("--url")
        .arg(format!("http://{}", agent.address()))
        .arg("--record")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(File::create(home.path().join("said")).unwrap());
    let mut recorder = command.spawn().unwrap();
    eventually(PATIENCE, "enough is flushed", || {
        let found = File::open(file).map_err(|error| error.to_string())?;
        let mut reader = Reader::new(found).map_err(|error| error.to_string())?;
        let mut count = 0;
        while reader.next_line::<Tick>().unwrap().is_some() {
            count += 1;
        }
        (count >= ticks)
            .then_some(())
            .ok_or(format!("{count} lines"))
    });
    let pid = Pid::from_raw(recorder.id().try_into().unwrap());
    kill(pid, end).unwrap();
    let status = recorder.wait().unwrap();
    let said = fs::read_to_string(home.path().join("said")).unwrap();
    if end == Signal::SIGTERM {
        assert!(status.success(), "{status}: {said}");
        assert!(said.contains("cgflux: recorded "), "{said}");
    }
}

#[test]
fn who_took_the_cpu_stands_in_the_terminal_and_on_the_page_of_what_that_recorded() {
    let (Some(docker), Some(tmux)) = (Docker::here(), Tmux::start(140, 40)) else {
        return;
    };
    let [(_one, name), (_other, rival)] = [busy(&docker), busy(&docker)];
    let home = Home::with("[families.preemption]\nenabled = true\n");
    let agent = home.start::<&str>(&[]);
    let file = home.path().join("rivals.cgflux");
    let arguments = format!("--record {} --filter tested:{name}", file.display());
    let watched = Before::run(&tmux, home.path(), &top(&home, &agent, &arguments));
    tmux.until("it is listed", |screen| screen.contains(&name));
    tmux.keys(&["Enter"]);
    tmux.until("the other one is said to have run meanwhile", |screen| {
        screen.contains(&format!("ms/s  {rival}"))
    });
    // The detail, the filter, then the program.
    tmux.keys(&["q", "q", "q"]);
    watched.ended("0");

    let Some(mut page) = Browser::open(&format!("http://{}/", agent.address())) else {
        return skip("no chromium").unwrap_or_default();
    };
    page.set_width(1200);
    page.wait_until("document.getElementById('state').dataset.state === 'live'");
    page.choose_file("#file", &file);
    page.wait_until("document.getElementById('state').textContent === 'recording rivals.cgflux'");
    page.wait_until(&format!(
        "[...document.querySelectorAll('#rows .name')].some((it) => it.textContent === '{name}' && (it.click(), true))"
    ));
    page.wait_until(&format!(
        "[...document.querySelectorAll('#preemptors th')].some((it) => it.textContent === '{rival}')"
    ));
    picture(&mut page, "page-preemptors.png");
    assert_eq!(page.complaints(), [""; 0]);
}

/// CPUs of an entry by the times of ticks, and whether the file lacks its end.
fn recorded(file: &Path, cgroup: u64) -> (BTreeMap<i64, Option<f64>>, bool) {
    let mut reader = Reader::new(File::open(file).unwrap()).unwrap();
    let mut told = BTreeMap::new();
    while let Some(line) = reader.next_line::<Tick>().unwrap() {
        if let Line::Tick(tick) = line {
            let rates = tick.rates().find(|it| it.cgroup == cgroup);
            told.extend(rates.map(|rates| (tick.wall_ms, rates.cpus)));
        }
    }
    (told, reader.is_cut())
}

fn rfc3339(wall_ms: u64) -> String {
    let since = std::time::Duration::from_millis(wall_ms);
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}

#[test]
fn without_a_daemon_it_measures_itself_and_without_a_terminal_prints_a_table() {
    let Some(docker) = Docker::here() else {
        return;
    };
    let (_container, name) = busy(&docker);
    let home = Home::with("[http]\nenabled = false\n");
    let output = home.command("top").output().unwrap();
    let [table, said] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(output.status.success(), "{said}");
    assert!(said.contains("measured here by kernel programs"), "{said}");
    assert!(!table.contains('\u{1b}'), "{table}");
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        head,
        [
            "NAME", "CPU%", "WAITms", "THRms", "MEM", "LIM%", "DISK/s", "NET/s"
        ]
    );
    let row = table.lines().find(|line| line.starts_with(&name));
    let row: Vec<&str> = row
        .unwrap_or_else(|| panic!("{table}"))
        .split_whitespace()
        .collect();
    let cpu: f64 = row[1].parse().unwrap();
    println!("{row:?}");
    assert!(cpu > 1.0, "{row:?}");
}

#[test]
fn what_cannot_be_shown_or_written_is_told_with_what_to_do() {
    let home = Home::with("[http]\nenabled = false\n");
    let file = home.path().join("x");
    fs::write(&file, "no recording").unwrap();
    let path = file.to_str().unwrap();
    for (arguments, status, part) in [
        (
            &["--replay", path][..],
            1,
            "`cgflux top --record FILE` makes one",
        ),
        (&["--replay", "/nowhere/x"], 1, "No such file"),
        (&["--speed", "3", "--replay", path], 2, "1/8"),
        (&["--at", "15:00"], 2, "--replay"),
        (&["--url", "http://127.0.0.1:1"], 1, "cannot connect"),
    ] {
        let output = told(home.command("top").args(arguments));
        assert_eq!(output.0, Some(status), "{arguments:?}: {}", output.1);
        assert!(output.1.contains(part), "{arguments:?}: {}", output.1);
    }
}

fn told(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
