//! The live page, as served and in a real browser.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value as Json, json};

use super::{Running, browser::Browser};
use crate::{
    encode::{
        self,
        fixture::{HOSTILE, container, rates, subject_of, tick_of},
    },
    http::Settings,
    live::{Limits, Live},
    loss::LossReason,
    metrics::{Metric, Sample, Value, catalog},
    self_stats::{Failing, Waiting},
};

#[tokio::test]
async fn the_page_is_whole_and_has_nothing_inline() {
    let server = Running::with_ticks(Settings::default(), 1).await;
    let page = server.get("/").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'self';")
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    for inline in [
        "<style",
        " style=",
        "<script>",
        " onclick=",
        "javascript:",
        "http:",
        "https:",
    ] {
        assert!(!page.body.contains(inline), "{inline}");
    }
    let parts: Vec<_> = page
        .body
        .split('"')
        .filter(|it| it.starts_with("assets/"))
        .collect();
    for part in parts {
        let asset = server.get(&format!("/{part}")).await;
        assert_eq!(asset.status, 200, "{part}");
        let tag = asset.header("etag").unwrap();
        let again = format!("GET /{part} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n");
        let again = server.send(&again).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{part}");
        let packed =
            format!("GET /{part} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n");
        let packed = server.send(&packed).await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{part}");
        assert_eq!(packed.header("vary"), Some("accept-encoding"), "{part}");
        assert_eq!(asset.header("content-encoding"), None, "{part}");
    }
    assert_eq!(server.get("/assets/../Cargo.toml").await.status, 404);
}

#[tokio::test]
async fn the_page_is_at_the_addresses_of_cadvisors_pages_too() {
    let server = Running::with_ticks(Settings::default(), 1).await;
    for (path, base) in [
        ("/containers/web", "../"),
        ("/docker/web/", "../../"),
        ("/containers/system.slice%2Fdocker.service", "../"),
        ("/containers/docker/%22%3E%3Cscript%3E", "../../"),
    ] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let head = format!("<head>\n<base href=\"{base}\">\n");
        assert!(page.body.contains(&head), "{path}: {}", page.body);
        assert_eq!(page.body.matches("<base").count(), 1, "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("base-uri 'self'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_browser_shows_hostile_names_as_text_and_follows_the_ticks() {
    let settings = Settings {
        host: HOSTILE[0].to_owned(),
        ..Settings::default()
    };
    let server = Running::start(settings).await;
    let named = |name: &&str, cgroup| {
        let mut container = container(cgroup, name);
        container.image = Some((*name).to_owned());
        for label in [*name, "com.docker.compose.project"] {
            let label = label.to_owned();
            container.labels.insert(label, (*name).to_owned());
        }
        subject_of(container, rates(0.5, 0.25))
    };
    let publish = |second, names: &[&str]| {
        let subjects = names.iter().zip(100..).map(|(name, at)| named(name, at));
        let batch = tick_of(second, subjects.collect());
        server.live.publish(batch);
    };
    publish(1, HOSTILE);
    publish(2, HOSTILE);
    let address = format!("http://{}/", server.address);
    let Some(mut page) = tokio::task::block_in_place(|| Browser::open(&address)) else {
        println!("SKIP http::tests::page: chromium is not installed (apt-get install chromium)");
        return;
    };
    tokio::task::block_in_place(|| {
        let rows = format!(
            "document.querySelectorAll('#rows tr').length === {}",
            HOSTILE.len()
        );
        page.wait_until(&rows);
        let names =
            page.evaluate("[...document.querySelectorAll('.name')].map((it) => it.textContent)");
        let mut names: Vec<_> = names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        names.sort_unstable();
        let mut expected = HOSTILE.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(
            page.evaluate("document.querySelectorAll('img, #rows script').length"),
            0
        );
        assert_eq!(
            page.evaluate("document.title"),
            format!("{} · cgflux", HOSTILE[0])
        );

        let open = |name: &str| {
            let name = Json::from(name);
            format!(
                "[...document.querySelectorAll('a.name')].find((it) => it.textContent === {name}).click()"
            )
        };
        page.evaluate(&open(HOSTILE[0]));
        page.wait_until("document.getElementById('facts').textContent.startsWith('docker')");
        let shown = "document.getElementById('detail-name').textContent";
        assert_eq!(page.evaluate(shown), HOSTILE[0]);
        page.wait_until("document.querySelectorAll('#detail canvas').length === 1");
        let labels = "[...document.querySelectorAll('#labels dd')].map((it) => it.textContent)";
        assert_eq!(page.evaluate(labels), json!([HOSTILE[0], HOSTILE[0]]));
        // Its link opens it again.
        page.evaluate("document.getElementById('deselect').click()");
        page.evaluate("history.back()");
        page.wait_until(&format!("{shown} === {}", Json::from(HOSTILE[0])));
        page.evaluate("document.getElementById('deselect').click()");
        page.evaluate(
            "window.choose = (name, value) => {
                const field = document.getElementById('shown')[name];
                field.value = value;
                field.dispatchEvent(new Event('input', { bubbles: true }));
            };
            choose('group', 'project')",
        );
        page.wait_until(&format!(
            "document.querySelectorAll('#rows .group').length === {}",
            HOSTILE.len()
        ));
        page.evaluate("choose('group', ''); choose('filter', '<img')");
        page.wait_until("document.querySelectorAll('#rows tr').length === 1");
        page.evaluate("choose('filter', '')");
        page.wait_until(&rows);

        page.evaluate(
            "window.first = [...document.querySelectorAll('#rows tr')].find((it) => it.textContent.includes('<img'));
            window.line = () => first.querySelector('.line').getAttribute('d');
            window.before = line()",
        );
        publish(3, &[&HOSTILE[..1], &["newcomer"]].concat());
        page.wait_until("line() !== before");
        page.wait_until(
            "[...document.querySelectorAll('.name')].some((it) => it.textContent === 'newcomer')",
        );
        page.wait_until(&format!(
            "document.querySelectorAll('.ended').length === {}",
            HOSTILE.len() - 2
        ));
        page.set_width(360);
        page.wait_until("innerWidth === 360 && document.documentElement.scrollWidth <= 360");
        assert_eq!(page.complaints(), [""; 0]);
    });
}

/// A recording of two seconds, in each of which every entry of a hostile name did something else, and its last line is cut.
fn recording() -> Vec<u8> {
    let live = Live::new(Limits::default());
    let mut lines = vec![
        json!({"recording": 1, "hello": {"host": HOSTILE[1], "cpus": 2, "interval_ms": 1000}})
            .to_string(),
    ];
    let mut told = Vec::new();
    for second in 1..=2 {
        let subject = |(cgroup, name): (u64, &&str)| {
            let rates = rates(f64::from(second) / 4.0, 0.0);
            subject_of(container(cgroup, name), rates)
        };
        live.publish(tick_of(second, (100..).zip(HOSTILE).map(subject).collect()));
        let tick = live
            .tick_after(i64::from(second) * 1_000_000_000 - 1)
            .unwrap();
        let text = encode::json::tick(&tick, &told, None, Some(&[]));
        lines.push(format!("{{\"tick\":{text}}}"));
        told = tick.entries;
    }
    let events = json!([{"taken": 1_000_000_000, "event": "start", "cgroup": 100, "kind": "container", "name": HOSTILE[0]}]);
    lines.push(json!({ "events": events }).to_string());
    lines.push("{\"tick\":{\"t\":3000,".to_owned());
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines.join("\n").as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_from_disk_is_looked_at_second_by_second_without_the_agent() {
    let server = Running::with_ticks(Settings::default(), 1).await;
    let file = tempfile::NamedTempFile::with_suffix(".gz").unwrap();
    std::fs::write(&file, recording()).unwrap();
    let address = format!("http://{}/", server.address);
    let Some(mut page) = tokio::task::block_in_place(|| Browser::open(&address)) else {
        println!("SKIP chromium is not installed");
        return;
    };
    tokio::task::block_in_place(|| {
        page.wait_until("document.getElementById('state').dataset.state === 'live'");
        let state = "document.getElementById('state').textContent";
        page.choose_file("#file", file.path());
        // What could be read is shown, and that there was more.
        let problem = "document.getElementById('problem').textContent";
        page.wait_until(&format!("{state}.startsWith('recording ')"));
        page.wait_until(&format!("{problem}.endsWith('line 5 is not understood')"));
        page.wait_until(&format!(
            "document.querySelectorAll('#rows tr').length === {}",
            HOSTILE.len()
        ));
        assert_eq!(
            page.evaluate("document.title"),
            format!("{} · cgflux", HOSTILE[1])
        );
        let all_use = |cpus: &str| {
            format!(
                "[...document.querySelectorAll('#rows .cpu')].every((it) => it.textContent === '{cpus}')"
            )
        };
        page.wait_until(&all_use("0.500"));
        page.evaluate(
            "const at = document.getElementById('at');
            at.value = at.min;
            at.dispatchEvent(new Event('input'))",
        );
        page.wait_until(&all_use("0.250"));
        assert_eq!(
            page.evaluate("new URLSearchParams(location.search).get('at')"),
            "1"
        );
        page.wait_until("document.querySelector('#charts .chart').dataset.marks === '1'");
        page.evaluate("document.getElementById('live').click()");
        page.wait_until(&format!("{state} === 'live'"));
        page.wait_until("document.querySelectorAll('#rows tr').length === 2");

        std::fs::write(&file, "{\"something\":\"else\"}\n").unwrap();
        page.choose_file("#file", file.path());
        page.wait_until(&format!("{problem}.includes('no recording of cgflux')"));
        page.wait_until(&format!("{state} === 'live'"));
        assert_eq!(page.evaluate("document.querySelectorAll('img').length"), 0);
        assert_eq!(page.complaints(), [""; 0]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_footer_tells_what_the_agent_costs_and_loses() {
    let server = Running::start(Settings::default()).await;
    let own = |second: u32, dropped| {
        let sample = |metric: &'static Metric, value| Sample::new(metric, Value::Integer(value));
        let lost = |reason, count| sample(&catalog::AGENT_LOSSES, count).labelled("reason", reason);
        let mut batch = tick_of(
            second,
            vec![subject_of(container(7, "web"), rates(0.5, 0.0))],
        );
        batch.agent = vec![
            sample(&catalog::AGENT_CPU, u64::from(second) * 12_300_000),
            sample(&catalog::AGENT_RSS, 12 << 20),
            lost("events_lost", 0),
            lost("unseen_switch_ins", 8),
            sample(&catalog::SINK_DROPPED, dropped).labelled("sink", "db"),
        ];
        if second > 1 {
            batch
                .agent
                .push(Sample::new(&catalog::AGENT_PROGRAMS, Value::Float(0.0056)));
        }
        server.live.publish(batch);
    };
    own(1, 0);
    let address = format!("http://{}/", server.address);
    let Some(mut page) = tokio::task::block_in_place(|| Browser::open(&address)) else {
        println!("SKIP chromium is not installed");
        return;
    };
    tokio::task::block_in_place(|| {
        let footer = |text: &str| {
            format!(
                "document.getElementById('own').innerText.replace(/\\s+/g, ' ').endsWith('{text}')"
            )
        };
        let title = "document.getElementById('own-losses').title";
        page.wait_until(&footer("CPU – memory 12.0 MiB losses none"));
        let minor = "8 unseen switch ins (no CPU time lost)";
        assert_eq!(page.evaluate(title), minor);
        own(2, 3);
        page.wait_until(&footer(
            "CPU 1.23 % kernel programs 0.56 % memory 12.0 MiB losses 3",
        ));
        let all = format!("3 points dropped by db\n{minor}");
        assert_eq!(page.evaluate(title), all);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_load_of_the_host_are_shown_where_they_are_measured() {
    let server = Running::start(Settings::default()).await;
    let publish = |second, host: Vec<Sample>| {
        let mut batch = tick_of(second, Vec::new());
        batch.host = host;
        server.live.publish(batch);
    };
    publish(1, Vec::new());
    let address = format!("http://{}/", server.address);
    let Some(mut page) = tokio::task::block_in_place(|| Browser::open(&address)) else {
        println!("SKIP chromium is not installed");
        return;
    };
    tokio::task::block_in_place(|| {
        let shown = |text: &str| {
            format!(
                "document.getElementById('totals').innerText.replace(/\\s+/g, ' ').endsWith('{text}')"
            )
        };
        page.wait_until(&shown("Containers 0"));
        let bytes = |metric, gib: u64| Sample::new(metric, Value::Integer(gib << 30));
        publish(
            2,
            vec![
                Sample::new(&catalog::HOST_LOAD_1, Value::Float(1.5)),
                bytes(&catalog::HOST_MEM_TOTAL, 16),
                bytes(&catalog::HOST_MEM_AVAILABLE, 12),
            ],
        );
        page.wait_until(&shown("Memory 4.0 of 16.0 GiB · 25 % Load 1.50"));
        assert_eq!(page.complaints(), [""; 0]);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_foot_tells_how_each_sink_stands_in_the_words_of_a_hostile_server() {
    let server = Running::start(Settings::default()).await;
    // The page asks every five seconds of the agent's time.
    let mut batch = tick_of(10, Vec::new());
    let memory = Value::Integer(12 << 20);
    batch.agent = vec![Sample::new(&catalog::AGENT_RSS, memory)];
    server.live.publish(batch);
    server.stats.sink("file");
    let db = server.stats.sink("db");
    let waiting = Waiting {
        points: 12,
        ..Waiting::default()
    };
    db.publish(7, |it| u64::from(it == LossReason::Aged) * 3, waiting);
    db.fails(Some(Failing {
        since_ns: 1,
        reason: "503 <img src=x onerror=alert(1)>".to_owned(),
    }));
    let status = server.get("/api/v1/status").await;
    assert_eq!(status.status, 200);
    let told = status.json();
    let states: Vec<_> = told["sinks"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&states[0]["state"], &states[1]["state"]),
        (&"ok".into(), &"failing".into())
    );

    let address = format!("http://{}/", server.address);
    let Some(mut page) = tokio::task::block_in_place(|| Browser::open(&address)) else {
        println!("SKIP chromium is not installed");
        return;
    };
    tokio::task::block_in_place(|| {
        page.wait_until("document.querySelectorAll('#sinks li').length === 2");
        let line = |at: usize| format!("document.querySelectorAll('#sinks li')[{at}].textContent");
        assert_eq!(
            page.evaluate(&line(0)),
            "file ok · 0 points waiting · none lost · nothing acknowledged yet"
        );
        let failing = page.evaluate(&line(1));
        let failing = failing.as_str().unwrap_or_default();
        assert!(failing.starts_with("db failing since "), "{failing}");
        assert!(
            failing.ends_with(
                ": 503 <img src=x onerror=alert(1)> · 12 points waiting · lost: 3 aged · nothing acknowledged yet"
            ),
            "{failing}"
        );
        assert_eq!(
            page.evaluate("document.querySelectorAll('#sinks .bad').length"),
            1
        );
        assert_eq!(page.evaluate("document.querySelectorAll('img').length"), 0);
        assert_eq!(page.complaints(), [""; 0]);
    });
}
