//! `cgflux run`. A part of `main`.

use std::time::Duration;

use cgflux::{
    app::{App, Settings},
    cli::Global,
    config::Resolved,
    encode::Tagging,
    exit::Exit,
    host::privileges,
    logging,
};

/// How long the runtime waits for what blocks, such as a reader of standard output that does not read.
const LET_GO: Duration = Duration::from_secs(1);

/// Builds the daemon of the configuration that `resolve` gives, now and when it is to be read again, and runs it until a
/// signal.
pub(crate) fn run(
    global: &Global,
    resolve: impl Fn() -> anyhow::Result<Resolved>,
) -> anyhow::Result<Exit> {
    privileges::open_files_as_user()?;
    let resolved = resolve()?;
    let tagging = Tagging::of(&resolved)?;
    logging::start(
        resolved.config.log,
        logging::stderr_colours(global.color.choice()),
    )?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let app = App::build(&resolved.config, &tagging)?;
        let settings = Settings {
            in_force: resolved.settings.clone(),
            read: || {
                let again = resolve()?;
                Tagging::of(&again)?;
                Ok(again)
            },
        };
        app.run(settings).await
    });
    runtime.shutdown_timeout(LET_GO);
    ended.map(|()| Exit::Ok)
}
