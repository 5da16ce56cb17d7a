//! The live page of the running agent in a real browser, beside real containers.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use crate::harness::{Browser, Docker, Home, cgroup, run_folder, skip};

/// Up and down within a few seconds, each shell at a pace of its own.
const WAVES: &str = "while :; do for i in 1 2 3 4 5 6; do \
                     n=0; while [ $n -lt $((i * 20000)) ]; do n=$((n + 1)); done; sleep 0.4; done; done";

#[test]
fn a_container_that_starts_stands_on_the_page_by_name_and_its_chart_moves() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let address = format!("http://{}/", agent.address());
    let Some(mut page) = Browser::open(&address).or_else(|| skip("no chromium")) else {
        return;
    };
    page.set_width(1200);
    page.wait_until("document.getElementById('state').dataset.state === 'live'");
    page.evaluate(
        "window.seen = {};
        window.row = (name) => [...document.querySelectorAll('#rows tr')]
            .find((it) => it.querySelector('.name').textContent === name);
        window.cpu = (name) => row(name).querySelector('.cpu').textContent;
        window.picture = () => document.querySelector('#cpu-chart canvas').toDataURL();
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
    page.evaluate(&format!("row('{web}').querySelector('.name').click()"));
    page.wait_until("document.getElementById('facts').textContent.startsWith('docker')");
    page.evaluate("window.before = picture()");
    page.wait_until("picture() !== before");

    page.wait_until(&format!(
        "Number(row('{web}').querySelector('.memory').textContent) > 0"
    ));
    page.wait_until(&format!(
        "row('{web}').querySelector('.disk').textContent !== '–'"
    ));
    page.wait_until(&format!(
        "row('{web}').querySelector('.network').textContent !== '–'"
    ));

    // Its start is marked in its chart.
    page.wait_until("document.getElementById('cpu-chart').dataset.marks === '1'");

    // Something to look at: a picture with a quarter of a minute in it, wide and narrow.
    page.wait_until(&format!(
        "row('{web}').querySelector('.line').getAttribute('d').split('L').length > 15"
    ));
    keep("page.png", &screenshot(&mut page));
    page.set_width(400);
    page.wait_until("innerWidth === 400 && document.documentElement.scrollWidth <= 400");
    keep("page-narrow.png", &screenshot(&mut page));

    drop(container);
    page.wait_until(&format!("cpu('{web}') === 'ended'"));
    assert_eq!(page.complaints(), [""; 0]);
}

fn screenshot(page: &mut Browser) -> Vec<u8> {
    let answer = page.call("Page.captureScreenshot", &json!({ "format": "png" }));
    BASE64.decode(answer["data"].as_str().unwrap()).unwrap()
}

/// Keeps a file for people to look at.
fn keep(name: &str, content: &[u8]) {
    let folder = run_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), content).unwrap();
    println!("see {}", folder.join(name).display());
}
