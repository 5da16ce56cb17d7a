//! What `packaging/compose.yaml` and `packaging/kubernetes` are read with: Docker Compose and kustomize, compiled by a Go,
//! and the schemas of Kubernetes, from Python's package index.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    command,
    golang::Go,
    gotool::{self, GoTool},
    image,
    session::Session,
    versions,
};

const COMPOSE: GoTool = GoTool {
    name: "docker-compose",
    version: versions::COMPOSE,
    step: "Docker Compose, to test with (once, some 5 min)",
    compile: compile_compose,
};

const KUSTOMIZE: GoTool = GoTool {
    name: "kustomize",
    version: versions::KUSTOMIZE,
    step: "kustomize, to test with (once, some 3 min)",
    compile: compile_kustomize,
};

/// The tests that need all this are in the folder of this name.
const TESTS: &str = "containers";

/// Has everything lie where the tests look for it, and the image's program, unless `filter` leaves them out.
pub(crate) fn offer(session: &Session, filter: Option<&str>) -> Result<()> {
    if filter.is_some_and(|filter| !filter.contains(TESTS) && !TESTS.contains(filter)) {
        return Ok(());
    }
    COMPOSE.offer(session);
    KUSTOMIZE.offer(session);
    if let Err(error) = schemas(session) {
        let warning = format!("no schemas of Kubernetes to test with: {error:#}");
        session.output.warn(&warning);
    }
    session.output.step("The image's program");
    image::build(session, false).map(drop)
}

/// Its module file excludes a version, which `go install` refuses.
fn compile_compose(session: &Session, go: &Go, program: &Path) -> Result<()> {
    const MODULE: &str = "github.com/docker/compose/v2";
    let version = versions::COMPOSE;
    let source = gotool::module(session, go, &go.build, &format!("{MODULE}@v{version}"))?;
    let mut build = go.command(session);
    build
        .args(["build", "-v", "-trimpath", "-ldflags"])
        .arg(format!("-s -w -X {MODULE}/internal.Version=v{version}"))
        .arg("-o")
        .args([program, Path::new("./cmd")])
        .env("CGO_ENABLED", "0")
        .current_dir(source);
    command::run_hidden(
        &session.output,
        &format!("Docker Compose {version}"),
        &mut build,
    )
}

fn compile_kustomize(session: &Session, go: &Go, program: &Path) -> Result<()> {
    let version = versions::KUSTOMIZE;
    let mut install = go.command(session);
    install
        .args(["install", "-v", "-ldflags", "-s -w"])
        .arg(format!("sigs.k8s.io/kustomize/kustomize/v5@v{version}"))
        .env("GOBIN", program.parent().context("it has no folder")?)
        .env("CGO_ENABLED", "0");
    command::run_hidden(
        &session.output,
        &format!("kustomize {version}"),
        &mut install,
    )
}

/// The package `kubernetes-validate` with what it needs, in a folder of its own.
fn schemas(session: &Session) -> Result<()> {
    let package = format!("kubernetes-validate=={}", versions::KUBERNETES_VALIDATE);
    let folder = package.replace("==", "-");
    let folder = session.tree.tools().join(folder);
    if folder.join("kubernetes_validate").exists() {
        return Ok(());
    }
    let mut install = session.person.command("python3");
    install
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(&folder)
        .arg(&package);
    command::run_hidden(&session.output, &package, &mut install)
}
