//! `cgflux load`. A part of `main`.

use cgflux::{
    cli::{Global, LoadArgs, LoadVerb, PointsTo},
    config::ServerUrl,
    exit::Exit,
    load,
};

use crate::commands;

/// Makes the load and reports, or compares reports.
pub(crate) fn run(global: &Global, arguments: &LoadArgs) -> anyhow::Result<Exit> {
    if let Some(LoadVerb::Compare { files }) = &arguments.verb {
        load::compare(files)?;
        return Ok(Exit::Ok);
    }
    // The report is what it says; the log is for those who ask, and for what goes wrong with points.
    let mut quiet = global.clone();
    if quiet.verbose == 0 {
        quiet.quiet = quiet.quiet.max(1);
    }
    let settings = load::Settings::of(arguments, global.quiet > 0)?;
    let (telemetry, _place) = commands::telemetry("load", &quiet, &arguments.telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(load::run(settings, &telemetry, &query(global, arguments)));
    telemetry.close();
    Ok(ended?)
}

/// The command that asks where its points go, up to the query.
fn query(global: &Global, arguments: &LoadArgs) -> String {
    let mut command = vec!["cgflux query".to_owned()];
    if let Some(config) = &global.config {
        command.push(format!("--config {}", config.display()));
    }
    if let PointsTo::Server(server @ ServerUrl::Tcp { .. }) = &arguments.telemetry.points {
        command.push(format!("--influx {server}"));
        if let Some(database) = &arguments.telemetry.database {
            command.push(format!("--database {database}"));
        }
    }
    command.join(" ")
}
