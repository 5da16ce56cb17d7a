//! What a configuration is made of, and the order of its layers.

use std::{collections::BTreeMap, fmt, io, path::Path};

use super::{Complaints, File, Given, Origin, Predecessor, environment};

/// All that the settings depend on. Text, not handles: reading it is left to the caller.
pub struct Surroundings<'a> {
    /// Configuration files, the lowest layer first.
    pub files: Vec<File>,
    /// All environment variables.
    pub environment: BTreeMap<String, String>,
    /// What the command line says, the highest layer.
    pub flags: Vec<Given>,
    /// In whose place the process was started, if in anybody's.
    pub predecessor: Predecessor,
    /// Whether the process runs as root.
    pub is_root: bool,
    /// The host's own name; absent where it cannot be told from a container's.
    pub host_name: Option<String>,
    /// Reads a file that holds a password.
    pub read_secret: &'a dyn Fn(&Path) -> io::Result<SecretFile>,
}

/// A file that holds a password.
pub struct SecretFile {
    /// What stands in it.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
}

impl Surroundings<'_> {
    /// A variable that is set and not empty, after `edit`, with its origin.
    pub(super) fn variable(
        &self,
        name: &str,
        edit: impl FnOnce(&str) -> String,
    ) -> Option<(String, Origin)> {
        let text = self.environment.get(name).filter(|text| !text.is_empty())?;
        Some((edit(text), Origin::Variable(name.to_owned())))
    }

    /// All values of all layers above the built-in one, the lowest first, and what is to be said of them. A file that is
    /// no TOML stops here: what could be read of it would only lead to complaints about the rest.
    pub(super) fn given(&self) -> Result<(Vec<Given>, Vec<String>), Complaints> {
        let mut written = Vec::new();
        let mut complaints = Vec::new();
        for file in &self.files {
            match file.read() {
                Ok(values) => written.extend(values),
                Err(errors) => complaints.extend(errors),
            }
        }
        if !complaints.is_empty() {
            return Err(Complaints(complaints));
        }
        written.extend(environment::read(&self.environment));
        let (below, warnings) = self
            .predecessor
            .values(&self.environment, &written, &self.flags);
        let mut given = environment::suggested(self);
        given.extend(below);
        given.extend(written);
        given.extend(self.flags.iter().cloned());
        Ok((given, warnings))
    }
}

/// Without the variables and the file contents, which may hold passwords.
impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        f.debug_struct("Surroundings")
            .field("files", &paths)
            .field("flags", &self.flags)
            .field("is_root", &self.is_root)
            .field("host_name", &self.host_name)
            .finish_non_exhaustive()
    }
}

/// Without its text.
impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretFile {{ mode: {:o} }}", self.mode)
    }
}
