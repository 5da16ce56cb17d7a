//! The rules of the house, as tests over the source.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::tree::Tree;

#[test]
fn each_file_opens_by_saying_what_it_owns() {
    let silent: Vec<_> = rust_files(&["agent", "agent-ebpf", "xtask", "tests"])
        .into_iter()
        .filter(|file| !read(file).starts_with("//! "))
        .collect();
    assert!(
        silent.is_empty(),
        "files without a first line of `//!`: {silent:?}"
    );
}

#[test]
fn no_layer_knows_one_below_it() {
    let layers = Layers::of(&read(
        &Tree::of_this_build().root().join("agent/src/lib.rs"),
    ));
    let mut breaches = Vec::new();
    for file in rust_files(&["agent/src"]) {
        let module = first_module(&file);
        for used in modules_used(&read(&file)) {
            if !layers.may_use(&module, &used) {
                breaches.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// The modules of the library by layer, as its sections say.
struct Layers {
    core: Vec<String>,
    /// Each talks to one outside thing and knows no other edge.
    edges: Vec<String>,
}

impl Layers {
    fn of(lib: &str) -> Self {
        let (_, sections) = lib.split_once("// Pure core").expect("a section");
        let (core, sections) = sections.split_once("// Edges.").expect("a section");
        let (edges, _) = sections.split_once("// Wiring.").expect("a section");
        let modules = |section: &str| -> Vec<String> {
            let names = section.lines().filter_map(|line| {
                let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
                Some(name.to_owned())
            });
            names.collect()
        };
        Self {
            core: modules(core),
            edges: modules(edges),
        }
    }

    fn may_use(&self, module: &str, used: &str) -> bool {
        let is = |layer: &[String], it: &str| layer.iter().any(|known| known == it);
        if is(&self.core, module) {
            is(&self.core, used)
        } else if is(&self.edges, module) {
            is(&self.core, used) || used == module
        } else {
            true
        }
    }
}

/// The modules of the crate that a file names, in `use crate::{…}` or in full.
fn modules_used(text: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        let is_of_name = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_of_name).collect()
    };
    let mut used = BTreeSet::new();
    for (at, path) in text.match_indices("crate::") {
        let rest = &text[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.insert(name(rest));
            continue;
        };
        let mut depth = 0;
        used.insert(name(group));
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(used.insert(name(&group[at + 1..]))),
                _ => {}
            }
        }
    }
    used.remove("");
    used
}

#[test]
fn a_module_is_seen_however_it_is_named() {
    let text = "use crate::{\n    config::{A, B},\n    kernel::C,\n};\nuse crate::host::D;\nfn f() { crate::sink::g() }";
    let used = modules_used(text);
    let names: Vec<&str> = used.iter().map(String::as_str).collect();
    assert_eq!(names, ["config", "host", "kernel", "sink"]);
}

/// `snapshot` for both `agent/src/snapshot.rs` and `agent/src/snapshot/interval.rs`.
fn first_module(file: &Path) -> String {
    let source = Tree::of_this_build().root().join("agent/src");
    let inside = file.strip_prefix(&source).expect("a file of the agent");
    let first = inside.iter().next().expect("a file has a name");
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let root = Tree::of_this_build().root().to_owned();
    let mut pending: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        // Not every folder exists yet in every state of the tree.
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(
        !files.is_empty(),
        "no source found below {}",
        root.display()
    );
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("readable source")
}
