//! A real terminal, with a shell in it: tmux, of a server of its own.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use super::{cgroup, eventually, skip};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_mins(2);

/// A terminal. It ends, with what runs in it, with the test.
pub(crate) struct Tmux {
    server: String,
}

impl Tmux {
    /// One of this size; `None` where tmux is missing.
    #[track_caller]
    pub(crate) fn start(width: u16, height: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            return skip("tmux is missing (apt-get install tmux)");
        }
        let tmux = Self {
            server: cgroup::unique("tmux"),
        };
        let (width, height) = (width.to_string(), height.to_string());
        let shell = "env PS1='$ ' sh";
        tmux.must(&["new-session", "-d", "-x", &width, "-y", &height, shell]);
        // Of the width that is asked for, whoever is attached; and keys are taken as they come.
        tmux.must(&["set-option", "-g", "status", "off"]);
        tmux.must(&["set-option", "-s", "escape-time", "0"]);
        Some(tmux)
    }

    /// Types a line into the shell, or whatever reads.
    #[track_caller]
    pub(crate) fn line(&self, line: &str) {
        self.text(line);
        self.keys(&["Enter"]);
    }

    /// Types text.
    #[track_caller]
    pub(crate) fn text(&self, text: &str) {
        self.must(&["send-keys", "-l", text]);
    }

    /// Presses keys by tmux's names, such as `Enter`, `C-z`, `Down`.
    #[track_caller]
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.must(&[&["send-keys"], keys].concat());
    }

    /// Makes it another size.
    #[track_caller]
    pub(crate) fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.must(&["resize-window", "-x", &width, "-y", &height]);
    }

    /// What is on the screen.
    #[track_caller]
    pub(crate) fn screen(&self) -> String {
        let output = self.must(&["capture-pane", "-p"]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        eventually(PATIENCE, what, || {
            let screen = self.screen();
            if is_so(&screen) {
                Ok(screen)
            } else {
                Err(screen)
            }
        })
    }

    /// Whether the alternate screen is shown, and whether the cursor is.
    #[track_caller]
    pub(crate) fn modes(&self) -> (bool, bool) {
        let output = self.must(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        let told = String::from_utf8(output.stdout).unwrap();
        let mut flags = told.split_whitespace().map(|flag| flag == "1");
        (flags.next().unwrap(), flags.next().unwrap())
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> Output {
        let output = self.tmux(arguments);
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-f", "/dev/null", "-u", "-L", &self.server])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
