//! A dashboard as Grafana's classic JSON. Pure.
//!
//! The schema is that of version 39. Data sources are named by variables only, so that a page is of whichever are chosen.

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::{
    influxql,
    model::{Dashboard, Event, Flavour, Panel, Query, Shape, Source},
    promql,
};

/// The version of the classic schema.
const SCHEMA: u32 = 39;

/// Rows that a panel is high.
const HEIGHT: u64 = 8;

/// Columns of a page.
const COLUMNS: u64 = 24;

/// The whole document.
pub(super) fn dashboard(page: &Dashboard, flavour: Flavour) -> Result<Json> {
    let name = flavour.name();
    let language = match flavour {
        Flavour::InfluxQl => "InfluxQL",
        Flavour::PromQl => "PromQL",
    };
    Ok(json!({
        "id": null,
        "uid": format!("cgflux-{name}-{}", page.name),
        "title": format!("cgflux: {} ({language})", page.title),
        "description": page.about,
        "tags": ["cgflux", name],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": { "from": "now-15m", "to": "now" },
        "links": [{
            "type": "dashboards", "title": "cgflux", "tags": ["cgflux", name], "asDropdown": true,
            "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
            "tooltip": "", "url": "",
        }],
        "templating": { "list": variables(page, flavour) },
        "annotations": { "list": annotations(page, flavour) },
        "panels": panels(page, flavour)?,
    }))
}

fn variables(page: &Dashboard, flavour: Flavour) -> Vec<Json> {
    let (source, measurement, metric) = page.hosts;
    let mut list = match flavour {
        Flavour::InfluxQl => vec![
            data_source(Source::Containers, flavour),
            data_source(Source::Host, flavour),
        ],
        Flavour::PromQl => vec![data_source(Source::Containers, flavour)],
    };
    let (hosts, containers) = match flavour {
        Flavour::InfluxQl => (
            format!("SHOW TAG VALUES FROM \"{measurement}\" WITH KEY = \"host\""),
            "SHOW TAG VALUES FROM \"container_cpu\" WITH KEY = \"container\" WHERE \"host\" =~ /^${host:regex}$/".to_owned(),
        ),
        Flavour::PromQl => (
            format!("label_values({metric}, instance)"),
            "label_values(cgflux_container_cpu_usage_seconds_total{instance=~\"$host\"}, name)".to_owned(),
        ),
    };
    list.push(chosen("host", "Host", source, flavour, &hosts));
    if page.has_containers {
        let containers = chosen(
            "container",
            "Container",
            Source::Containers,
            flavour,
            &containers,
        );
        list.push(containers);
    }
    list
}

fn data_source(source: Source, flavour: Flavour) -> Json {
    let (kind, uid) = match (flavour, source) {
        (Flavour::PromQl, _) => ("prometheus", "cgflux-prometheus"),
        (Flavour::InfluxQl, Source::Containers) => ("influxdb", "cgflux-containers"),
        (Flavour::InfluxQl, Source::Host) => ("influxdb", "cgflux-host"),
    };
    let (name, label) = match source {
        Source::Containers => ("DS_CONTAINERS", "Containers"),
        Source::Host => ("DS_HOST", "Host as a whole"),
    };
    json!({
        "type": "datasource", "name": name, "label": label, "query": kind, "hide": 0,
        "refresh": 1, "regex": "", "multi": false, "includeAll": false, "skipUrlSync": false,
        "options": [], "current": { "selected": true, "text": uid, "value": uid },
    })
}

fn chosen(name: &str, label: &str, source: Source, flavour: Flavour, query: &str) -> Json {
    json!({
        "type": "query", "name": name, "label": label, "datasource": reference(source, flavour),
        "query": query, "refresh": 2, "sort": 5, "hide": 0, "regex": "",
        "multi": true, "includeAll": true, "allValue": ".*", "skipUrlSync": false, "options": [],
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
    })
}

/// A data source by its variable; of Prometheus there is one.
fn reference(source: Source, flavour: Flavour) -> Json {
    match (flavour, source) {
        (Flavour::PromQl, _) => json!({ "type": "prometheus", "uid": "${DS_CONTAINERS}" }),
        (Flavour::InfluxQl, Source::Containers) => {
            json!({ "type": "influxdb", "uid": "${DS_CONTAINERS}" })
        }
        (Flavour::InfluxQl, Source::Host) => json!({ "type": "influxdb", "uid": "${DS_HOST}" }),
    }
}

fn annotations(page: &Dashboard, flavour: Flavour) -> Vec<Json> {
    page.events
        .iter()
        .filter_map(|event| annotation(event, flavour))
        .collect()
}

fn annotation(event: &Event, flavour: Flavour) -> Option<Json> {
    let (title, text) = event.columns;
    let target = match flavour {
        Flavour::InfluxQl => json!({
            "refId": "Anno", "query": event.influxql?, "rawQuery": true, "fromAnnotations": true,
            "titleColumn": title, "textColumn": text, "tagsColumn": "",
        }),
        Flavour::PromQl => json!({
            "refId": "Anno", "expr": event.promql?, "legendFormat": "{{name}}", "range": true,
        }),
    };
    Some(json!({
        "name": event.name, "enable": true, "hide": false, "iconColor": event.colour,
        "datasource": reference(Source::Containers, flavour), "target": target,
    }))
}

fn panels(page: &Dashboard, flavour: Flavour) -> Result<Vec<Json>> {
    let mut placed = Vec::new();
    let mut below = 0;
    for row in &page.rows {
        placed.push(json!({
            "id": placed.len() + 1, "type": "row", "title": row.title, "collapsed": false,
            "panels": [], "gridPos": { "x": 0, "y": below, "w": COLUMNS, "h": 1 },
        }));
        below += 1;
        let mut beside = 0;
        for panel in &row.panels {
            let targets = targets(panel, flavour)?;
            if targets.is_empty() {
                continue;
            }
            if beside + panel.width > COLUMNS {
                (beside, below) = (0, below + HEIGHT);
            }
            let place = json!({ "x": beside, "y": below, "w": panel.width, "h": HEIGHT });
            placed.push(drawn(panel, flavour, placed.len() + 1, &place, &targets));
            beside += panel.width;
        }
        below += HEIGHT;
    }
    Ok(placed)
}

/// One query that a panel sends, and why it may have no answer.
struct Target {
    json: Json,
    may_be_empty: Option<&'static str>,
}

fn targets(panel: &Panel, flavour: Flavour) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for query in &panel.queries {
        let source = influxql::source(&query.ask);
        for mut json in asked(query, panel.shape, flavour)? {
            json["refId"] = letter(targets.len()).into();
            json["datasource"] = reference(source, flavour);
            targets.push(Target {
                json,
                may_be_empty: query.may_be_empty,
            });
        }
    }
    Ok(targets)
}

fn asked(query: &Query, shape: Shape, flavour: Flavour) -> Result<Vec<Json>> {
    let is_table = shape == Shape::Table;
    let format = if is_table { "table" } else { "time_series" };
    Ok(match flavour {
        Flavour::InfluxQl => influxql::query(&query.ask)?
            .into_iter()
            .map(|written| {
                json!({
                    "query": written.text, "rawQuery": true, "resultFormat": format,
                    "alias": written.legend,
                })
            })
            .collect(),
        Flavour::PromQl => promql::queries(&query.ask)?
            .into_iter()
            .map(|written| {
                json!({
                    "expr": written.text, "legendFormat": written.legend, "format": format,
                    "range": !is_table, "instant": is_table,
                })
            })
            .collect(),
    })
}

fn letter(at: usize) -> String {
    let letter = u8::try_from(at).unwrap_or(u8::MAX).saturating_add(b'A');
    char::from(letter).to_string()
}

fn drawn(panel: &Panel, flavour: Flavour, id: usize, place: &Json, targets: &[Target]) -> Json {
    let source = panel.queries.first().map(|it| influxql::source(&it.ask));
    // Read again by `cgflux dashboards check`.
    let exempt = targets.iter().filter_map(|target| {
        let (why, letter) = (target.may_be_empty?, target.json["refId"].as_str()?);
        Some(format!("\n\nMay be empty ({letter}): {why}."))
    });
    let description = format!("{}{}", panel.about, exempt.collect::<String>());
    let is_table = panel.shape == Shape::Table;
    let (kind, custom, options) = if is_table {
        (
            "table",
            json!({ "align": "auto" }),
            json!({ "showHeader": true, "cellHeight": "sm" }),
        )
    } else {
        (
            "timeseries",
            lines(panel.shape),
            json!({
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [],
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
        )
    };
    let mut json = json!({
        "id": id, "type": kind, "title": panel.title, "description": description,
        "datasource": reference(source.unwrap_or(Source::Containers), flavour),
        "gridPos": place,
        "fieldConfig": {
            "defaults": { "unit": panel.unit.grafana(), "custom": custom },
            "overrides": [],
        },
        "options": options,
        "targets": targets.iter().map(|it| &it.json).collect::<Vec<_>>(),
    });
    if is_table {
        // The time of a row is that of the whole range, which tells nothing.
        json["transformations"] = json!([{
            "id": "organize", "options": { "excludeByName": { "Time": true, "time": true } },
        }]);
    }
    json
}

fn lines(shape: Shape) -> Json {
    let (stacking, fill) = match shape {
        Shape::Stacked => ("normal", 40),
        Shape::Lines | Shape::Table => ("none", 8),
    };
    json!({
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": fill,
        "showPoints": "auto", "pointSize": 4, "spanNulls": false,
        "stacking": { "mode": stacking, "group": "A" },
    })
}
