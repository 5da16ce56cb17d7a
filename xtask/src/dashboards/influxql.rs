//! A panel's question in InfluxQL, with Grafana's variables. Pure.

use anyhow::Result;

use super::{
    catalog::Metric,
    model::{Ask, Expression, Most, Source, Written},
};

/// Which points are looked at. Grafana makes a pattern of what was chosen: one name, several, or `.*` for all.
const TIME_AND_HOST: &str = "$timeFilter AND \"host\" =~ /^${host:regex}$/";

/// What is to be sent; `None` where InfluxDB has nothing of it.
pub(super) fn query(ask: &Ask) -> Result<Option<Written>> {
    Ok(Some(match ask {
        Ask::Values {
            measurement,
            per,
            only,
            values,
        } => {
            let mut selected = Vec::new();
            for (label, value) in values {
                selected.push(format!(
                    "{} AS \"{label}\"",
                    expression(measurement, *value)?
                ));
            }
            let tagged = only.map_or_else(String::new, |tag| format!(" AND \"{tag}\" != ''"));
            let condition = condition(measurement);
            Written {
                text: format!(
                    "SELECT {} FROM \"{measurement}\" WHERE {condition}{tagged} GROUP BY time($__interval), {} fill(none)",
                    selected.join(", "),
                    names(&tags(measurement, per)),
                ),
                legend: legend(measurement, per),
            }
        }
        Ask::Top {
            measurement,
            over,
            what,
        } => Written {
            text: highest(measurement, over, *what)?,
            legend: String::new(),
        },
        Ask::Written { influxql, .. } => return Ok(influxql.clone()),
    }))
}

/// Which data source has its points.
pub(super) fn source(ask: &Ask) -> Source {
    match ask {
        Ask::Values { measurement, .. } if measurement.starts_with("host_") => Source::Host,
        Ask::Values { .. } | Ask::Top { .. } => Source::Containers,
        Ask::Written { source, .. } => *source,
    }
}

fn expression(measurement: &str, value: Expression) -> Result<String> {
    let metric = |field| Metric::of(measurement, field);
    let rate = |field| -> Result<String> {
        let field = metric(field)?.field;
        Ok(format!("non_negative_derivative(max(\"{field}\"), 1s)"))
    };
    Ok(match value {
        Expression::Mean(field) => scaled(&format!("mean(\"{field}\")"), metric(field)?),
        Expression::Rate(field) => scaled(&rate(field)?, metric(field)?),
        Expression::Peak(field, _) => scaled(&format!("max(\"{field}\")"), metric(field)?),
        Expression::Growth(one, other) => format!("{} / {}", rate(one)?, rate(other)?),
        Expression::Part(one, other) => {
            let (one, other) = (metric(one)?.field, metric(other)?.field);
            format!("mean(\"{one}\") / mean(\"{other}\")")
        }
        Expression::Rest(one, other) => {
            let (one, other) = (metric(one)?.field, metric(other)?.field);
            format!("1 - mean(\"{one}\") / mean(\"{other}\")")
        }
        Expression::MeanTime(total, count, _) => {
            // A histogram's number of observations is a field of its own, which stands in no table.
            let count = format!("non_negative_derivative(max(\"{count}\"), 1s)");
            scaled(&format!("{} / {count}", rate(total)?), metric(total)?)
        }
    })
}

fn scaled(text: &str, metric: Metric) -> String {
    match metric.divisor() {
        Some(divisor) => format!("{text} / {divisor}"),
        None => text.to_owned(),
    }
}

fn highest(measurement: &str, over: &[&str], what: Most) -> Result<String> {
    let field = |name| Metric::of(measurement, name).map(|it| it.field);
    let condition = format!("{TIME_AND_HOST} AND \"container\" !~ /^_host$/");
    let of_each = match what {
        Most::Mean(name) => format!("mean(\"{}\")", field(name)?),
        Most::Grown(one, other) => {
            format!(
                "spread(\"{}\") + spread(\"{}\")",
                field(one)?,
                field(other)?
            )
        }
    };
    let per = "\"container\", \"host\"";
    let mut inner = format!(
        "SELECT {of_each} AS \"most\" FROM \"{measurement}\" WHERE {condition} GROUP BY {per}"
    );
    if !over.is_empty() {
        inner = format!(
            "SELECT sum(\"most\") AS \"most\" FROM ({inner}, {}) WHERE $timeFilter GROUP BY {per}",
            names(over)
        );
    }
    Ok(format!(
        "SELECT top(\"most\", \"container\", \"host\", 10) AS \"most\" FROM ({inner}) WHERE $timeFilter"
    ))
}

/// Time, host and container that are looked at.
fn condition(measurement: &str) -> String {
    let mut condition = TIME_AND_HOST.to_owned();
    if measurement.starts_with("container_") {
        condition += " AND \"container\" =~ /^${container:regex}$/";
    }
    condition
}

fn tags<'a>(measurement: &str, per: &[&'a str]) -> Vec<&'a str> {
    let container = measurement.starts_with("container_").then_some("container");
    container
        .into_iter()
        .chain(per.iter().copied())
        .chain(["host"])
        .collect()
}

fn names(tags: &[&str]) -> String {
    let quoted: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
    quoted.join(", ")
}

fn legend(measurement: &str, per: &[&str]) -> String {
    let tags: Vec<String> = tags(measurement, per)
        .iter()
        .filter(|tag| **tag != "host")
        .map(|tag| format!("$tag_{tag} "))
        .collect();
    format!("{}$col ($tag_host)", tags.concat())
}
