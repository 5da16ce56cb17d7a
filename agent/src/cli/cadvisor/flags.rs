//! The flags of cAdvisor: how each is called, whether it takes a value, and what it stands for here. A table, no more.

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// As it is shown, with two dashes.
    pub(super) shown: &'static str,
    pub(super) takes: Takes,
    pub(super) means: Means,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Takes {
    /// Nothing, or `=true` and the like.
    Switch,
    /// A value, behind `=` or as the next word.
    Value,
}

/// What a flag stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Means {
    Help,
    Version,
    /// No flag of cAdvisor: prints the settings that the others stand for.
    PrintSettings,
    Driver,
    DriverHost,
    DriverDatabase,
    DriverUser,
    DriverPassword,
    DriverSecure,
    DriverBuffer,
    RetentionPolicy,
    Housekeeping,
    History,
    Port,
    ListenIp,
    /// Asks for a password on the page.
    Password,
    /// What paths begin with.
    Prefix,
    DockerOnly,
    NoRoot,
    DisableMetrics,
    EnableMetrics,
    StoreLabels,
    Labels,
    Verbosity,
    MetricsPath,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

impl Flag {
    /// The flag of this name, without dashes.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|flag| &flag.shown[2..] == name)
    }
}

const fn value(shown: &'static str, means: Means) -> Flag {
    Flag {
        shown,
        takes: Takes::Value,
        means,
    }
}

const fn switch(shown: &'static str, means: Means) -> Flag {
    Flag {
        shown,
        takes: Takes::Switch,
        means,
    }
}

const OTHER_STORE: Means = Means::Nothing("there is no such storage driver here");
const LOG: Means = Means::Nothing("the log goes to standard error, one event a line");
const EXACT: Means = Means::Nothing(
    "every container is measured at every interval, and told of the moment it starts and ends",
);
const FOUND: Means = Means::Nothing(
    "runtimes are found by themselves; the variable DOCKER_HOST may name Docker's socket",
);
const NO_APPLICATIONS: Means =
    Means::Nothing("applications hand in their own points at the socket of [socket]");
const NOT_MEASURED: Means = Means::Nothing("it is not measured here");
const NO_VARIABLES: Means = Means::Nothing("variables of containers are not read");

/// Every flag of cAdvisor 0.5 to 0.57 that is known, and one of our own.
pub(super) static TABLE: &[Flag] = &[
    switch("--help", Means::Help),
    switch("--h", Means::Help),
    switch("--version", Means::Version),
    switch("--print_settings", Means::PrintSettings),
    // Where points go.
    value("--storage_driver", Means::Driver),
    value("--storage_driver_host", Means::DriverHost),
    value("--storage_driver_db", Means::DriverDatabase),
    // As it was called in 2014.
    value("--storage_driver_name", Means::DriverDatabase),
    value("--storage_driver_user", Means::DriverUser),
    value("--storage_driver_password", Means::DriverPassword),
    switch("--storage_driver_secure", Means::DriverSecure),
    value("--storage_driver_buffer_duration", Means::DriverBuffer),
    value(
        "--storage_driver_influxdb_retention_policy",
        Means::RetentionPolicy,
    ),
    value(
        "--storage_driver_table",
        Means::Nothing("each measurement has the name that cAdvisor 0.20.2 and later gave it"),
    ),
    value("--storage_duration", Means::History),
    value("--bq_id", OTHER_STORE),
    value("--bq_secret", OTHER_STORE),
    value("--bq_project_id", OTHER_STORE),
    value("--bq_account", OTHER_STORE),
    value("--bq_credentials_file", OTHER_STORE),
    value("--storage_driver_es_host", OTHER_STORE),
    value("--storage_driver_es_index", OTHER_STORE),
    value("--storage_driver_es_type", OTHER_STORE),
    switch("--storage_driver_es_enable_sniffer", OTHER_STORE),
    value("--storage_driver_kafka_broker_list", OTHER_STORE),
    value("--storage_driver_kafka_topic", OTHER_STORE),
    value("--storage_driver_kafka_ssl_cert", OTHER_STORE),
    value("--storage_driver_kafka_ssl_key", OTHER_STORE),
    value("--storage_driver_kafka_ssl_ca", OTHER_STORE),
    switch("--storage_driver_kafka_ssl_verify", OTHER_STORE),
    // How often.
    value("--housekeeping_interval", Means::Housekeeping),
    value("--max_housekeeping_interval", EXACT),
    value("--global_housekeeping_interval", EXACT),
    switch("--allow_dynamic_housekeeping", EXACT),
    value("--jitter_factor", EXACT),
    value(
        "--update_machine_info_interval",
        Means::Nothing("the machine is looked at anew with each reading"),
    ),
    // The page.
    value("--port", Means::Port),
    value("--listen_ip", Means::ListenIp),
    value("--http_auth_file", Means::Password),
    value("--http_auth_realm", Means::Password),
    value("--http_digest_file", Means::Password),
    value("--http_digest_realm", Means::Password),
    value("--prometheus_endpoint", Means::MetricsPath),
    value("--url_base_prefix", Means::Prefix),
    switch(
        "--profiling",
        Means::Nothing("there is no profile of this program over HTTP"),
    ),
    // What is measured, and of whom.
    switch("--docker_only", Means::DockerOnly),
    switch("--disable_root_cgroup_stats", Means::NoRoot),
    value("--disable_metrics", Means::DisableMetrics),
    value("--enable_metrics", Means::EnableMetrics),
    switch("--store_container_labels", Means::StoreLabels),
    value("--whitelisted_container_labels", Means::Labels),
    value("--env_metadata_whitelist", NO_VARIABLES),
    value("--docker_env_metadata_whitelist", NO_VARIABLES),
    value("--containerd_env_metadata_whitelist", NO_VARIABLES),
    value(
        "--raw_cgroup_prefix_whitelist",
        Means::Nothing("rules say it: [select] include = [\"path:/prefix/*\", …]"),
    ),
    switch("--enable_load_reader", NOT_MEASURED),
    value("--perf_events_config", NOT_MEASURED),
    value("--resctrl_interval", NOT_MEASURED),
    value("--referenced_reset_interval", NOT_MEASURED),
    value("--application_metrics_count_limit", NO_APPLICATIONS),
    value("--collector_cert", NO_APPLICATIONS),
    value("--collector_key", NO_APPLICATIONS),
    value(
        "--event_storage_age_limit",
        Means::Nothing("the last 1,024 events are kept"),
    ),
    value(
        "--event_storage_event_limit",
        Means::Nothing("the last 1,024 events are kept"),
    ),
    // Runtimes and machine.
    value("--docker", FOUND),
    value("--docker_root", FOUND),
    value("--docker_run", FOUND),
    switch("--docker-tls", FOUND),
    value("--docker-tls-cert", FOUND),
    value("--docker-tls-key", FOUND),
    value("--docker-tls-ca", FOUND),
    value("--podman", FOUND),
    value("--containerd", FOUND),
    value("--containerd-namespace", FOUND),
    value("--crio_client_timeout", FOUND),
    value("--container_hints", FOUND),
    switch("--nosystemd", FOUND),
    value(
        "--machine_id_file",
        Means::Nothing("it is read from where the system has it"),
    ),
    value(
        "--boot_id_file",
        Means::Nothing("it is read from where the system has it"),
    ),
    value(
        "--max_procs",
        Means::Nothing("one thread collects, whatever the number of CPUs"),
    ),
    switch(
        "--log_cadvisor_usage",
        Means::Nothing("what the agent takes itself is always told, and at /metrics"),
    ),
    // The log, by klog and glog.
    value("--v", Means::Verbosity),
    switch("--logtostderr", LOG),
    switch("--alsologtostderr", LOG),
    switch("--add_dir_header", LOG),
    switch("--one_output", LOG),
    switch("--skip_headers", LOG),
    switch("--skip_log_headers", LOG),
    value("--stderrthreshold", LOG),
    value("--vmodule", LOG),
    value("--log_backtrace_at", LOG),
    value("--log_dir", LOG),
    value("--log_file", LOG),
    value("--log_file_max_size", LOG),
    value("--log_flush_frequency", LOG),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flag_of_the_reference_is_known() {
        // Sections 1.7 to 1.11 of what was found of cAdvisor; each once.
        let names = "storage_driver storage_driver_host storage_driver_db storage_driver_name storage_driver_table \
            storage_driver_user storage_driver_password storage_driver_secure storage_driver_buffer_duration \
            storage_driver_influxdb_retention_policy storage_duration bq_id bq_secret bq_project_id bq_account \
            bq_credentials_file storage_driver_es_host storage_driver_es_index storage_driver_es_type \
            storage_driver_es_enable_sniffer storage_driver_kafka_broker_list storage_driver_kafka_topic \
            storage_driver_kafka_ssl_cert storage_driver_kafka_ssl_key storage_driver_kafka_ssl_ca \
            storage_driver_kafka_ssl_verify http_auth_file http_digest_file prometheus_endpoint profiling url_base_prefix \
            housekeeping_interval jitter_factor allow_dynamic_housekeeping max_housekeeping_interval \
            global_housekeeping_interval update_machine_info_interval disable_metrics enable_metrics enable_load_reader \
            containerd containerd-namespace container_hints port listen_ip max_procs docker docker-tls docker-tls-cert \
            docker-tls-key docker-tls-ca docker_root podman docker_only raw_cgroup_prefix_whitelist \
            disable_root_cgroup_stats perf_events_config resctrl_interval referenced_reset_interval \
            application_metrics_count_limit collector_cert collector_key crio_client_timeout machine_id_file boot_id_file \
            log_cadvisor_usage logtostderr v vmodule log_dir version store_container_labels whitelisted_container_labels";
        for name in names.split_whitespace() {
            assert!(Flag::named(name).is_some(), "{name}");
        }
        let different: BTreeSet<&str> = TABLE.iter().map(|flag| flag.shown).collect();
        assert_eq!(different.len(), TABLE.len());
        assert!(TABLE.iter().all(|flag| flag.shown.starts_with("--")));
    }
}
