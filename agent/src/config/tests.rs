//! From the text of all layers to settings or complaints.

use std::{io, path::Path, str::FromStr as _};

use super::*;
use crate::metrics::catalog::Family;

/// Surroundings of a daemon run as root on a host named `node`, with one file of this text.
fn around(text: &str) -> Surroundings<'static> {
    Surroundings {
        files: vec![file("cgflux.toml", text)],
        environment: BTreeMap::new(),
        flags: Vec::new(),
        predecessor: Predecessor::default(),
        is_root: true,
        host_name: Some("node".to_owned()),
        read_secret: &secrets,
    }
}

fn file(path: &str, text: &str) -> File {
    File {
        path: PathBuf::from(path),
        text: text.to_owned(),
    }
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    pairs.iter().map(owned).collect()
}

const ACCOUNT: &str =
    "a view sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

/// `/run/private`, `/run/public`, `/run/accounts` and `/run/empty`, and one credential.
fn secrets(path: &Path) -> io::Result<SecretFile> {
    let (text, mode) = match path.to_str() {
        Some("/run/private") => ("secret\n", 0o100_600),
        Some("/run/public") => ("secret\n", 0o100_640),
        Some("/run/accounts") => (ACCOUNT, 0o100_600),
        Some("/run/empty") => ("\n", 0o100_600),
        Some("/run/credentials/influx") => ("credential", 0o100_440),
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(SecretFile {
        text: text.to_owned(),
        mode,
    })
}

fn config(around: &Surroundings<'_>) -> Config {
    resolve(around)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

/// Resolving `around` must fail with exactly these complaints.
fn refused(around: &Surroundings<'_>, complaints: &[&str]) {
    let error = resolve(around).expect_err("refused").to_string();
    assert_eq!(error.lines().collect::<Vec<_>>(), complaints);
}

#[test]
fn an_empty_configuration_is_the_built_in_one() {
    assert_eq!(
        config(&around("")),
        Config {
            collect: Collect::default(),
            budget: Budget::default(),
            host: "node".to_owned(),
            tags: BTreeMap::new(),
            labels: Labels::default(),
            select: Select::default(),
            ship: Ship::default(),
            http: Some(Http::default()),
            socket: None,
            sinks: Vec::new(),
            log: Log::default(),
            state_dir: PathBuf::from("/var/lib/cgflux"),
            stands_in: false,
        }
    );
}

#[test]
fn a_family_is_switched_off_by_file_or_variable() {
    let text = "[families.block_io]\nenabled = false\n[budget]\ncpu_percent = 0.01\n";
    let around = Surroundings {
        environment: variables(&[("CGFLUX_FAMILIES__HOST__ENABLED", "false")]),
        ..around(text)
    };
    let config = config(&around);
    let all_but = Families::DEFAULT
        .without(Family::BlockIo)
        .without(Family::Host);
    assert_eq!(config.collect.families, all_but);
    assert_eq!(config.budget.cpu, Percent(10));
}

#[test]
fn the_socket_stands_where_the_service_manager_says_and_warns_of_what_helps_nobody() {
    let told = |text: &str, runtime: &str| {
        let around = Surroundings {
            environment: variables(&[("RUNTIME_DIRECTORY", runtime)]),
            ..around(text)
        };
        let resolved = resolve(&around).expect("valid");
        (
            resolved.config.socket.expect("switched on"),
            resolved.warnings.len(),
        )
    };
    let (socket, warnings) = told(
        "[socket]\nenabled = true\nmode = \"0666\"",
        "/run/cgflux:/run/b",
    );
    assert_eq!(socket.path, PathBuf::from("/run/cgflux/points.sock"));
    assert_eq!(
        (socket.mode, socket.group, warnings),
        (Mode(0o666), None, 2)
    );
    let text = "[socket]\nenabled = true\ngroup = \"cgflux\"\n[sinks.stdout]\n";
    let (socket, warnings) = told(text, "");
    assert_eq!(socket.path, PathBuf::from("/var/lib/cgflux/points.sock"));
    assert_eq!((socket.mode, warnings), (Mode(0o660), 0));
    assert_eq!(socket.group.as_deref(), Some("cgflux"));
}

#[test]
fn the_example_configuration_sets_everything_to_its_default() {
    let example = resolve(&around(EXAMPLE)).expect("valid");
    let built_in = resolve(&around("")).expect("valid");
    assert_eq!(example.config, built_in.config);
    for setting in built_in
        .settings
        .iter()
        .filter(|it| it.key.parts().len() > 1)
    {
        let in_example = example.settings.iter().find(|it| it.key == setting.key);
        let in_example = in_example.unwrap_or_else(|| panic!("{} is known", setting.key));
        assert_eq!(in_example.value, setting.value, "{}", setting.key);
        let is_written = matches!(in_example.origin, Origin::File { .. });
        assert!(
            is_written || setting.origin == Origin::System,
            "{} is explained",
            setting.key
        );
    }
}

#[test]
fn the_example_configuration_shows_every_setting_without_default_too() {
    // What stands right behind a `#` is a setting; prose has a space there.
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) => setting,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let pair = rcgen::generate_simple_self_signed(["node".to_owned()]).expect("a certificate");
    let files = |path: &Path| {
        let text = match path.extension().and_then(|it| it.to_str()) {
            Some("crt") => pair.cert.pem(),
            Some("key") if path.ends_with("tls.key") => pair.signing_key.serialize_pem(),
            _ if path.ends_with("auth") => ACCOUNT.to_owned(),
            _ => return secrets(Path::new("/run/private")),
        };
        Ok(SecretFile {
            text,
            mode: 0o100_600,
        })
    };
    let around = Surroundings {
        read_secret: &files,
        ..around(&uncommented)
    };
    let resolved = resolve(&around).unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
    let is_written = |setting: &&Setting| matches!(setting.origin, Origin::File { .. });
    let written: Vec<String> = resolved
        .settings
        .iter()
        .filter(is_written)
        .map(|setting| setting.key.name())
        .collect();
    let sinks = Key::of("sinks");
    for setting in &resolved.settings {
        // What sinks have in common is explained with the first.
        let is_shared = setting.key.is_below(&sinks) && written.contains(&setting.key.name());
        let is_named = setting.key.name() == "type";
        let is_explained = is_written(&setting) || is_shared || is_named;
        assert!(is_explained, "{} is explained", setting.key);
    }
    let sink = resolved.config.sinks.iter();
    let [sink] = &sink
        .filter(|sink| sink.name == "influxdb")
        .collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", resolved.config.sinks);
    };
    let url = ServerUrl::from_str("http://127.0.0.1:8086").expect("valid");
    let default = Influxdb::at(url);
    let SinkKind::Influxdb(influxdb) = &sink.kind else {
        panic!("{sink:?}");
    };
    let shown = Influxdb {
        retention_policy: None,
        host_database: None,
        credentials: None,
        ..influxdb.clone()
    };
    assert_eq!(shown, default);
    let built_in = Sink::new("influxdb", SinkKind::Influxdb(influxdb.clone()));
    assert_eq!(**sink, built_in);
}

#[test]
fn the_highest_layer_that_names_a_setting_wins() {
    let mut around = around(
        "[collect]\ninterval = \"2s\"\nslots = 100\nexact = false\n[labels]\nallow = [\"a\"]",
    );
    around.files.push(file(
        "conf.d/10.toml",
        "[collect]\ninterval = \"3s\"\nslots = 200",
    ));
    around.environment = variables(&[
        ("CGFLUX_COLLECT__INTERVAL", "4s"),
        ("CGFLUX_LABELS__ALLOW", "app, team"),
        ("CGFLUX_TAGS__DC", "x"),
        ("CGFLUX_SHIP__UNITS", "true"),
    ]);
    around.flags = vec![Given::by_flag("--interval", "collect.interval", "5s")];
    let resolved = resolve(&around).expect("valid");
    let config = resolved.config;
    assert_eq!(config.collect.interval, Duration::from_secs(5));
    assert_eq!(config.collect.slots, 200);
    assert!(!config.collect.exact);
    assert_eq!(config.labels.allow, ["app", "team"]);
    assert_eq!(config.tags["dc"], "x");
    assert!(config.ship.units);
    let origin = |key: &str| {
        let key = Key::of(key);
        let setting = resolved.settings.iter().find(|it| it.key == key);
        setting.expect("known").origin.to_string()
    };
    assert_eq!(origin("collect.interval"), "flag --interval");
    assert_eq!(origin("collect.slots"), "conf.d/10.toml:3");
    assert_eq!(origin("collect.exact"), "cgflux.toml:4");
    assert_eq!(origin("labels.allow"), "variable CGFLUX_LABELS__ALLOW");
    assert_eq!(origin("collect.source"), "default");
    assert_eq!(origin("host.name"), "this system");
}

#[test]
fn every_complaint_names_key_place_and_remedy() {
    for (text, complaint) in [
        (
            "[collect]\nintervall = \"1s\"",
            "collect.intervall (cgflux.toml:2): no such setting; did you mean `collect.interval`?",
        ),
        (
            "[colect]\ninterval = \"1s\"",
            "colect.interval (cgflux.toml:2): no such setting; did you mean `collect.interval`?",
        ),
        (
            "listen = \"127.0.0.1:1\"",
            "listen (cgflux.toml:1): no such setting; did you mean `http.listen`?",
        ),
        (
            "[ship]\nvolumes = true",
            "ship.volumes (cgflux.toml:2): no such setting; beside it may stand: units, cgroups, max_names",
        ),
        (
            "[redis]\naddress = \"x\"",
            "redis.address (cgflux.toml:2): no such section; there are: collect, families, budget, host, tags, labels, select, ship, http, socket, sinks, log",
        ),
        (
            "[families.network]\nenabled = 0",
            "families.network.enabled (cgflux.toml:2): is 0; write true or false",
        ),
        (
            "[families.network]\nenable = false",
            "families.network.enable (cgflux.toml:2): no such setting; did you mean `families.network.enabled`?",
        ),
        (
            "[families.net]\nenabled = false",
            "families.net.enabled (cgflux.toml:2): no such family; there are: sched, preemption, block_io, network, memory, pressure, pids, space, oom, host",
        ),
        (
            "[families.cpu]\nenabled = false",
            "families.cpu.enabled (cgflux.toml:2): CPU time is always measured; leave this out",
        ),
        (
            "[budget]\ncpu_percent = \"3\"",
            "budget.cpu_percent (cgflux.toml:2): is \"3\"; write percent of one core as a number, as in 3.0",
        ),
        (
            "[budget]\ncpu_percent = -0.5",
            "budget.cpu_percent (cgflux.toml:2): is -0.5; write percent of one core as a number, as in 3.0",
        ),
        (
            "[budget]\ncpu_percent = 1000.5",
            "budget.cpu_percent (cgflux.toml:2): is 1000.5; allowed are 0.0 to 1000.0",
        ),
        (
            "[budget]\nwindow = \"4s\"",
            "budget.window (cgflux.toml:2): is \"4s\"; allowed are \"5s\" to \"1h\"",
        ),
        (
            "collect = 1",
            "collect (cgflux.toml:1): is a section; write [collect] and its settings below",
        ),
        (
            "[collect]\ninterval = 1",
            "collect.interval (cgflux.toml:2): is 1, which has no unit; write a number and its unit, as in \"1s\", \"250ms\" or \"10m\"",
        ),
        (
            "[collect]\ninterval = \"1x\"",
            "collect.interval (cgflux.toml:2): is \"1x\", which is no duration (unknown time unit \"x\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)); write a number and its unit, as in \"1s\", \"250ms\" or \"10m\"",
        ),
        (
            "[collect]\ninterval = \"50ms\"",
            "collect.interval (cgflux.toml:2): is \"50ms\"; allowed are \"100ms\" to \"1m\"",
        ),
        (
            "[collect]\nfile_interval = \"500ms\"",
            "collect.file_interval (cgflux.toml:2): is \"500ms\"; allowed are \"1s\" to \"1h\"",
        ),
        (
            "[collect]\nslots = 63",
            "collect.slots (cgflux.toml:2): is 63; allowed are 64 to 65536",
        ),
        (
            "[collect]\nslots = -1",
            "collect.slots (cgflux.toml:2): is -1; write a whole number without quotes",
        ),
        (
            "[collect]\nsource = \"ebpf\"",
            "collect.source (cgflux.toml:2): is \"ebpf\"; write one of \"auto\", \"kernel\", \"files\"",
        ),
        (
            "[collect]\nskip_programs = [\"sched_switch\", \"sched_switch\"]",
            "collect.skip_programs (cgflux.toml:2): holds \"sched_switch\" twice",
        ),
        (
            "[collect]\nexact = \"yes\"",
            "collect.exact (cgflux.toml:2): is \"yes\"; write true or false",
        ),
        ("[host]\nname = \"\"", "host.name (cgflux.toml:2): is empty"),
        (
            "[tags]\n\"\" = \"x\"",
            "tags.\"\" (cgflux.toml:2): is empty",
        ),
        (
            "[tags]\ndc = \"a\\nb\"",
            "tags.dc (cgflux.toml:2): is \"a\\u000Ab\", which holds a control character",
        ),
        (
            "[tags]\ndc = 1",
            "tags.dc (cgflux.toml:2): is 1; write a text in quotes",
        ),
        (
            "[labels]\nallow = [\"a\", \"a\"]",
            "labels.allow (cgflux.toml:2): holds \"a\" twice",
        ),
        (
            "[select]\nexclude = [\"db-*\", \"image:\"]",
            "select.exclude (cgflux.toml:2): holds \"image:\", which fits nothing; write a pattern, as in \"image:*\"",
        ),
        (
            "[select]\ninclude = [\"db-*\", \"db-*\"]",
            "select.include (cgflux.toml:2): holds \"db-*\" twice",
        ),
        (
            "[labels]\nallow = [\"\"]",
            "labels.allow (cgflux.toml:2): holds a label that is empty",
        ),
        (
            "[labels]\nallow = \"a\"",
            "labels.allow (cgflux.toml:2): is \"a\"; write a list of texts, as in [\"a\", \"b\"]",
        ),
        (
            "[http]\nlisten = \"0.0.0.0:8190\"",
            "http.listen (cgflux.toml:2): http://0.0.0.0:8190 can be reached from other machines, and nobody is asked who they are; name in http.auth_file who may (`cgflux auth add` makes that file), or listen on 127.0.0.1 and forward the port (`ssh -L`), or set http.allow_unauthenticated = true",
        ),
        (
            "[http]\nlisten = [\"127.0.0.1:1\", \"http://[::]:2\"]",
            "http.listen (cgflux.toml:2): http://[::]:2 can be reached from other machines, and nobody is asked who they are; name in http.auth_file who may (`cgflux auth add` makes that file), or listen on 127.0.0.1 and forward the port (`ssh -L`), or set http.allow_unauthenticated = true",
        ),
        (
            "[http]\nallow_remote = true",
            "http.allow_remote (cgflux.toml:2): is http.allow_unauthenticated now; better than that, name who may ask in http.auth_file",
        ),
        (
            "[http]\nlisten = \"localhost\"",
            "http.listen (cgflux.toml:2): is \"localhost\", which is no place to listen at; write an IP address and a port, as in \"127.0.0.1:8190\", with http:// or https:// before it where it matters, or a socket's whole path, as in \"unix:/run/cgflux/http.sock\"",
        ),
        (
            "[http]\nlisten = []",
            "http.listen (cgflux.toml:2): is empty; http.enabled = false switches the server off",
        ),
        (
            "[http]\nlisten = [\"127.0.0.1:1\", \"http://127.0.0.1:1\"]",
            "http.listen (cgflux.toml:2): holds \"127.0.0.1:1\" twice",
        ),
        (
            "[http]\nlisten = \"https://127.0.0.1:1\"",
            "http.listen (cgflux.toml:2): https://127.0.0.1:1 needs a certificate: name its files in tls_certificate and tls_key",
        ),
        (
            "[http]\ntls_key = \"/run/private\"",
            "http.tls_key (cgflux.toml:2): stands without `tls_certificate`",
        ),
        (
            "[http]\ntls_certificate = \"/run/public\"\ntls_key = \"/run/public\"",
            "http.tls_key (cgflux.toml:3): /run/public has mode 0640, so others may read it; `chmod 600` it",
        ),
        (
            "[http]\ntls_certificate = \"/run/public\"\ntls_key = \"/run/private\"",
            "http.tls_certificate (cgflux.toml:2): holds no certificate as PEM: no items found; write both files anew, the server's own certificate first, the key without a password",
        ),
        (
            "[http]\nauth_file = \"/run/private\"\nlisten = \"0.0.0.0:1\"",
            "http.auth_file (cgflux.toml:2): /run/private, line 1: write NAME ROLE sha256:HASH, as `cgflux auth add` does",
        ),
        (
            "[http]\nauth_file = \"/run/absent\"",
            "http.auth_file (cgflux.toml:2): cannot read /run/absent: entity not found",
        ),
        (
            "[http]\nprefix = \"cgflux/\"",
            "http.prefix (cgflux.toml:2): is \"cgflux/\"; write a path without a slash at its end, as in \"/cgflux\"",
        ),
        (
            "[socket]\nmode = 660",
            "socket.mode (cgflux.toml:2): is 660; write permission bits in quotes, as in \"0660\"",
        ),
        (
            "[socket]\npath = \"points.sock\"",
            "socket.path (cgflux.toml:2): is \"points.sock\"; write the whole path, from / on",
        ),
        (
            "[http]\nhosts = [\"http://a\"]",
            "http.hosts (cgflux.toml:2): holds \"http://a\"; write names only, without scheme and port",
        ),
        (
            "[http]\nhistory = \"2h\"",
            "http.history (cgflux.toml:2): is \"2h\"; allowed are \"1s\" to \"1h\"",
        ),
        (
            "[http]\nmetric_names = [\"telegraf\"]",
            "http.metric_names (cgflux.toml:2): holds \"telegraf\"; there are: cgflux, cadvisor",
        ),
        (
            "[http]\nmetric_families = []",
            "http.metric_families (cgflux.toml:2): is empty; write at least one of cpu, sched, preemption, block_io, network, memory, pressure, pids, space, oom, host",
        ),
        (
            "state_dir = \"x\"",
            "state_dir (cgflux.toml:1): is \"x\"; write the whole path, from / on",
        ),
        (
            "[log]\nlevel = \"verbose\"",
            "log.level (cgflux.toml:2): is \"verbose\"; write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        ("a = 1\na = 2", "cgflux.toml:2: duplicate key"),
    ] {
        refused(&around(text), &[complaint]);
    }
}

#[test]
fn a_sink_is_written_in_the_words_it_names() {
    let schema = |lines: &str| config(&around(&format!("[sinks.stdout]\n{lines}"))).sinks[0].schema;
    assert_eq!(schema(""), Schema::Native);
    for (word, meant) in [
        ("native", Schema::Native),
        ("telegraf", Schema::Telegraf),
        ("cadvisor", Schema::Cadvisor),
        ("influxdb08", Schema::Influxdb08),
    ] {
        assert_eq!(schema(&format!("schema = \"{word}\"")), meant);
    }
    refused(
        &around("[sinks.stdout]\nschema = \"docker\""),
        &[
            "sinks.stdout.schema (cgflux.toml:2): is \"docker\"; write one of \"native\", \"telegraf\", \"cadvisor\", \"influxdb08\"",
        ],
    );
    let with_host = |schema: &str| {
        format!(
            "[sinks.influxdb]\nurl = \"http://a:1\"\nhost_database = \"nodes\"\nschema = \"{schema}\""
        )
    };
    refused(
        &around(&with_host("influxdb08")),
        &[
            "sinks.influxdb.host_database (cgflux.toml:3): does not go with schema = \"influxdb08\", which has one table for all",
        ],
    );
    let text = "[sinks.influxdb]\nurl = \"http://a:1\"\nschema = \"influxdb08\"\n";
    let SinkKind::Influxdb(influxdb) = &config(&around(text)).sinks[0].kind else {
        panic!("{text}");
    };
    assert_eq!(influxdb.version, InfluxdbVersion::V08);
    refused(
        &around(&format!("{text}retention_policy = \"7d\"")),
        &[
            "sinks.influxdb.retention_policy (cgflux.toml:4): does not go with schema = \"influxdb08\"; leave it out",
        ],
    );
    refused(
        &around("[sinks.unix]\npath = \"/a\"\nschema = \"influxdb08\""),
        &[
            "sinks.unix.schema (cgflux.toml:3): is \"influxdb08\", which is no line protocol: what listens there takes nothing else",
        ],
    );
    assert_eq!(
        config(&around(&with_host("cadvisor"))).sinks[0].schema,
        Schema::Cadvisor
    );
}

#[test]
fn a_sink_is_complained_about_in_full() {
    for (text, complaint) in [
        (
            "[sinks.a]",
            "sinks.a.type: is missing; write one of \"influxdb\", \"stdout\", \"file\", \"unix\", \"udp\"",
        ),
        (
            "[sinks.a]\ntype = \"kafka\"\nbroker = \"x\"",
            "sinks.a.type (cgflux.toml:2): is \"kafka\"; write one of \"influxdb\", \"stdout\", \"file\", \"unix\", \"udp\"",
        ),
        (
            "[sinks]\ninfluxdb = \"http://a:1\"",
            "sinks.influxdb (cgflux.toml:2): is \"http://a:1\"; write [sinks.influxdb] and its settings below",
        ),
        (
            "[sinks.\"a b\"]\ntype = \"stdout\"",
            "sinks.\"a b\": is named with other than letters, digits, - and _",
        ),
        (
            "[sinks.influxdb]\ntimeout = \"1s\"",
            "sinks.influxdb.url: is missing; write the address of the server, as in \"http://127.0.0.1:8086\", or give it with --influx",
        ),
        (
            "[sinks.far]\ntype = \"influxdb\"",
            "sinks.far.url: is missing; write the address of the server, as in \"http://127.0.0.1:8086\"",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://a:1\"\nca_file = \"/ca.pem\"",
            "sinks.influxdb.ca_file (cgflux.toml:3): is of no use without an https:// address",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://user:secret@a:1\"",
            "sinks.influxdb.url (cgflux.toml:2): holds a user name or password; use `username` and `password_file`, or `token_file`",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://a:1\"\npath = \"/x\"",
            "sinks.influxdb.path (cgflux.toml:3): no such setting; beside it may stand: type, schema, url, version, timeout, token_file, username, password_file, ca_file, pin_sha256, client_cert_file, client_key_file, retention_policy, create_database, database, host_database, interval, lossless, spool, spool_bytes, memory_bytes, spool_age, drain_lines",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://a:1\"\ndatabase = \"a/b\"",
            "sinks.influxdb.database (cgflux.toml:3): is \"a/b\"; InfluxDB takes no name with a slash or a backslash in it, nor one of dots",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://a:1\"\nretention_policy = \"..\"",
            "sinks.influxdb.retention_policy (cgflux.toml:3): is \"..\"; InfluxDB takes no name with a slash or a backslash in it, nor one of dots",
        ),
        (
            "[sinks.file]\npath = \"x.lp\"",
            "sinks.file.path (cgflux.toml:2): is \"x.lp\"; write the whole path, from / on",
        ),
        (
            "[sinks.stdout]\nspool_bytes = \"1MiB\"",
            "sinks.stdout.spool_bytes (cgflux.toml:2): is \"1MiB\"; allowed are \"4MiB\" to \"1024GiB\"",
        ),
        (
            "[sinks.stdout]\ninterval = \"500ms\"",
            "sinks.stdout.interval (cgflux.toml:2): is \"500ms\"; allowed are \"1s\" to \"1h\"",
        ),
        (
            "[sinks.a]\ntype = \"stdout\"\n[sinks.b]\ntype = \"stdout\"",
            "sinks.b: writes to the same place as sinks.a",
        ),
        (
            "[sinks.a]\ntype = \"influxdb\"\nurl = \"http://a:1\"\nhost_database = \"nodes\"\n\
             [sinks.b]\ntype = \"influxdb\"\nurl = \"http://a:1\"\ndatabase = \"nodes\"",
            "sinks.b: writes to the same place as sinks.a",
        ),
        (
            "[sinks.influxdb]\nurl = \"http://a:1\"\nhost_database = \"../x\"",
            "sinks.influxdb.host_database (cgflux.toml:3): is \"../x\"; InfluxDB takes no name with a slash or a backslash in it, nor one of dots",
        ),
    ] {
        refused(&around(text), &[complaint]);
    }
}

#[test]
fn all_complaints_come_at_once() {
    refused(
        &around(
            "[collect]\nslots = 1\nexakt = true\n[sinks.influxdb]\nmemory_bytes = \"0B\"\nurl = \"x\"\n[log]\nlevel = \"x\"",
        ),
        &[
            "collect.slots (cgflux.toml:2): is 1; allowed are 64 to 65536",
            "sinks.influxdb.url (cgflux.toml:6): is no http://, https:// or unix:// URL; write it as http://host:8086",
            "sinks.influxdb.memory_bytes (cgflux.toml:5): is \"0B\"; allowed are \"1MiB\" to \"1024GiB\"",
            "log.level (cgflux.toml:8): is \"x\"; write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            "collect.exakt (cgflux.toml:3): no such setting; did you mean `collect.exact`?",
        ],
    );
}

#[test]
fn variables_and_flags_are_complained_about_by_name() {
    let mut around = around("");
    around.environment = variables(&[
        ("CGFLUX_COLLECT__SLOTS", "many"),
        ("CGFLUX_HTTP__LISTN", "127.0.0.1:1"),
    ]);
    around.flags = vec![Given::by_flag("--interval", "collect.interval", "1")];
    refused(
        &around,
        &[
            "collect.interval (flag --interval): is \"1\", which is no duration (time unit needed, for example 1sec or 1ms); write a number and its unit, as in \"1s\", \"250ms\" or \"10m\"",
            "collect.slots (variable CGFLUX_COLLECT__SLOTS): is \"many\"; write a whole number without quotes",
            "http.listn (variable CGFLUX_HTTP__LISTN): no such setting; did you mean `http.listen`?",
        ],
    );
}

#[test]
fn a_slow_tick_slows_what_depends_on_it_by_default() {
    let slow = config(&around("[collect]\ninterval = \"1m\"\n[sinks.stdout]"));
    assert_eq!(slow.collect.file_interval, Duration::from_mins(1));
    assert_eq!(slow.sinks[0].interval, Duration::from_mins(1));
    let fast = config(&around("[collect]\ninterval = \"100ms\""));
    let history = fast.http.expect("on by default").history;
    assert_eq!(history, fast.collect.interval * Http::MAX_HISTORY_TICKS);
}

#[test]
fn the_history_has_as_many_ticks_as_its_length_takes() {
    for (interval, history, ticks) in [
        ("1s", "10m", 600),
        ("10s", "10m", 60),
        ("7s", "1m", 9),
        ("100ms", "6m", 3600),
        ("1m", "1m", 1),
    ] {
        let text = format!("[collect]\ninterval = \"{interval}\"\n[http]\nhistory = \"{history}\"");
        let config = config(&around(&text));
        let http = config.http.expect("on by default");
        assert_eq!(http.history_ticks(config.collect.interval), ticks, "{text}");
    }
}

#[test]
fn the_server_listens_elsewhere_only_when_told_twice_or_to_those_it_knows() {
    let remote = config(&around(
        "[http]\nlisten = \"[::]:80\"\nallow_unauthenticated = true\nhosts = [\"Stats.Example\"]",
    ));
    let http = remote.http.expect("on by default");
    assert_eq!(http.listen[0].to_string(), "http://[::]:80");
    assert_eq!(
        (http.hosts, http.accounts),
        (vec!["stats.example".to_owned()], None)
    );
    assert_eq!(config(&around("[http]\nenabled = false")).http, None);

    let known = resolve(&around(
        "[http]\nlisten = [\"[::]:80\", \"unix:/run/x\"]\nauth_file = \"/run/accounts\"",
    ))
    .unwrap_or_else(|error| panic!("{error}"));
    let accounts = known.config.http.and_then(|it| it.accounts);
    assert_eq!(accounts.map(|it| it.count()), Some(1));
    let [warning] = &known.warnings[..] else {
        panic!("{:?}", known.warnings);
    };
    assert!(warning.contains("tokens travel in the clear"), "{warning}");
}

#[test]
fn a_certificate_is_for_all_addresses_and_must_fit_its_key() {
    let pair = rcgen::generate_simple_self_signed(["node".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["node".to_owned()]).expect("a certificate");
    let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let wrong = other.signing_key.serialize_pem();
    let files = |path: &Path| {
        let text = match path.to_str() {
            Some("/tls/certificate") => &certificate,
            Some("/tls/key") => &key,
            _ => &wrong,
        };
        Ok(SecretFile {
            text: text.clone(),
            mode: 0o100_600,
        })
    };
    let with = |lines: &str| {
        let text = format!("[http]\ntls_certificate = \"/tls/certificate\"\n{lines}");
        resolve(&Surroundings {
            read_secret: &files,
            ..around(&text)
        })
    };
    let listen = "listen = [\"127.0.0.1:1\", \"http://127.0.0.1:2\", \"unix:/x\"]";
    let resolved = with(&format!("tls_key = \"/tls/key\"\n{listen}")).expect("valid");
    let http = resolved.config.http.expect("on");
    let listen: Vec<String> = http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(
        listen,
        ["https://127.0.0.1:1", "http://127.0.0.1:2", "unix:/x"]
    );
    assert!(!format!("{http:?}").contains("PRIVATE"));
    assert!(!listing(&resolved.settings).contains("PRIVATE"));

    let error = with("tls_key = \"/tls/wrong\"")
        .expect_err("another's key")
        .to_string();
    assert!(
        error.contains("http.tls_key") && error.contains("cannot be used together"),
        "{error}"
    );
}

#[test]
fn the_host_has_a_database_of_its_own_where_it_is_another() {
    let host_database = |lines: &str| {
        let text = format!("[sinks.influxdb]\nurl = \"http://a:1\"\n{lines}");
        let SinkKind::Influxdb(influxdb) = config(&around(&text)).sinks.remove(0).kind else {
            panic!("{text}");
        };
        let of_host = influxdb.of_host();
        of_host.map(|it| (it.database, it.retention_policy, it.host_database))
    };
    assert_eq!(host_database(""), None);
    assert_eq!(host_database("host_database = \"cgflux\""), None);
    assert_eq!(
        host_database("host_database = \"nodes\"\nretention_policy = \"7d\""),
        Some(("nodes".to_owned(), None, None))
    );
}

#[test]
fn a_password_comes_from_a_file_that_nobody_else_reads() {
    let with = |lines: &str| {
        around(&format!(
            "[sinks.influxdb]\nurl = \"http://[::1]:1\"\n{lines}"
        ))
    };
    let password = |around: &Surroundings<'_>| {
        let resolved = resolve(around).unwrap_or_else(|error| panic!("{error}"));
        let shown = format!("{:?} {}", resolved.config, listing(&resolved.settings));
        assert!(
            !shown.contains("\"secret\"") && !shown.contains("\"credential\""),
            "{shown}"
        );
        let SinkKind::Influxdb(influxdb) = &resolved.config.sinks[0].kind else {
            panic!("{shown}");
        };
        let Some(
            Credentials::Password {
                password: secret, ..
            }
            | Credentials::Token(secret),
        ) = &influxdb.credentials
        else {
            panic!("{shown}");
        };
        (secret.expose().to_owned(), resolved.warnings.len())
    };
    let from_file = with("username = \"u\"\npassword_file = \"/run/private\"");
    assert_eq!(password(&from_file), ("secret".to_owned(), 0));
    let mut handed_over = with("username = \"u\"\npassword_file = \"influx\"");
    handed_over.environment = variables(&[("CREDENTIALS_DIRECTORY", "/run/credentials")]);
    assert_eq!(password(&handed_over), ("credential".to_owned(), 0));
    let mut from_variable = with("username = \"u\"");
    from_variable.environment = variables(&[("CGFLUX_INFLUX_PASSWORD", "secret")]);
    assert_eq!(password(&from_variable), ("secret".to_owned(), 1));
    let token = with("token_file = \"/run/private\"");
    assert_eq!(password(&token), ("secret".to_owned(), 0));
    let away = "[sinks.influxdb]\nurl = \"http://a:1\"\ntoken_file = \"/run/private\"";
    assert_eq!(password(&around(away)), ("secret".to_owned(), 1));
    for (lines, complaint) in [
        (
            "username = \"u\"\npassword_file = \"/run/public\"",
            "sinks.influxdb.password_file (cgflux.toml:4): /run/public has mode 0640, so others may read it; `chmod 600` it",
        ),
        (
            "username = \"u\"\npassword_file = \"/run/empty\"",
            "sinks.influxdb.password_file (cgflux.toml:4): /run/empty is empty",
        ),
        (
            "username = \"u\"\npassword_file = \"/run/absent\"",
            "sinks.influxdb.password_file (cgflux.toml:4): cannot read /run/absent: entity not found",
        ),
        (
            "username = \"u\"\npassword_file = \"influx\"",
            "sinks.influxdb.password_file (cgflux.toml:4): is influx; write the whole path, from / on, or hand the file over with systemd's LoadCredential=",
        ),
        (
            "username = \"u\"",
            "sinks.influxdb.username (cgflux.toml:3): stands without a password; name a file that holds it in `password_file`",
        ),
        (
            "username = \"a:b\"\npassword_file = \"/run/private\"",
            "sinks.influxdb.username (cgflux.toml:3): is \"a:b\"; HTTP basic authentication cannot carry a user name with a colon",
        ),
        (
            "password_file = \"/run/private\"",
            "sinks.influxdb.password_file (cgflux.toml:3): stands without `username`",
        ),
        (
            "token_file = \"/run/private\"\nusername = \"u\"\npassword_file = \"/run/private\"",
            "sinks.influxdb.token_file (cgflux.toml:3): stands beside `username`; one of the two says who writes",
        ),
        (
            "token = \"secret\"",
            "sinks.influxdb.token (cgflux.toml:3): does not belong here; put the token into a file of mode 0600 and name it in `token_file`",
        ),
        (
            "password = \"secret\"",
            "sinks.influxdb.password (cgflux.toml:3): does not belong here; put the password into a file of mode 0600 and name it in `password_file`",
        ),
    ] {
        refused(&with(lines), &[complaint]);
    }
}

#[test]
fn each_version_has_names_of_its_own() {
    let kind = |lines: &str| {
        let text = format!("[sinks.influxdb]\nurl = \"https://a\"\n{lines}");
        config(&around(&text)).sinks.remove(0).kind
    };
    let at = Influxdb::at("https://a:443".parse().expect("valid"));
    let two = Influxdb {
        version: InfluxdbVersion::V2,
        database: "b/autogen".to_owned(),
        organization: Some("o".to_owned()),
        host_database: Some("n".to_owned()),
        tls: Tls {
            pin: Some([0x2a; 32]),
            ..Tls::default()
        },
        ..at.clone()
    };
    let pin = "2A:".repeat(31) + "2a";
    let lines = format!(
        "version = \"2\"\norg = \"o\"\nbucket = \"b/autogen\"\nhost_bucket = \"n\"\npin_sha256 = \"{pin}\""
    );
    assert_eq!(kind(&lines), SinkKind::Influxdb(two));
    let three = Influxdb {
        version: InfluxdbVersion::V3,
        tls: Tls {
            ca_file: Some("/ca.pem".into()),
            client: Some(ClientCertificate {
                certificate_file: "/c.pem".into(),
                key_file: "/k.pem".into(),
            }),
            ..Tls::default()
        },
        ..at
    };
    let lines = "version = \"3\"\nca_file = \"/ca.pem\"\nclient_cert_file = \"/c.pem\"\nclient_key_file = \"/k.pem\"";
    assert_eq!(kind(lines), SinkKind::Influxdb(three));
    let text = "[sinks.influxdb]\nurl = \"https://a\"\nversion = \"2\"\ndatabase = \"d\"\npin_sha256 = \"2A\"";
    refused(
        &around(text),
        &[
            "sinks.influxdb.pin_sha256 (cgflux.toml:5): is \"2A\"; write the 64 hexadecimal digits that `openssl x509 -noout -fingerprint -sha256` prints",
            "sinks.influxdb.bucket: is missing; write the bucket to write to; of an InfluxDB 1.8 that is \"database/policy\"",
            "sinks.influxdb.database (cgflux.toml:4): no such setting; beside it may stand: type, schema, url, version, timeout, token_file, ca_file, pin_sha256, client_cert_file, client_key_file, org, bucket, host_bucket, interval, lossless, spool, spool_bytes, memory_bytes, spool_age, drain_lines",
        ],
    );
}

#[test]
fn what_nobody_acknowledges_is_no_lossless_sink() {
    let text = "[sinks.udp]\naddress = \"127.0.0.1:8089\"\n";
    refused(
        &around(text),
        &[
            "sinks.udp.lossless: must be false for udp: nobody acknowledges a datagram, so what is lost on its way is lost \
             unnoticed; or choose another type",
        ],
    );
    let lossy = config(&around(&format!("{text}lossless = false"))).sinks;
    assert_eq!(lossy[0].delivery.spool, None);
    refused(
        &around(&format!("{text}lossless = false\nspool = true")),
        &["sinks.udp.spool (cgflux.toml:4): is true; nothing is kept for udp, where sent is gone"],
    );
    let spooled = |text: &str| config(&around(text)).sinks[0].delivery.spool.is_some();
    assert!(spooled("[sinks.unix]\npath = \"/a\""));
    assert!(!spooled("[sinks.unix]\npath = \"/a\"\nlossless = false"));
    assert!(!spooled("[sinks.file]\npath = \"/a\""));
    assert!(spooled("[sinks.file]\npath = \"/a\"\nspool = true"));
}

#[test]
fn host_and_state_folder_follow_the_surroundings() {
    let mut around = Surroundings {
        is_root: false,
        host_name: None,
        ..around("")
    };
    refused(
        &around,
        &[
            "state_dir: cannot be told without HOME; set state_dir or CGFLUX_STATE_DIR",
            "host.name: cannot be told from inside a container; set it, or CGFLUX_HOST or NODE_NAME",
        ],
    );
    for (variable, text, expected) in [
        ("HOME", "/h", ["/h/.local/state/cgflux", "k"]),
        ("XDG_STATE_HOME", "/s", ["/s/cgflux", "k"]),
        ("STATE_DIRECTORY", "/sd:/other", ["/sd", "k"]),
        ("CGFLUX_STATE_DIR", "/set", ["/set", "k"]),
        ("CGFLUX_HOST", "named", ["/set", "named"]),
        ("CGFLUX_HOST__NAME", "set", ["/set", "set"]),
    ] {
        around
            .environment
            .insert("NODE_NAME".to_owned(), "k".to_owned());
        around
            .environment
            .insert(variable.to_owned(), text.to_owned());
        let config = config(&around);
        let seen = [config.state_dir.to_string_lossy().into_owned(), config.host];
        assert_eq!(seen, expected, "{variable}");
    }
}

#[test]
fn the_listing_reads_back_as_the_same_configuration() {
    let mut around = around(
        "[tags]\n\"a.b\" = \"x\\\"y\"\n[sinks.influxdb]\nurl = \"http://a:1\"\nusername = \"u\"\n[sinks.out]\ntype = \"stdout\"",
    );
    around.environment = variables(&[
        ("CGFLUX_INFLUX_PASSWORD", "p"),
        ("CGFLUX_HTTP__HISTORY", "90s"),
    ]);
    let resolved = resolve(&around).expect("valid");
    around.files = vec![file("listing.toml", &listing(&resolved.settings))];
    around.environment.remove("CGFLUX_HTTP__HISTORY");
    assert_eq!(config(&around), resolved.config);
}
