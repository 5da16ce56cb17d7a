//! Recordings: the live stream in a file, to be looked at later.
//!
//! The format: gzip, one stream of it, of JSON documents, one a line. The first is `{"recording":1,"hello":{…}}`, which tells
//! the format's version and what the live stream said at its begin; then, in the order of what happened, `{"tick":{…}}` and
//! `{"events":[…]}`, each just as `/api/v1/live?detail=all` and `/api/v1/events` told it. Lines with other keys are passed over.
//!
//! A recorder that is killed leaves a file without an end. What it has flushed can be read: [`Writer::flush`] ends a block of
//! the compression, so that a reader needs nothing that comes after.

mod reader;
mod writer;

pub use reader::{Line, Passed, ReadError, Reader};
pub use writer::Writer;

/// The version of the format that is written, and the newest that is read.
pub const VERSION: u64 = 1;

/// Most bytes of a line: a tick of 100,000 entries has some 30 million.
pub const MAX_LINE_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write as _};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::stream::Tick;

    /// A recording of `ticks` ticks, with an event after each; flushed after each if `is_flushed`.
    fn recording(ticks: i64, is_flushed: bool) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), r#"{"host":"box","cpus":2}"#).unwrap();
        for t in 0..ticks {
            let tick = format!(r#"{{"t":{t},"v":[[7,{}.5,null]]}}"#, t * 7919);
            writer.tick(&tick).unwrap();
            let event = r#"{"taken":5,"event":"oom","cgroup":7,"name":"a\nb","kind":"container"}"#;
            writer
                .events(&format!("{{\"events\":\n[{event}]}}"))
                .unwrap();
            if is_flushed {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap()
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    /// The times of the ticks, and how it ended.
    fn times(file: impl Read) -> Result<(Vec<i64>, bool), ReadError> {
        let mut reader = Reader::new(file)?;
        let mut times = Vec::new();
        while let Some(line) = reader.next_line::<Tick>()? {
            match line {
                Line::Tick(tick) => times.push(tick.wall_ms),
                Line::Events(events) => assert_eq!(events[0].who.name, "a\nb"),
            }
        }
        Ok((times, reader.is_cut()))
    }

    #[test]
    fn a_recording_comes_back_as_it_was_written() {
        let file = recording(50, false);
        assert_eq!(Reader::new(&*file).unwrap().hello().host, "box");
        let (found, is_cut) = times(&*file).unwrap();
        assert_eq!(found, (0..50).collect::<Vec<i64>>());
        assert!(!is_cut);
    }

    #[test]
    fn what_was_flushed_is_there_whatever_becomes_of_the_recorder() {
        let mut writer = Writer::new(Vec::new(), "{}").unwrap();
        writer.tick(r#"{"t":1}"#).unwrap();
        writer.flush().unwrap();
        writer.tick(r#"{"t":2}"#).unwrap();
        assert_eq!(times(&**writer.get_ref()).unwrap(), (vec![1], true));
    }

    #[test]
    fn what_is_no_recording_is_refused_with_what_to_do() {
        for (file, part) in [
            (b"PK\x03\x04not gzip at all".to_vec(), "--record FILE"),
            (gzip("hello\n"), "--record FILE"),
            (gzip("{\"events\":[]}\n"), "--record FILE"),
            (gzip("{\"recording\":2,\"hello\":7}\n"), "newer cgflux"),
            (gzip("{\"recording\":1,\"hello\":{}}"), "no first line"),
            (Vec::new(), "no first line"),
        ] {
            let told = times(&*file).unwrap_err().to_string();
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn lines_of_a_later_version_are_passed_over() {
        let text = "{\"recording\":1,\"hello\":{},\"x\":1}\n{\"novelty\":[1]}\n{\"tick\":{\"t\":3,\"y\":2}}\n";
        assert_eq!(times(&*gzip(text)).unwrap(), (vec![3], false));
    }

    #[test]
    fn a_changed_byte_is_told_with_the_line_before_it() {
        let mut file = recording(2_000, false);
        let middle = file.len() / 2;
        file[middle..middle + 40].fill(0x55);
        assert!(matches!(times(&*file), Err(ReadError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_has_the_ticks_before(part in 0.0..1.0_f64, is_flushed: bool) {
            let whole = recording(40, is_flushed);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
            let cut = (whole.len() as f64 * part) as usize;
            match times(&whole[..cut]) {
                Ok((found, is_cut)) => {
                    prop_assert!(is_cut);
                    let expected: Vec<i64> = (0..40).take(found.len()).collect();
                    prop_assert_eq!(found, expected);
                }
                Err(error) => prop_assert!(matches!(error, ReadError::Empty), "{}", error),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(times(&*bytes));
            drop(times(&*gzip(&String::from_utf8_lossy(&bytes))));
        }
    }
}
