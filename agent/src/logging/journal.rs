//! An event → an entry of the journal, with a field for each of its values.
//!
//! `MESSAGE` says all of it, in the words of the other forms of the log, so that `journalctl -u cgflux` needs nothing
//! more. The values stand beside it as they are, for `journalctl CGFLUX_SINK=influxdb` and for programs; journalctl(1)
//! itself shows nothing of them that a terminal would act on. What the journal does not take goes to standard error, as
//! a line with its priority in front (sd-daemon(3)); so does everything in a program without libsystemd.

use std::{fmt::Debug, io::Write as _};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context};

use crate::text::printable;

/// Sends each event to the journal, and to `stderr` what that does not take.
pub(super) struct Journal<W> {
    pub(super) stderr: W,
}

impl<S, W> Layer<S> for Journal<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = Entry::of(event);
        if !is_taken(&entry.fields()) {
            // In one write: the journal takes each for a line. There is nobody left to tell that it failed.
            drop(self.stderr.make_writer().write_all(entry.line().as_bytes()));
        }
    }
}

/// What is told of one event.
struct Entry {
    priority: u8,
    target: &'static str,
    /// What it says, values included, in one line that nothing acts on.
    text: String,
    /// `CGFLUX_NAME=value`
    values: Vec<String>,
}

impl Entry {
    fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let target = metadata.target();
        let mut entry = Self {
            priority: priority(metadata),
            target,
            text: format!("{target}:"),
            values: Vec::new(),
        };
        event.record(&mut entry);
        entry
    }

    fn fields(&self) -> Vec<String> {
        let mut fields = vec![
            format!("MESSAGE={}", self.text),
            format!("PRIORITY={}", self.priority),
            "SYSLOG_IDENTIFIER=cgflux".to_owned(),
            format!("TARGET={}", self.target),
        ];
        fields.extend(self.values.iter().cloned());
        fields
    }

    fn line(&self) -> String {
        format!("<{}>{}\n", self.priority, self.text)
    }

    /// A value as it is, and as it is shown.
    fn take(&mut self, field: &Field, value: &str, shown: &str) {
        let shown = printable(shown);
        let name = field.name();
        self.text.push(' ');
        if name != "message" {
            self.text.extend([name, "="]);
            self.values.push(format!("{}={value}", field_name(name)));
        }
        self.text.push_str(&shown);
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value, &format!("{value:?}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.take(field, &value, &value);
    }
}

/// A name that the journal takes: capital letters, digits and underscores, 64 bytes at most
/// (`journal_field_valid`, src/libsystemd/sd-journal/journal-file.c, systemd 252).
fn field_name(name: &str) -> String {
    let capital = |char: char| match char.to_ascii_uppercase() {
        char @ ('A'..='Z' | '0'..='9') => char,
        _ => '_',
    };
    let mut field: String = "CGFLUX_".to_owned();
    field.extend(name.chars().map(capital));
    field.truncate(64);
    field
}

fn priority(metadata: &Metadata<'_>) -> u8 {
    match *metadata.level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Hands an entry to the journal.
#[cfg(feature = "systemd")]
fn is_taken(fields: &[String]) -> bool {
    // Where this is not there, libsystemd sends nothing and says that it went well.
    let is_there = std::path::Path::new("/run/systemd/journal/socket").exists();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    is_there && systemd::journal::send(&fields).is_ok()
}

/// Without libsystemd none is taken.
#[cfg(not(feature = "systemd"))]
fn is_taken(_: &[String]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const HOSTILE: &str = "evil\u{1b}[2J\u{202e}\nPRIORITY=0\n<3>forged";

    /// Keeps the entry of the last event.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Option<Entry>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap() = Some(Entry::of(event));
        }
    }

    fn entry(log: impl FnOnce()) -> Entry {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::registry().with(kept.clone());
        tracing::subscriber::with_default(subscriber, log);
        kept.0.lock().unwrap().take().unwrap()
    }

    #[test]
    fn each_value_is_a_field_as_it_is_and_the_message_says_all_of_it() {
        let entry = entry(|| {
            tracing::warn!(sink = HOSTILE, shown = %HOSTILE, batches.dropped = 3, "lost {HOSTILE}");
        });
        let safe = r"evil\u{1b}[2J\u{202e}\nPRIORITY=0\n<3>forged";
        let text = format!(
            "cgflux::logging::journal::tests: lost {safe} sink=\"{safe}\" shown={safe} batches.dropped=3"
        );
        assert_eq!(
            entry.fields(),
            [
                format!("MESSAGE={text}"),
                "PRIORITY=4".to_owned(),
                "SYSLOG_IDENTIFIER=cgflux".to_owned(),
                "TARGET=cgflux::logging::journal::tests".to_owned(),
                format!("CGFLUX_SINK={HOSTILE}"),
                format!("CGFLUX_SHOWN={HOSTILE}"),
                "CGFLUX_BATCHES_DROPPED=3".to_owned(),
            ]
        );
        assert_eq!(entry.line(), format!("<4>{text}\n"));
    }

    #[test]
    fn levels_are_priorities() {
        let of = |log: fn()| entry(log).priority;
        assert_eq!(of(|| tracing::error!("x")), 3);
        assert_eq!(of(|| tracing::info!("x")), 6);
        assert_eq!(of(|| tracing::debug!("x")), 7);
    }

    #[test]
    fn a_name_is_one_that_the_journal_takes() {
        assert_eq!(field_name("http.status-code"), "CGFLUX_HTTP_STATUS_CODE");
        assert_eq!(field_name("größe"), "CGFLUX_GR__E");
        assert_eq!(field_name(&"x".repeat(99)).len(), 64);
    }
}
