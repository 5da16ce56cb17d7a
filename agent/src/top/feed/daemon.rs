//! The running daemon: its live stream, taken up again after each loss, and its events.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::News;
use crate::{
    client::{
        GetError, Server,
        daemon::{PATIENCE, TOKEN},
        events::{EventStream, Listening},
        get,
    },
    stream,
    text::chain,
};

/// A stream that says nothing for so long is dead: the daemon sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(40);

/// Between two questions for what happened.
const ASK_EVENTS: Duration = Duration::from_secs(2);

/// Before the first new attempt; twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Listens, from the tick after the one with this id on.
pub(super) async fn open(server: &Server, last_id: Option<&str>) -> Result<Listening, GetError> {
    let mut path = "/api/v1/live?detail=all".to_owned();
    if let Some(id) = last_id {
        path.push_str("&since=");
        path.push_str(id);
    }
    EventStream::open(server, &path, PATIENCE).await
}

/// Why there is no stream, as whoever answered says it.
pub(super) fn refusal(status: u16, body: &str) -> String {
    let body: Option<Json> = serde_json::from_str(body).ok();
    let reason = body.as_ref().and_then(|it| it.get("error")?.as_str());
    match reason {
        Some(reason) if status == 401 => format!("{reason}. {TOKEN}"),
        Some(reason) => reason.to_owned(),
        None => format!("status {status}, which is no word of cgflux"),
    }
}

/// Tells what the stream and what ones after it say, until nobody listens.
pub(super) async fn follow(server: Server, first: EventStream, news: mpsc::Sender<News>) {
    let mut listener = Listener {
        server,
        news,
        last_id: None,
        events_since_ns: 0,
        events_due: Instant::now(),
    };
    let mut stream = Some(first);
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match stream.take() {
            Some(stream) => {
                let id_before = listener.last_id.clone();
                let Some(reason) = listener.listen(stream).await else {
                    return;
                };
                if listener.last_id != id_before {
                    pause = FIRST_PAUSE;
                }
                reason
            }
            None => match open(&listener.server, listener.last_id.as_deref()).await {
                Ok(Listening::Events(opened)) => {
                    stream = Some(opened);
                    continue;
                }
                Ok(Listening::Refused { status, body }) => refusal(status, &body),
                Err(error) => chain(&error),
            },
        };
        let wait = humantime::format_duration(pause);
        let trouble = format!("no word from the daemon, next try in {wait}: {reason}");
        if listener.news.send(News::Trouble(trouble)).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Listener {
    server: Server,
    news: mpsc::Sender<News>,
    last_id: Option<String>,
    events_since_ns: i64,
    events_due: Instant,
}

impl Listener {
    /// Tells what one stream says, and returns why it ended; `None` where nobody listens to us any more.
    async fn listen(&mut self, mut stream: EventStream) -> Option<String> {
        loop {
            let event = match stream.next(SILENCE).await {
                Ok(Some(event)) => event,
                Ok(None) => return Some("it has ended the stream".to_owned()),
                Err(error) => return Some(chain(&error)),
            };
            let news = match event.kind.as_str() {
                "hello" => News::Hello(event.data),
                "tick" => {
                    self.last_id = Some(event.id).filter(|id| !id.is_empty());
                    News::Tick(event.data)
                }
                _ => continue,
            };
            let is_tick = matches!(news, News::Tick(_));
            self.news.send(news).await.ok()?;
            if is_tick && Instant::now() >= self.events_due {
                self.events_due = Instant::now() + ASK_EVENTS;
                self.ask_events().await?;
            }
        }
    }

    /// What happened since it was asked last. One answer that does not come is asked for again later.
    async fn ask_events(&mut self) -> Option<()> {
        let path = format!("/api/v1/events?since={}", self.events_since_ns);
        let Ok(answer) = get(&self.server, &path, PATIENCE).await else {
            return Some(());
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let newest = stream::events(&text)
            .ok()
            .and_then(|it| it.last().map(|it| it.taken));
        if let Some(newest_ns) = newest.filter(|_| answer.status == 200) {
            self.events_since_ns = newest_ns;
            self.news.send(News::Events(text)).await.ok()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_who_refuses() {
        assert_eq!(refusal(503, r#"{"error":"full"}"#), "full");
        assert_eq!(
            refusal(404, "<html>"),
            "status 404, which is no word of cgflux"
        );
    }
}
