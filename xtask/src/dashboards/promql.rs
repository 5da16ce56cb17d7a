//! A panel's question in `PromQL`, with Grafana's variables: one query a value. Pure.
//!
//! On `/metrics` a container is its `name`, and the host is the target that Prometheus scrapes, its `instance`.

use anyhow::{Context as _, Result};

use super::{
    catalog::Metric,
    model::{Ask, Expression, Most, Written},
};

/// What is to be sent; empty where Prometheus has nothing of it.
pub(super) fn queries(ask: &Ask) -> Result<Vec<Written>> {
    match ask {
        Ask::Values {
            measurement,
            per,
            values,
            ..
        } => values
            .iter()
            .map(|(label, value)| {
                Ok(Written {
                    text: expression(measurement, *value)?,
                    legend: legend(measurement, per, label),
                })
            })
            .collect(),
        Ask::Top {
            measurement, what, ..
        } => Ok(vec![Written {
            text: highest(measurement, *what)?,
            legend: String::new(),
        }]),
        Ask::Written { promql, .. } => Ok(promql.clone()),
    }
}

fn expression(measurement: &str, value: Expression) -> Result<String> {
    let gauge = |field| selected(measurement, field, "");
    let rate = |field| -> Result<String> {
        let series = selected(measurement, field, "[$__rate_interval]")?;
        Ok(format!("rate({series})"))
    };
    Ok(match value {
        Expression::Mean(field) => of_agents(gauge(field)?),
        Expression::Rate(field) => of_agents(rate(field)?),
        Expression::Peak(_, field) => {
            let series = selected(measurement, field, "[$__rate_interval]")?;
            format!("max_over_time({series})")
        }
        // Without any growth there is nothing to tell, and not 0/0.
        Expression::Growth(one, other) => format!("{} / ({} > 0)", rate(one)?, rate(other)?),
        Expression::Part(one, other) => format!("{} / {}", gauge(one)?, gauge(other)?),
        Expression::Rest(one, other) => format!("1 - {} / {}", gauge(one)?, gauge(other)?),
        Expression::MeanTime(_, _, histogram) => {
            let of = |part: &str| {
                let matchers = matchers(measurement);
                format!("rate({histogram}{part}{{{matchers}}}[$__rate_interval])")
            };
            format!("{} / ({} > 0)", of("_sum"), of("_count"))
        }
    })
}

/// Every program tells of its process; the agent is the one that has slots, too.
fn of_agents(query: String) -> String {
    if query.contains("process_") {
        format!("{query} and on (instance) cgflux_slots_in_use")
    } else {
        query
    }
}

/// The series of a metric that are looked at.
fn selected(measurement: &str, field: &str, range: &str) -> Result<String> {
    let name = name(measurement, field)?;
    Ok(format!("{name}{{{}}}{range}", matchers(measurement)))
}

fn name(measurement: &str, field: &str) -> Result<&'static str> {
    let metric = Metric::of(measurement, field)?;
    metric
        .prometheus
        .with_context(|| format!("{measurement}.{field} is not on /metrics"))
}

fn highest(measurement: &str, what: Most) -> Result<String> {
    let of = |field| -> Result<String> {
        let name = name(measurement, field)?;
        Ok(format!(
            "{name}{{instance=~\"$host\", name!=\"_host\"}}[$__range]"
        ))
    };
    let of_each = match what {
        Most::Mean(field) => format!("avg_over_time({})", of(field)?),
        Most::Grown(one, other) => format!("increase({}) + increase({})", of(one)?, of(other)?),
    };
    Ok(format!("topk(10, sum by (name, instance) ({of_each}))"))
}

fn matchers(measurement: &str) -> String {
    let mut matchers = "instance=~\"$host\"".to_owned();
    if measurement.starts_with("container_") {
        matchers += ", name=~\"$container\"";
    }
    matchers
}

fn legend(measurement: &str, per: &[&str], label: &str) -> String {
    let container = measurement.starts_with("container_").then_some("name");
    let labels: Vec<String> = container
        .into_iter()
        .chain(per.iter().copied())
        .map(|name| format!("{{{{{name}}}}} "))
        .collect();
    format!("{}{label} ({{{{instance}}}})", labels.concat())
}
