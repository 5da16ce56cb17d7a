//! How Grafana finds data sources and dashboards by itself. Pure.
//!
//! The variables are those of the stack that cgflux takes a place in: Grafana reads them when it starts, so that no
//! password stands in a file.

/// Data sources for databases of the usual names; `cgflux dashboards export` writes the ones that are named then.
pub(super) const INFLUXDB: &str = "\
# Made by `cargo xtask dashboards`. $INFLUXDB_… are read by Grafana when it starts; `cgflux dashboards export` writes
# this file for the databases that INFLUXDB_NAME names.
apiVersion: 1
datasources:
  - name: cgflux containers
    uid: cgflux-containers
    type: influxdb
    access: proxy
    url: $INFLUXDB_PROTO://$INFLUXDB_HOST:$INFLUXDB_PORT
    user: $INFLUXDB_USER
    jsonData:
      dbName: cadvisor
      httpMode: POST
      timeInterval: 10s
    secureJsonData:
      password: $INFLUXDB_PASS
  - name: cgflux host
    uid: cgflux-host
    type: influxdb
    access: proxy
    url: $INFLUXDB_PROTO://$INFLUXDB_HOST:$INFLUXDB_PORT
    user: $INFLUXDB_USER
    jsonData:
      dbName: nodemetrics
      httpMode: POST
      timeInterval: 10s
    secureJsonData:
      password: $INFLUXDB_PASS
";

/// The data source for dashboards in `PromQL`.
pub(super) const PROMETHEUS: &str = "\
# Made by `cargo xtask dashboards`. $PROMETHEUS_URL is read by Grafana when it starts.
apiVersion: 1
datasources:
  - name: cgflux prometheus
    uid: cgflux-prometheus
    type: prometheus
    access: proxy
    url: $PROMETHEUS_URL
    jsonData:
      httpMode: POST
";

/// Where Grafana looks for dashboards.
pub(super) const DASHBOARDS: &str = "\
# Made by `cargo xtask dashboards`. A folder in Grafana for each folder below this path.
apiVersion: 1
providers:
  - name: cgflux
    type: file
    allowUiUpdates: false
    updateIntervalSeconds: 60
    options:
      path: /var/lib/grafana/dashboards/cgflux
      foldersFromFilesStructure: true
";
