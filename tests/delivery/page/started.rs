//! Who starts is on the page at once.

use super::{opened, picture};
use crate::harness::{Docker, cgroup};

/// Up and down within a few seconds, each shell at a pace of its own.
const WAVES: &str = "while :; do for i in 1 2 3 4 5 6; do \
                     n=0; while [ $n -lt $((i * 20000)) ]; do n=$((n + 1)); done; sleep 0.4; done; done";

#[test]
fn a_container_that_starts_stands_on_the_page_by_name_and_its_chart_moves() {
    let Some(docker) = Docker::here() else { return };
    let Some(mut opened) = opened() else { return };
    let page = &mut opened.page;
    page.evaluate(
        "window.seen = {};
        window.row = (name) => [...document.querySelectorAll('#rows tr')]
            .find((it) => it.querySelector('.name').textContent === name);
        window.cpu = (name) => row(name).querySelector('.cpu').textContent;
        window.picture = () => document.querySelector('.chart canvas').toDataURL();
        new MutationObserver(() => {
            for (const it of document.querySelectorAll('.name')) seen[it.textContent] ??= Date.now();
        }).observe(document.getElementById('rows'), { childList: true, subtree: true });",
    );

    let names = ["web", "db", "queue"].map(cgroup::unique);
    let [web, db, queue] = &names;
    let container = docker.run(&["--name", web], WAVES);
    let _db = docker.run(&["--name", db, "--cpus", "0.3"], "while :; do :; done");
    let _queue = docker.run(&["--name", queue, "--cpus", "0.5"], WAVES);
    page.wait_until(&format!("seen['{web}']"));
    let inspect = ["inspect", "--format", "{{.State.StartedAt}}", &container.id];
    let started = docker.command(&inspect);
    let shown_ms = page.evaluate(&format!("seen['{web}'] - Date.parse('{started}')"));
    println!("on the page {shown_ms} ms after Docker says it started");
    assert!(shown_ms.as_f64().unwrap() <= 2_000.0, "{shown_ms}");

    page.wait_until(&format!("Number(cpu('{web}')) > 0"));
    page.evaluate(&format!("window.before = [cpu('{web}'), picture()]"));
    page.wait_until(&format!(
        "cpu('{web}') !== before[0] && picture() !== before[1]"
    ));
    for column in ["memory", "disk", "net"] {
        page.wait_until(&format!(
            "/^[0-9]/.test(row('{web}').querySelector('.{column}').textContent)"
        ));
    }
    // Something to look at: a picture with a quarter of a minute in it.
    page.wait_until(&format!(
        "row('{web}').querySelector('.line').getAttribute('d').split('L').length > 15"
    ));
    picture(page, "page.png");

    page.evaluate(&format!("row('{web}').querySelector('.name').click()"));
    page.wait_until("document.getElementById('facts').textContent.startsWith('docker')");
    page.evaluate("window.before = picture()");
    page.wait_until("picture() !== before");
    // Its start is marked in its chart.
    page.wait_until("document.querySelector('[data-panel=CPU] .chart').dataset.marks === '1'");
    page.wait_until("document.querySelector('#happened li').dataset.event === 'start'");
    page.evaluate("document.getElementById('deselect').click()");

    drop(container);
    page.wait_until(&format!("cpu('{web}') === 'ended'"));
    assert_eq!(page.complaints(), [""; 0]);
}
