//! A plan, done at its server.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value as Json, json};

use super::{Done, Plan, ProvisionError, Step, lasting};
use crate::{
    sink::influxdb::{Client, Unanswered},
    surroundings::read_secret,
};

/// Does what a plan says; what became of each step, or why it could not be done.
pub async fn run(plan: &Plan) -> Result<Vec<Result<Done, String>>, ProvisionError> {
    let client = Client::new(&plan.settings, read_secret);
    let client = client.map_err(|source| ProvisionError::Client {
        sink: plan.sink.clone(),
        source,
    })?;
    let mut server = Server {
        client,
        database: plan.settings.database.clone(),
        organization: plan.settings.organization.clone().unwrap_or_default(),
        organization_id: None,
    };
    let mut done = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        done.push(server.make(step).await);
    }
    Ok(done)
}

struct Server {
    client: Client,
    database: String,
    organization: String,
    /// Asked for once.
    organization_id: Option<String>,
}

impl Server {
    async fn make(&mut self, step: &Step) -> Result<Done, String> {
        match step {
            Step::Statement(statement) => {
                let made = self.client.query(statement, &self.database).await;
                made.map(|_results| Done::Made)
            }
            Step::Bucket { name, retention } => self.bucket(name, *retention).await,
            Step::Task { name, script } => self.task(name, script).await,
            Step::Database { name, retention } => self.database(name, *retention).await,
        }
    }

    /// <https://docs.influxdata.com/influxdb/v2/api/v2/#tag/Buckets>, seen on 2.7.12.
    async fn bucket(&mut self, name: &str, retention: Option<Duration>) -> Result<Done, String> {
        let organization = self.organization_id().await?;
        let seconds = retention.map_or(0, |kept| kept.as_secs());
        let query = query(&[("name", name), ("orgID", &organization)]);
        match self.get(format!("/api/v2/buckets?{query}")).await {
            // There may be one that the token must not see; making it tells.
            Ok(found) => {
                if let Some(bucket) = found["buckets"].as_array().and_then(|it| it.first()) {
                    let kept = bucket["retentionRules"][0]["everySeconds"].as_u64();
                    let kept = kept.unwrap_or(0);
                    return as_wanted(retention.is_none() || kept == seconds, || match kept {
                        0 => "keeps points for ever".to_owned(),
                        _ => format!("keeps points for {}", lasting(Duration::from_secs(kept))),
                    });
                }
            }
            Err(Unanswered {
                status: Some(404), ..
            }) => {}
            Err(error) => return Err(error.to_string()),
        }
        let rules = match retention {
            Some(_) => json!([{ "type": "expire", "everySeconds": seconds }]),
            None => json!([]),
        };
        let bucket = json!({ "orgID": organization, "name": name, "retentionRules": rules });
        self.post("/api/v2/buckets", &bucket).await
    }

    /// <https://docs.influxdata.com/influxdb/v2/api/v2/#tag/Tasks>, seen on 2.7.12. Names need not be unique there.
    async fn task(&mut self, name: &str, script: &str) -> Result<Done, String> {
        let organization = self.organization_id().await?;
        let query = query(&[("name", name), ("orgID", &organization)]);
        let found = self.get(format!("/api/v2/tasks?{query}")).await;
        let found = found.map_err(|error| error.to_string())?;
        let Some(known) = found["tasks"].as_array() else {
            return Err("the server does not say which tasks it has".to_owned());
        };
        if let Some(task) = known.first() {
            let is_same = task["flux"].as_str().map(str::trim) == Some(script.trim());
            return as_wanted(is_same, || "does something else".to_owned());
        }
        let task = json!({ "orgID": organization, "flux": script, "status": "active" });
        self.post("/api/v2/tasks", &task).await
    }

    /// <https://docs.influxdata.com/influxdb3/core/admin/databases/create/>, tried with a scripted server only.
    async fn database(&mut self, name: &str, retention: Option<Duration>) -> Result<Done, String> {
        let mut database = json!({ "db": name });
        if let Some(kept) = retention {
            database["retention_period"] = lasting(kept).into();
        }
        let target = "/api/v3/configure/database".to_owned();
        match self.client.ask(Method::POST, target, Some(&database)).await {
            Ok(_) => Ok(Done::Made),
            Err(Unanswered {
                status: Some(409), ..
            }) => as_wanted(retention.is_none(), || {
                "keeps points for as long as it was made to".to_owned()
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn organization_id(&mut self) -> Result<String, String> {
        if let Some(known) = &self.organization_id {
            return Ok(known.clone());
        }
        let query = query(&[("org", &self.organization)]);
        let found = self.get(format!("/api/v2/orgs?{query}")).await;
        let found = found.map_err(|error| error.to_string())?;
        let Some(id) = found["orgs"][0]["id"].as_str() else {
            return Err(format!(
                "the server shows no organisation {:?}",
                self.organization
            ));
        };
        self.organization_id = Some(id.to_owned());
        Ok(id.to_owned())
    }

    async fn get(&mut self, target: String) -> Result<Json, Unanswered> {
        self.client.ask(Method::GET, target, None).await
    }

    async fn post(&mut self, target: &str, body: &Json) -> Result<Done, String> {
        let made = self
            .client
            .ask(Method::POST, target.to_owned(), Some(body))
            .await;
        made.map(|_| Done::Made).map_err(|error| error.to_string())
    }
}

/// What is there stays, as it is wanted or otherwise.
fn as_wanted(is_as_wanted: bool, what: impl Fn() -> String) -> Result<Done, String> {
    if is_as_wanted {
        Ok(Done::Was)
    } else {
        Err(format!("is there and {}; it is left as it is", what()))
    }
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
