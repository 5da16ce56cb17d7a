//! The `[socket]` section: where other processes hand in points, and who may.

use std::path::{Path, PathBuf};

use super::{
    Key, Mode, Origin, Sink, Socket, Surroundings,
    reader::Reader,
    rules::{absolute, any, name, within},
    typed::Typed as _,
};

const FILE_NAME: &str = "points.sock";

/// The socket, if it is switched on.
pub(super) fn read(
    reader: &mut Reader,
    around: &Surroundings<'_>,
    state_dir: Option<&Path>,
    sinks: &[Sink],
    warnings: &mut Vec<String>,
) -> Option<Socket> {
    let enabled_key = Key::of("socket.enabled");
    let mode_key = Key::of("socket.mode");
    let enabled = reader.setting(&enabled_key, false, any);
    let socket = Socket {
        path: path(reader, around, state_dir),
        mode: reader.setting(&mode_key, Mode(0o660), any),
        group: group(reader),
        series: reader.setting(&Key::of("socket.series"), 10_000, within(1..=1_000_000)),
    };
    if enabled && sinks.is_empty() {
        warnings.push(format!(
            "{enabled_key} is true and there is no sink: what other processes write is refused",
        ));
    }
    if enabled && socket.mode.0 & 0o002 != 0 {
        warnings.push(format!(
            "{mode_key} lets everybody on this host write points; 0660 lets only the group",
        ));
    }
    enabled.then_some(socket)
}

/// The group, if one is given: else whatever the agent's is.
fn group(reader: &mut Reader) -> Option<String> {
    let key = Key::of("socket.group");
    if reader.has(&key) {
        return reader.optional(&key, name);
    }
    reader.settle(&key, None, Origin::System);
    None
}

/// The path: as given, else in the folder that the service manager made for sockets, else in the state folder.
fn path(reader: &mut Reader, around: &Surroundings<'_>, state_dir: Option<&Path>) -> PathBuf {
    let key = Key::of("socket.path");
    let first = |folders: &str| folders.split(':').next().unwrap_or_default().to_owned();
    let (folder, origin) = match around.variable("RUNTIME_DIRECTORY", first) {
        Some((folder, origin)) => (PathBuf::from(folder), origin),
        None => (
            state_dir.unwrap_or(Path::new("/")).to_owned(),
            Origin::System,
        ),
    };
    let default = folder.join(FILE_NAME);
    if reader.has(&key) {
        return reader.optional(&key, absolute).unwrap_or(default);
    }
    reader.settle(&key, Some(default.value()), origin);
    default
}
