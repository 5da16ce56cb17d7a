//! Which tests of a binary failed, and with which words.

use std::collections::BTreeMap;

/// What libtest (Rust 1.95) prints about tests that failed, as its lines come.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The names under the last `failures:`; the one before has what the tests said.
    names: Vec<String>,
    is_list_open: bool,
    /// Test → where it panicked and with which words: the first panic of each.
    words: BTreeMap<String, String>,
    /// The test whose output is being shown.
    test: Option<String>,
    /// The test whose panic's words are in the next line.
    awaited: Option<String>,
}

impl Failures {
    pub(super) fn note(&mut self, line: &str) {
        let line = line.trim_end();
        self.note_words(line);
        if line == "failures:" {
            self.is_list_open = true;
            self.names.clear();
        } else if line.starts_with("test result: ") {
            self.is_list_open = false;
        } else if self.is_list_open
            && let Some(test) = line.strip_prefix("    ")
            && !test.contains(' ')
        {
            self.names.push(test.to_owned());
        }
    }

    /// The tests that failed, and what each said, if anything was understood.
    pub(super) fn into_parts(self) -> (Vec<String>, BTreeMap<String, String>) {
        (self.names, self.words)
    }

    fn note_words(&mut self, line: &str) {
        if let Some(words) = self.awaited.take().and_then(|it| self.words.get_mut(&it)) {
            *words = format!("{words} {line}");
        } else if let Some(test) = section(line) {
            self.test = Some(test.to_owned());
        } else if let Some((thread, place)) = panic(line) {
            let test = self.test.as_deref().unwrap_or(thread);
            if !self.words.contains_key(test) {
                self.words.insert(test.to_owned(), place.to_owned());
                self.awaited = Some(test.to_owned());
            }
        }
    }
}

/// Out of `---- <test> stdout ----`.
fn section(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// Thread and place with its colon, out of `thread '<name>' (<id>) panicked at <place>:`. Where output is not captured,
/// libtest's own words may stand before.
fn panic(line: &str) -> Option<(&str, &str)> {
    let (before, place) = line.split_once(" panicked at ")?;
    let (_, thread) = before.split_once("thread '")?;
    let (thread, _) = thread.split_once('\'')?;
    Some((thread, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(output: &str) -> (Vec<String>, BTreeMap<String, String>) {
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.note(line));
        failures.into_parts()
    }

    #[test]
    fn each_failure_has_its_first_words() {
        let (names, words) = parts(
            "test a ... FAILED\n\nsuccesses:\n\n---- c stdout ----\nkernel=3\n\nfailures:\n\n\
             ---- a stdout ----\n\nthread 'a' (7) panicked at tests/a.rs:3:5:\nassertion failed: it holds\n\
             thread 'reader' (8) panicked at tests/b.rs:1:1:\nanother\n\n\
             ---- b stdout ----\nError: Os\n\nfailures:\n    a\n    b\n\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored\n",
        );
        assert_eq!(names, ["a", "b"]);
        let words: Vec<_> = words.into_iter().collect();
        let said = "tests/a.rs:3:5: assertion failed: it holds";
        assert_eq!(words, [("a".to_owned(), said.to_owned())]);
    }

    #[test]
    fn without_sections_the_thread_is_the_test() {
        let (names, words) = parts(
            "test a ... thread 'a' panicked at tests/a.rs:3:5:\nno\nFAILED\n\nfailures:\n    a\n\n",
        );
        assert_eq!(names, ["a"]);
        assert_eq!(words["a"], "tests/a.rs:3:5: no");
    }
}
