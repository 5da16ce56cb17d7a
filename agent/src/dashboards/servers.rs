//! Who is asked: the InfluxDB of a sink, and a Prometheus.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value as Json;

use super::{
    Flavour, View,
    found::Found,
    question::{Form, Question, Role},
};
use crate::{
    client::{self, Server as Address},
    config::{Endpoint, Influxdb},
    query::answer::Answer,
    sink::influxdb::{Client, ClientError},
    surroundings::read_secret,
    text::chain,
};

/// For how long a Prometheus may think.
const PATIENCE: Duration = Duration::from_secs(30);

/// One that is asked.
pub(super) enum Server {
    Influxdb(Box<InfluxServer>),
    Prometheus(PrometheusServer),
}

impl Server {
    /// What it answers, or why it does not.
    pub(super) async fn ask(&mut self, question: &Question, view: &View) -> Result<Found, String> {
        match self {
            Self::Influxdb(server) => server.ask(question, view).await,
            Self::Prometheus(server) => server.ask(question, view).await,
        }
    }
}

/// An InfluxDB and its two databases.
pub(super) struct InfluxServer {
    client: Client,
    containers: String,
    host: String,
}

/// A Prometheus.
pub(super) struct PrometheusServer(Address);

impl InfluxServer {
    pub(super) fn of(settings: &Influxdb) -> Result<Self, ClientError> {
        let containers = settings.database.clone();
        Ok(Self {
            client: Client::new(settings, read_secret)?,
            host: settings.host_database.clone().unwrap_or(containers.clone()),
            containers,
        })
    }

    async fn ask(&mut self, question: &Question, view: &View) -> Result<Found, String> {
        let text = view.fill(&question.text, Flavour::Influxql);
        let text = text.map_err(|error| error.to_string())?;
        let answer = self.answer(&text, question.role).await?;
        Ok(match question.form {
            Form::Names => {
                let names = answer.series.iter().flat_map(|series| &series.rows);
                Found::of_names(names.count())
            }
            Form::Range | Form::Instant => Found::of_influxdb(&answer),
        })
    }

    pub(super) async fn answer(&mut self, text: &str, role: Role) -> Result<Answer, String> {
        let database = match role {
            Role::Containers => &self.containers,
            Role::Host => &self.host,
        };
        let results = self.client.query(text, database).await?;
        Answer::of(&results).map_err(|error| format!("no answer of an InfluxDB: {error}"))
    }
}

impl PrometheusServer {
    pub(super) fn at(endpoint: Endpoint) -> Self {
        Self(Address::at(endpoint))
    }

    async fn ask(&self, question: &Question, view: &View) -> Result<Found, String> {
        let text = view.fill(&question.text, Flavour::Promql);
        let text = text.map_err(|error| error.to_string())?;
        let (start, end) = (seconds(view.start_ns), seconds(view.end_ns));
        match question.form {
            Form::Range => {
                let step = view.interval.as_secs().max(1).to_string();
                let asked = [
                    ("query", &text),
                    ("start", &start),
                    ("end", &end),
                    ("step", &step),
                ];
                Ok(Found::of_prometheus(
                    &self.get("query_range", &asked).await?,
                ))
            }
            Form::Instant => {
                let asked = [("query", &text), ("time", &end)];
                Ok(Found::of_prometheus(&self.get("query", &asked).await?))
            }
            Form::Names => {
                let (series, label) = label_values(&text).ok_or("is no label_values(…, …)")?;
                let asked = [("match[]", &series), ("start", &start), ("end", &end)];
                let data = self.get("series", &asked).await?;
                let series = data.as_array().into_iter().flatten();
                let names: BTreeSet<&str> = series.filter_map(|it| it[&label].as_str()).collect();
                Ok(Found::of_names(names.len()))
            }
        }
    }

    /// The `data` of an answer of its API.
    async fn get(&self, what: &str, asked: &[(&str, &String)]) -> Result<Json, String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(asked)
            .finish();
        let path = format!("/api/v1/{what}?{form}");
        let answer = client::get(&self.0, &path, PATIENCE).await;
        let answer = answer.map_err(|error| chain(&error))?;
        let mut answer: Json = serde_json::from_slice(&answer.body)
            .map_err(|_none| format!("no answer of a Prometheus: status {}", answer.status))?;
        if answer["status"] == "success" {
            return Ok(answer["data"].take());
        }
        let words = answer["error"].as_str();
        Err(words.unwrap_or("it does not say why").to_owned())
    }
}

fn seconds(ns: i64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

/// The parts of `label_values(series, label)`.
fn label_values(text: &str) -> Option<(String, String)> {
    let inside = text.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (series, label) = inside.rsplit_once(", ")?;
    Some((series.to_owned(), label.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_prometheus_is_a_series_and_a_label() {
        let parts = label_values("label_values(m{a=\"x, y\"}, name)").unwrap();
        assert_eq!(parts, ("m{a=\"x, y\"}".to_owned(), "name".to_owned()));
        assert_eq!(label_values("m"), None);
        assert_eq!(seconds(1_500_000_000), "1.500");
    }
}
