//! A batch → what Prometheus scrapes, in chunks: text format 0.0.4 or OpenMetrics 1.0, under our names and cAdvisor's.
//!
//! Names, HELP and TYPE of ours come from the catalog, those of cAdvisor from the table in `cadvisor`; `write` knows the
//! formats. A metric without a Prometheus name is left out.
//!
//! No sample carries a time. With one Prometheus would not mark a series as ended when it is no longer there, but show
//! its last value for five minutes more, as it does of cAdvisor's; the values are one collection interval old at most.

mod cadvisor;
mod write;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::Arc,
};

pub use write::Format;

use crate::{
    container::{Container, Share},
    metrics::{
        Batch, Metric, Sample, Subject,
        catalog::{Families, Kind},
        choice::Choice,
    },
    snapshot::Timestamp,
};
use write::Head;

/// Chunks are ended at the first line past this many bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// Container labels that become `container_label_<key>`, characters other than letters, digits and `_` replaced.
#[derive(Clone, Debug, Default)]
pub struct AllowedLabels(Vec<(String, String)>);

impl AllowedLabels {
    /// Allows `keys`. Of keys that become the same name the first one stays: a repeated label name would make the
    /// whole answer invalid.
    pub fn new(keys: &[String]) -> Self {
        let mut allowed: Vec<(String, String)> = Vec::new();
        for key in keys {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            let name = format!(
                "container_label_{}",
                key.chars().map(plain).collect::<String>()
            );
            if allowed.iter().all(|(_, taken)| *taken != name) {
                allowed.push((key.clone(), name));
            }
        }
        Self(allowed)
    }
}

/// The text of one scrape, made piece by piece as it is sent: at 1,000 containers the whole would be some 15 MB.
#[derive(Debug)]
pub struct Exposition {
    /// No two share a label text of either kind. Last comes what has none: the samples of the host as a whole and the
    /// agent's own.
    rows: Vec<Row>,
    families: Vec<NamedFamily>,
    choice: Choice,
    format: Format,
    taken: Timestamp,
    /// The next line's family and row.
    at: (usize, usize),
    /// Whether the next line's family has a line already.
    has_head: bool,
    is_ended: bool,
}

/// What stands under one name.
#[derive(Clone, Copy, Debug)]
enum NamedFamily {
    Ours(&'static Metric),
    Cadvisors(&'static cadvisor::Rule),
}

/// What stands under one label text.
#[derive(Debug)]
struct Row {
    /// Under our names.
    labels: String,
    /// Under cAdvisor's; `None` where there is nothing.
    cadvisors: Option<String>,
    alive: bool,
    is_above_others: bool,
    samples: Vec<Sample>,
}

impl Exposition {
    /// All live entries of `batch`, those that the rules leave out as one, the totals of the `ended` ones, and what host
    /// and agent say of themselves. Of entries with equal labels, as after a restart under the same name, the live one
    /// stays, then the one that comes last.
    pub fn new(
        batch: &Batch,
        ended: impl DoubleEndedIterator<Item = Arc<Subject>>,
        allowed: &AllowedLabels,
        choice: Choice,
        format: Format,
    ) -> Self {
        let ended: Vec<Arc<Subject>> = ended.collect();
        let live = || batch.subjects.iter().filter(|it| it.alive);
        let gone = || ended.iter().rev().map(AsRef::as_ref);
        let stands_alone = |it: &&Subject| it.container.share() != Share::Other;
        let shown = live()
            .filter(stands_alone)
            .chain(&batch.other)
            .chain(gone().filter(stands_alone));
        let paths = live().chain(gone()).map(|it| it.container.path.as_str());
        let mut rows = rows(shown, &paths.collect(), allowed, choice);
        rows.push(Row {
            labels: String::new(),
            cadvisors: choice.is_cadvisors().then(|| {
                let mut labels = String::new();
                write::label(&mut labels, "id", &[cadvisor::ROOT]);
                labels
            }),
            alive: true,
            is_above_others: false,
            samples: batch.host.iter().chain(&batch.agent).cloned().collect(),
        });
        Self {
            families: named_families(&rows, choice),
            rows,
            choice,
            format,
            taken: batch.taken,
            at: (0, 0),
            has_head: false,
            is_ended: false,
        }
    }

    /// Writes what the row at hand has of the family at hand.
    fn write_row(&self, text: &mut String, family: NamedFamily, row: &Row) -> fmt::Result {
        match family {
            NamedFamily::Ours(metric) => row.write_samples(text, metric),
            NamedFamily::Cadvisors(rule) => {
                row.write_series(text, rule, self.taken, self.choice.families)
            }
        }
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = String::with_capacity(CHUNK_BYTES + 8 * 1024);
        while let Some(family) = self.families.get(self.at.0).copied() {
            let Some(row) = self.rows.get(self.at.1) else {
                self.at = (self.at.0 + 1, 0);
                self.has_head = false;
                continue;
            };
            let before = text.len();
            if !self.has_head {
                family.head().write(&mut text, self.format).ok()?;
            }
            let head = text.len();
            self.write_row(&mut text, family, row).ok()?;
            if text.len() == head {
                // Nothing of it here: its head waits for the first line.
                text.truncate(before);
            } else {
                self.has_head = true;
            }
            self.at.1 += 1;
            if text.len() >= CHUNK_BYTES {
                return Some(text);
            }
        }
        if !self.is_ended {
            self.is_ended = true;
            text.push_str(self.format.end());
        }
        (!text.is_empty()).then_some(text)
    }
}

impl Row {
    /// The lines of `metric`.
    fn write_samples(&self, text: &mut String, metric: &Metric) -> fmt::Result {
        let name = metric.prometheus;
        // The gauges of what ended are no longer true.
        let shown = |it: &&Sample| {
            it.metric.prometheus == name && (self.alive || it.metric.kind != Kind::Gauge)
        };
        for sample in self.samples.iter().filter(shown) {
            write::sample(text, sample, &self.labels)?;
        }
        Ok(())
    }

    /// The lines of `rule`.
    fn write_series(
        &self,
        text: &mut String,
        rule: &'static cadvisor::Rule,
        taken: Timestamp,
        families: Families,
    ) -> fmt::Result {
        let is_of_host = self.labels.is_empty();
        let labels = match &self.cadvisors {
            Some(_) if rule.is_global && is_of_host => "",
            Some(labels) if !rule.is_global => labels,
            _ => return Ok(()),
        };
        let facts = cadvisor::Facts {
            samples: &self.samples,
            alive: self.alive,
            is_above_others: self.is_above_others,
            taken,
        };
        for series in rule.series(&facts, families) {
            write::series(text, rule.name, &series, labels)?;
        }
        Ok(())
    }
}

impl NamedFamily {
    fn head(self) -> Head<'static> {
        match self {
            Self::Ours(metric) => Head {
                name: metric.prometheus,
                kind: metric.kind,
                help: metric.help,
            },
            Self::Cadvisors(rule) => Head {
                name: rule.name,
                kind: rule.kind,
                help: rule.help,
            },
        }
    }
}

fn rows<'a>(
    subjects: impl Iterator<Item = &'a Subject>,
    paths: &BTreeSet<&str>,
    allowed: &AllowedLabels,
    choice: Choice,
) -> Vec<Row> {
    let (mut taken, mut taken_cadvisors) = (HashSet::new(), HashSet::new());
    let mut rows = Vec::new();
    for subject in subjects {
        let container = &*subject.container;
        let labels = labels(container, allowed);
        if !taken.insert(labels.clone()) {
            continue;
        }
        let is_shown = choice.is_cadvisors() && cadvisor::shows(container);
        let cadvisors = is_shown.then(|| cadvisor_labels(container, allowed));
        rows.push(Row {
            labels,
            cadvisors: cadvisors.filter(|it| taken_cadvisors.insert(it.clone())),
            alive: subject.alive,
            is_above_others: has_one_below(paths, &container.path),
            samples: subject.samples().into_owned(),
        });
    }
    rows
}

fn has_one_below(paths: &BTreeSet<&str>, path: &str) -> bool {
    let folder = format!("{path}/");
    let next = paths.range(folder.as_str()..).next();
    next.is_some_and(|next| next.starts_with(&folder))
}

/// The metrics of all rows that have a Prometheus name, each name once; then what cAdvisor has.
fn named_families(rows: &[Row], choice: Choice) -> Vec<NamedFamily> {
    let mut ours: Vec<&'static Metric> = Vec::new();
    for Sample { metric, .. } in rows.iter().flat_map(|row| &row.samples) {
        let known = |it: &&Metric| it.prometheus == metric.prometheus;
        if !metric.prometheus.is_empty() && choice.shows(metric) && !ours.iter().any(known) {
            ours.push(metric);
        }
    }
    let rules = cadvisor::RULES.iter().filter(|_| choice.is_cadvisors());
    let ours = ours.into_iter().map(NamedFamily::Ours);
    ours.chain(rules.map(NamedFamily::Cadvisors)).collect()
}

/// `id="…",name="…",…`, what is absent left out: to Prometheus an empty label is none.
fn labels(container: &Container, allowed: &AllowedLabels) -> String {
    let kind = match container.kind() {
        crate::container::Kind::Container => "container",
        crate::container::Kind::Unit => "unit",
        crate::container::Kind::Cgroup => "cgroup",
        crate::container::Kind::Other => "other",
        crate::container::Kind::Host => "host",
    };
    let base = [
        ("id", container.id.as_deref()),
        ("name", Some(&*container.name)),
        ("image", container.image.as_deref()),
        ("runtime", Some(container.runtime.as_str())),
        ("kind", Some(kind)),
        ("namespace", container.namespace.as_deref()),
        ("pod", container.pod.as_deref()),
    ];
    label_text(&base, container, allowed)
}

/// The same as cAdvisor has it: `id` is the cgroup's path, `name` and `image` are those of containers.
fn cadvisor_labels(container: &Container, allowed: &AllowedLabels) -> String {
    let is_container = container.kind() == crate::container::Kind::Container;
    let base = [
        ("id", Some(&*container.path)),
        ("name", is_container.then_some(&*container.name)),
        ("image", container.image.as_deref()),
    ];
    label_text(&base, container, allowed)
}

fn label_text(
    base: &[(&str, Option<&str>)],
    container: &Container,
    allowed: &AllowedLabels,
) -> String {
    let mut text = String::with_capacity(160);
    let of_container = allowed
        .0
        .iter()
        .map(|(key, name)| (name.as_str(), container.labels.get(key).map(String::as_str)));
    for (name, value) in base.iter().copied().chain(of_container) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            write::label(&mut text, name, &[value]);
        }
    }
    text
}
