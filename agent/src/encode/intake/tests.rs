//! Lines in, lines out; read back by InfluxDB's own parser in Rust.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp {
    boot_ns: 5 * 3_600_000_000_000,
    wall_ns: 1_700_000_000_000_000_000,
};

fn intake() -> Intake {
    let fixed = BTreeMap::from([("rack".to_owned(), "r 1".to_owned())]);
    Intake::new(Tagging::new("box", &fixed, &[]).unwrap(), 10_000)
}

fn text(taken: &Taken) -> String {
    let lines = taken.payloads.iter().flat_map(|it| it.lines().to_vec());
    String::from_utf8(lines.collect()).unwrap()
}

/// What comes in as `body` must go out as `expected`.
#[track_caller]
fn check(body: &str, expected: &str) {
    let taken = intake()
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!(taken.refused.told(taken.points()), None);
    assert_eq!(text(&taken), expected);
}

/// A line must be refused for this reason, and the good one before and after it taken.
#[track_caller]
fn refuses(line: &str, reason: Reason, words: &str) {
    let body = format!("ok v=1i 1600000000000000000\n{line}\nok v=2i 1600000000000000001\n");
    let taken = intake()
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!(taken.points(), 2, "{}", text(&taken));
    let counts: Vec<_> = taken
        .refused
        .by_reason()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counts, [(reason, 1)]);
    let told = taken.refused.told(2).unwrap();
    assert!(
        told.starts_with("partial write: unable to parse '"),
        "{told}"
    );
    assert!(
        told.ends_with(" dropped=1") && told.contains(words),
        "{told}"
    );
}

#[test]
fn a_line_is_written_anew_with_the_agents_tags() {
    check(
        "m,b=2,a=x\\ y f=1.5,i=-3i,u=7u,t=T,s=\"say \\\"hi\\\"\" 1600000000000000000\n",
        "m,a=x\\ y,b=2,host=box,rack=r\\ 1 f=1.5,i=-3i,u=7i,t=true,s=\"say \\\"hi\\\"\" 1600000000000000000\n",
    );
    check(
        "a\\,b\\ c=d v=18446744073709551615u 1600000000000000000",
        "a\\,b\\ c=d,host=box,rack=r\\ 1 v=9223372036854775807i 1600000000000000000\n",
    );
}

#[test]
fn a_lines_own_tag_or_field_stands_before_the_agents_tag() {
    check(
        "m,host=other,rack=9 v=1i 1600000000000000000\nm,host=other rack=1i 1600000000000000000",
        "m,host=other,rack=9 v=1i 1600000000000000000\nm,host=other rack=1i 1600000000000000000\n",
    );
}

#[test]
fn what_names_cannot_hold_is_replaced() {
    check(
        "m\u{7}\\\nx,t=a\\\\\\,b\u{1} f\u{2}=\"one\ntwo\" 1600000000000000000",
        "m_\\_x,host=box,rack=r\\ 1,t=a_\\,b_ f_=\"one_two\" 1600000000000000000\n",
    );
}

#[test]
fn comments_and_blank_lines_are_nothing_and_a_quote_in_one_swallows_no_line() {
    check(
        "\n# say x=\"abc\n\n  m v=1i 1600000000000000000\n   \n#",
        "m,host=box,rack=r\\ 1 v=1i 1600000000000000000\n",
    );
    check("", "");
}

#[test]
fn times_come_in_every_unit_and_leave_in_nanoseconds() {
    for (word, time, wall_ns) in [
        (
            "ns",
            1_600_000_000_123_456_789_i64,
            1_600_000_000_123_456_789,
        ),
        ("n", 1_600_000_000_123_456_789, 1_600_000_000_123_456_789),
        ("u", 1_600_000_000_123_456, 1_600_000_000_123_456_000),
        ("us", 1_600_000_000_123_456, 1_600_000_000_123_456_000),
        ("ms", 1_600_000_000_123, 1_600_000_000_123_000_000),
        ("s", 1_600_000_000, 1_600_000_000_000_000_000),
        ("m", 26_666_666, 1_599_999_960_000_000_000),
        ("h", 444_444, 1_599_998_400_000_000_000_i64),
    ] {
        let precision = Precision::of(word).unwrap();
        let body = format!("m v=1i {time}");
        let taken = intake().take(body.as_bytes(), precision, NOW).unwrap();
        assert!(
            text(&taken).ends_with(&format!("v=1i {wall_ns}\n")),
            "{word}"
        );
    }
    assert_eq!(Precision::of("d"), None);
}

#[test]
fn lines_without_a_time_get_their_arrival_and_no_two_the_same() {
    let mut intake = intake();
    let mut times = BTreeSet::new();
    for back_ns in [0, 0, 5, 1_000] {
        let now = Timestamp {
            wall_ns: NOW.wall_ns - back_ns,
            ..NOW
        };
        let taken = intake
            .take(b"m v=1i\nm v=2i\nm v=3i", Precision::Seconds, now)
            .unwrap();
        for line in parse_lines(&text(&taken)) {
            let wall_ns = line.unwrap().timestamp.unwrap();
            assert!(times.last().is_none_or(|last| *last < wall_ns));
            times.insert(wall_ns);
        }
    }
    assert_eq!((times.len(), *times.first().unwrap()), (12, NOW.wall_ns));
    let set_back = Timestamp {
        wall_ns: NOW.wall_ns - 2_000_000_000,
        ..NOW
    };
    let taken = intake
        .take(b"m v=1i", Precision::default(), set_back)
        .unwrap();
    assert_eq!(taken.payloads[0].times().newest_ns, set_back.wall_ns);
}

#[test]
fn each_reason_is_told_and_costs_only_its_line() {
    use Reason::*;
    let long = "x".repeat(1025);
    let many = |of: &str, count: usize| {
        let each: Vec<_> = (0..count).map(|at| format!("{of}{at}=1")).collect();
        each.join(",")
    };
    for (line, reason, words) in [
        ("garbage", Malformed, "it is no line protocol"),
        ("m v=9223372036854775808i", Malformed, "too large"),
        ("m v=NaN", Malformed, ""),
        ("m v=1i 1600000000000000000\r", Malformed, "trailing"),
        ("m,t= v=1i", Malformed, ""),
        ("m,t=a\\ v=1i", Malformed, ""),
        (
            "container_cpu usage_ns=1i",
            OwnMeasurement,
            "the agent's own",
        ),
        ("container_event,event=start id=\"x\"", OwnMeasurement, ""),
        ("container_info kind=\"x\"", OwnMeasurement, ""),
        ("host_mem v=1", OwnMeasurement, ""),
        ("agent_self v=1", OwnMeasurement, ""),
        ("agent_later v=1", OwnMeasurement, ""),
        ("m,time=1 v=1", ReservedName, "`time`"),
        ("m time=1,v=1", ReservedName, "`time`"),
        ("m,_field=x v=1", ReservedName, "`_field`"),
        ("m _measurement=1", ReservedName, ""),
        ("m,a=1,a=2 v=1", DuplicateName, "`a` stands twice"),
        ("m v=1,v=2", DuplicateName, "`v`"),
        ("m,v=1 v=1", DuplicateName, "`v`"),
        ("m,a\u{1}=1,a\u{2}=2 v=1", DuplicateName, "`a_`"),
        ("m v=1e999", NotFinite, "`v` is not finite"),
        ("m v=-1e999", NotFinite, ""),
        ("m v=1 1600000000", BadTime, "precision"),
        ("m v=1 1800000000000000000", BadTime, "a day ahead"),
        ("m v=1 -1", BadTime, ""),
        (&format!("{long} v=1"), TooLarge, "1024"),
        (&format!("m,{long}=1 v=1"), TooLarge, ""),
        (&format!("m,t={long} v=1"), TooLarge, ""),
        (&format!("m {long}=1"), TooLarge, ""),
        (&format!("m,{} v=1", many("t", 65)), TooLarge, "tags"),
        (&format!("m {}", many("f", 257)), TooLarge, "fields"),
        (
            &format!("m v=\"{}\"", "x".repeat(MAX_LINE_BYTES)),
            TooLarge,
            "65536",
        ),
        (
            &format!("m,{} v=1", many(&format!("{}t", "k".repeat(900)), 60)),
            TooLarge,
            "length of the tags",
        ),
    ] {
        refuses(line, reason, words);
    }
}

#[test]
fn a_quote_that_is_never_closed_takes_the_rest_with_it_and_that_is_told() {
    let body = b"ok v=1i\nm v=\"open\nok v=2i\n";
    let taken = intake().take(body, Precision::default(), NOW).unwrap();
    assert_eq!((taken.points(), taken.refused.lines()), (1, 1));
    let told = taken.refused.told(1).unwrap();
    assert!(told.contains("ok v=2i"), "{told}");
}

#[test]
fn as_influxdb_does_nothing_is_called_partial_when_nothing_is_taken() {
    let taken = intake().take(b"a\nb", Precision::default(), NOW).unwrap();
    let told = taken.refused.told(0).unwrap();
    assert_eq!(
        told,
        "unable to parse 'a': it is no line protocol\nunable to parse 'b': it is no line protocol dropped=2"
    );
}

#[test]
fn what_is_told_is_bounded_however_much_is_refused() {
    let body = format!("{}\n", "x".repeat(2_000)).repeat(500);
    let taken = intake()
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!(taken.refused.lines(), 500);
    let told = taken.refused.told(0).unwrap();
    assert!(
        told.len() < 70_000 && told.ends_with("dropped=500"),
        "{}",
        told.len()
    );
}

#[test]
fn hours_are_payloads_of_their_own_and_there_are_only_so_many() {
    let hour_ns = 3_600_000_000_000_i64;
    let at = |hour: i64| 1_600_000_000_000_000_000 + hour * hour_ns;
    let line = |hour: i64| format!("m v=1i {}\n", at(hour));
    // To and fro: as many payloads as hours, not as lines.
    let body: String = (0..1_000).map(|at| line(at % 3)).collect();
    let taken = intake()
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!((taken.payloads.len(), taken.points()), (3, 1_000));
    for payload in &taken.payloads {
        let times = payload.times();
        assert_eq!(times.oldest_ns / hour_ns, times.newest_ns / hour_ns);
    }
    let body: String = (0..200).map(line).collect();
    let taken = intake()
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!((taken.points(), taken.refused.lines()), (168, 32));
    assert!(
        taken
            .refused
            .told(168)
            .unwrap()
            .contains("span more than 168 hours")
    );
}

#[test]
fn new_series_beyond_the_bound_are_refused_and_known_ones_are_not() {
    let mut intake = Intake {
        series: Series::new(2),
        ..intake()
    };
    let taken = intake.take(
        b"m,t=1 v=1\nm,t=2 v=1\nm,t=3 v=1\nm,t=1 v=2",
        Precision::default(),
        NOW,
    );
    let taken = taken.unwrap();
    assert_eq!((taken.points(), taken.refused.lines()), (3, 1));
    assert!(
        taken
            .refused
            .told(3)
            .unwrap()
            .contains("more than 2 series within an hour")
    );
}

#[test]
fn lines_that_the_agents_tags_make_too_long_are_refused_as_a_whole() {
    let fixed = (0..7).map(|at| (format!("t{at}"), "x".repeat(1_000)));
    let fixed = fixed.collect();
    let mut intake = Intake::new(Tagging::new("box", &fixed, &[]).unwrap(), 10);
    let body = "m v=1\n".repeat(3_000);
    let refused = intake.take(body.as_bytes(), Precision::default(), NOW);
    assert_eq!(refused, Err(TooLong));
    let body = "m v=1\n".repeat(2_000);
    let taken = intake
        .take(body.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!(taken.points(), 2_000);
}

/// Pieces of line protocol that make more trouble than bytes at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("m"),
        Just(",t=1"),
        Just(",time=1"),
        Just(" v=1i"),
        Just(" v=1"),
        Just(",w=2u"),
        Just(" 1600000000000000000"),
        Just("\n"),
        Just("\\"),
        Just("\""),
        Just("="),
        Just(","),
        Just(" "),
        Just("#"),
        Just("\r"),
        Just("\t"),
        Just("\0"),
        Just(" s=\"a\""),
        Just("ü🦀"),
        Just("container_cpu"),
        Just("1e999"),
        Just("-"),
        Just("host=x"),
        Just("T"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Whatever came in: what goes out is whole lines that read back as written, each bounded, none of the agent's own.
fn holds(body: &[u8]) {
    let taken = intake().take(body, Precision::default(), NOW).unwrap();
    let text = text(&taken);
    let lines: Vec<_> = parse_lines(&text).map(Result::unwrap).collect();
    assert_eq!(lines.len(), taken.points());
    assert_eq!(text.lines().count(), taken.points(), "one line a point");
    for line in lines {
        assert!(line.timestamp.is_some() && !line.field_set.is_empty());
        let tags: Vec<_> = line.series.tag_set.iter().flatten().collect();
        assert!(tags.is_sorted_by(|a, b| a.0 < b.0), "in order, none twice");
        let written = line.to_string();
        assert!(!written.contains(char::is_control), "{written:?}");
        assert_ne!(line.series.measurement, "container_cpu");
    }
    let told = taken.refused.told(taken.points());
    assert_eq!(told.is_some(), taken.refused.lines() > 0);
    // The same again changes nothing.
    let again = intake()
        .take(text.as_bytes(), Precision::default(), NOW)
        .unwrap();
    assert_eq!(self::text(&again), text);
}

proptest! {
    #[test]
    fn whatever_bytes_come_in_lines_go_out(body in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&body);
    }

    #[test]
    fn whatever_pieces_come_in_lines_go_out(body in pieces()) {
        holds(body.as_bytes());
    }

    #[test]
    fn what_is_good_arrives_as_it_was_meant(
        name in "[a-zA-Z0-9,=_.-][a-zA-Z0-9 ,=_.#-]{0,20}",
        tag in "[a-zA-Z0-9 ,=_.-]{1,20}",
        words in "[^\\p{C}]{0,30}",
        integer in any::<i64>(),
        float in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
    ) {
        let measurement = name.replace(',', "\\,").replace(' ', "\\ ");
        let value = tag.replace(',', "\\,").replace(' ', "\\ ").replace('=', "\\=");
        let quoted = words.replace('\\', "\\\\").replace('"', "\\\"");
        let body = format!("{measurement},t={value} i={integer}i,f={float},s=\"{quoted}\"\n");
        let taken = intake().take(body.as_bytes(), Precision::default(), NOW).unwrap();
        prop_assert_eq!(taken.refused.told(1), None);
        let text = text(&taken);
        let line = parse_lines(&text).next().unwrap().unwrap();
        prop_assert_eq!(line.series.measurement.as_str(), name);
        prop_assert_eq!(line.tag_value("t").unwrap().as_str(), tag);
        let field = |key: &str| line.field_value(key).unwrap().clone();
        prop_assert_eq!(field("i"), influxdb_line_protocol::FieldValue::I64(integer));
        prop_assert_eq!(field("f"), influxdb_line_protocol::FieldValue::F64(float));
        let read = influxdb_line_protocol::FieldValue::String(words.as_str().into());
        prop_assert_eq!(field("s"), read);
    }
}
