//! One line of another process, parsed → checked, and written again by the same hand as the agent's own.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use influxdb_line_protocol::{EscapedStr, FieldValue, ParsedLine};

use super::refusal::Refusal;
use crate::{
    encode::{
        Tagging,
        escape::{MAX_TAG_BYTES, clean_tag, push_measurement, push_tag},
        line::Line,
        taken::RESERVED,
    },
    metrics::catalog,
};

/// Most tags of a line.
const MAX_TAGS: usize = 64;

/// Most fields of a line.
const MAX_FIELDS: usize = 256;

/// Most bytes of measurement and tags together, ours included: half of what InfluxDB allows a series key.
const MAX_SERIES_BYTES: usize = 32 << 10;

/// Measurements that are the agent's own, beside those that begin with [`OWN_PREFIX`].
static OWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let described = ["container_info", "container_event"];
    let measured = catalog::all().map(|metric| metric.measurement);
    measured.chain(described).collect()
});

const OWN_PREFIX: &str = "agent_";

/// A line that can be written: every name is clean, none is used twice, every value has an encoding.
#[derive(Debug)]
pub(super) struct Point<'line, 'text> {
    /// Escaped.
    pub(super) measurement: String,
    /// Of the line and the agent, escaped, each with a comma in front.
    pub(super) tags: String,
    /// Keys are escaped.
    fields: Vec<(String, &'line FieldValue<'text>)>,
}

impl<'line, 'text> Point<'line, 'text> {
    /// Checks a line; what it lacks of the agent's tags is added.
    pub(super) fn of(line: &'line ParsedLine<'text>, tagging: &Tagging) -> Result<Self, Refusal> {
        let measurement = clean(&line.series.measurement)?;
        if OWN.contains(&*measurement) || measurement.starts_with(OWN_PREFIX) {
            return Err(Refusal::OwnMeasurement);
        }
        let own_tags = || line.series.tag_set.iter().flatten();
        bounded("the number of tags", own_tags().count(), MAX_TAGS)?;
        bounded("the number of fields", line.field_set.len(), MAX_FIELDS)?;
        let mut names = BTreeSet::new();
        let mut tags = Vec::new();
        for (key, value) in own_tags() {
            let key = clean(key)?;
            let value = clean(value)?;
            claim(&mut names, &key)?;
            tags.push((key, value));
        }
        let mut fields = Vec::new();
        for (key, value) in &line.field_set {
            let key = clean(key)?;
            claim(&mut names, &key)?;
            if matches!(value, FieldValue::F64(value) if !value.is_finite()) {
                return Err(Refusal::NotFinite(key.into_owned()));
            }
            let mut escaped = String::with_capacity(key.len());
            push_tag(&mut escaped, &key);
            fields.push((escaped, value));
        }
        let mut escaped = String::with_capacity(measurement.len());
        push_measurement(&mut escaped, &measurement);
        let point = Self {
            measurement: escaped,
            tags: tagging.of_line(&tags, |key| names.contains(key)),
            fields,
        };
        let series_bytes = point.measurement.len() + point.tags.len();
        bounded("the length of the tags", series_bytes, MAX_SERIES_BYTES)?;
        Ok(point)
    }

    /// Writes the fields and the time.
    pub(super) fn fill(&self, mut line: Line<'_>, wall_ns: i64) {
        for (key, value) in &self.fields {
            match value {
                FieldValue::I64(value) => line.signed(key, *value),
                FieldValue::U64(value) => line.integer(key, *value),
                FieldValue::F64(value) => line.float(key, *value),
                FieldValue::String(value) => line.string(key, value),
                FieldValue::Boolean(value) => line.boolean(key, *value),
            }
        }
        line.end(wall_ns);
    }
}

/// A name or a tag's value as it can be written. What would have to be cut is refused: two names could become one.
fn clean<'a>(text: &'a EscapedStr<'_>) -> Result<Cow<'a, str>, Refusal> {
    bounded("the length of a name", text.len(), MAX_TAG_BYTES)?;
    Ok(clean_tag(text))
}

/// Takes a name for a tag or a field; no two may share one.
fn claim(names: &mut BTreeSet<String>, name: &str) -> Result<(), Refusal> {
    if RESERVED.contains(&name) {
        return Err(Refusal::ReservedName(name.to_owned()));
    }
    if !names.insert(name.to_owned()) {
        return Err(Refusal::DuplicateName(name.to_owned()));
    }
    Ok(())
}

pub(super) fn bounded(what: &'static str, is: usize, bound: usize) -> Result<(), Refusal> {
    if is > bound {
        return Err(Refusal::TooLarge { what, bound });
    }
    Ok(())
}
