//! `cgflux dashboards export`: everything that Grafana and Prometheus are to be given, in a folder.
//!
//! Which databases there are is told by the variables that the stack's Grafana image takes. User and password stay
//! variables: Grafana itself reads them when it starts, so that no file has them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Flavour, PAGES, embedded};

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A variable that cannot be meant so.
    #[error("{variable} {problem}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The folder is of no use.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the files of these flavours below `folder`; returns their paths within it.
pub fn export(
    folder: &Path,
    flavours: &[Flavour],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<PathBuf>, ExportError> {
    let files = files(flavours, variable)?;
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.map_err(|source| ExportError::Write { path, source })?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Every file with its text. Pure.
fn files(
    flavours: &[Flavour],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(PathBuf, String)>, ExportError> {
    let wanted = |flavour| flavours.contains(&flavour);
    let pages = PAGES.iter().filter(|page| wanted(page.flavour));
    let mut files: Vec<(PathBuf, String)> = pages
        .map(|page| {
            let path = format!("dashboards/{}.json", page.name);
            (path.into(), page.json.to_owned())
        })
        .collect();
    let mut add = |path: &str, text: String| files.push((path.into(), text));
    add(
        "provisioning/dashboards/cgflux.yaml",
        embedded::PROVIDER.to_owned(),
    );
    if wanted(Flavour::Influxql) {
        add(
            "provisioning/datasources/influxdb.yaml",
            data_sources(variable)?,
        );
        add(
            "provisioning/alerting/cgflux.json",
            embedded::ALERTS.to_owned(),
        );
    }
    if wanted(Flavour::Promql) {
        add(
            "provisioning/datasources/prometheus.yaml",
            embedded::PROMETHEUS.to_owned(),
        );
        add("prometheus/cgflux-rules.yaml", embedded::RULES.to_owned());
    }
    Ok(files)
}

/// The file of data sources with what the variables say filled in.
fn data_sources(variable: impl Fn(&str) -> Option<String>) -> Result<String, ExportError> {
    let [containers, host] = databases(variable("INFLUXDB_NAME").as_deref())?;
    let protocol = variable("INFLUXDB_PROTO").unwrap_or_else(|| "http".to_owned());
    if !matches!(protocol.as_str(), "http" | "https") {
        return Err(ExportError::Variable {
            variable: "INFLUXDB_PROTO",
            problem: "is neither http nor https",
        });
    }
    let server = variable("INFLUXDB_HOST").unwrap_or_else(|| "localhost".to_owned());
    let port = variable("INFLUXDB_PORT").unwrap_or_else(|| "8086".to_owned());
    if port.parse::<u16>().is_err() {
        return Err(ExportError::Variable {
            variable: "INFLUXDB_PORT",
            problem: "is no port",
        });
    }
    let url = format!("{protocol}://{server}:{port}");
    Ok(embedded::INFLUXDB
        .replace(URL, &quoted(&url))
        .replace(
            "dbName: cadvisor",
            &format!("dbName: {}", quoted(&containers)),
        )
        .replace("dbName: nodemetrics", &format!("dbName: {}", quoted(&host))))
}

/// The address in the file that is embedded.
const URL: &str = "$INFLUXDB_PROTO://$INFLUXDB_HOST:$INFLUXDB_PORT";

/// The main database and that of the host as a whole, which may be the same.
fn databases(names: Option<&str>) -> Result<[String; 2], ExportError> {
    let names = names.unwrap_or("cadvisor;nodemetrics").split(';');
    let names: Vec<&str> = names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    match names[..] {
        [both] => Ok([both, both].map(str::to_owned)),
        [containers, host] => Ok([containers, host].map(str::to_owned)),
        _ => Err(ExportError::Variable {
            variable: "INFLUXDB_NAME",
            problem: "names neither one database nor two, as in cadvisor;nodemetrics",
        }),
    }
}

/// Text as a string of YAML, which takes those of JSON, in which Grafana sees no variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &'static [(&str, &str)]) -> Result<String, ExportError> {
        data_sources(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_of_the_stack_name_two_data_sources() {
        let text = with(&[
            ("INFLUXDB_PROTO", "https"),
            ("INFLUXDB_HOST", "db"),
            ("INFLUXDB_PORT", "443"),
            ("INFLUXDB_NAME", "cadvisor;nodemetrics"),
            ("INFLUXDB_USER", "reader"),
            ("INFLUXDB_PASS", "hidden"),
        ])
        .unwrap();
        assert_eq!(text.matches("url: \"https://db:443\"").count(), 2, "{text}");
        assert!(text.contains("uid: cgflux-containers") && text.contains("dbName: \"cadvisor\""));
        assert!(text.contains("uid: cgflux-host") && text.contains("dbName: \"nodemetrics\""));
        assert_eq!(text.matches("password: $INFLUXDB_PASS").count(), 2);
        assert!(!text.contains("hidden"), "{text}");
    }

    #[test]
    fn one_name_is_both_and_none_are_the_usual_ones() {
        let one = with(&[("INFLUXDB_NAME", "all")]).unwrap();
        assert_eq!(one.matches("dbName: \"all\"").count(), 2);
        let usual = with(&[]).unwrap();
        assert!(usual.contains("url: \"http://localhost:8086\""));
        assert!(usual.contains("dbName: \"nodemetrics\""), "{usual}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_what_is_odd_stays_a_string() {
        for variables in [
            &[("INFLUXDB_NAME", "a;b;c")][..],
            &[("INFLUXDB_NAME", ";")],
            &[("INFLUXDB_PORT", "http")],
            &[("INFLUXDB_PROTO", "ftp")],
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert!(data_sources(variable).is_err(), "{variables:?}");
        }
        let odd = with(&[("INFLUXDB_NAME", "a\": $HOME")]).unwrap();
        assert!(odd.contains(r#"dbName: "a\": $$HOME""#), "{odd}");
    }

    #[test]
    fn a_flavour_brings_what_belongs_to_it() {
        let names = |flavours: &[Flavour]| -> Vec<String> {
            let files = files(flavours, |_| None).unwrap();
            files
                .iter()
                .map(|(path, _)| path.display().to_string())
                .collect()
        };
        let prometheus = names(&[Flavour::Promql]);
        assert!(prometheus.contains(&"prometheus/cgflux-rules.yaml".to_owned()));
        assert!(
            prometheus.iter().all(|it| !it.contains("influx")),
            "{prometheus:?}"
        );
        assert_eq!(names(&[Flavour::Influxql, Flavour::Promql]).len(), 13);
    }
}
