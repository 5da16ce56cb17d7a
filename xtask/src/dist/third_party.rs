//! Whose work the program is made of: each Rust package that it is built from, with its licence, by cargo's own account.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{cargo, command, session::Session};

/// The part of `cargo metadata` that matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    /// `None` for those of this tree.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `dev` and `build` are not in the program.
    kind: Option<String>,
}

/// A line for each: name, version, licence, where it comes from.
pub(super) fn listing(session: &Session) -> Result<String> {
    let mut metadata = cargo::cargo(session, &["metadata", "--format-version", "1", "--locked"]);
    let text = command::read(&mut metadata).context("cargo tells nothing of the dependencies")?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    Ok(listing_of(&metadata))
}

fn listing_of(metadata: &Metadata) -> String {
    let reached = reached(metadata);
    let mut lines: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some() && reached.contains(package.id.as_str()))
        .map(|package| {
            format!(
                "{} {}: {}{}",
                package.name,
                package.version,
                package.license.as_deref().unwrap_or("see its repository"),
                package
                    .repository
                    .as_ref()
                    .map(|repository| format!(", {repository}"))
                    .unwrap_or_default()
            )
        })
        .collect();
    lines.sort();
    format!(
        "cgflux is made of these Rust packages, and of uPlot (MIT) in its page.\n\n{}\n",
        lines.join("\n")
    )
}

/// What the agent's program is made of, however far away.
fn reached(metadata: &Metadata) -> BTreeSet<&str> {
    let agent = metadata
        .packages
        .iter()
        .find(|package| package.name == "cgflux");
    let mut pending: Vec<&str> = agent.map(|agent| agent.id.as_str()).into_iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if !reached.insert(id) {
            continue;
        }
        let node = metadata.resolve.nodes.iter().find(|node| node.id == id);
        let linked = node.into_iter().flat_map(|node| &node.deps);
        let linked = linked.filter(|it| it.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        pending.extend(linked.map(|dependency| dependency.pkg.as_str()));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_what_only_builds_or_tests_is_not() {
        let package = |name: &str, source: Option<&str>| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": source,
                "repository": format!("https://{name}.example"),
            })
        };
        let dependency = |name: &str, kind: Option<&str>| serde_json::json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = serde_json::json!({
            "packages": [package("cgflux", None), package("far", Some("registry")),
                package("near", Some("registry")), package("tried", Some("registry")), package("xtask", None)],
            "resolve": { "nodes": [
                { "id": "cgflux", "deps": [dependency("near", None), dependency("tried", Some("dev"))] },
                { "id": "near", "deps": [dependency("far", None)] },
                { "id": "far", "deps": [] },
            ] },
        });
        let listing = listing_of(&serde_json::from_value(metadata).unwrap());
        let lines: Vec<_> = listing.lines().skip(2).collect();
        let expected = [
            "far 1.0.0: MIT, https://far.example",
            "near 1.0.0: MIT, https://near.example",
        ];
        assert_eq!(lines, expected);
    }
}
