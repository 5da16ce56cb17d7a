//! Answers that take a look at the machine: what it has, its filesystems, its processes, what the agent makes of it.

use std::sync::Arc;

use hyper::StatusCode;

use super::{
    super::Context,
    Answer, Refusal, TEXT,
    ask::{Options, Parameters},
    beside, containers, go, json, refused, tree,
};
use crate::{
    encode::cadvisor::{
        ROOT, VERSION,
        api::{Attributes, FsInfo, Identity, Machine, MachineFilesystem, Time},
    },
    http::reply,
    metrics::{Metric, catalog, integer},
    text::printable,
};

/// `machine` of v1 and v2.
pub(super) async fn machine(context: Arc<Context>) -> Answer {
    Ok(json(&beside(&context, known_machine).await?))
}

/// `attributes` of v2.
pub(super) async fn attributes(context: Arc<Context>) -> Answer {
    let attributes = beside(&context, |context| {
        let system = context.cadvisor.around.system();
        Attributes::of(known_machine(context), system, VERSION)
    });
    Ok(json(&attributes.await?))
}

/// What files say of the machine, and what batches do.
fn known_machine(context: &Context) -> Machine {
    let mut machine = context.cadvisor.around.machine();
    if machine.num_cores == 0 {
        machine.num_cores = context.settings.cpus;
    }
    if let Some(batch) = context.live.latest() {
        machine.timestamp = Some(Time(batch.taken.wall_ns));
        machine.memory_capacity = integer(&batch.host, &catalog::HOST_MEM_TOTAL);
        machine.swap_capacity = integer(&batch.host, &catalog::HOST_SWAP_TOTAL);
        machine.filesystems = MachineFilesystem::all_of(&batch.host);
    }
    machine
}

/// `storage` of v2: all filesystems, those with a label, or the one with an id.
pub(super) async fn storage(context: Arc<Context>, parameters: &Parameters) -> Answer {
    let label = parameters.get("label").map(str::to_owned);
    let uuid = parameters.get("uuid").map(str::to_owned);
    let batch = tree(&context)?.batch;
    let looked_up = beside(&context, |context| {
        let around = &context.cadvisor.around;
        let device = uuid.map(|uuid| around.device_of(&uuid));
        (device, around.docker_root())
    });
    let (device, docker_root) = looked_up.await?;
    let labelled: Vec<_> = docker_root
        .map(|root| ("docker-images", root))
        .into_iter()
        .collect();
    let mut all = FsInfo::all_of(&batch.host, batch.taken.wall_ns, &labelled);
    if let Some(device) = device {
        let found = all
            .into_iter()
            .find(|it| Some(it.device()) == device.as_deref());
        let missing = || refused("cadvisor: no such device");
        return Ok(json(&found.ok_or_else(missing)?));
    }
    if let Some(label) = label {
        all.retain(|it| it.has_label(&label));
        if all.is_empty() {
            return Err(refused(format!(
                "non-existent label {}",
                go::quoted(&label)
            )));
        }
    }
    Ok(json(&all))
}

/// `ps` of v2.
pub(super) async fn processes(context: Arc<Context>, path: &str, options: &Options) -> Answer {
    let failed = |Refusal(status, text)| Refusal(status, format!("process listing failed: {text}"));
    // One container alone, whatever is asked for.
    let options = Options {
        is_recursive: false,
        ..options.clone()
    };
    let paths = containers::chosen(&tree(&context)?, path, &options).map_err(failed)?;
    let path = paths.into_iter().next().unwrap_or_default();
    let processes = beside(&context, move |context| {
        context.cadvisor.around.processes(&path)
    });
    let processes = processes.await?;
    let missing = || failed(refused("its processes cannot be read"));
    Ok(json(&processes.ok_or_else(missing)?))
}

/// `/validate/`: in the spirit of cAdvisor's, and by what matters here.
pub(super) async fn validation(context: Arc<Context>) -> Answer {
    let text = beside(&context, described).await?;
    Ok(reply::whole(StatusCode::OK, TEXT, text))
}

fn described(context: &Context) -> String {
    let around = &context.cadvisor.around;
    let system = around.system();
    let unknown = || "unknown".to_owned();
    let line = |text: String| printable(&text).into_owned();
    let mut told = format!(
        "cAdvisor version: {VERSION}\n\nOS version: {}\n\nKernel version: {}\n\nCgroup setup:\n\t{}\n",
        line(system.os_version.unwrap_or_else(unknown)),
        line(system.kernel_version.unwrap_or_else(unknown)),
        line(around.cgroups()),
    );
    let Ok(tree) = tree(context) else {
        told.push_str("\nNothing has been collected yet.\n");
        return told;
    };
    told.push_str("\nWhere the numbers come from:\n");
    let sources: &Metric = &catalog::AGENT_METRIC_SOURCE;
    for sample in &tree.batch.agent {
        if std::ptr::eq(sample.metric, sources) {
            let labels = sample.labels.iter();
            let labels: Vec<_> = labels
                .map(|(key, value)| format!("{key}: {value}"))
                .collect();
            told.extend(["\t", &line(labels.join(", ")), "\n"]);
        }
    }
    told.push_str("\nManaged containers:\n");
    for path in tree.with_all_below(ROOT) {
        told.extend(["\t", &line(path.clone()), "\n"]);
        let identity = tree.entry(&path).map(|it| Identity::of(&it.container));
        let identity = identity.unwrap_or_default();
        if let Some(namespace) = identity.namespace {
            told.extend(["\t\tNamespace: ", namespace, "\n\t\tAliases:\n"]);
        }
        for alias in identity.aliases {
            told.extend(["\t\t\t", &line(alias), "\n"]);
        }
    }
    told
}
