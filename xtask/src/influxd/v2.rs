//! 2.7, whose language Flux is in Rust: a library for it first, then the server, without its pages.
//!
//! Built within Go's module cache, since its module file replaces modules, which `go install` refuses.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{command, golang::Go, gotool::module, session::Session, versions};

const SERVER: &str = "github.com/influxdata/influxdb/v2";
const FLUX: &str = "github.com/influxdata/flux";

/// Tags with which the project builds its releases, but for those that want its pages.
const TAGS: &str = "sqlite_foreign_keys,sqlite_json";

pub(super) fn compile(session: &Session, go: &Go, program: &Path) -> Result<()> {
    let version = versions::INFLUXD_2;
    let server = module(session, go, &go.build, &format!("{SERVER}@v{version}"))?;
    // The version that the server's module file asks for.
    let flux = module(session, go, &server, FLUX)?;
    let library = library(session, go, &flux)?;
    let pkg_config = pkg_config(go, &flux, &library)?;
    let mut build = go.command(session);
    build
        .args(["build", "-v", "-trimpath", "-tags", TAGS, "-ldflags"])
        .arg(format!("-s -w -X main.version=v{version}"))
        .arg("-o")
        .args([program, Path::new("./cmd/influxd")])
        .env("PKG_CONFIG", pkg_config)
        .current_dir(server);
    command::run_hidden(&session.output, &format!("influxd {version}"), &mut build)
}

/// Builds Flux as a static library; the folder that it is in.
fn library(session: &Session, go: &Go, flux: &Path) -> Result<PathBuf> {
    let target = go.build.join("target");
    let mut rustc = session.person.command(session.person.cargo());
    rustc
        .args(["rustc", "--locked", "--release", "--package", "flux"])
        .args(["--lib", "--crate-type", "staticlib", "--target-dir"])
        .arg(&target)
        // It asks for a Rust of 2023, and denies warnings that came later.
        .env(
            "RUSTUP_TOOLCHAIN",
            env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_else(|| "stable".into()),
        )
        .env("RUSTFLAGS", "--cap-lints allow")
        .current_dir(flux.join("libflux"));
    command::run_hidden(&session.output, "its language Flux", &mut rustc)?;
    Ok(target.join("release"))
}

/// What Go asks for the flags of a C library, for this one: less than the package `pkg-config`.
fn pkg_config(go: &Go, flux: &Path, library: &Path) -> Result<PathBuf> {
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\n--cflags) echo '-I{}' ;;\n--libs) echo '-L{} -lflux -ldl -lm' ;;\nesac\n",
        flux.join("libflux/include").display(),
        library.display()
    );
    let path = go.build.join("pkg-config");
    fs::write(&path, script).context("cannot write in the build folder")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
