//! Line protocol as written by the agent, read by somebody else's parser.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};

/// One point.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, String>,
    /// Nanoseconds since the Unix epoch.
    pub(crate) wall_ns: i64,
}

impl Line {
    /// An integer field.
    pub(crate) fn integer(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.parse().ok()
    }

    /// A tag; empty without it.
    pub(crate) fn tag(&self, tag: &str) -> &str {
        self.tags.get(tag).map_or("", String::as_str)
    }
}

/// All whole lines of `text`. Panics on one that is none.
#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<Line> {
    // The last one may be in the middle of being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = parse_lines(whole).map(|line| line.map_err(|error| error.to_string()));
    lines
        .map(|line| {
            line.and_then(|line| read(&line))
                .unwrap_or_else(|error| panic!("{error}: {whole}"))
        })
        .collect()
}

/// All whole lines that are written to a file, which is there from the first flush on: at a random moment of the first
/// half second.
#[track_caller]
pub(crate) fn written(file: &Path) -> Vec<Line> {
    let bytes = match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        bytes => bytes.unwrap(),
    };
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = &bytes[..end.map_or(0, |end| end + 1)];
    parse(str::from_utf8(whole).unwrap())
}

/// The one point of a line; else what is wrong with it.
pub(super) fn point(line: &str) -> Result<Line, String> {
    let parsed = parse_lines(line).next().ok_or("no point")?;
    read(&parsed.map_err(|error| error.to_string())?)
}

fn read(line: &ParsedLine<'_>) -> Result<Line, String> {
    let tags = line.series.tag_set.iter().flatten();
    Ok(Line {
        measurement: line.series.measurement.to_string(),
        tags: tags
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        fields: line
            .field_set
            .iter()
            .map(|(key, value)| (key.to_string(), plain(value)))
            .collect(),
        wall_ns: line.timestamp.ok_or("a point without its time")?,
    })
}

fn plain(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::I64(value) => value.to_string(),
        FieldValue::U64(value) => value.to_string(),
        FieldValue::F64(value) => value.to_string(),
        FieldValue::String(value) => value.to_string(),
        FieldValue::Boolean(value) => value.to_string(),
    }
}
