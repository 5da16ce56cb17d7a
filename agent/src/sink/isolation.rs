//! Which lines of a batch a server takes, found with few requests.
//!
//! Poison is a property of a line, never of a batch: what the server does not take is told apart line by line, and
//! everything else is written until the server has said that it is stored. A partial write is no acknowledgement of the
//! rest: a server with several shards tells of the first that fails (`coordinator/points_writer.go` of 1.6). Writing a
//! line twice does no harm.
//!
//! Pure: answers in, the next part to send out.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use influxdb_line_protocol::{FieldValue, parse_lines};

use super::rejection::{Named, Rejection, Suspect};
use crate::encode::Payload;

/// After so many guesses from what a server says of refused lines, parts are only halved: many lines may each be refused
/// for a reason of their own.
const MAX_GUESSES: u32 = 8;

/// A line that will never be taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refused {
    /// The line, with its newline.
    pub(super) line: Bytes,
    /// Why, in the server's words.
    pub(super) reason: String,
    /// Whether it is only too old for what the server keeps.
    pub(super) is_expired: bool,
}

/// One batch on its way into a server.
#[derive(Debug)]
pub(super) struct Isolation {
    whole: Payload,
    /// Absent until the batch does not go as a whole.
    lines: Vec<Bytes>,
    /// Parts to be sent, the next one first; each a list of lines, ascending.
    parts: VecDeque<Vec<usize>>,
    refused: Vec<Refused>,
    guesses: u32,
    /// Whether a part is sent a second time because that may help.
    is_repeated: bool,
}

impl Isolation {
    pub(super) fn of(payload: Payload) -> Self {
        Self {
            lines: Vec::new(),
            parts: VecDeque::from([(0..payload.points()).collect()]),
            whole: payload,
            refused: Vec::new(),
            guesses: 0,
            is_repeated: false,
        }
    }

    /// Whether it is of this batch.
    pub(super) fn is_of(&self, payload: &Payload) -> bool {
        self.whole == *payload
    }

    /// What is to be sent now; `None` when every line is settled.
    pub(super) fn next(&self) -> Option<Payload> {
        let part = self.parts.front()?;
        if part.len() == self.whole.points() {
            return Some(self.whole.clone());
        }
        let bytes: Vec<u8> = part
            .iter()
            .flat_map(|&line| self.lines[line].iter().copied())
            .collect();
        Some(Payload::new(Bytes::from(bytes), self.whole.times()))
    }

    /// Whether what is sent now is the batch as it came.
    pub(super) fn is_whole(&self) -> bool {
        let part = self.parts.front();
        part.is_some_and(|part| part.len() == self.whole.points())
    }

    /// The part that was sent is stored.
    pub(super) fn stored(&mut self) {
        self.parts.pop_front();
        self.is_repeated = false;
    }

    /// The part that was sent is too large.
    pub(super) fn too_large(&mut self, reason: &str) {
        self.split();
        self.halve(reason, false);
    }

    /// Something of the part that was sent is not taken.
    pub(super) fn rejected(&mut self, rejection: &Rejection) {
        self.split();
        if rejection.is_passing && !self.is_repeated {
            self.is_repeated = true;
            return;
        }
        self.is_repeated = false;
        let Some(part) = self.parts.front() else {
            return;
        };
        let named = self.named(part, &rejection.named);
        if !named.is_empty() {
            let rest = part.iter().filter(|line| !named.contains_key(line));
            let rest: Vec<usize> = rest.copied().collect();
            self.parts.pop_front();
            for (line, reason) in named {
                self.refuse(line, &reason, rejection.is_expired);
            }
            self.put_back(rest);
            return;
        }
        if rejection.dropped == Some(part.len()) {
            for line in self.parts.pop_front().unwrap_or_default() {
                self.refuse(line, &rejection.reason, rejection.is_expired);
            }
            return;
        }
        if let Some((suspects, rest)) = self.suspects(part, rejection.suspect.as_ref()) {
            self.guesses += 1;
            self.parts.pop_front();
            self.put_back(suspects);
            self.put_back(rest);
            return;
        }
        self.halve(&rejection.reason, rejection.is_expired);
    }

    /// The lines that will never be taken, once all is settled.
    pub(super) fn into_refused(self) -> Vec<Refused> {
        self.refused
    }

    fn split(&mut self) {
        if self.lines.is_empty() {
            self.lines = self.whole.each_line().collect();
        }
    }

    /// Sends the part in two, or gives up on its only line.
    fn halve(&mut self, reason: &str, is_expired: bool) {
        let Some(mut part) = self.parts.pop_front() else {
            return;
        };
        if let [line] = part[..] {
            self.refuse(line, reason, is_expired);
            return;
        }
        let second = part.split_off(part.len() / 2);
        self.put_back(second);
        self.put_back(part);
    }

    fn refuse(&mut self, line: usize, reason: &str, is_expired: bool) {
        self.refused.push(Refused {
            line: self.lines[line].clone(),
            reason: reason.to_owned(),
            is_expired,
        });
    }

    fn put_back(&mut self, part: Vec<usize>) {
        if !part.is_empty() {
            self.parts.push_front(part);
        }
    }

    /// The lines of `part` that the server names, each with its reason.
    fn named(&self, part: &[usize], named: &[Named]) -> HashMap<usize, String> {
        let mut by_text: HashMap<&[u8], Vec<usize>> = HashMap::new();
        if named.iter().any(|it| matches!(it, Named::Quoted(_))) {
            for &line in part {
                by_text
                    .entry(text(&self.lines[line]))
                    .or_default()
                    .push(line);
            }
        }
        let mut found = HashMap::new();
        for name in named {
            match name {
                Named::Quoted(quoted) => {
                    // The longest line that the quote may be of; a shorter one may end in the same way.
                    let mut ends = quoted.rmatch_indices('\'').map(|(at, _)| at);
                    let meant =
                        ends.find_map(|end| Some((end, by_text.get(&quoted.as_bytes()[..end])?)));
                    if let Some((end, lines)) = meant {
                        let reason = quoted[end..].trim_start_matches(['\'', ':', ' ']).trim();
                        found.extend(lines.iter().map(|line| (*line, reason.to_owned())));
                    }
                }
                Named::Numbered {
                    line,
                    start,
                    reason,
                } => {
                    let meant = part.get(*line);
                    let meant =
                        meant.filter(|line| self.lines[**line].starts_with(start.as_bytes()));
                    found.extend(meant.map(|line| (*line, reason.clone())));
                }
            }
        }
        found
    }

    /// The lines that have in common what refused ones have, and the others; `None` where that tells nothing.
    fn suspects(
        &self,
        part: &[usize],
        suspect: Option<&Suspect>,
    ) -> Option<(Vec<usize>, Vec<usize>)> {
        let suspect = suspect.filter(|_| self.guesses < MAX_GUESSES)?;
        let is_suspect = |line: &usize| is_suspect(&self.lines[*line], suspect);
        let (suspects, rest): (Vec<usize>, Vec<usize>) =
            part.iter().partition(|line| is_suspect(line));
        (!suspects.is_empty() && !rest.is_empty()).then_some((suspects, rest))
    }
}

/// A line without its newline, as servers quote it.
fn text(line: &Bytes) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn is_suspect(line: &Bytes, suspect: &Suspect) -> bool {
    let Ok(text) = std::str::from_utf8(line) else {
        return false;
    };
    let Some(Ok(line)) = parse_lines(text).next() else {
        return false;
    };
    match suspect {
        Suspect::Field {
            measurement,
            field,
            kind,
        } => {
            line.series.measurement == *measurement
                && line.field_value(field).is_some_and(|it| word(it) == kind)
        }
        Suspect::Tag {
            measurement,
            tag,
            value,
        } => {
            let tags = line.series.tag_set.iter().flatten();
            line.series.measurement == *measurement
                && tags
                    .into_iter()
                    .any(|(key, it)| *key == tag.as_str() && *it == value.as_str())
        }
    }
}

/// How InfluxDB calls a field's type (`influxql/ast.go`, `DataType::String`).
fn word(value: &FieldValue<'_>) -> &'static str {
    match value {
        FieldValue::I64(_) => "integer",
        FieldValue::U64(_) => "unsigned",
        FieldValue::F64(_) => "float",
        FieldValue::String(_) => "string",
        FieldValue::Boolean(_) => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::encode::Times;

    fn payload(lines: &[String]) -> Payload {
        Payload::new(Bytes::from(lines.concat()), Times::at(0))
    }

    fn lines(count: usize) -> Vec<String> {
        (0..count)
            .map(|line| format!("m,t=t{line} v={line}i 1\n"))
            .collect()
    }

    /// Delivers `lines` to a server whose answer to a body is `answer`; the lines refused, and how many requests.
    fn deliver(
        lines: &[String],
        mut answer: impl FnMut(&[String]) -> Option<Rejection>,
    ) -> (BTreeSet<String>, BTreeSet<String>, usize) {
        let mut isolation = Isolation::of(payload(lines));
        let mut stored = BTreeSet::new();
        let mut requests = 0;
        while let Some(part) = isolation.next() {
            requests += 1;
            assert!(requests < 20 * lines.len() + 20, "no end");
            let sent: Vec<String> = part
                .each_line()
                .map(|line| String::from_utf8(line.to_vec()).unwrap())
                .collect();
            match answer(&sent) {
                None => {
                    stored.extend(sent);
                    isolation.stored();
                }
                Some(rejection) => isolation.rejected(&rejection),
            }
        }
        let refused = isolation.into_refused().into_iter();
        let refused = refused.map(|it| String::from_utf8(it.line.to_vec()).unwrap());
        (stored, refused.collect(), requests)
    }

    fn partial(text: &str) -> Rejection {
        Rejection::of(&format!("partial write: {text}"), "").unwrap()
    }

    #[test]
    fn a_line_that_is_quoted_costs_one_more_request() {
        let mut all = lines(5_000);
        let bad = "it's 'bad': \\ line\n".to_owned();
        all.insert(4_000, bad.clone());
        let (stored, refused, requests) = deliver(&all, |sent| {
            let quoted = format!(
                "unable to parse '{}': missing fields dropped=0",
                bad.trim_end()
            );
            sent.contains(&bad).then(|| partial(&quoted))
        });
        assert_eq!((stored.len(), refused.len(), requests), (5_000, 1, 2));
        assert!(refused.contains(&bad));
    }

    #[test]
    fn lines_of_one_kind_are_found_by_what_they_have_in_common() {
        let mut all = lines(5_000);
        let bad = ["m,t=x v=1.5 1\n", "m,t=y v=2.5 1\n"].map(str::to_owned);
        all.insert(7, bad[0].clone());
        all.insert(4_007, bad[1].clone());
        let (stored, refused, requests) = deliver(&all, |sent| {
            let count = sent.iter().filter(|line| bad.contains(line)).count();
            let text = format!(
                "field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped={count}"
            );
            (count > 0).then(|| partial(&text))
        });
        assert_eq!((stored.len(), requests), (5_000, 3));
        assert_eq!(refused, BTreeSet::from(bad));
    }

    #[test]
    fn a_conflict_that_passes_is_sent_once_more_first() {
        let all = lines(10);
        let mut first = true;
        let (stored, refused, requests) = deliver(&all, |_| {
            let conflict = Rejection::of("field type conflict", "");
            conflict.filter(|_| std::mem::take(&mut first))
        });
        assert_eq!((stored.len(), refused.len(), requests), (10, 0, 2));
    }

    #[test]
    fn a_server_that_never_takes_anything_ends_with_all_refused() {
        let all = lines(33);
        let (stored, refused, _) = deliver(&all, |_| Rejection::of("field type conflict", ""));
        assert_eq!((stored.len(), refused.len()), (0, 33));
    }

    #[test]
    fn what_is_too_large_is_halved_until_it_fits() {
        let all = lines(100);
        let mut isolation = Isolation::of(payload(&all));
        let mut stored = 0;
        while let Some(part) = isolation.next() {
            if part.points() > 30 {
                isolation.too_large("413");
            } else {
                stored += part.points();
                isolation.stored();
            }
        }
        assert_eq!((stored, isolation.into_refused().len()), (100, 0));
    }

    proptest! {
        /// A server that refuses some lines, and says so in any of its ways: those are refused, the others stored.
        #[test]
        fn each_line_is_stored_or_refused_and_none_is_both(
            count in 1_usize..60,
            bad in prop::collection::btree_set(0_usize..60, 0..12),
            manner in 0_u8..4,
        ) {
            let all = lines(count);
            let bad: BTreeSet<String> = bad.iter().filter_map(|line| all.get(*line)).cloned().collect();
            let (stored, refused, requests) = deliver(&all, |sent| {
                let found: Vec<&String> = sent.iter().filter(|line| bad.contains(*line)).collect();
                let first = found.first()?.trim_end();
                Some(match manner {
                    0 => partial(&format!("unable to parse '{first}': x dropped=0")),
                    1 => partial(&format!("points beyond retention policy dropped={}", found.len())),
                    2 => Rejection::of("field type conflict", "").unwrap(),
                    _ => partial("something else dropped=0"),
                })
            });
            prop_assert_eq!(&refused, &bad);
            prop_assert_eq!(stored.len(), count - bad.len());
            prop_assert!(stored.is_disjoint(&bad));
            // A passing conflict is sent twice each time.
            prop_assert!(requests <= 1 + 28 * bad.len().max(1));
        }
    }
}
