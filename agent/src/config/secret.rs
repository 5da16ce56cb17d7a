//! A password or token that no log and no `{:?}` shows.

use std::{
    fmt, io,
    path::{Component, Path, PathBuf},
};

use super::{given::shown, layers::SecretFile};

/// Reads a file that holds a secret.
pub type ReadSecret = fn(&Path) -> io::Result<SecretFile>;

/// A password or token, and the file it came from.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret {
    text: String,
    file: Option<Place>,
}

/// Where a secret stands.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    path: PathBuf,
    /// Whether the service manager hands it over in a folder that nobody else may enter; what its permission bits say
    /// then depends on the service manager.
    is_credential: bool,
}

impl Secret {
    /// Wraps `text`, which stands in no file.
    pub fn new(text: String) -> Self {
        Self { text, file: None }
    }

    /// Reads a secret. A relative path is one of the credentials that the service manager hands over in a folder of its own.
    pub fn in_file(
        file: &Path,
        credentials: Option<&Path>,
        read: &dyn Fn(&Path) -> io::Result<SecretFile>,
    ) -> Result<Self, String> {
        let path = match credentials {
            Some(folder) => folder.join(file),
            None if file.is_absolute() => file.to_owned(),
            None => {
                return Err(format!(
                    "is {}; write the whole path, from / on, or hand the file over with systemd's LoadCredential=",
                    shown(file),
                ));
            }
        };
        let read = read(&path).map_err(|error| format!("cannot read {}: {error}", shown(&path)))?;
        let leads_up = |part| part == Component::ParentDir;
        let is_within =
            |folder: &Path| path.starts_with(folder) && !path.components().any(leads_up);
        Self::of_file(&path, credentials.is_some_and(is_within), &read)
    }

    /// The secret in a file that was read; only its owner may be able to read it, unless it is a credential.
    fn of_file(path: &Path, is_credential: bool, read: &SecretFile) -> Result<Self, String> {
        if !is_credential && read.mode & 0o077 != 0 {
            return Err(format!(
                "{} has mode {:04o}, so others may read it; `chmod 600` it",
                shown(path),
                read.mode & 0o7777,
            ));
        }
        match read.text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("{} is empty", shown(path))),
            text => Ok(Self {
                text: text.to_owned(),
                file: Some(Place {
                    path: path.to_owned(),
                    is_credential,
                }),
            }),
        }
    }

    /// The secret as its file has it now; the same where it came from no file.
    pub fn again(&self, read: ReadSecret) -> Result<Self, String> {
        let Some(Place {
            path,
            is_credential,
        }) = &self.file
        else {
            return Ok(self.clone());
        };
        let text = read(path).map_err(|error| format!("cannot read {}: {error}", shown(path)))?;
        Self::of_file(path, *is_credential, &text)
    }

    /// The text itself: for the request that needs it, never for output.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}
