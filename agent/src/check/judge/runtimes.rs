//! Judges how far containers can be named.

use crate::check::{
    facts::{Access, Api, Capability, Facts, RuntimeFacts},
    report::Item,
};

use super::refusal::how_to_get;

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let files = facts.runtimes.iter().map(|runtime| files(facts, runtime));
    files.chain(facts.runtimes.iter().filter_map(api)).collect()
}

fn files(facts: &Facts, runtime: &RuntimeFacts) -> Item {
    let name = format!("{} files", runtime.name);
    let why =
        "names, images and labels of its containers stand there; without them they go by their ids";
    let list = |wanted: &dyn Fn(&Access) -> bool| {
        let folders = runtime.folders.iter();
        let folders = folders.filter(|(_, access)| wanted(access));
        let folders: Vec<String> = folders
            .map(|(path, _)| path.display().to_string())
            .collect();
        (!folders.is_empty()).then(|| folders.join(", "))
    };
    let failed = runtime
        .folders
        .iter()
        .find_map(|(path, access)| match access {
            Access::Failed(error) => Some(format!("{} cannot be read: {error}", path.display())),
            _ => None,
        });
    if let Some(forbidden) = list(&|it| *it == Access::Forbidden) {
        Item::warn(name, format!("{forbidden} may not be read"))
            .because(why)
            .fixed_by(how_to_get(facts, &[Capability::DAC_READ_SEARCH]))
    } else if let Some(failed) = failed {
        Item::warn(name, failed)
            .because(why)
            .fixed_by("see to that file system")
    } else if let Some(open) = list(&|it| *it == Access::Open) {
        Item::pass(name, format!("{open} can be read"))
    } else {
        Item::note(name, "not on this machine")
    }
}

fn api(runtime: &RuntimeFacts) -> Option<Item> {
    let (socket, api) = runtime.api.as_ref()?;
    let name = format!("{} API", runtime.name);
    let socket = socket.display();
    let has_files = runtime
        .folders
        .iter()
        .any(|(_, access)| *access == Access::Open);
    Some(match api {
        Api::Answers(who) => Item::pass(name, format!("{who} answers at {socket}")),
        Api::Missing => Item::note(name, format!("nobody answers at {socket}")),
        Api::Forbidden if has_files => Item::note(name, format!("{socket} may not be used"))
            .because("its files tell the same; only renames are noticed late"),
        Api::Forbidden => Item::warn(name, format!("{socket} may not be used"))
            .because("neither it nor the files can be read, so containers go by their ids")
            .fixed_by(
                "let the files be read, as said above; who may use the socket is as good as root",
            ),
        Api::Silent(reason) => Item::warn(name, format!("no use at {socket}: {reason}"))
            .because("files still tell names; renames are noticed late")
            .fixed_by("see to the daemon behind it: `systemctl status docker`"),
    })
}
