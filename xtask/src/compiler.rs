//! Chooses the Rust compiler for the kernel objects. The rest of the tree is built by stable.
//!
//! Facts are gathered by asking rustup and the system, the choice is pure. Building `core` for the
//! BPF target needs the compiler's own library source, which few installations have.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{command, person::Person, versions};

/// A compiler that can build `core` for the BPF target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Compiler {
    /// What a person calls it.
    pub(crate) name: String,
    pub(crate) rustc: PathBuf,
    pub(crate) cargo: PathBuf,
}

/// What there is under one name.
#[derive(Clone, Debug)]
struct Candidate {
    compiler: Compiler,
    /// `None` where it could not be told.
    llvm_major: Option<u32>,
    has_library_source: bool,
}

/// The compiler to use, or for each one that is there why it cannot be used.
pub(crate) fn find(person: &Person) -> Result<Compiler, Vec<String>> {
    let nightlies = [versions::NIGHTLY, "nightly"];
    let rustup = nightlies
        .iter()
        .filter_map(|toolchain| rustup_toolchain(person, toolchain));
    let debian = Compiler {
        name: "the distribution's rustc".to_owned(),
        rustc: "/usr/bin/rustc".into(),
        cargo: "/usr/bin/cargo".into(),
    };
    let candidates: Vec<_> = rustup
        .chain([debian])
        .filter_map(|compiler| examine(person, compiler))
        .collect();
    choose(&candidates)
}

/// The first candidate that lacks nothing.
fn choose(candidates: &[Candidate]) -> Result<Compiler, Vec<String>> {
    let mut complaints = Vec::new();
    for candidate in candidates {
        let name = &candidate.compiler.name;
        match candidate.llvm_major {
            Some(versions::LLVM_MAJOR) if candidate.has_library_source => {
                return Ok(candidate.compiler.clone());
            }
            Some(versions::LLVM_MAJOR) => {
                complaints.push(format!("{name} has no library source (rust-src)"));
            }
            Some(other) => {
                let wanted = versions::LLVM_MAJOR;
                complaints.push(format!("{name} has LLVM {other}, not LLVM {wanted}"));
            }
            None => complaints.push(format!("{name} does not say which LLVM it has")),
        }
    }
    Err(complaints)
}

/// The toolchain's own programs: through rustup's proxies the environment would choose again.
fn rustup_toolchain(person: &Person, toolchain: &str) -> Option<Compiler> {
    let mut which = person.command("rustup");
    let rustc = command::read(which.args(["which", "--toolchain", toolchain, "rustc"]))?;
    let rustc = PathBuf::from(rustc.trim());
    Some(Compiler {
        name: format!("rustup's {toolchain}"),
        cargo: rustc.with_file_name("cargo"),
        rustc,
    })
}

/// `None` where there is no such compiler, or no cargo beside it.
fn examine(person: &Person, compiler: Compiler) -> Option<Candidate> {
    let version = command::read(on_its_own(person.command(&compiler.rustc)).arg("-vV"))?;
    let sysroot =
        command::read(on_its_own(person.command(&compiler.rustc)).args(["--print", "sysroot"]))?;
    compiler.cargo.exists().then(|| Candidate {
        llvm_major: llvm_major(&version),
        has_library_source: Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library/core/Cargo.toml")
            .exists(),
        compiler,
    })
}

/// Without the library path of the cargo that started xtask, which is another compiler's.
pub(crate) fn on_its_own(mut command: Command) -> Command {
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// Out of `rustc -vV`: the line `LLVM version: 22.1.8`.
fn llvm_major(version: &str) -> Option<u32> {
    let number = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    number.split('.').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, llvm_major: Option<u32>, has_library_source: bool) -> Candidate {
        let compiler = Compiler {
            name: name.to_owned(),
            rustc: "rustc".into(),
            cargo: "cargo".into(),
        };
        Candidate {
            compiler,
            llvm_major,
            has_library_source,
        }
    }

    #[test]
    fn the_first_compiler_with_source_and_the_right_llvm_is_taken() {
        let good = Some(versions::LLVM_MAJOR);
        let chosen = choose(&[
            candidate("no source", good, false),
            candidate("other LLVM", Some(versions::LLVM_MAJOR + 1), true),
            candidate("unknown LLVM", None, true),
            candidate("good", good, true),
            candidate("good too", good, true),
        ]);
        assert_eq!(chosen.unwrap().name, "good");
    }

    #[test]
    fn each_compiler_that_cannot_serve_says_why() {
        let complaints = choose(&[
            candidate("one", Some(versions::LLVM_MAJOR), false),
            candidate("two", Some(19), true),
        ]);
        assert_eq!(
            complaints.unwrap_err(),
            [
                "one has no library source (rust-src)",
                "two has LLVM 19, not LLVM 22"
            ]
        );
    }

    #[test]
    fn the_llvm_version_is_read_from_what_rustc_says() {
        assert_eq!(
            llvm_major("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n"),
            Some(22)
        );
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }
}
