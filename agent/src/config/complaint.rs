//! What is wrong with a configuration, in words that name the key, where it stands and what to do.

use std::fmt;

use super::{Key, Origin};

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// The setting; absent where a file as a whole is wrong.
    pub key: Option<Key>,
    /// Where it stands; absent for a setting that is missing.
    pub origin: Option<Origin>,
    /// What is wrong and what to do about it.
    pub problem: String,
}

/// All that is wrong; never empty.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Complaints(pub Vec<Complaint>);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.origin) {
            (Some(key), Some(origin)) => write!(f, "{key} ({origin}): ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, Some(origin)) => write!(f, "{origin}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.problem)
    }
}

/// One line each.
impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            complaint.fmt(f)?;
        }
        Ok(())
    }
}
