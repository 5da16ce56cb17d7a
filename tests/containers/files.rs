//! The files themselves, by the programs that will read them.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value as Json;

use crate::harness::{Compose, skip};

/// What the agent needs, as the unit file and the README name it.
const CAPABILITIES: [&str; 5] = [
    "BPF",
    "PERFMON",
    "NET_ADMIN",
    "DAC_READ_SEARCH",
    "SYS_PTRACE",
];

const KUSTOMIZE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/kustomize-trixie/usr/bin/kustomize"
);

const VALIDATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/kubernetes-validate-1.37.0"
);

const KUBERNETES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/kubernetes");

/// The first Kubernetes that knows `appArmorProfile`, and the newest with a schema here.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

#[test]
fn compose_reads_its_file_and_gives_each_service_what_it_may_do() {
    let Some(compose) = Compose::here() else {
        return;
    };
    let stack = compose.read(&["compose.yaml"], "load");
    let services = stack["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["cgflux", "grafana", "influxdb", "load", "redis", "web"]
    );
    for (name, service) in services {
        let image = service["image"].as_str().unwrap();
        let is_pinned = image
            .rsplit_once(':')
            .is_some_and(|(_, tag)| tag != "latest");
        assert!(is_pinned, "{name}: {image}");
        let options = texts(&service["security_opt"]);
        assert!(
            options.contains("no-new-privileges:true"),
            "{name}: {options:?}"
        );
        assert!(service["privileged"].is_null(), "{name}");
        let ports = service["ports"].as_array().into_iter().flatten();
        for port in ports {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name}: {port}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let is_bound = volume["type"] == "bind";
            assert!(!is_bound || volume["read_only"] == true, "{name}: {volume}");
        }
    }
    let capabilities = |service: &str| texts(&services[service]["cap_add"]);
    assert_eq!(capabilities("cgflux"), CAPABILITIES.into());
    for service in ["cgflux", "web", "load"] {
        assert_eq!(
            texts(&services[service]["cap_drop"]),
            ["ALL"].into(),
            "{service}"
        );
        assert_eq!(services[service]["read_only"], true, "{service}");
        assert!(
            service == "cgflux" || capabilities(service).is_empty(),
            "{service}"
        );
    }
    assert_eq!(services["influxdb"]["image"], "influxdb:1.8.10");

    let old = compose.read(&["compose.yaml", "compose.old-docker.yaml"], "load");
    let expected = ["SYS_ADMIN", "NET_ADMIN", "DAC_READ_SEARCH", "SYS_PTRACE"];
    assert_eq!(
        texts(&old["services"]["cgflux"]["cap_add"]),
        expected.into()
    );
}

#[test]
fn kubernetes_takes_what_kustomize_builds_of_the_manifests() {
    let tools = [
        (
            KUSTOMIZE,
            "kustomize is missing (`cargo xtask test` fetches it)",
        ),
        (
            VALIDATE,
            "the schemas of Kubernetes are missing (`cargo xtask test` fetches them)",
        ),
    ];
    let missing = tools.iter().find(|(path, _)| !Path::new(path).exists());
    if let Some((_, reason)) = missing {
        skip::<()>(reason);
        return;
    }
    let built = said(Command::new(KUSTOMIZE).args(["build", KUBERNETES]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("built.yaml");
    std::fs::write(&file, &built).unwrap();
    let validate = |file: &Path| {
        let mut command = Command::new("python3");
        command.args(["-m", "kubernetes_validate", "--strict"]);
        command.args(
            VERSIONS
                .iter()
                .flat_map(|version| ["--kubernetes-version", version]),
        );
        command
            .arg(file)
            .env("PYTHONPATH", VALIDATE)
            .stdin(Stdio::null());
        command.output().unwrap()
    };
    let verdict = validate(&file);
    let told = String::from_utf8_lossy(&[verdict.stdout, verdict.stderr].concat()).into_owned();
    assert!(verdict.status.success(), "{told}");
    for object in ["namespace", "serviceaccount", "configmap", "daemonset"] {
        assert!(
            told.contains(&format!("{object}/cgflux against version")),
            "{told}"
        );
    }
    // It would say so if something were wrong.
    std::fs::write(&file, built.replace("hostPID:", "hostPid:")).unwrap();
    assert!(!validate(&file).status.success());

    // Block or flow, kustomize writes lists as blocks: what follows `add:`.
    let (_, added) = built.split_once("          add:\n").unwrap();
    let added = added
        .lines()
        .map_while(|line| line.trim().strip_prefix("- "));
    let added: BTreeSet<String> = added.map(str::to_owned).collect();
    assert_eq!(added, CAPABILITIES.map(str::to_owned).into());
    assert!(built.contains("image: cgflux:0.1.0"), "{built}");
}

#[test]
fn the_configuration_of_the_manifests_holds() {
    let text = std::fs::read_to_string(Path::new(KUBERNETES).join("configmap.yaml")).unwrap();
    let (_, configuration) = text.split_once("cgflux.toml: |\n").unwrap();
    let lines = configuration
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    let home = crate::harness::Home::with(&lines.collect::<Vec<_>>().join("\n"));
    let mut check = home.command("config show");
    let shown = said(check.env("NODE_NAME", "node-7"));
    for part in [
        "name = \"node-7\"",
        "database = \"cadvisor\"",
        "variable NODE_NAME",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

fn texts(list: &Json) -> BTreeSet<&str> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Json::as_str).collect()
}

fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
