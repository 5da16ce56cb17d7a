//! Against a daemon that answers as Docker 20.10.24 did, and against the real one.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::oneshot,
    time::timeout,
};

use super::*;

const LISTED: &str = "65f39d803f402759ae9c01fdfc86f887853152ec385e868b7e32c77fe603ef40";
const STARTED: &str = "f3d0d29fd99930076fb23a4c15e60c96fed0ce3be4020824f62fc84ed7135420";

#[tokio::test]
async fn what_runs_is_reported_and_then_what_happens() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let daemon = UnixListener::bind(&socket).expect("bound");
    let (api, mut messages) = DockerApi::new(&socket);
    let (stop, stopped) = oneshot::channel::<()>();
    let test = async {
        assert_eq!(
            next(&mut messages).await,
            DockerMessage::DataRoot("/var/lib/docker".into())
        );
        let (id, info) = container(next(&mut messages).await);
        assert_eq!(id, LISTED);
        assert_eq!(info.name.as_deref(), Some("web-1"));
        assert_eq!(info.image.as_deref(), Some("busybox-local"));
        assert_eq!(info.labels.len(), 3);

        let (id, info) = container(next(&mut messages).await);
        assert_eq!((id.as_str(), info.name.as_deref()), (STARTED, Some("ev1")));
        assert_eq!(
            info.labels,
            BTreeMap::from([("a.b".to_owned(), "c".to_owned())])
        );
        let (_, info) = container(next(&mut messages).await);
        assert_eq!(info.name.as_deref(), Some("ev2"), "renamed");
        let ended = DockerMessage::Ended {
            id: STARTED.to_owned(),
            exit_code: Some(0),
        };
        assert_eq!(next(&mut messages).await, ended);
        stop.send(()).expect("still running");
    };
    let run = api.run(async { stopped.await.unwrap_or(()) });

    let (ended, ()) = tokio::select! {
        both = async { tokio::join!(run, test) } => both,
        () = serve(daemon) => unreachable!("serves for ever"),
    };

    assert_eq!(ended, Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_comes_late_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let (api, mut messages) = DockerApi::new(&socket);
    let late = async {
        sleep(Duration::from_secs(20)).await;
        serve(UnixListener::bind(&socket).expect("bound")).await;
    };

    let first = tokio::select! {
        first = messages.recv() => first,
        _ = api.run(std::future::pending()) => None,
        () = late => None,
    };

    assert_eq!(
        first,
        Some(DockerMessage::DataRoot("/var/lib/docker".into()))
    );
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("docker.sock");
    let daemon = UnixListener::bind(&socket).expect("bound");
    let (api, messages) = DockerApi::new(&socket);
    drop(messages);

    let ended = tokio::select! {
        ended = api.run(std::future::pending()) => ended,
        () = serve(daemon) => unreachable!("serves for ever"),
    };

    assert_eq!(ended, Ended::NoReceiver);
}

/// Answers each request as the captured daemon did; the events' stream stays open.
async fn serve(daemon: UnixListener) {
    let mut streams = Vec::new();
    loop {
        let (mut client, _) = daemon.accept().await.expect("accepted");
        let request = request(&mut client).await;
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let body = match path.rsplit('/').next().unwrap_or_default() {
            "version" => include_str!("../../../../tests/fixtures/docker_api/version.json"),
            "info" => include_str!("../../../../tests/fixtures/docker_api/info.json"),
            "json" => include_str!("../../../../tests/fixtures/docker_api/containers.json"),
            "events" => {
                let events = include_str!("../../../../tests/fixtures/docker_api/events.jsonl");
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let chunk = format!("{head}{:x}\r\n{events}\r\n", events.len());
                client.write_all(chunk.as_bytes()).await.expect("written");
                streams.push(client);
                continue;
            }
            _ => panic!("unexpected request: {request}"),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        client
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .expect("written");
    }
}

async fn request(client: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.expect("a whole request"));
    }
    String::from_utf8(head).expect("text")
}

async fn next(messages: &mut mpsc::Receiver<DockerMessage>) -> DockerMessage {
    until(messages, |_| true).await
}

async fn until(
    messages: &mut mpsc::Receiver<DockerMessage>,
    is_it: impl Fn(&DockerMessage) -> bool + Send + Sync,
) -> DockerMessage {
    let found = async {
        loop {
            let message = messages.recv().await.expect("the connection stands");
            if is_it(&message) {
                return message;
            }
        }
    };
    timeout(Duration::from_secs(30), found)
        .await
        .expect("in time")
}

fn container(message: DockerMessage) -> (String, RuntimeInfo) {
    match message {
        DockerMessage::Container { id, info } => (id, info),
        other => panic!("not a container: {other:?}"),
    }
}
