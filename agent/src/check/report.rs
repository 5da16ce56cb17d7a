//! What a check comes to: items in sections, and one verdict.

use crate::exit::Exit;

/// All there is to say.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order in which one thing rests on another.
    pub sections: Vec<Section>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The verdict in one sentence.
    pub summary: String,
}

/// Items of one subject.
#[derive(Clone, Debug)]
pub struct Section {
    /// One word; stable.
    pub name: &'static str,
    /// In the order of printing.
    pub items: Vec<Item>,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Item {
    /// How it stands.
    pub level: Level,
    /// What was looked at; unique within its section, stable where it is not a name found on the machine.
    pub name: String,
    /// What was found.
    pub finding: String,
    /// What follows from it.
    pub why: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
    /// Parts of the finding, for programs.
    pub details: Vec<(&'static str, String)>,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// As it should be.
    Pass,
    /// Neither good nor bad: not there, not wanted, or not to be found out.
    Note,
    /// Works, but less well than it could.
    Warn,
    /// Does not work.
    Fail,
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Everything works.
    Ready,
    /// The daemon runs, but something is missing or second best.
    Degraded,
    /// The daemon cannot run: the kernel, or how it is set up, lacks something.
    KernelLacks,
    /// The daemon cannot run: this process lacks privileges.
    NotPrivileged,
    /// The daemon cannot start for another reason, such as an address in use.
    CannotStart,
}

impl Level {
    /// The word in text and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Verdict {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::KernelLacks => "kernel_lacks",
            Self::NotPrivileged => "not_privileged",
            Self::CannotStart => "cannot_start",
        }
    }

    /// How the program ends: as `run` would, but that a degraded start is told apart from a full one.
    pub fn exit(self) -> Exit {
        match self {
            Self::Ready => Exit::Ok,
            Self::Degraded => Exit::Degraded,
            Self::KernelLacks => Exit::KernelFeature,
            Self::NotPrivileged => Exit::Privileges,
            Self::CannotStart => Exit::Failure,
        }
    }
}

impl Item {
    /// An item of that level.
    pub(crate) fn new(level: Level, name: impl Into<String>, finding: impl Into<String>) -> Self {
        Self {
            level,
            name: name.into(),
            finding: finding.into(),
            why: None,
            fix: None,
            details: Vec::new(),
        }
    }

    /// [`Level::Pass`].
    pub(crate) fn pass(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(Level::Pass, name, finding)
    }

    /// [`Level::Note`].
    pub(crate) fn note(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(Level::Note, name, finding)
    }

    /// [`Level::Warn`].
    pub(crate) fn warn(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(Level::Warn, name, finding)
    }

    /// [`Level::Fail`].
    pub(crate) fn fail(name: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(Level::Fail, name, finding)
    }

    /// With what follows from it.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// With what to do about it.
    pub(crate) fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// With a part of the finding for programs.
    pub(super) fn detail(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.details.push((key, value.into()));
        self
    }
}
