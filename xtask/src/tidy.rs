//! The rules of the house, as tests over the source.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::tree::Tree;

/// Pure core: values in, values out.
const CORE: [&str; 6] = [
    "config",
    "snapshot",
    "container",
    "metrics",
    "encode",
    "self_stats",
];

/// Each talks to one outside thing and knows no other edge.
const EDGES: [&str; 5] = ["kernel", "host", "sink", "http", "notify"];

/// The only place that knows more than one edge.
const WIRING: [&str; 3] = ["source", "collector", "app"];

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
    let mut breaches = Vec::new();
    for file in rust_files(&["agent/src"]) {
        let layer = first_module(&file);
        let text = read(&file);
        for forbidden in forbidden_to(&layer) {
            if text.contains(&format!("crate::{forbidden}")) {
                breaches.push(format!("{} uses crate::{forbidden}", file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

fn forbidden_to(module: &str) -> Vec<&'static str> {
    let all_edges = EDGES.iter().copied();
    if CORE.contains(&module) {
        all_edges.chain(WIRING).collect()
    } else if EDGES.contains(&module) {
        all_edges
            .filter(|edge| *edge != module)
            .chain(WIRING)
            .collect()
    } else {
        Vec::new()
    }
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

#[test]
fn the_arrows_point_one_way() {
    assert!(forbidden_to("snapshot").contains(&"kernel"));
    assert!(forbidden_to("sink").contains(&"http"));
    assert!(!forbidden_to("sink").contains(&"sink"));
    assert!(forbidden_to("collector").is_empty());
}
