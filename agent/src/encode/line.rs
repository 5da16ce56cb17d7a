//! Lines being written, and payloads cut from them.

use bytes::Bytes;
use serde::Serialize;

use super::{
    MAX_PAYLOAD_BYTES, MAX_PAYLOAD_LINES, Payload, Times,
    escape::{clean_string, push_string},
};

/// No payload has points of two hours. A server divides time into shards, by the hour at the finest, and tells only of
/// the first that refuses something; in one shard that is all there is to tell.
pub(super) const SHARD_NS: i64 = 3_600_000_000_000;

/// Lines on their way into payloads. The buffer is kept from one shipment to the next.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: Vec<u8>,
    lines: usize,
    /// Of the lines in `text`; absent without any.
    times: Option<Times>,
    full: Vec<Payload>,
}

impl Page {
    /// Starts a line: its measurement, and its tags as escaped text. Nothing of it is kept unless a field follows.
    pub(super) fn line(&mut self, measurement: &str, tags: &str) -> Line<'_> {
        let start = self.text.len();
        self.text.extend_from_slice(measurement.as_bytes());
        self.text.extend_from_slice(tags.as_bytes());
        Line {
            page: self,
            start,
            separator: b' ',
        }
    }

    /// Writes a line that is a value as JSON. Its types write without I/O and have strings as keys, so that does not
    /// fail; should it ever, nothing of the line is kept.
    pub(super) fn json(&mut self, value: &impl Serialize, wall_ns: i64) {
        let start = self.text.len();
        if serde_json::to_writer(&mut self.text, value).is_err() {
            self.text.truncate(start);
            return;
        }
        self.text.push(b'\n');
        self.ended(start, wall_ns);
    }

    /// All lines since the last call.
    pub(super) fn finish(&mut self) -> Vec<Payload> {
        self.cut(self.text.len());
        std::mem::take(&mut self.full)
    }

    /// Takes in the line that begins at `start`.
    fn ended(&mut self, start: usize, wall_ns: i64) {
        let is_same_hour =
            |times: Times| times.oldest_ns.div_euclid(SHARD_NS) == wall_ns.div_euclid(SHARD_NS);
        if self.text.len() > MAX_PAYLOAD_BYTES || !self.times.is_none_or(is_same_hour) {
            self.cut(start);
        }
        let times = Times::at(wall_ns);
        self.times = Some(self.times.map_or(times, |before| before.and(times)));
        self.lines += 1;
        if self.lines == MAX_PAYLOAD_LINES {
            self.cut(self.text.len());
        }
    }

    fn cut(&mut self, at: usize) {
        if let Some(times) = self.times.take() {
            // Copied rather than moved: what waits must not hold spare capacity.
            let lines = Bytes::copy_from_slice(&self.text[..at]);
            self.full.push(Payload::counted(lines, self.lines, times));
            self.text.drain(..at);
            self.lines = 0;
        }
    }
}

/// One line being written.
pub(super) struct Line<'a> {
    page: &'a mut Page,
    start: usize,
    separator: u8,
}

impl Line<'_> {
    /// An integer field. Line protocol's integers are signed in every version; what is larger becomes the largest.
    pub(super) fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        self.integer_value(value);
    }

    /// An integer field, if its value is known.
    pub(super) fn known(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.integer(key, value);
        }
    }

    /// An integer field that may be negative.
    pub(super) fn signed(&mut self, key: &str, value: i64) {
        self.key(key);
        self.signed_value(value);
    }

    /// A bucket field: how many observations were below `bound_ns`.
    pub(super) fn bucket(&mut self, key: &str, bound_ns: u64, count: u64) {
        self.key(key);
        self.push(b"_le_");
        self.push(itoa::Buffer::new().format(bound_ns).as_bytes());
        self.push(b"ns");
        self.integer_value(count);
    }

    /// The count field of a histogram.
    pub(super) fn count(&mut self, key: &str, count: u64) {
        self.key(key);
        self.push(b"_count");
        self.integer_value(count);
    }

    /// A float field; always with a point or an exponent. What is not finite has no encoding and is left out.
    pub(super) fn float(&mut self, key: &str, value: f64) {
        if value.is_finite() {
            self.key(key);
            self.push(b"=");
            self.push(zmij::Buffer::new().format_finite(value).as_bytes());
        }
    }

    /// A boolean field.
    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.push(if value { b"=true" } else { b"=false" });
    }

    /// A string field.
    pub(super) fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        self.push(b"=");
        push_string(&mut self.page.text, &clean_string(value));
    }

    /// Whether it has no field yet.
    pub(super) fn is_empty(&self) -> bool {
        self.separator == b' '
    }

    /// Ends the line with its time, in nanoseconds since the Unix epoch. A line without a field is taken back.
    pub(super) fn end(self, wall_ns: i64) {
        if self.is_empty() {
            self.page.text.truncate(self.start);
            return;
        }
        let text = &mut self.page.text;
        text.push(b' ');
        text.extend_from_slice(itoa::Buffer::new().format(wall_ns).as_bytes());
        text.push(b'\n');
        self.page.ended(self.start, wall_ns);
    }

    fn key(&mut self, key: &str) {
        self.page.text.push(self.separator);
        self.separator = b',';
        self.push(key.as_bytes());
    }

    fn integer_value(&mut self, value: u64) {
        self.signed_value(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn signed_value(&mut self, value: i64) {
        self.push(b"=");
        self.push(itoa::Buffer::new().format(value).as_bytes());
        self.push(b"i");
    }

    fn push(&mut self, bytes: &[u8]) {
        self.page.text.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut page = Page::default();
        let mut line = page.line("m", ",t=1");
        write(&mut line);
        line.end(7);
        let lines: Vec<u8> = page
            .finish()
            .iter()
            .flat_map(|it| it.lines().to_vec())
            .collect();
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn each_type_has_a_form_that_no_other_has() {
        let line = text(|line| {
            line.integer("i", 1);
            line.signed("n", -1);
            line.bucket("h", 1024, 3);
            line.float("f", 1.0);
            line.float("g", 1e300);
            line.float("z", -0.0);
            line.boolean("b", true);
            line.string("s", "say \"a\\b\"\n");
        });
        assert_eq!(
            line,
            "m,t=1 i=1i,n=-1i,h_le_1024ns=3i,f=1.0,g=1e+300,z=-0.0,b=true,s=\"say \\\"a\\\\b\\\"_\" 7\n"
        );
    }

    #[test]
    fn integers_saturate_at_the_signed_maximum() {
        assert_eq!(
            text(|line| line.integer("i", u64::MAX)),
            "m,t=1 i=9223372036854775807i 7\n"
        );
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_a_line_without_fields_is_none() {
        assert_eq!(
            text(|line| {
                line.float("f", f64::NAN);
                line.float("g", f64::INFINITY);
            }),
            ""
        );
    }

    #[test]
    fn a_payload_ends_at_its_line_limit() {
        let mut page = Page::default();
        for _ in 0..=MAX_PAYLOAD_LINES {
            let mut line = page.line("m", "");
            line.integer("i", 1);
            line.end(7);
        }
        let points: Vec<usize> = page.finish().iter().map(Payload::points).collect();
        assert_eq!(points, [MAX_PAYLOAD_LINES, 1]);
    }

    #[test]
    fn a_payload_ends_at_a_full_hour() {
        let mut page = Page::default();
        for wall_ns in [SHARD_NS - 2, SHARD_NS - 1, SHARD_NS, SHARD_NS + 1] {
            let mut line = page.line("m", "");
            line.integer("i", 1);
            line.end(wall_ns);
        }
        let times: Vec<_> = page.finish().iter().map(Payload::times).collect();
        let times: Vec<_> = times
            .iter()
            .map(|it| (it.oldest_ns, it.newest_ns))
            .collect();
        assert_eq!(
            times,
            [(SHARD_NS - 2, SHARD_NS - 1), (SHARD_NS, SHARD_NS + 1)]
        );
    }

    #[test]
    fn a_payload_ends_at_its_byte_limit_but_for_a_single_longer_line() {
        let mut page = Page::default();
        for length in [600_000, 400_000, 400_000, 2_000_000, 10] {
            let mut line = page.line("m", "");
            line.string("s", &"x".repeat(length));
            line.end(7);
        }
        let payloads = page.finish();
        let points: Vec<usize> = payloads.iter().map(Payload::points).collect();
        assert_eq!(points, [2, 1, 1, 1]);
        for payload in &payloads {
            assert_eq!(
                payload,
                &Payload::new(payload.lines().clone(), Times::at(7))
            );
            assert!(payload.points() == 1 || payload.lines().len() <= MAX_PAYLOAD_BYTES);
        }
    }
}
