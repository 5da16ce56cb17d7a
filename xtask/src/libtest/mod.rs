//! Reads what test binaries print, and adds it up.

mod failures;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, BufRead as _, BufReader},
};

use self::failures::Failures;
use crate::{output, session::Session};

/// More failures than these at once are no chance, and are not tried again.
const TRIED_AGAIN: usize = 8;

/// Whether a filter leaves in tests that have `part` in their names: by it, or by a piece of it.
pub(crate) fn asks_for(filter: Option<&str>, part: &str) -> bool {
    filter.is_none_or(|filter| filter.contains(part) || part.contains(filter))
}

/// The sum over test binaries.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// Test → reason, of tests that ended early because the machine lacks something.
    skipped: BTreeMap<String, String>,
    /// Tests that failed and then passed.
    unsteady: BTreeSet<String>,
    /// Test → what it said when it failed first.
    words: BTreeMap<String, String>,
    /// Tests that failed.
    failures: BTreeSet<String>,
}

impl Tally {
    /// Reads one binary's output to its end, handing each line to `show`. Gives the tests that failed.
    pub(crate) fn read(
        &mut self,
        output: impl io::Read,
        mut show: impl FnMut(&str),
    ) -> io::Result<Vec<String>> {
        let mut failures = Failures::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            self.note(&line);
            failures.note(&line);
            show(&line);
        }
        let (failed, words) = failures.into_parts();
        self.failures.extend(failed.iter().cloned());
        self.words.extend(words);
        Ok(failed)
    }

    /// Reads what came of trying these once more, which have failed before: those that pass have not failed then, but
    /// are told apart in the sum.
    pub(crate) fn read_again(
        &mut self,
        tests: &[String],
        output: impl io::Read,
        show: impl FnMut(&str),
    ) -> io::Result<()> {
        let mut again = Self::default();
        let failed = again.read(output, show)?;
        // One that ran out of time or died has told nothing.
        if again.failed != failed.len() || again.passed + again.failed < tests.len() {
            return Ok(());
        }
        for test in tests.iter().filter(|test| !failed.contains(test)) {
            self.failed -= 1;
            self.passed += 1;
            self.failures.remove(test);
            self.unsteady.insert(test.clone());
        }
        self.skipped.append(&mut again.skipped);
        Ok(())
    }

    /// Counts a part that cannot run here as one test that is skipped.
    pub(crate) fn leave_out(&mut self, part: &str, reason: &str) {
        self.passed += 1;
        self.skipped.insert(part.to_owned(), reason.to_owned());
    }

    /// Counts a part that went well.
    pub(crate) fn pass(&mut self, part: &str) {
        self.passed += 1;
        output::show(&format!("test {part} ... ok"));
    }

    /// Counts a part that did not, and says why.
    pub(crate) fn fail(&mut self, part: &str, reason: &str) {
        self.failed += 1;
        self.failures.insert(part.to_owned());
        self.words.insert(part.to_owned(), reason.to_owned());
    }

    /// Counts a binary that ended badly without having said which test failed.
    pub(crate) fn ended_badly(&mut self, failed_before: usize) {
        if self.failed == failed_before {
            self.failed += 1;
        }
    }

    /// How many failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed
    }

    /// Whether no test was there to run.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed + self.failed + self.ignored == 0
    }

    /// The skipped tests and what they lacked.
    fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.skipped
            .iter()
            .map(|(test, reason)| (test.as_str(), reason.as_str()))
    }

    /// Says what was skipped and why, then the sum.
    pub(crate) fn conclude(&self, session: &Session) {
        for (test, reason) in self.skipped() {
            session.output.note(&format!("skipped {test}: {reason}"));
        }
        for test in &self.unsteady {
            let told = format!("unsteady {test}, passed when tried again");
            session.output.warn(&self.with_words(&told, test));
        }
        for test in &self.failures {
            let told = format!("failed {test}");
            session.output.warn(&self.with_words(&told, test));
        }
        output::show(&self.to_string());
    }

    fn with_words(&self, told: &str, test: &str) -> String {
        let words = self.words.get(test);
        words.map_or_else(|| told.to_owned(), |words| format!("{told}: {words}"))
    }

    fn note(&mut self, line: &str) {
        if let Some((passed, failed, ignored)) = result(line) {
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
        } else if let Some((test, reason)) = skip(line) {
            self.skipped.insert(test.to_owned(), reason.to_owned());
        }
    }
}

/// `N passed (N of them when tried again), N failed, N skipped`. A test that skips itself has passed as far as its
/// binary knows.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.skipped.len();
        let passed = self.passed.saturating_sub(skipped);
        write!(f, "{passed} passed")?;
        if !self.unsteady.is_empty() {
            write!(f, " ({} of them when tried again)", self.unsteady.len())?;
        }
        let skipped = skipped + self.ignored;
        write!(f, ", {} failed, {skipped} skipped", self.failed)
    }
}

/// Whether those that failed are few enough to be tried once more.
pub(crate) fn is_tried_again(failed: &[String]) -> bool {
    (1..=TRIED_AGAIN).contains(&failed.len())
}

/// Out of `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
fn result(line: &str) -> Option<(usize, usize, usize)> {
    let (_, counts) = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?;
    let count = |what| {
        let mut words = counts.split("; ").filter_map(|count| count.split_once(' '));
        words.find(|(_, name)| *name == what)?.0.parse().ok()
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

/// Out of `SKIP <test>: <reason>`, which libtest may have put its own words before.
fn skip(line: &str) -> Option<(&str, &str)> {
    let (before, skip) = line.split_once("SKIP ")?;
    let starts_there = before.is_empty() || before.ends_with(' ');
    skip.split_once(": ")
        .filter(|(test, _)| starts_there && !test.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        tally.read(output.as_bytes(), |_| ()).unwrap();
        tally
    }

    #[test]
    fn binaries_are_added_up() {
        let tally = tally(
            "running 3 tests\ntest a ... ok\n\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s\n\
             test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s\n",
        );
        assert_eq!(tally.to_string(), "7 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let tally = tally(
            "test docker::name ... SKIP docker::name: no Docker: it does not answer\nok\n\
             SKIP page: no chromium\nSKIP page: no chromium\n\
             test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 2 skipped");
        let reasons: Vec<_> = tally.skipped().collect();
        assert_eq!(
            reasons,
            [
                ("docker::name", "no Docker: it does not answer"),
                ("page", "no chromium")
            ]
        );
    }

    const TWO_FAILED: &str = "test a ... FAILED\ntest b ... FAILED\ntest c ... ok\n\nfailures:\n\n\
        ---- a stdout ----\n    said::by_a\n\nfailures:\n    a\n    b\n\n\
        test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";

    #[test]
    fn one_that_passes_when_tried_again_has_not_failed_and_is_told_apart() {
        let mut tally = Tally::default();
        let failed = tally.read(TWO_FAILED.as_bytes(), |_| ()).unwrap();
        assert_eq!(failed, ["a", "b"]);
        let again =
            "failures:\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n";
        tally.read_again(&failed, again.as_bytes(), |_| ()).unwrap();
        let sum = "2 passed (1 of them when tried again), 1 failed, 0 skipped";
        assert_eq!(tally.to_string(), sum);
        assert_eq!(Vec::from_iter(&tally.unsteady), ["a"]);
    }

    #[test]
    fn a_second_try_that_dies_settles_nothing() {
        let mut tally = Tally::default();
        let failed = tally.read(TWO_FAILED.as_bytes(), |_| ()).unwrap();
        for again in [
            "test a ... ok\n",
            "test result: ok. 1 passed; 0 failed; 0 ignored\n",
        ] {
            tally.read_again(&failed, again.as_bytes(), |_| ()).unwrap();
            assert_eq!(tally.to_string(), "1 passed, 2 failed, 0 skipped");
        }
    }

    #[test]
    fn a_binary_that_dies_without_a_word_counts_as_a_failure() {
        let mut tally = tally("running 3 tests\n");
        assert!(tally.is_empty());
        tally.ended_badly(0);
        assert_eq!(tally.to_string(), "0 passed, 1 failed, 0 skipped");
    }
}
