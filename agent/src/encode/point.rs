//! One point of a program of ours that is not the agent: `web`, `load`, the test of a sink.

use std::borrow::Cow;

use super::{Payload, Tagging, Times, escape::clean_tag, line::Page};

/// A field's value. A field has one type for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// Never negative; beyond 2⁶³ − 1 it is that.
    Integer(u64),
    /// Left out where it is not finite.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// What control characters it has become `_`.
    Text(&'a str),
}

/// A point of this host, and of the container that the program runs in, if that is known. Tags without a value are left
/// out; what is in them is cleaned. A static tag named like a tag or field of the point is left out.
pub fn point<'a, 'f>(
    tagging: &Tagging,
    container: Option<&'a str>,
    measurement: &str,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    fields: impl IntoIterator<Item = (impl AsRef<str>, Field<'f>)>,
    wall_ns: i64,
) -> Payload {
    let fields: Vec<_> = fields.into_iter().collect();
    let container = ("container", container.unwrap_or_default());
    let tags = [container].into_iter().chain(tags);
    let own: Vec<_> = tags
        .map(|(key, value)| (Cow::Borrowed(key), clean_tag(value)))
        .collect();
    let tags = tagging.of_line(&own, |name| {
        own.iter().any(|(key, _)| key == name) || fields.iter().any(|(key, _)| key.as_ref() == name)
    });
    let mut page = Page::default();
    let mut line = page.line(measurement, &tags);
    for (key, value) in fields {
        match value {
            Field::Integer(value) => line.integer(key.as_ref(), value),
            Field::Float(value) => line.float(key.as_ref(), value),
            Field::Boolean(value) => line.boolean(key.as_ref(), value),
            Field::Text(value) => line.string(key.as_ref(), value),
        }
    }
    line.end(wall_ns);
    // One line with a field is one payload; without a field it is none.
    let payload = page.finish().into_iter().next();
    payload.unwrap_or_else(|| Payload::new(bytes::Bytes::new(), Times::at(wall_ns)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_point_of_this_host_and_container_whatever_the_names() {
        let tags = BTreeMap::from([("dc".to_owned(), "fra1".to_owned())]);
        let tagging = Tagging::new("box", &tags, &[]).unwrap();
        let fields = [
            ("text", Field::Text("64 \"connections\"\n")),
            ("hits", Field::Integer(3)),
            ("rps", Field::Float(0.5)),
            ("up", Field::Boolean(true)),
        ];
        let tags = [("run", "a b,c"), ("event", "")];
        let payload = point(&tagging, Some("web 1"), "web", tags, fields, 7);
        assert_eq!(
            payload.lines(),
            "web,container=web\\ 1,dc=fra1,host=box,run=a\\ b\\,c \
             text=\"64 \\\"connections\\\"_\",hits=3i,rps=0.5,up=true 7\n"
        );
        let payload = point(&tagging, None, "web", [], [("n", Field::Integer(1))], 7);
        assert_eq!(payload.lines(), "web,dc=fra1,host=box n=1i 7\n");
        let taken = BTreeMap::from([("n".to_owned(), "x".to_owned())]);
        let tagging = Tagging::new("box", &taken, &[]).unwrap();
        let payload = point(&tagging, None, "web", [], [("n", Field::Integer(1))], 7);
        assert_eq!(payload.lines(), "web,host=box n=1i 7\n");
        let none: [(&str, Field<'_>); 0] = [];
        assert_eq!(point(&tagging, None, "web", [], none, 7).points(), 0);
    }
}
