//! From a command line of cAdvisor to the settings that hold.

use std::{collections::BTreeMap, io, net::SocketAddr};

use super::*;
use crate::{
    config::{
        self, Complaints, Config, Credentials, File, Http, Influxdb, Listen, Resolved, Schema,
        SinkKind, Surroundings,
    },
    metrics::catalog::Family,
};

/// What a line says, with these variables and a file of this text.
fn with(line: &str, variables: &[(&str, &str)], text: &str) -> Result<Resolved, Complaints> {
    let arguments = line.split_whitespace().map(OsString::from).collect();
    let Asked::Run(meant) = CadvisorArgs { arguments }.asked() else {
        panic!("{line} asks for something else");
    };
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    config::resolve(&Surroundings {
        files: vec![File {
            path: "cgflux.toml".into(),
            text: text.to_owned(),
        }],
        environment: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
        flags: meant.flags,
        predecessor: meant.predecessor,
        is_root: true,
        host_name: Some("node-1".to_owned()),
        read_secret: &|_| Err(io::ErrorKind::NotFound.into()),
    })
}

fn of(line: &str) -> Resolved {
    with(line, &[], "").unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn influxdb(config: &Config) -> &Influxdb {
    match config.sinks.as_slice() {
        [sink] => match &sink.kind {
            SinkKind::Influxdb(influxdb) => influxdb,
            other => panic!("{other:?}"),
        },
        sinks => panic!("{sinks:?}"),
    }
}

/// User and password that are written with.
fn writer(influxdb: &Influxdb) -> (&str, &str) {
    match &influxdb.credentials {
        Some(Credentials::Password { username, password }) => (username, password.expose()),
        other => panic!("{other:?}"),
    }
}

fn warned(resolved: &Resolved, part: &str) -> bool {
    resolved.warnings.iter().any(|it| it.contains(part))
}

/// The one address that is listened at.
fn address(http: &Http) -> SocketAddr {
    match &http.listen[..] {
        [Listen::Tcp { address, .. }] => *address,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_line_of_the_first_compose_file_means_what_it_did() {
    let resolved =
        of("--storage_driver=influxdb --log_dir=/ --storage_driver_host=figtest_influxdb_1:8086");
    let influxdb = influxdb(&resolved.config);
    assert_eq!(influxdb.url.to_string(), "http://figtest_influxdb_1:8086");
    assert_eq!(influxdb.database, "cadvisor");
    assert!(influxdb.create_database);
    assert_eq!(writer(influxdb), ("root", "root"));
    assert_eq!(resolved.config.sinks[0].schema, Schema::Cadvisor);
    assert!(
        warned(&resolved, "--log_dir has no effect"),
        "{:?}",
        resolved.warnings
    );
    let http = resolved.config.http.expect("a page");
    let address = address(&http);
    assert!(address.ip().is_unspecified() && address.port() == 8080);
}

#[test]
fn with_the_memory_driver_nothing_is_written_whatever_else_is_said() {
    let resolved = of(
        "--storage_driver=memory --storage_driver_host=localhost:8086 --storage_driver_name=cadvisor \
         --storage_driver_user=root --storage_driver_password=root --storage_driver_secure=False",
    );
    assert!(resolved.config.sinks.is_empty());
    assert!(
        warned(&resolved, "without --storage_driver=influxdb"),
        "{:?}",
        resolved.warnings
    );
}

#[test]
fn the_database_is_the_one_named_whatever_the_flag_is_called() {
    for name in ["name", "db"] {
        let resolved = of(&format!(
            "--storage_driver=influxdb --storage_driver_host=localhost:8086 --storage_driver_{name}=cadvisor \
             --storage_driver_user=root --storage_driver_password=root --storage_driver_secure=False"
        ));
        assert_eq!(influxdb(&resolved.config).database, "cadvisor");
        assert_eq!(
            influxdb(&resolved.config).url.to_string(),
            "http://localhost:8086"
        );
        assert_eq!(writer(influxdb(&resolved.config)), ("root", "root"));
        let named = of(&format!(
            "-storage_driver influxdb -storage_driver_{name} other"
        ));
        assert_eq!(influxdb(&named.config).database, "other");
    }
}

#[test]
fn every_flag_is_taken_with_a_value_that_it_had() {
    for flag in flags::TABLE {
        if matches!(
            flag.means,
            Means::Help | Means::Version | Means::PrintSettings
        ) {
            continue;
        }
        let value = match (flag.takes, flag.shown) {
            (flags::Takes::Switch, _) => "true",
            (_, name) if name.ends_with("_interval") || name.ends_with("_duration") => "10s",
            (_, "--port" | "--v") => "1",
            (_, "--listen_ip") => "127.0.0.1",
            (_, "--storage_driver") => "influxdb",
            (_, "--storage_driver_host") => "db:8086",
            (_, "--disable_metrics" | "--enable_metrics") => "memory",
            _ => "x",
        };
        let resolved = of(&format!("--storage_driver=influxdb {}={value}", flag.shown));
        let is_meaningless = matches!(flag.means, Means::Nothing(_));
        let is_warned = warned(&resolved, &format!("{} has no effect: ", flag.shown));
        assert!(
            !is_meaningless || is_warned,
            "{}: {:?}",
            flag.shown,
            resolved.warnings
        );
    }
}

#[test]
fn a_flag_that_is_not_known_is_warned_of_and_the_rest_holds() {
    let resolved = of("--nonsense=1 --also nonsense --port=9090 --storage_driver=chalk,statsd");
    assert_eq!(
        resolved.config.http.as_ref().map(|it| address(it).port()),
        Some(9090)
    );
    for part in [
        "--nonsense",
        "--also",
        "no storage driver \"chalk\"",
        "no statsd here",
    ] {
        assert!(warned(&resolved, part), "{part}: {:?}", resolved.warnings);
    }
}

#[test]
fn values_that_do_not_hold_are_warned_of_and_never_end_it() {
    let resolved = of(
        "--port=http --listen_ip=here --housekeeping_interval=1h --storage_duration=soon --v=much \
         --disable_metrics=accelerator --docker_only=perhaps --storage_driver=influxdb \
         --storage_driver_buffer_duration=60s",
    );
    let parts = [
        "--port: \"http\" is no port",
        "--listen_ip: \"here\" is no IP address",
        "--housekeeping_interval: it is 1m instead of 1h",
        "--storage_duration: \"soon\" is no time",
        "--v: \"much\" is no number",
        "no kind \"accelerator\"",
        "--docker_only: write true or false",
    ];
    for part in parts {
        assert!(warned(&resolved, part), "{part}: {:?}", resolved.warnings);
    }
    let http = resolved.config.http.expect("a page");
    assert_eq!(address(&http).to_string(), "127.0.0.1:8080");
    assert_eq!(resolved.config.collect.interval.as_secs(), 60);
}

#[test]
fn what_it_says_becomes_settings() {
    let resolved = of(
        "-housekeeping_interval 2s -storage_duration=4m -docker_only=false -disable_root_cgroup_stats \
         -whitelisted_container_labels=team,tier -disable_metrics=network,disk -v=4 -storage_driver=influxdb,stdout \
         -storage_driver_secure -storage_driver_host=db:8087 -storage_driver_influxdb_retention_policy=week \
         -storage_driver_buffer_duration=5s",
    );
    let config = &resolved.config;
    assert_eq!(
        (config.collect.interval.as_secs(), config.log.level),
        (2, tracing::Level::DEBUG)
    );
    assert_eq!(
        config.http.as_ref().map(|it| it.history.as_secs()),
        Some(240)
    );
    assert!(config.ship.units && config.ship.cgroups);
    assert_eq!(config.labels.allow, ["team", "tier"]);
    for (family, is_on) in [
        (Family::Network, false),
        (Family::Space, false),
        (Family::Host, false),
        (Family::Memory, true),
    ] {
        assert_eq!(config.collect.families.has(family), is_on, "{family:?}");
    }
    let [first, second] = config.sinks.as_slice() else {
        panic!("{:?}", config.sinks);
    };
    assert_eq!(
        (
            first.interval.as_secs(),
            second.name.as_str(),
            second.schema
        ),
        (5, "stdout", Schema::Cadvisor)
    );
    let SinkKind::Influxdb(influxdb) = &first.kind else {
        panic!("{first:?}");
    };
    assert_eq!(influxdb.url.to_string(), "https://db:8087");
    assert_eq!(influxdb.retention_policy.as_deref(), Some("week"));
}

#[test]
fn a_password_is_shown_nowhere_and_warned_of() {
    let line =
        "--storage_driver=influxdb --storage_driver_user=writer --storage_driver_password=s3cret";
    let resolved = of(line);
    assert_eq!(writer(influxdb(&resolved.config)), ("writer", "s3cret"));
    assert!(warned(
        &resolved,
        "--storage_driver_password can be read by whoever"
    ));
    let arguments = line.split(' ').map(OsString::from).collect();
    let meant = format!("{:?}", CadvisorArgs { arguments }.asked());
    for told in [
        config::listing(&resolved.settings),
        format!("{resolved:?}"),
        meant,
    ] {
        assert!(!told.contains("s3cret"), "{told}");
    }
    // In a file there is no way to write one.
    let refusal = with("", &[], "[sinks.influxdb]\npassword = \"s3cret\"\n").expect_err("refused");
    assert!(refusal.to_string().contains("password_file"), "{refusal}");
}

#[test]
fn a_file_says_what_the_line_leaves_open_and_the_line_what_it_says() {
    let file = "[http]\nlisten = \"127.0.0.1:8190\"\n[collect]\ninterval = \"5s\"\n\
        [sinks.influxdb]\nurl = \"http://elsewhere:8086\"\nschema = \"native\"\ndatabase = \"d\"\n";
    let resolved = with(
        "--housekeeping_interval=1s --storage_driver_db=e --storage_driver=influxdb",
        &[],
        file,
    );
    let resolved = resolved.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(resolved.config.collect.interval.as_secs(), 1);
    assert_eq!(
        resolved.config.http.as_ref().map(|it| address(it).port()),
        Some(8190)
    );
    assert_eq!(resolved.config.sinks[0].schema, Schema::Native);
    let influxdb = influxdb(&resolved.config);
    assert_eq!(
        (
            influxdb.url.to_string().as_str(),
            influxdb.database.as_str()
        ),
        ("http://elsewhere:8086", "e")
    );
    // Who writes is said whole: a user of the file is not given cAdvisor's password.
    let refusal = with(
        "--storage_driver=influxdb",
        &[],
        "[sinks.influxdb]\nusername = \"u\"\n",
    )
    .expect_err("refused");
    assert!(
        refusal.to_string().contains("stands without a password"),
        "{refusal}"
    );
}

#[test]
fn a_complaint_names_the_flag() {
    let refusal = with(
        "--storage_driver=influxdb --storage_driver_host=db",
        &[],
        "",
    )
    .expect_err("no port");
    let expected = "sinks.influxdb.url (flag --storage_driver_host): names no port; write it as http://host:8086";
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn the_page_is_where_it_was_unless_it_asked_for_a_password() {
    let listens = |line: &str| address(&of(line).config.http.expect("a page"));
    assert!(listens("").ip().is_unspecified());
    assert!(warned(
        &of("--port=9000"),
        "can be reached from other machines"
    ));
    assert_eq!(
        listens("--listen_ip=127.0.0.1").to_string(),
        "127.0.0.1:8080"
    );
    assert!(of("--listen_ip=127.0.0.1").warnings.is_empty());
    assert_eq!(listens("--http_auth_file=/x").to_string(), "127.0.0.1:8080");
    assert_eq!(
        listens("--http_auth_file=/x --port=1").to_string(),
        "127.0.0.1:1"
    );
    assert_eq!(
        listens("--http_digest_file=/x --listen_ip=0.0.0.0").to_string(),
        "0.0.0.0:8080"
    );
}

#[test]
fn the_variables_of_its_images_make_a_sink_with_two_databases() {
    let variables = [
        ("DB_HOST", "influxdb"),
        ("DB_USER", "writer"),
        ("DB_PASS", "s3cret"),
        ("PRE_CREATE_DB", "cadvisor;nodemetrics"),
    ];
    let resolved = with("", &variables, "").unwrap_or_else(|error| panic!("{error}"));
    let sink = influxdb(&resolved.config);
    assert_eq!(sink.url.to_string(), "http://influxdb:8086");
    assert_eq!(
        (sink.database.as_str(), sink.host_database.as_deref()),
        ("cadvisor", Some("nodemetrics"))
    );
    assert!(sink.create_database);
    assert_eq!(writer(sink), ("writer", "s3cret"));
    let listing = config::listing(&resolved.settings);
    for part in [
        "variable PRE_CREATE_DB",
        "variable DB_HOST",
        "variable DB_USER",
    ] {
        assert!(listing.contains(part), "{part}: {listing}");
    }
    assert!(!listing.contains("s3cret"), "{listing}");
    assert!(
        warned(&resolved, "DB_PASS can be read by whoever"),
        "{:?}",
        resolved.warnings
    );

    // A name of its own, and what the line and a CGFLUX_ variable say, stand above.
    let variables = [variables[0], variables[3], ("DB_NAME", "named")];
    let named = with("", &variables, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(influxdb(&named.config).database, "named");
    let flag = with(
        "--storage_driver=influxdb --storage_driver_db=flag",
        &variables,
        "",
    );
    assert_eq!(
        influxdb(&flag.unwrap_or_else(|error| panic!("{error}")).config).database,
        "flag"
    );
    let ours = [variables[0], ("CGFLUX_SINKS__INFLUXDB__DATABASE", "ours")];
    let ours = with("", &ours, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(influxdb(&ours.config).database, "ours");
}

#[test]
fn variables_that_may_be_of_others_change_nothing_alone() {
    for variables in [
        [("DB_NAME", "shop"), ("DB_PASS", "s3cret")],
        [("DB_USER", "x"), ("PRE_CREATE_DB", "a;b")],
    ] {
        let resolved = with("", &variables, "").unwrap_or_else(|error| panic!("{error}"));
        assert!(resolved.config.sinks.is_empty());
        assert!(
            warned(&resolved, "without DB_HOST"),
            "{:?}",
            resolved.warnings
        );
    }
    let host = [("DB_HOST", "influxdb"), ("DB_NAME", "/web/db")];
    // Docker's links set such a DB_NAME.
    let linked = with("", &host, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(influxdb(&linked.config).database, "cadvisor");
    let none = with("--storage_driver=memory", &host, "").unwrap_or_else(|error| panic!("{error}"));
    assert!(none.config.sinks.is_empty());
    let elsewhere =
        with("", &host, "[sinks.file]\npath = \"/x\"\n").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(elsewhere.config.sinks.len(), 1);
    assert!(
        warned(&elsewhere, "there are sinks already"),
        "{:?}",
        elsewhere.warnings
    );
    let half = [("DB_HOST", "influxdb"), ("DB_USER", "x")];
    let half = with("", &half, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(writer(influxdb(&half.config)), ("root", "root"));
    assert!(
        warned(&half, "DB_USER has no effect"),
        "{:?}",
        half.warnings
    );
}

#[test]
fn a_prefix_is_a_prefix() {
    for (line, prefix) in [
        ("--url_base_prefix=/cadvisor", "/cadvisor"),
        ("--url_base_prefix=/cadvisor/", "/cadvisor"),
        ("--url_base_prefix=cadvisor", "/cadvisor"),
        ("--url_base_prefix=", ""),
        ("", ""),
    ] {
        assert_eq!(
            of(line).config.http.expect("a page").prefix,
            prefix,
            "{line}"
        );
    }
}
