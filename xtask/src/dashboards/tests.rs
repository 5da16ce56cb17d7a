//! What every dashboard and rule keeps to, and that what is committed is what is made.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{alerts::Pace, catalog, committed, files, json, model::Flavour, pages, stale};
use crate::tree::Tree;

fn dashboards() -> Vec<(Flavour, Json)> {
    let each = |flavour| pages().map(|page| (flavour, json::dashboard(&page, flavour).unwrap()));
    Flavour::ALL.into_iter().flat_map(each).collect()
}

fn panels(dashboard: &Json) -> impl Iterator<Item = &Json> {
    dashboard["panels"].as_array().unwrap().iter()
}

fn targets(dashboard: &Json) -> impl Iterator<Item = &Json> {
    panels(dashboard).flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
}

/// Every text in it, wherever.
fn texts(json: &Json) -> Vec<&str> {
    match json {
        Json::String(text) => vec![text],
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        Json::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_committed_is_what_is_made() {
    let folder = committed(&Tree::of_this_build());
    let stale = stale(&folder, &files(Pace::NORMAL).unwrap());
    assert!(
        stale.is_empty(),
        "run `cargo xtask dashboards`; otherwise there: {stale:?}"
    );
}

#[test]
fn each_dashboard_has_an_address_of_its_own_and_no_number() {
    let dashboards = dashboards();
    let of = |key: &str| -> BTreeSet<String> {
        let each = dashboards.iter();
        each.map(|(_, it)| it[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of("uid").len(), dashboards.len());
    assert_eq!(of("title").len(), dashboards.len());
    for (flavour, dashboard) in &dashboards {
        assert_eq!(dashboard["id"], Json::Null);
        assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
        let tags = &dashboard["tags"];
        assert!(tags.as_array().unwrap().contains(&flavour.name().into()));
    }
}

#[test]
fn data_sources_are_named_by_variables_alone() {
    for (flavour, dashboard) in dashboards() {
        let sources = panels(&dashboard)
            .chain(targets(&dashboard))
            .chain(dashboard["annotations"]["list"].as_array().unwrap())
            .map(|it| &it["datasource"])
            .filter(|it| !it.is_null());
        for source in sources {
            let uid = source["uid"].as_str().unwrap();
            assert!(["${DS_CONTAINERS}", "${DS_HOST}"].contains(&uid), "{uid}");
            let is_prometheus = source["type"] == "prometheus";
            assert_eq!(is_prometheus, flavour == Flavour::PromQl);
        }
    }
}

#[test]
fn every_variable_that_is_used_is_there() {
    const GRAFANAS: [&str; 4] = ["timeFilter", "__interval", "__rate_interval", "__range"];
    for (_, dashboard) in dashboards() {
        let listed = dashboard["templating"]["list"].as_array().unwrap();
        let names: Vec<&str> = listed
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        for text in targets(&dashboard).flat_map(|it| [&it["query"], &it["expr"]]) {
            let text = text.as_str().unwrap_or_default();
            for used in text.split('$').skip(1) {
                let used = used.trim_start_matches('{');
                let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
                let name = used.split(|c| !is_of_name(c)).next().unwrap();
                let is_end_of_pattern = name.is_empty();
                assert!(
                    is_end_of_pattern || names.contains(&name) || GRAFANAS.contains(&name),
                    "${name} in {text}"
                );
            }
        }
    }
}

#[test]
fn panels_have_a_title_a_text_and_a_unit_and_do_not_overlap() {
    for (_, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()));
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{title}");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(taken.insert((x, y)), "{title}");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().unwrap().ends_with('.'));
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(defaults["unit"].is_string(), "{title}");
            let targets = panel["targets"].as_array().unwrap();
            let letters: BTreeSet<&str> = targets
                .iter()
                .map(|it| it["refId"].as_str().unwrap())
                .collect();
            assert_eq!(letters.len(), targets.len(), "{title}");
            assert!(!targets.is_empty(), "{title}");
        }
    }
}

#[test]
fn queries_over_time_have_grafanas_interval_and_range() {
    for (_, dashboard) in dashboards() {
        for target in targets(&dashboard) {
            if let Some(query) = target["query"].as_str() {
                assert!(query.contains("$timeFilter"), "{query}");
                let is_over_time = target["resultFormat"] == "time_series";
                assert_eq!(query.contains("time($__interval)"), is_over_time, "{query}");
            }
            let query = target["expr"].as_str().unwrap_or_default();
            for range in query.split('[').skip(1) {
                let range = range.split(']').next().unwrap();
                let known = ["$__rate_interval", "$__range"];
                assert!(known.contains(&range), "{query}");
            }
        }
    }
}

#[test]
fn every_query_of_prometheus_names_metrics_that_exist() {
    let known: BTreeSet<&str> = catalog::all().filter_map(|it| it.prometheus).collect();
    let rules = super::alerts::prometheus::rules(Pace::NORMAL);
    let dashboards = dashboards();
    let all = dashboards.iter().flat_map(|(_, it)| texts(it));
    let mut seen = BTreeSet::new();
    for text in all.chain([rules.as_str()]) {
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        for name in text.split(|c| !is_of_name(c)) {
            // The counter's own page has these.
            if !name.starts_with("cgflux_") || name.starts_with("cgflux_web_") {
                continue;
            }
            let histogram = name
                .strip_suffix("_sum")
                .or_else(|| name.strip_suffix("_count"));
            let is_known =
                known.contains(name) || histogram.is_some_and(|name| known.contains(name));
            assert!(is_known, "{name} in {text}");
            seen.insert(name.to_owned());
        }
    }
    println!("{} of {} metrics are shown", seen.len(), known.len());
}

#[test]
fn every_field_of_an_alert_exists() {
    let rules = super::alerts::grafana::rules(Pace::NORMAL);
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let query = rule["data"][0]["model"]["query"].as_str().unwrap();
        let quoted: Vec<&str> = query.split('"').skip(1).step_by(2).collect();
        let tags = [
            "host",
            "container",
            "sink",
            "mount",
            "event",
            "lost",
            "pid",
            "container_event",
        ];
        for name in quoted {
            let is_known = catalog::all().any(|it| it.field == name || it.measurement == name);
            assert!(is_known || tags.contains(&name), "{name} in {query}");
        }
    }
}

#[test]
fn a_faster_pace_shortens_times_and_nothing_else() {
    let normal = super::alerts::prometheus::rules(Pace::NORMAL);
    let fast = super::alerts::prometheus::rules(Pace(60));
    assert!(normal.contains("[10m]") && fast.contains("[10s]"));
    let without_times = |text: &str| {
        let words = text.split([' ', '[', ']', ')', ',', '\n']);
        words
            .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(without_times(&normal), without_times(&fast));
}
