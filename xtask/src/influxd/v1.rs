//! 1.8, which has the write API of 2.x: `go install` brings and builds it.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{command, golang::Go, session::Session, versions};

const PACKAGE: &str = "github.com/influxdata/influxdb/cmd/influxd";

pub(super) fn compile(session: &Session, go: &Go, program: &Path) -> Result<()> {
    let version = versions::INFLUXD;
    let mut install = go.command(session);
    install
        .args(["install", "-v", "-ldflags"])
        .arg(format!("-s -w -X main.version={version}"))
        .arg(format!("{PACKAGE}@v{version}"))
        .env("GOBIN", program.parent().context("it has no folder")?)
        .env("CGO_ENABLED", "0");
    command::run_hidden(&session.output, &format!("influxd {version}"), &mut install)
}
