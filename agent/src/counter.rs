//! `cgflux web`. A part of `main`.

use cgflux::{
    cli::{Global, WebArgs},
    exit::Exit,
    web,
};

use crate::commands;

/// Counts until a signal.
pub(crate) fn run(global: &Global, arguments: &WebArgs) -> anyhow::Result<Exit> {
    let settings = web::Settings::of(arguments)?;
    let handed = web::Handed::to_this_process();
    let (telemetry, points) = commands::telemetry("web", global, &arguments.telemetry)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(web::run(settings, handed, &telemetry, &points));
    drop(runtime);
    telemetry.close();
    ended?;
    Ok(Exit::Ok)
}
