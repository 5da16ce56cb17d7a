//! The log: on standard error, one event a line, nothing in it that a terminal would act on; where that is the journal's
//! stream, as entries of the journal with fields.

mod journal;

use std::{
    env, fmt,
    io::{self, IsTerminal as _},
    os::{fd::AsFd as _, linux::fs::MetadataExt as _},
};

use tracing::{Level, field::Field};
use tracing_subscriber::{
    Layer, Registry,
    field::MakeExt as _,
    filter::Targets,
    fmt::{
        MakeWriter,
        format::{self, Writer},
    },
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

use self::journal::Journal;
use crate::{
    config::{Log, LogFormat},
    text::{printable, printable_json},
};

/// Starts logging as configured; once in a process.
pub fn start(log: Log, colours: bool) -> Result<(), TryInitError> {
    // Other crates speak when something is wrong; their everyday is not ours.
    let levels = Targets::new()
        .with_default(log.level.min(Level::WARN))
        .with_target("cgflux", log.level);
    tracing_subscriber::registry()
        .with(lines(look(log.format), colours, io::stderr).with_filter(levels))
        .try_init()
}

/// Whether what goes to standard error may have colours: asked for, or a terminal that does not say no.
pub fn stderr_colours(choice: Option<bool>) -> bool {
    colours(choice, io::stderr().is_terminal())
}

/// Whether what goes to an output may have colours: asked for, or a terminal that does not say no.
pub fn colours(choice: Option<bool>, is_terminal: bool) -> bool {
    let no_colour = || env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    choice.unwrap_or_else(|| is_terminal && !no_colour())
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Look {
    /// Text with a timestamp.
    Text,
    /// An entry of the journal.
    Journal,
    /// One JSON object.
    Json,
}

fn look(format: LogFormat) -> Look {
    match format {
        LogFormat::Json => Look::Json,
        LogFormat::Auto if stderr_is_journal() => Look::Journal,
        LogFormat::Auto | LogFormat::Text => Look::Text,
    }
}

/// Whether standard error is the stream that systemd opened to its journal; systemd.exec(5), `$JOURNAL_STREAM`. The
/// variable alone says nothing: whoever redirects standard error inherits it too.
fn stderr_is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = io::stderr();
    let stderr = stderr.as_fd().try_clone_to_owned().map(std::fs::File::from);
    let stderr = stderr.and_then(|file| file.metadata());
    stderr.is_ok_and(|it| stream == format!("{}:{}", it.st_dev(), it.st_ino()))
}

fn lines<W>(look: Look, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer();
    let fields = format::debug_fn(printable_field).delimited(" ");
    match look {
        Look::Text => layer
            .with_ansi(colours)
            .fmt_fields(fields)
            .with_writer(writer)
            .boxed(),
        Look::Journal => Journal { stderr: writer }.boxed(),
        Look::Json => layer.json().with_writer(PrintableJson(writer)).boxed(),
    }
}

fn printable_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => writer.write_str(&printable(&value)),
        name => write!(writer, "{name}={}", printable(&value)),
    }
}

/// A writer of JSON: what JSON allows raw within strings and a terminal would act on is escaped.
struct PrintableJson<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for PrintableJson<W> {
    type Writer = PrintableJson<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        PrintableJson(self.0.make_writer())
    }
}

/// Takes whole lines, as the formatter hands them over.
impl<W: io::Write> io::Write for PrintableJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0
            .write_all(printable_json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::text::is_unprintable;

    const HOSTILE: &str = "evil\u{1b}[2J\u{9b}\u{202e}\n<3>forged";

    /// The line that a warning about a hostile name becomes.
    fn line(look: Look, colours: bool) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = Arc::new(file.reopen().expect("the same file"));
        let subscriber = tracing_subscriber::registry().with(lines(look, colours, writer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(name = HOSTILE, shown = %HOSTILE, count = 3, "lost {HOSTILE}");
        });
        fs::read_to_string(file.path()).expect("text")
    }

    #[test]
    fn nothing_in_a_line_acts_on_a_terminal() {
        for look in [Look::Text, Look::Json] {
            let line = line(look, false);
            let text = line.strip_suffix('\n').expect("one whole line");
            assert!(!text.chars().any(is_unprintable), "{text:?}");
            assert!(text.contains("forged"), "{text:?}");
        }
        let coloured = line(Look::Text, true);
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        assert!(!coloured.contains("[2J\u{9b}"), "{coloured:?}");
        assert!(!coloured.contains("\u{1b}[2J"), "{coloured:?}");
    }

    #[test]
    fn json_stays_json() {
        let line = line(Look::Json, false);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["fields"]["name"], HOSTILE);
        assert_eq!(value["fields"]["count"], 3);
        assert_eq!(value["level"], "WARN");
    }
}
