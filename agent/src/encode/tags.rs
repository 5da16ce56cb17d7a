//! Which tags a point carries, and their text in line protocol.
//!
//! Every key is distinct, none is reserved by InfluxDB and none is also a field, whatever tags and labels the operator
//! asked for.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    iter,
};

use super::{
    escape::{MAX_TAG_BYTES, clean_tag, push_tag},
    losses,
};
use crate::{
    config::{Complaints, Key, Resolved},
    container::{Container, image_repository},
    metrics::catalog::{self, Kind, Metric},
    text::printable,
};

/// Tags of a container's points. `event` stands on `container_event` only; `device` and `peer` on block I/O and network;
/// `namespace` and `pod` on Kubernetes only.
const CONTAINER_TAGS: [&str; 9] = [
    "container",
    "device",
    "event",
    "host",
    "image",
    "namespace",
    "peer",
    "pod",
    "runtime",
];

/// Tags of the agent's own points; on those a static tag stands too.
const AGENT_TAGS: [&str; 9] = [
    "family",
    "kind",
    "machine",
    "measurement",
    "metric",
    "reason",
    "sink",
    "source",
    "state",
];

/// Tags of the points of the host as a whole; on those a static tag stands too.
const HOST_TAGS: [&str; 4] = ["device", "fstype", "interface", "mount"];

/// Fields of `container_info` and `container_event`, which the catalog does not list.
const CONTAINER_FIELDS: [&str; 10] = [
    "cgroup",
    "cgroup_id",
    "comm",
    "exit_code",
    "id",
    "image_ref",
    "kind",
    "oom",
    "pid",
    "signal",
];

/// Names that InfluxDB gives a meaning of its own.
pub(super) const RESERVED: [&str; 3] = ["_field", "_measurement", "time"];

/// Most bytes of all static tags, and of all labels of one container; with our own tags and their escapes this stays
/// below the 65,535 bytes that InfluxDB allows a series key.
const MAX_EXTRA_BYTES: usize = 8 << 10;

/// What the operator wants on every point.
#[derive(Clone, Debug)]
pub struct Tagging {
    host: String,
    fixed: Vec<(String, String)>,
    /// Label as the runtime names it, and its tag key.
    labels: Vec<(String, String)>,
}

/// A tag that no point can carry.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum TagError {
    /// The host's name is no tag's value.
    #[error("the host's name {problem}")]
    Host {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name is in use.
    #[error(
        "`{}` has a meaning of its own to the agent or to InfluxDB; choose another name",
        printable(key)
    )]
    Taken {
        /// The key.
        key: String,
    },
    /// The key cannot be written.
    #[error("the name `{}` {problem}", printable(key))]
    Name {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The value cannot be written.
    #[error("the value of `{}` {problem}", printable(key))]
    Value {
        /// The key.
        key: String,
        /// What is wrong with the value.
        problem: &'static str,
    },
    /// All tags together are too long.
    #[error("all tags together have {bytes} bytes; {MAX_EXTRA_BYTES} are allowed")]
    TooLong {
        /// How long they are.
        bytes: usize,
    },
}

impl TagError {
    /// The setting that is at fault.
    fn setting(&self) -> Key {
        match self {
            Self::Host { .. } => Key::of("host.name"),
            Self::Taken { key } | Self::Name { key, .. } | Self::Value { key, .. } => {
                Key::of("tags").child(key)
            }
            Self::TooLong { .. } => Key::of("tags"),
        }
    }
}

impl Tagging {
    /// The tags that a configuration asks for. The complaint names the setting at fault and where it stands.
    pub fn of(resolved: &Resolved) -> Result<Self, Complaints> {
        let config = &resolved.config;
        Self::new(&config.host, &config.tags, &config.labels.allow)
            .map_err(|error| resolved.complaint(&error.setting(), error.to_string()))
    }

    /// `host` and `tags` go on every point; of a container's labels only those in `labels` do, under their own name
    /// or, where that is taken, with `label_` in front.
    pub fn new(
        host: &str,
        tags: &BTreeMap<String, String>,
        labels: &[String],
    ) -> Result<Self, TagError> {
        if let Some(problem) = problem_of(host) {
            return Err(TagError::Host { problem });
        }
        let mut taken: HashSet<String> = HashSet::new();
        for (key, value) in tags {
            check(key, value)?;
            taken.insert(key.clone());
        }
        let bytes = tags
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > MAX_EXTRA_BYTES {
            return Err(TagError::TooLong { bytes });
        }
        let mut named: Vec<(String, String)> = Vec::new();
        for label in labels {
            if label.is_empty() || named.iter().any(|(known, _)| known == label) {
                continue;
            }
            let mut key = clean_tag(label).into_owned();
            while is_containers(&key) || taken.contains(&key) {
                key.insert_str(0, "label_");
            }
            taken.insert(key.clone());
            named.push((label.clone(), key));
        }
        Ok(Self {
            host: host.to_owned(),
            fixed: tags.clone().into_iter().collect(),
            labels: named,
        })
    }

    /// The tags of a container's point, each with a comma in front. `extra` tells apart the points of one container
    /// and measurement.
    ///
    /// A container whose name cannot be written as it is gets the cgroup's id appended, so that no two live
    /// containers share a series.
    pub(super) fn of_container<'a>(
        &'a self,
        container: &'a Container,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let mut tags = Tags::default();
        let name = clean_tag(&container.name);
        tags.push(
            "container",
            if name.is_empty() || name != container.name {
                Cow::Owned(format!("{name}.{}", container.cgroup))
            } else {
                name
            },
        );
        tags.push("runtime", container.runtime.as_str());
        let image = container.image.as_deref().and_then(image_repository);
        tags.push("image", clean_tag(image.unwrap_or_default()));
        let namespace = container.namespace.as_deref().unwrap_or_default();
        tags.push("namespace", clean_tag(namespace));
        tags.push(
            "pod",
            clean_tag(container.pod.as_deref().unwrap_or_default()),
        );
        self.finish(tags, extra, Some(container))
    }

    /// The tags of a point of the host as a whole, or of the agent itself.
    pub(super) fn of_no_container<'a>(
        &'a self,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        self.finish(Tags::default(), extra, None)
    }

    /// The tags of another process's line: `own`, which are clean, and of ours what the line has `named` neither a tag
    /// nor a field.
    pub(super) fn of_line<'a>(
        &'a self,
        own: &'a [(Cow<'a, str>, Cow<'a, str>)],
        named: impl Fn(&str) -> bool,
    ) -> String {
        let mut tags = Tags::default();
        for (key, value) in own {
            tags.push(key, value.as_ref());
        }
        let fixed = self.fixed.iter().map(|(key, value)| (key.as_str(), value));
        for (key, value) in iter::once(("host", &self.host)).chain(fixed) {
            if !named(key) {
                tags.push(key, value.as_str());
            }
        }
        tags.text()
    }

    fn finish<'a>(
        &'a self,
        mut tags: Tags<'a>,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
        container: Option<&'a Container>,
    ) -> String {
        tags.push("host", self.host.as_str());
        for (key, value) in extra {
            debug_assert!(
                is_taken(key),
                "{key} is no tag that operators are kept from"
            );
            tags.push(key, clean_tag(value));
        }
        for (key, value) in &self.fixed {
            tags.push(key, value.as_str());
        }
        let mut label_bytes = 0;
        for (label, key) in &self.labels {
            let Some(value) = container.and_then(|container| container.labels.get(label)) else {
                continue;
            };
            let value = clean_tag(value);
            label_bytes += key.len() + value.len();
            if label_bytes <= MAX_EXTRA_BYTES {
                tags.push(key, value);
            }
        }
        tags.text()
    }
}

fn check(key: &str, value: &str) -> Result<(), TagError> {
    if is_taken(key) {
        return Err(TagError::Taken {
            key: key.to_owned(),
        });
    }
    if let Some(problem) = problem_of(key) {
        return Err(TagError::Name {
            key: key.to_owned(),
            problem,
        });
    }
    if let Some(problem) = problem_of(value) {
        return Err(TagError::Value {
            key: key.to_owned(),
            problem,
        });
    }
    Ok(())
}

/// Why a tag cannot carry `text` as it is.
fn problem_of(text: &str) -> Option<&'static str> {
    const _: () = assert!(MAX_TAG_BYTES == 1024, "the text says so");
    if text.is_empty() {
        Some("is empty")
    } else if text.len() > MAX_TAG_BYTES {
        Some("is longer than 1024 bytes")
    } else if text.contains(char::is_control) {
        Some("holds a control character")
    } else if text.ends_with('\\') {
        Some("ends with a backslash, which no tag may")
    } else if clean_tag(text) != text {
        Some(
            "holds a backslash before a comma, an equals sign, a space or a backslash, which no tag may",
        )
    } else {
        None
    }
}

fn is_taken(key: &str) -> bool {
    is_containers(key) || is_hosts(key) || is_agents(key)
}

/// Whether `key` is taken on the points of containers.
fn is_containers(key: &str) -> bool {
    CONTAINER_TAGS.contains(&key)
        || CONTAINER_FIELDS.contains(&key)
        || RESERVED.contains(&key)
        || is_field(key, catalog::container())
}

/// Whether `key` is taken on the points of the host as a whole.
fn is_hosts(key: &str) -> bool {
    HOST_TAGS.contains(&key) || is_field(key, catalog::host())
}

/// Whether `key` is taken on the points of the agent itself.
fn is_agents(key: &str) -> bool {
    AGENT_TAGS.contains(&key) || losses::FIELDS.contains(&key) || is_field(key, catalog::agent())
}

fn is_field(key: &str, mut metrics: impl Iterator<Item = &'static Metric>) -> bool {
    metrics.any(|metric| {
        let rest = key.strip_prefix(metric.field);
        rest.is_some_and(|rest| match metric.kind {
            Kind::Histogram => rest.is_empty() || rest.starts_with("_le_") || rest == "_count",
            Kind::Counter | Kind::Gauge => rest.is_empty(),
        })
    })
}

/// Tags on their way into a line: the first of a key wins, empty ones are left out.
#[derive(Default)]
struct Tags<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Tags<'a> {
    fn push(&mut self, key: &'a str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if !value.is_empty() && self.0.iter().all(|(known, _)| *known != key) {
            self.0.push((key, value));
        }
    }

    /// In order of keys, which is how the server wants a series key.
    fn text(mut self) -> String {
        self.0.sort_unstable_by_key(|(key, _)| *key);
        let mut text = String::new();
        for (key, value) in &self.0 {
            text.push(',');
            push_tag(&mut text, key);
            text.push('=');
            push_tag(&mut text, value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::fixture::resolved,
        container::{CgroupId, Runtime},
    };

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn web() -> Container {
        Container {
            runtime: Runtime::Docker,
            name: "web".to_owned(),
            ..Container::host(CgroupId(4711))
        }
    }

    fn text(container: &Container, fixed: &[(&str, &str)], labels: &[&str]) -> String {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let tagging = Tagging::new("h", &tags(fixed), &labels).unwrap();
        tagging.of_container(container, [])
    }

    #[test]
    fn tags_stand_in_order_and_empty_ones_are_left_out() {
        let mut container = web();
        container.image = Some("redis:7".to_owned());
        container.namespace = Some(String::new());
        container.pod = Some("shop-0".to_owned());
        assert_eq!(
            text(&container, &[("rack", "r 1")], &[]),
            r",container=web,host=h,image=redis,pod=shop-0,rack=r\ 1,runtime=docker"
        );
    }

    #[test]
    fn only_listed_labels_become_tags_and_none_takes_the_place_of_another_tag() {
        let mut container = web();
        container.labels = tags(&[
            ("tier", "front"),
            ("host", "evil"),
            ("time", "1"),
            ("usage_ns", "2"),
            ("rack", "3"),
            ("secret", "4"),
        ]);
        assert_eq!(
            text(
                &container,
                &[("rack", "r1")],
                &["tier", "host", "time", "usage_ns", "rack", "tier", ""]
            ),
            ",container=web,host=h,label_host=evil,label_rack=3,label_time=1,label_usage_ns=2\
             ,rack=r1,runtime=docker,tier=front"
        );
    }

    #[test]
    fn a_name_that_cannot_be_written_gets_the_cgroup_id() {
        for (name, tag) in [("", ".4711"), ("a\nb", "a_b.4711"), (r"a\", "a_.4711")] {
            let container = Container {
                name: name.to_owned(),
                ..web()
            };
            assert_eq!(
                text(&container, &[], &[]),
                format!(",container={tag},host=h,runtime=docker")
            );
        }
    }

    #[test]
    fn a_series_key_stays_below_the_servers_limit_whatever_the_names() {
        let long = ", ".repeat(40_000);
        let container = Container {
            name: long.clone(),
            image: Some(long.clone()),
            namespace: Some(long.clone()),
            pod: Some(long.clone()),
            labels: (0..1000)
                .map(|index| (format!("l{index}"), long.clone()))
                .collect(),
            ..web()
        };
        let labels: Vec<String> = container.labels.keys().cloned().collect();
        let fixed = (0..8)
            .map(|index| (format!("t{index}"), ",".repeat(1000)))
            .collect();
        let host = ",".repeat(1024);
        let tagging = Tagging::new(&host, &fixed, &labels).unwrap();
        let length = tagging.of_container(&container, []).len();
        assert!(length < 60_000, "length={length}");
    }

    #[test]
    fn tags_that_no_point_can_carry_are_refused_by_name() {
        for key in [
            "host",
            "time",
            "_field",
            "usage_ns",
            "runq_wait_le_1024ns",
            "id",
            "sink",
            "rss_bytes",
            "mount",
            "available_bytes",
        ] {
            assert_eq!(
                Tagging::new("h", &tags(&[(key, "x")]), &[]).unwrap_err(),
                TagError::Taken {
                    key: key.to_owned()
                }
            );
        }
        for (key, value, error) in [
            ("", "x", "the name `` is empty"),
            ("a", "", "the value of `a` is empty"),
            ("a\n", "x", "the name `a\\n` holds a control character"),
            (
                "a",
                "x\\",
                "the value of `a` ends with a backslash, which no tag may",
            ),
            (
                "a",
                r"x\,y",
                "the value of `a` holds a backslash before a comma, an equals sign, a space or a backslash, which no tag may",
            ),
        ] {
            let refused = Tagging::new("h", &tags(&[(key, value)]), &[]).unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
        let long = "x".repeat(1024);
        let many = (0..9).map(|index| (index.to_string(), long.clone()));
        let refused = Tagging::new("h", &many.collect(), &[]).unwrap_err();
        assert_eq!(refused, TagError::TooLong { bytes: 9 * 1025 });
        let refused = Tagging::new("h\n", &tags(&[]), &[]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the host's name holds a control character"
        );
    }

    #[test]
    fn a_refused_tag_is_a_complaint_about_its_setting() {
        for (text, complaint) in [
            (
                "[tags]\ndc = \"fra1\"\nusage_ns = \"1\"",
                "tags.usage_ns (cgflux.toml:3): `usage_ns` has a meaning of its own to the agent or to InfluxDB; choose another name",
            ),
            (
                "[tags]\n\"a b\" = 'x\\'",
                "tags.\"a b\" (cgflux.toml:2): the value of `a b` ends with a backslash, which no tag may",
            ),
            (
                "[host]\nname = 'x\\'",
                "host.name (cgflux.toml:2): the host's name ends with a backslash, which no tag may",
            ),
        ] {
            let complaints = Tagging::of(&resolved(text)).unwrap_err();
            assert_eq!(complaints.to_string(), complaint);
        }
        assert!(Tagging::of(&resolved("[tags]\ndc = \"fra1\"")).is_ok());
    }
}
