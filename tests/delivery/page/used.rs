//! What a person does with the page: the keyboard alone, links, a recording from disk, other sizes and themes.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    super::top::record,
    Opened,
    hands::{drag_over_chart, link, names, press, set_theme, type_text},
    opened, picture,
};
use crate::harness::{Browser, Container, Docker, cgroup};

/// Two projects of two services each.
struct Shop {
    names: [String; 3],
    _containers: [Container; 3],
}

#[test]
fn the_page_is_worked_by_keys_and_keeps_its_state_in_links() {
    let Some(docker) = Docker::here() else { return };
    let shop = Shop::open(&docker);
    let Some(mut opened) = opened() else { return };
    let Opened { page, address, .. } = &mut opened;
    it_filters_groups_and_sorts(page, &shop);
    it_opens_pauses_and_zooms(page, &shop);
    a_link_opens_the_same_view(page, address, &shop);
    a_recording_is_opened_from_disk(&mut opened, &shop);
    it_is_readable_at_any_width_and_in_both_themes(&mut opened.page);
    assert_eq!(opened.page.complaints(), [""; 0]);
}

impl Shop {
    fn open(docker: &Docker) -> Self {
        let names = ["front", "store", "front"].map(cgroup::unique);
        let project = |at: usize| if at < 2 { "shop" } else { "blog" };
        let service = |at: usize| ["web", "db", "web"][at];
        let run = |at: usize, script: &str| {
            let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
            let labels = [label("project", project(at)), label("service", service(at))];
            let options = [
                "--name", &names[at], "--label", &labels[0], "--label", &labels[1],
            ];
            docker.run(&[&options[..], &["--cpus", "0.3"]].concat(), script)
        };
        let containers = [
            run(
                0,
                "while :; do n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done; sleep 0.2; done",
            ),
            run(1, "sleep 1000"),
            run(2, "sleep 1000"),
        ];
        Self {
            names,
            _containers: containers,
        }
    }
}

fn it_filters_groups_and_sorts(page: &mut Browser, shop: &Shop) {
    let [busy, idle, other] = &shop.names;
    press(page, "/");
    type_text(page, "project:shop -nothing");
    page.wait_until("document.querySelectorAll('#rows tr').length === 2");
    page.wait_until(&format!(
        "document.querySelector('#rows .name').textContent === '{busy}'"
    ));
    assert_eq!(names(page), [busy.as_str(), idle]);
    press(page, "Escape");
    assert_eq!(page.evaluate("document.activeElement.tagName"), "BODY");
    // The other way round, by the head of the column.
    page.evaluate("document.querySelector('[data-sort=cpu] button').click()");
    page.wait_until(&format!(
        "document.querySelector('#rows .name').textContent === '{idle}'"
    ));
    assert_eq!(
        page.evaluate("document.querySelector('[data-sort=cpu]').ariaSort"),
        "ascending"
    );
    page.evaluate("document.querySelector('[data-sort=cpu] button').click()");
    press(page, "Escape");
    page.wait_until("!location.search.includes('filter')");
    press(page, "/");
    type_text(
        page,
        &format!("com.docker.compose.service:web {}", &other[..10]),
    );
    press(page, "Escape");
    press(page, "g");
    page.wait_until("document.querySelectorAll('#rows .group').length === 2");
    let told = names(page);
    assert_eq!(told, ["shop", busy.as_str(), "blog", other]);
    // A group is closed and opened by its button.
    page.evaluate("document.querySelector('#rows .group button').click()");
    page.wait_until("document.querySelectorAll('#rows tr').length === 3");
    page.evaluate("document.querySelector('#rows .group button').click()");
    page.wait_until("document.querySelectorAll('#rows tr').length === 4");
}

fn it_opens_pauses_and_zooms(page: &mut Browser, shop: &Shop) {
    let [busy, _, other] = &shop.names;
    let focused = |name: &str| format!("document.activeElement.textContent === '{name}'");
    press(page, "j");
    press(page, "j");
    page.wait_until(&focused(busy));
    press(page, "Enter");
    let shown =
        |name: &str| format!("document.getElementById('detail-name').textContent === '{name}'");
    page.wait_until(&shown(busy));
    page.wait_until("document.querySelector('[data-panel=\"Run-queue wait\"] canvas')");
    page.wait_until("document.querySelector('[data-panel=\"CPU\"] .values').textContent.includes('limit 0.300')");
    page.wait_until("document.querySelector('[data-panel=\"Memory\"] .values').textContent.includes('working set')");
    press(page, "j");
    page.wait_until(&shown(other));
    page.evaluate("history.back()");
    page.wait_until(&shown(busy));

    press(page, "1");
    press(page, "p");
    page.wait_until("document.getElementById('state').textContent === 'paused'");
    let (at, picture) = (
        "document.getElementById('when').textContent",
        "document.querySelector('.chart canvas').toDataURL()",
    );
    page.evaluate(&format!(
        "window.before = [{at}, {picture}, document.getElementById('at').max]"
    ));
    // What comes in meanwhile is kept, and what is shown stands.
    page.wait_until("Number(document.getElementById('at').max) >= Number(before[2]) + 2");
    assert_eq!(page.evaluate(&format!("{picture} === before[1]")), true);
    press(page, "ArrowLeft");
    page.wait_until(&format!("{at} !== before[0]"));
    assert!(link(page).contains("&at="), "{}", link(page));
    press(page, "p");
    page.wait_until("document.getElementById('state').textContent === 'live'");

    drag_over_chart(page, 0.3, 0.6);
    page.wait_until("location.search.includes('zoom=')");
    press(page, "Escape");
    page.wait_until("!location.search.includes('zoom=')");
    press(page, "Escape");
    page.wait_until(&focused(busy));
    press(page, "?");
    page.wait_until("document.getElementById('keys').open");
    press(page, "Escape");
    page.wait_until("!document.getElementById('keys').open");
}

fn a_link_opens_the_same_view(page: &mut Browser, address: &str, shop: &Shop) {
    let [busy, ..] = &shop.names;
    let link = link(page);
    for part in ["group=project", "range=60", "filter=com.docker"] {
        assert!(link.contains(part), "{link}");
    }
    page.call(
        "Page.navigate",
        &json!({ "url": format!("{address}{link}") }),
    );
    page.wait_until("document.querySelectorAll('#rows .group').length === 2");
    // As cAdvisor's page of a container.
    page.call(
        "Page.navigate",
        &json!({ "url": format!("{address}containers/{busy}") }),
    );
    page.wait_until(&format!(
        "document.getElementById('detail-name').textContent === '{busy}'"
    ));
    page.wait_until("document.getElementById('facts').textContent.startsWith('docker')");
    page.wait_until("document.querySelectorAll('#charts canvas').length >= 4");
    picture(page, "page-container.png");
    page.evaluate("document.getElementById('deselect').click()");
    page.wait_until("location.pathname === '/' && location.search === ''");
}

/// One that `cgflux top` makes.
fn a_recording_is_opened_from_disk(opened: &mut Opened, shop: &Shop) {
    let Opened {
        page, agent, home, ..
    } = opened;
    let file = home.path().join("recording.gz");
    record(home, agent, &file, 10, Signal::SIGTERM);
    page.choose_file("#file", &file);
    page.wait_until("document.getElementById('state').textContent === 'recording recording.gz'");
    let [busy, ..] = &shop.names;
    page.wait_until(&format!(
        "[...document.querySelectorAll('#rows .name')].some((it) => it.textContent === '{busy}')"
    ));
    page.evaluate("document.getElementById('at').value = document.getElementById('at').min");
    press(page, " ");
    page.wait_until("document.getElementById('play').textContent === 'play' && document.getElementById('at').value === document.getElementById('at').max");
    assert_eq!(
        page.evaluate("document.getElementById('own-losses').textContent === '–'"),
        Value::Bool(false)
    );
    picture(page, "page-recording.png");
    page.evaluate("document.getElementById('live').click()");
    page.wait_until("document.getElementById('state').textContent === 'live'");
}

fn it_is_readable_at_any_width_and_in_both_themes(page: &mut Browser) {
    for (width, theme) in [
        (1200, "light"),
        (1200, "dark"),
        (360, "dark"),
        (360, "light"),
    ] {
        set_theme(page, theme);
        page.set_width(width);
        page.wait_until(&format!(
            "innerWidth === {width} && document.documentElement.scrollWidth <= {width}"
        ));
        page.wait_until("document.querySelector('.chart canvas')");
        // Nothing has a name of no letters.
        let nameless = "[...document.querySelectorAll('button, a, input, select')]
            .filter((it) => !(it.textContent || it.ariaLabel || it.labels?.[0]?.textContent).trim()).length";
        assert_eq!(page.evaluate(nameless), 0);
        picture(page, &format!("page-{width}-{theme}.png"));
    }
}
