//! A page's JSON → what Grafana asks to show it. Pure.

use serde_json::Value as Json;

use super::{Flavour, Page};

/// One query of one panel, mark or variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    /// The panel's title and the query's letter.
    pub(super) name: String,
    /// Which database has the answer.
    pub(super) role: Role,
    /// How it is asked.
    pub(super) form: Form,
    /// With Grafana's variables.
    pub(super) text: String,
    /// Why it may have no answer.
    pub(super) may_be_empty: Option<String>,
}

/// A database by what it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Everything but the host as a whole.
    Containers,
    /// The host as a whole.
    Host,
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Values over time.
    Range,
    /// Values now, or of the whole time.
    Instant,
    /// Names to choose from.
    Names,
}

/// All questions of a page, in its order; `None` where the JSON is no dashboard.
pub(super) fn questions(page: &Page) -> Option<Vec<Question>> {
    let json: Json = serde_json::from_str(page.json).ok()?;
    let mut questions = Vec::new();
    for variable in json["templating"]["list"].as_array()? {
        if variable["type"] == "query" {
            questions.push(Question {
                name: format!("${}", variable["name"].as_str()?),
                role: role(variable)?,
                form: Form::Names,
                text: variable["query"].as_str()?.to_owned(),
                may_be_empty: None,
            });
        }
    }
    for mark in json["annotations"]["list"].as_array()? {
        questions.push(Question {
            name: format!("mark: {}", mark["name"].as_str()?),
            role: role(mark)?,
            form: Form::Range,
            text: text(&mark["target"], page.flavour)?,
            may_be_empty: Some("only when something happened".to_owned()),
        });
    }
    for panel in json["panels"].as_array()? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let letter = target["refId"].as_str()?;
            let is_instant = target["instant"] == true || target["resultFormat"] == "table";
            questions.push(Question {
                name: format!("{} {letter}", panel["title"].as_str()?),
                role: role(target)?,
                form: if is_instant {
                    Form::Instant
                } else {
                    Form::Range
                },
                text: text(target, page.flavour)?,
                may_be_empty: exemption(panel["description"].as_str()?, letter),
            });
        }
    }
    Some(questions)
}

fn role(json: &Json) -> Option<Role> {
    match json["datasource"]["uid"].as_str()? {
        "${DS_CONTAINERS}" => Some(Role::Containers),
        "${DS_HOST}" => Some(Role::Host),
        _ => None,
    }
}

fn text(target: &Json, flavour: Flavour) -> Option<String> {
    let key = match flavour {
        Flavour::Influxql => "query",
        Flavour::Promql => "expr",
    };
    target[key].as_str().map(str::to_owned)
}

/// What a panel's own words say of a query that may have no answer.
fn exemption(description: &str, letter: &str) -> Option<String> {
    let begin = format!("May be empty ({letter}): ");
    let line = description.lines().find_map(|it| it.strip_prefix(&begin))?;
    Some(line.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::PAGES, *};
    use crate::metrics::catalog;

    #[test]
    fn every_page_is_read_whole() {
        for page in &PAGES {
            let questions = questions(page).unwrap_or_else(|| panic!("{}", page.name));
            let names: BTreeSet<&String> = questions.iter().map(|it| &it.name).collect();
            assert!(questions.len() > 10, "{}: {names:?}", page.name);
            let targets = page.json.matches("\"refId\"").count();
            let asked = questions.iter().filter(|it| it.form != Form::Names);
            assert_eq!(asked.count(), targets, "{}", page.name);
            assert_eq!(names.len(), questions.len(), "{}", page.name);
        }
    }

    /// Measurements of other processes, and what is told of containers beside their numbers.
    const OTHERS: [&str; 4] = ["web", "load", "events", "container_event"];

    #[test]
    fn every_query_of_influxdb_names_what_the_catalog_has() {
        let pages = PAGES.iter().filter(|it| it.flavour == Flavour::Influxql);
        for question in pages.flat_map(|page| questions(page).unwrap()) {
            let (_, from) = question.text.rsplit_once("FROM \"").unwrap();
            let measurement = from.split('"').next().unwrap();
            if OTHERS.contains(&measurement) {
                continue;
            }
            let fields: BTreeSet<&str> = catalog::all()
                .filter(|it| it.measurement == measurement)
                .map(|it| it.field)
                .collect();
            assert!(!fields.is_empty(), "{measurement} in {}", question.text);
            let inner = question
                .text
                .rsplit_once("SELECT ")
                .map_or("", |(_, it)| it);
            for used in inner.split("(\"").skip(1) {
                let field = used.split('"').next().unwrap();
                let is_known =
                    fields.contains(field) || fields.contains(field.trim_end_matches("_count"));
                assert!(is_known, "{field} in {}", question.text);
            }
        }
    }

    #[test]
    fn a_panel_says_which_of_its_queries_may_have_no_answer() {
        let description = "CPUs.\n\nMay be empty (B): only where a limit is set.";
        let why = exemption(description, "B").unwrap();
        assert_eq!(why, "only where a limit is set");
        assert_eq!(exemption(description, "A"), None);
    }
}
