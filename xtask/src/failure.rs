//! The ways a verb ends that have an exit code of their own.
//!
//! Every other error ends with code 1. The codes are those of `cgflux` itself, after `sysexits.h`.

/// A refusal with its own exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// This machine lacks something that xtask cannot bring.
    #[error("{0}")]
    Unavailable(String),
    /// There is something to install and nobody to ask.
    #[error(
        "there are packages to install and no terminal to ask on: pass --yes to agree beforehand"
    )]
    NeedsYes,
    /// Neither root nor a way to become root.
    #[error("this needs root: {0}")]
    NeedsRoot(String),
    /// The child has already said what went wrong.
    #[error("the child ended with code {0}")]
    Reported(u8),
}

impl Failure {
    /// The exit code of the whole command.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Unavailable(_) => 69,
            Self::NeedsYes => 2,
            Self::NeedsRoot(_) => 77,
            Self::Reported(code) => *code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_reported_gives_its_own_code() {
        assert_eq!(Failure::Reported(78).code(), 78);
    }
}
