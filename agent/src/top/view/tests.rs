//! What is on the screen, at the sizes people have.

use unicode_width::UnicodeWidthStr as _;

use super::super::{
    fixture::{drawn, model, screen},
    input::Action,
    look::{Look, View},
    model::Model,
};
use crate::{encode::fixture::HOSTILE, stream};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

fn has(screen: &[String], text: &str) -> bool {
    screen.iter().any(|line| line.contains(text))
}

#[track_caller]
fn assert_shows(screen: &[String], texts: &[&str]) {
    for text in texts {
        assert!(has(screen, text), "no {text:?} in\n{}", screen.join("\n"));
    }
}

#[test]
fn eighty_columns_have_all_numbers_of_each_container_and_of_the_host() {
    let screen = screen(&mut Look::default(), &model(&["web", "db"], 20), SMALL);
    assert_eq!(
        screen[0],
        "box live from http://127.0.0.1:8190                                     15:04:24"
    );
    assert_eq!(
        screen[1],
        "CPU 56% of 4  wait 20.0 ms/s  load 0.84  mem 3.0G of 8.0G           2 containers"
    );
    assert_eq!(
        screen[2],
        "cgflux CPU 0.30% + 0.02% in the kernel, 17M  lost nothing"
    );
    assert_eq!(
        screen[3],
        "NAME                         CPU%  WAITms   THRms     MEM   LIM%  DISK/s   NET/s"
    );
    assert_eq!(
        screen[4],
        "web                         150.0     0.0   250.0     64M   95.5     12K    3.0M"
    );
    assert_eq!(
        screen[5],
        "db                           75.0    20.0     0.0     64M            12K    3.0M"
    );
    assert_eq!(
        screen[23],
        "Enter open  q quit  / filter  <> sort  t tree  a all  e events  p pause  ? help"
    );
}

#[test]
fn wider_ones_have_the_past_runtime_and_image_too() {
    let screen = screen(&mut Look::default(), &model(&["web", "db"], 20), (150, 40));
    assert_shows(
        &screen,
        &[
            "CPU of late",
            "RUNTIME",
            "docker",
            "registry.example/web:1.27",
            "██",
        ],
    );
}

#[test]
fn what_is_not_known_is_not_zero() {
    let mut model = Model::default();
    for t in [1, 2] {
        let tick = format!(
            r#"{{"t":{t}000,"new":[{{"cgroup":7,"name":"web","kind":"container"}}],"v":[[7,0.5]]}}"#
        );
        model.tick(&stream::tick(&tick).unwrap());
    }
    let screen = screen(&mut Look::default(), &model, SMALL);
    assert_eq!(
        screen[4],
        "web                          50.0       –       –       –              –       –"
    );
    assert_shows(&screen, &["load –", "lost –"]);
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    for (size, told) in [
        ((40, 10), "This terminal has 40×10."),
        ((20, 2), "This terminal has 20"),
    ] {
        let screen = screen(&mut Look::default(), &model(&["web"], 3), size);
        assert_shows(&screen, &[told]);
    }
}

#[test]
fn the_detail_has_facts_charts_histograms_takers_and_events() {
    let mut model = model(&["web", "db"], 20);
    let events = r#"{"events":[
        {"taken":1764428650000000000,"event":"oom","cgroup":100,"name":"web","pid":42,"comm":"java"},
        {"taken":1764428651000000000,"event":"start","cgroup":101,"name":"db"}]}"#;
    model.happened(stream::events(events).unwrap());
    for size in [SMALL, LARGE] {
        let mut look = Look {
            view: View::Detail(100),
            ..Look::default()
        };
        let screen = screen(&mut look, &model, size);
        assert_shows(
            &screen,
            &[
                "web  docker · 000000000000 · registry.example/web:1.27",
                "/shop.slice/docker-0.scope",
                "tier=front",
                "CPU 150.0% of 200.0%, most 150.0",
                "wait 0.0 ms/s",
                "throttled 250.0 ms/s",
                "memory 64M of 67M, 95.5%",
                "disk read 4.0K/s, written 8.0K/s",
                "net/s outside ↓1.0M↑2.0M",
                "waits 50%<8µs 99%<524µs",
                "block I/O 50%<4ms 99%<4ms",
                "12.5 ms/s  neighbour",
                "out of memory: the kernel killed java (42)",
            ],
        );
        assert!(!has(&screen, "start"), "events of others: {screen:#?}");
    }
}

#[test]
fn where_nobody_keeps_account_of_who_ran_meanwhile_it_says_why() {
    for (told, shown) in [
        ("", "families.preemption off"),
        (r#","preemptors":[]"#, "nobody"),
    ] {
        let mut model = Model::default();
        let tick = format!(
            r#"{{"t":1000,"new":[{{"cgroup":7,"name":"web"}}],"v":[[7,0.5]],"d":[{{"cgroup":7{told}}}]}}"#
        );
        model.tick(&stream::tick(&tick).unwrap());
        let mut look = Look {
            view: View::Detail(7),
            ..Look::default()
        };
        assert_shows(&screen(&mut look, &model, SMALL), &[shown]);
    }
}

#[test]
fn what_has_ended_is_marked_and_stands_last() {
    let mut model = model(&["web", "db"], 20);
    model.tick(&stream::tick(r#"{"t":1764428670000,"v":[[101,0.1,0]]}"#).unwrap());
    let screen = screen(&mut Look::default(), &model, SMALL);
    assert!(screen[4].starts_with("db "), "{screen:#?}");
    assert_eq!(screen[5], "web                         ended");
}

#[test]
fn a_tree_and_groups_show_what_is_below_and_sums_of_it() {
    let model = model(&["web", "db", "cache"], 20);
    let mut look = Look::default();
    look.act(Action::Layout, &model, false);
    let tree = screen(&mut look, &model, SMALL);
    assert!(
        tree[4].starts_with("▾ shop.slice                275.0"),
        "{tree:#?}"
    );
    assert!(
        tree[5].starts_with("    web                     150.0"),
        "{tree:#?}"
    );
    look.act(Action::Fold, &model, false);
    let folded = screen(&mut look, &model, SMALL);
    assert!(
        folded[4].starts_with("▸ shop.slice (3)            275.0"),
        "{folded:#?}"
    );
    assert!(folded[5].is_empty(), "{folded:#?}");
    look.act(Action::Layout, &model, false);
    let groups = screen(&mut look, &model, SMALL);
    assert!(
        groups[4].starts_with("▾ shop                      200.0"),
        "{groups:#?}"
    );
    assert!(
        groups[7].starts_with("  db                         75.0"),
        "{groups:#?}"
    );
}

#[test]
fn a_filter_narrows_the_list_while_it_is_typed() {
    let model = model(&["web", "db"], 20);
    let mut look = Look::default();
    look.act(Action::Filter, &model, false);
    for char in "tier:back".chars() {
        look.act(Action::Type(char), &model, false);
    }
    let screen = screen(&mut look, &model, SMALL);
    assert!(screen[4].starts_with("db "), "{screen:#?}");
    assert!(!has(&screen, "web "), "{screen:#?}");
    assert_shows(&screen, &["Filter: tier:back", "1 of 2 containers /"]);
}

#[test]
fn a_held_picture_stays_while_ticks_go_on() {
    let mut live = model(&["web"], 20);
    let mut look = Look::default();
    look.act(Action::Pause, &live, false);
    let before = screen(&mut look, &live, SMALL);
    assert_shows(&before, &["HELD"]);
    live.tick(&stream::tick(r#"{"t":1764428670000,"v":[[100,0.1,0]]}"#).unwrap());
    assert_eq!(screen(&mut look, &live, SMALL), before);
    look.act(Action::Pause, &live, false);
    assert_ne!(screen(&mut look, &live, SMALL), before);
}

/// A terminal acts on control characters, wherever they are; a cell that holds more than its width shifts all behind it.
#[test]
fn no_name_reaches_the_terminal_as_anything_but_text() {
    let mut names: Vec<&str> = HOSTILE.to_vec();
    names.extend([
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{9b}31m",
        "a\u{200d}b\u{feff}",
        "e\u{301}\u{301}\u{301}",
    ]);
    let mut model = model(&names, 20);
    let events: Vec<_> = names
        .iter()
        .zip(100..)
        .map(|(name, cgroup)| serde_json::json!({"taken": 1, "event": name, "cgroup": cgroup, "name": name, "comm": name}))
        .collect();
    let events = serde_json::json!({ "events": events }).to_string();
    model.happened(stream::events(&events).unwrap());
    model.hello.host = names.concat();
    let details = (100..100 + names.len() as u64).map(View::Detail);
    for view in [View::List, View::Events].into_iter().chain(details) {
        for size in [SMALL, LARGE] {
            let mut look = Look {
                view: view.clone(),
                ..Look::default()
            };
            look.wanted.filter = super::super::filter::Filter::new("docker");
            look.wanted.filter = super::super::filter::Filter::default();
            for cell in &drawn(&mut look, &model, size, true).content {
                let symbol = cell.symbol();
                assert!(symbol.chars().count() <= 1, "{symbol:?}");
                assert!(
                    !symbol.chars().any(crate::text::is_unprintable),
                    "{symbol:?}"
                );
                assert!(
                    (1..=2).contains(&symbol.width()) || symbol.is_empty(),
                    "{symbol:?}"
                );
            }
        }
    }
}

#[test]
fn without_colours_there_are_none() {
    use ratatui::style::Color;

    let model = model(&["web", "db"], 20);
    for view in [View::List, View::Detail(100), View::Events, View::Help] {
        let colours = |has_colours| {
            let mut look = Look {
                view: view.clone(),
                ..Look::default()
            };
            let buffer = drawn(&mut look, &model, LARGE, has_colours);
            let mut cells = buffer.content.iter();
            cells.any(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset))
        };
        assert!(!colours(false), "{view:?}");
        let expected = matches!(view, View::List | View::Detail(_));
        assert_eq!(colours(true), expected, "{view:?}");
    }
}

#[test]
fn the_choice_stays_with_its_container_and_in_sight() {
    let names: Vec<String> = (0..100).map(|i| format!("c{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let model = model(&names, 20);
    let mut look = Look::default();
    look.rows(&model, 19);
    for _ in 0..30 {
        look.act(Action::Move(1), &model, false);
    }
    let page = look.rows(&model, 19);
    assert_eq!(page.rows[page.chosen].name, "c030");
    assert!((page.first..page.first + 19).contains(&page.chosen));
    // Another order: the same container is chosen.
    look.act(Action::Reverse, &model, false);
    let page = look.rows(&model, 19);
    assert_eq!(
        (page.rows[page.chosen].name.as_str(), page.chosen),
        ("c030", 69)
    );
    assert!((page.first..page.first + 19).contains(&page.chosen));
    look.act(Action::Open, &model, false);
    assert_eq!(look.view, View::Detail(130));
}
