//! Runs against a server of a few lines that does what it is told: good and bad.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use super::*;
use crate::{
    cli::{Color, Global, TelemetryArgs},
    load::{request::Request, schedule::Gaps, target::Endpoint, window::Fault},
    telemetry,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42";

/// Serves each connection on a thread of its own; they end with their connections. `answer` gets the request's number
/// and returns whether the connection goes on.
fn serve(answer: impl Fn(u64, &mut TcpStream) -> bool + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).is_ok_and(|length| length > 0)
                    && answer(count.fetch_add(1, Ordering::Relaxed), &mut stream)
                {}
            });
        }
    });
    address
}

/// Holds an answer back.
fn stall(length: Duration) {
    let (sender, receiver) = sync_channel::<()>(1);
    // Nobody ever sends.
    assert!(receiver.recv_timeout(length).is_err());
    drop(sender);
}

/// One connection, closed loop, so many requests.
fn order(address: SocketAddr, most: u64) -> Order {
    let request = Request {
        method: hyper::Method::GET,
        fields: Vec::new(),
        body: Vec::new(),
        keep_alive: true,
    };
    let target = format!("http://{address}/").parse().unwrap();
    Order {
        endpoint: Endpoint::Tcp(address),
        request: request.bytes(&target),
        is_head: false,
        pace: Pace::Replies,
        connections: 1,
        threads: 1,
        warmup: Duration::ZERO,
        length: Duration::from_mins(1),
        most: Some(most),
        timeout: Duration::from_secs(30),
        keep_alive: true,
        wants_numbers: false,
    }
}

fn run(order: Order) -> Outcome {
    let global = Global {
        config: None,
        verbose: 0,
        quiet: 0,
        log_format: None,
        color: Color::Never,
    };
    let arguments = TelemetryArgs {
        points: "none".parse().unwrap(),
        database: None,
        state_dir: None,
        container: None,
    };
    let (resolved, _) = telemetry::resolve(&global, &arguments).unwrap();
    let telemetry = Telemetry::open("load", &resolved, None).unwrap();
    let trial = Trial {
        telemetry: &telemetry,
        run: "test",
        progress: &Progress::new(true),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(trial.run(order)).unwrap()
}

fn faults(outcome: &Outcome) -> Vec<(Fault, u64)> {
    outcome
        .total
        .faults
        .iter()
        .map(|(fault, met)| (*fault, met.count))
        .collect()
}

#[test]
fn each_request_is_sent_once_and_answered() {
    let address = serve(|_, stream| stream.write_all(OK).is_ok());
    for (connections, threads) in [(1, 1), (7, 3)] {
        let outcome = run(Order {
            connections,
            threads,
            ..order(address, 500)
        });
        let total = &outcome.total;
        assert_eq!(
            (total.sent, total.ok, total.statuses[&200]),
            (500, 500, 500)
        );
        assert_eq!((total.errors(), total.connected), (0, connections as u64));
        assert_eq!(total.latency.histogram.len(), 500);
    }
}

#[test]
fn an_open_loop_sends_as_many_as_its_stages_say() {
    let address = serve(|_, stream| stream.write_all(OK).is_ok());
    let stage = |rate| Stage {
        length: Duration::from_millis(400),
        rate,
    };
    let pace = Pace::Times {
        stages: vec![stage(100.0), stage(500.0)],
        gaps: Gaps::Even,
    };
    let length = Duration::from_millis(800);
    let outcome = run(Order {
        pace,
        length,
        most: None,
        connections: 4,
        threads: 2,
        ..order(address, 1)
    });
    assert_eq!(outcome.total.sent + outcome.unsent, 240);
    assert_eq!(
        (outcome.total.ok, outcome.unanswered),
        (outcome.total.sent, 0)
    );
    assert!((outcome.target_rate.unwrap() - 300.0).abs() < 1.0);
}

#[test]
fn a_stall_shows_in_full_from_when_requests_were_due() {
    let address = serve(|number, stream| {
        if number == 20 {
            stall(Duration::from_millis(300));
        }
        stream.write_all(OK).is_ok()
    });
    let pace = |stages| Pace::Times {
        stages,
        gaps: Gaps::Even,
    };
    let length = Duration::from_secs(1);
    let open = pace(vec![Stage {
        length,
        rate: 200.0,
    }]);
    let outcome = run(Order {
        pace: open,
        length,
        most: None,
        ..order(address, 1)
    });
    let total = &outcome.total;
    // Some 60 of the 200 were due within the stall; one was under way.
    assert!(
        total.latency.at(0.9) >= 100_000,
        "{}",
        total.latency.at(0.9)
    );
    assert!(
        total.service.at(0.5) * 4 < total.latency.at(0.9),
        "{}",
        total.service.at(0.5)
    );
    assert!(total.service.max_us >= 300_000, "{}", total.service.max_us);
}

#[test]
fn who_waits_in_vain_is_counted_with_the_time_that_took() {
    let address = serve(|number, stream| number == 3 || stream.write_all(OK).is_ok());
    let timeout = Duration::from_millis(100);
    let outcome = run(Order {
        timeout,
        ..order(address, 10)
    });
    assert_eq!(
        (outcome.total.ok, faults(&outcome)),
        (9, vec![(Fault::Timeout, 1)])
    );
    assert_eq!(
        (
            outcome.total.connected,
            outcome.total.latency.histogram.len()
        ),
        (2, 10)
    );
    assert!(outcome.total.latency.max_us >= 100_000);
}

#[test]
fn each_fault_has_its_name_and_the_next_request_a_new_connection() {
    let answers: [(Fault, &'static [u8]); 2] = [
        (Fault::Closed, b"HTTP/1.1 200 OK\r\nContent-Le"),
        (Fault::Protocol, b"SSH-2.0-x\r\n\r\n"),
    ];
    for (fault, bytes) in answers {
        let address = serve(move |number, stream| {
            if number % 5 == 4 {
                stream.write_all(bytes).unwrap();
                return false;
            }
            stream.write_all(OK).is_ok()
        });
        let outcome = run(order(address, 20));
        assert_eq!(
            (outcome.total.ok, faults(&outcome)),
            (16, vec![(fault, 4)]),
            "{fault:?}"
        );
        assert!(outcome.total.connected >= 4, "{}", outcome.total.connected);
        assert_eq!(outcome.total.lost, 4);
    }
}

#[test]
fn a_connection_that_is_reset_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // What is closed with bytes that nobody read is reset (RFC 1122, 4.2.2.13).
            let mut byte = [0; 1];
            stream.unwrap().read_exact(&mut byte).unwrap_or_default();
        }
    });
    let outcome = run(order(address, 3));
    assert_eq!(
        (outcome.total.ok, faults(&outcome)),
        (0, vec![(Fault::Reset, 3)])
    );
}

#[test]
fn replies_that_end_a_connection_are_replies() {
    let address = serve(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n4")
            .unwrap();
        stream.write_all(b"2").unwrap();
        false
    });
    let closing = run(order(address, 10));
    assert_eq!((closing.total.ok, closing.total.errors()), (10, 0));
    let address = serve(|_, stream| stream.write_all(OK).is_ok());
    let single = run(Order {
        keep_alive: false,
        ..order(address, 10)
    });
    assert_eq!((single.total.ok, single.total.connected), (10, 10));
}

#[test]
fn a_server_that_went_away_is_tried_again_with_pauses() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let length = Duration::from_millis(500);
    let outcome = run(Order {
        length,
        most: None,
        ..order(address, 1)
    });
    let connects = outcome.total.faults[&Fault::Connect].count;
    // After 0, 10, 20, 40, 80, 160 and 320 ms at the soonest, connecting and sending together.
    assert!((2..=20).contains(&connects), "{connects}");
    assert_eq!(outcome.total.sent, 0);
}

#[test]
fn a_counter_that_repeats_itself_is_found() {
    let reply = |number: u64| {
        let number = number.to_string();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{number}",
            number.len()
        )
    };
    let good = serve(move |number, stream| stream.write_all(reply(number + 1).as_bytes()).is_ok());
    let bad =
        serve(move |number, stream| stream.write_all(reply(number.min(7)).as_bytes()).is_ok());
    let verify = |address| {
        let outcome = run(Order {
            wants_numbers: true,
            connections: 4,
            threads: 2,
            ..order(address, 200)
        });
        outcome.counter.unwrap()
    };
    let found = verify(good);
    assert!(found.holds, "{found:?}");
    assert_eq!((found.distinct, found.replies), (200, 200));
    let found = verify(bad);
    assert!(
        !found.holds && found.repeated.count == 192 && found.fell.count > 0,
        "{found:?}"
    );
}
