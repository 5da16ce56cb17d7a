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
    taken::{is_containers, is_taken},
};
use crate::{
    config::{Complaints, Key, Resolved, Schema},
    container::{CgroupId, Container, image_repository},
    text::printable,
};

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
    /// Every schema that a sink is written in must have room for them.
    pub fn of(resolved: &Resolved) -> Result<Self, Complaints> {
        let config = &resolved.config;
        let tagging = Self::new(&config.host, &config.tags, &config.labels.allow);
        let mut schemas = config.sinks.iter().map(|sink| sink.schema);
        tagging
            .and_then(|tagging| {
                schemas.try_for_each(|schema| tagging.goes_with(schema))?;
                Ok(tagging)
            })
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
        for (key, value) in tags {
            check(key, value)?;
        }
        let bytes = tags
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > MAX_EXTRA_BYTES {
            return Err(TagError::TooLong { bytes });
        }
        Ok(Self {
            host: host.to_owned(),
            fixed: tags.clone().into_iter().collect(),
            labels: labels.iter().map(|it| (it.clone(), it.clone())).collect(),
        }
        .in_words_of(Schema::Native))
    }

    /// The same for the points of another schema: a label whose name is taken there has `label_` in front.
    pub(super) fn in_words_of(self, schema: Schema) -> Self {
        let mut taken: HashSet<String> = self.fixed.iter().map(|(key, _)| key.clone()).collect();
        let mut named: Vec<(String, String)> = Vec::new();
        for (label, _) in self.labels {
            if label.is_empty() || named.iter().any(|(known, _)| *known == label) {
                continue;
            }
            let mut key = clean_tag(&label).into_owned();
            while is_containers(schema, &key) || taken.contains(&key) {
                key.insert_str(0, "label_");
            }
            taken.insert(key.clone());
            named.push((label, key));
        }
        Self {
            labels: named,
            ..self
        }
    }

    /// Whether no static tag has a meaning of its own in `schema`.
    fn goes_with(&self, schema: Schema) -> Result<(), TagError> {
        match self.fixed.iter().find(|(key, _)| is_taken(schema, key)) {
            Some((key, _)) => Err(TagError::Taken { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The tags of a container's point, each with a comma in front. `extra` tells apart the points of one container
    /// and measurement.
    pub(super) fn of_container<'a>(
        &'a self,
        container: &'a Container,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let mut tags = Tags::default();
        tags.push("container", unique(&container.name, container.cgroup));
        tags.push("runtime", container.runtime.as_str());
        let image = container.image.as_deref().and_then(image_repository);
        tags.push("image", clean_tag(image.unwrap_or_default()));
        let namespace = container.namespace.as_deref().unwrap_or_default();
        tags.push("namespace", clean_tag(namespace));
        tags.push(
            "pod",
            clean_tag(container.pod.as_deref().unwrap_or_default()),
        );
        self.finish_native(tags, extra, Some(container))
    }

    /// The tags of a point of the host as a whole, or of the agent itself.
    pub(super) fn of_no_container<'a>(
        &'a self,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        self.finish_native(Tags::default(), extra, None)
    }

    /// The tags of the line of a process that is not the agent: `own`, which are clean, and of ours what the line has `named` neither a tag
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

    fn finish_native<'a>(
        &'a self,
        mut tags: Tags<'a>,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
        container: Option<&'a Container>,
    ) -> String {
        tags.push("host", self.host.as_str());
        tags.extend(extra);
        debug_assert!(
            tags.0.iter().all(|(key, _)| is_taken(Schema::Native, key)),
            "a tag that operators are not kept from"
        );
        self.finish(tags, container)
    }

    /// The text of a schema's own tags, of the static ones and of the labels of `container`; each has a comma in front.
    pub(super) fn finish<'a>(
        &'a self,
        mut tags: Tags<'a>,
        container: Option<&'a Container>,
    ) -> String {
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

/// A name as a tag's value. One that cannot be written as it is gets the cgroup's id appended, so that no two live
/// containers share a series.
pub(super) fn unique(name: &str, cgroup: CgroupId) -> Cow<'_, str> {
    let clean = clean_tag(name);
    if clean.is_empty() || clean != name {
        Cow::Owned(format!("{clean}.{cgroup}"))
    } else {
        clean
    }
}

fn check(key: &str, value: &str) -> Result<(), TagError> {
    if is_taken(Schema::Native, key) {
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

/// Tags on their way into a line: the first of a key wins, empty ones are left out.
#[derive(Default)]
pub(super) struct Tags<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Tags<'a> {
    /// Adds a tag whose value is clean.
    pub(super) fn push(&mut self, key: &'a str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if !value.is_empty() && self.0.iter().all(|(known, _)| *known != key) {
            self.0.push((key, value));
        }
    }

    /// Adds tags whose values are yet to be cleaned.
    pub(super) fn extend(&mut self, tags: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (key, value) in tags {
            self.push(key, clean_tag(value));
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
    use crate::{config::fixture::resolved, container::Runtime};

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

    #[test]
    fn a_name_is_taken_only_where_a_sink_is_written_in_its_schema() {
        let with = |schema: &str| {
            let text = format!("[tags]\ninstance = \"m1\"\n[sinks.stdout]\nschema = \"{schema}\"");
            Tagging::of(&resolved(&text))
        };
        assert!(with("native").is_ok());
        assert!(with("telegraf").is_ok());
        assert_eq!(
            with("cadvisor").unwrap_err().to_string(),
            "tags.instance (cgflux.toml:2): `instance` has a meaning of its own to the agent or to InfluxDB; choose another name"
        );
    }

    #[test]
    fn a_label_has_another_name_only_where_its_own_is_taken() {
        let labels = ["machine", "cpu", "tier"].map(str::to_owned);
        let tagging = Tagging::new("h", &tags(&[]), &labels).unwrap();
        for (schema, names) in [
            (Schema::Native, ["machine", "cpu", "tier"]),
            (Schema::Telegraf, ["machine", "label_cpu", "tier"]),
            (Schema::Cadvisor, ["label_machine", "cpu", "tier"]),
        ] {
            let named = tagging.clone().in_words_of(schema).labels;
            assert_eq!(
                named.iter().map(|(_, key)| key).collect::<Vec<_>>(),
                names.iter().collect::<Vec<_>>(),
                "{schema:?}"
            );
        }
    }
}
