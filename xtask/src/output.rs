//! How xtask talks: what it does, the commands it runs, how long things take.
//!
//! All of it but results goes to standard error, so that these can be piped. A spinner where somebody
//! watches; plain lines in CI and off a terminal.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::Command,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::tree::Tree;

/// Where the narration goes and how much of it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    verbose: bool,
    watched: bool,
}

impl Output {
    /// `plain` is for a child whose parent knows that nobody watches.
    pub(crate) fn new(verbose: bool, plain: bool) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let ci = env::var_os("CI").is_some();
        Self {
            verbose,
            watched: io::stderr().is_terminal() && !plain && !dumb && !ci,
        }
    }

    /// Whether commands are shown whole and nothing is hidden behind a spinner.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether somebody watches a terminal.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Opens a new part of the work.
    pub(crate) fn step(&self, text: &str) {
        self.line(&format!("==> {text}"), "1");
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, text: &str) {
        self.line(text, "0");
    }

    /// Something that will be missed.
    pub(crate) fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"), "33");
    }

    /// Why it ended badly.
    pub(crate) fn error(&self, text: &str) {
        self.line(&format!("error: {text}"), "31");
    }

    /// The command about to run: short, or whole with `--verbose`.
    pub(crate) fn command(&self, command: &Command) {
        let text = if self.verbose {
            whole(command)
        } else {
            short(command)
        };
        self.line(&format!("  $ {text}"), "2");
    }

    /// Shows that something is going on until the returned value is dropped.
    pub(crate) fn waiting(&self, label: &str) -> Waiting {
        let bar = if self.watched && !self.verbose {
            let bar = ProgressBar::new_spinner().with_message("");
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix} {elapsed:>4} {wide_msg:.dim}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            Some(bar)
        } else {
            self.note(&format!("    {label} …"));
            None
        };
        Waiting {
            output: self.clone(),
            label: label.to_owned(),
            since: Instant::now(),
            bar,
        }
    }

    #[expect(
        clippy::print_stderr,
        reason = "a developer tool speaks on the terminal"
    )]
    fn line(&self, text: &str, style: &str) {
        if self.watched && env::var_os("NO_COLOR").is_none() {
            eprintln!("\u{1b}[{style}m{text}\u{1b}[0m");
        } else {
            eprintln!("{text}");
        }
    }
}

/// Prints a line of a verb's result, to standard output.
pub(crate) fn show(line: &str) {
    // A reader that has gone, such as `head`, wants no more.
    drop(writeln!(io::stdout(), "{line}"));
}

/// Something going on; see [`Output::waiting`].
#[derive(Debug)]
pub(crate) struct Waiting {
    output: Output,
    label: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Waiting {
    /// Shows the newest line of what is going on.
    pub(crate) fn tell(&self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(line.trim().to_owned());
        }
    }

    /// Ends it well and says how long it took.
    pub(crate) fn done(self) {
        let Self {
            output,
            label,
            since,
            bar,
        } = &self;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        output.note(&format!("    {label}: {}", duration(since.elapsed())));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// As exact as one cares to know.
fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 100 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

/// Program and arguments, paths of the tree relative to it.
fn short(command: &Command) -> String {
    let root = format!("{}/", Tree::of_this_build().root().display());
    let program = command.get_program().to_string_lossy().into_owned();
    let program = match program.strip_prefix(&root) {
        Some(inside) => inside.to_owned(),
        None => program.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy());
    std::iter::once(quoted(&program))
        .chain(arguments.map(|argument| quoted(&argument.replace(&root, ""))))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The environment that was set, program and arguments: a line to paste into a shell.
fn whole(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!(
            "{}={}",
            name.to_string_lossy(),
            quoted(&value?.to_string_lossy())
        ))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    set.chain(words.map(|word| quoted(&word.to_string_lossy())))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!(
            "'{}'",
            word.escape_debug().to_string().replace('\'', r"'\''")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_told_in_minutes() {
        assert_eq!(duration(Duration::from_millis(36_140)), "36.1 s");
        assert_eq!(duration(Duration::from_secs(312)), "5 min 12 s");
    }

    #[test]
    fn the_short_form_names_the_program_without_its_folder() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["build", "--release", "two words"]);
        assert_eq!(short(&command), "cargo build --release 'two words'");
    }

    #[test]
    fn the_whole_form_shows_the_environment() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTFLAGS")
            .arg("build");
        assert_eq!(whole(&command), "RUSTC_BOOTSTRAP=1 /usr/bin/cargo build");
    }
}
