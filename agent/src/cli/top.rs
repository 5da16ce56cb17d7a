//! What `top` takes.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{DaemonArgs, between::between};

pub(super) const EXAMPLES: &str = "\
Examples:
  cgflux top
      All containers, the busiest first. Enter shows one in detail, ? tells the keys.
  cgflux top --filter project:shop --tree
      Those of one compose project, below their cgroups.
  cgflux top --record incident.cgflux
      Watch, and keep it. Without a terminal, as in a service or with > /dev/null, only keep it.
  cgflux top --replay incident.cgflux --at 15:00
      What happened at three o'clock.
  cgflux top --once
      A table, once.

Filter, as on the page:
  Words that must all fit: text in a name, image, id, namespace, pod, project or service; label:value for text in a label, or
  in what goes by name, id, short_id, kind, runtime, image, namespace, pod, project, service, unit, slice or path; -word
  for what must not fit; \"words with spaces\".";

/// What `top` takes.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Show only what fits: words, and label:value
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "",
        hide_default_value = true
    )]
    pub filter: String,
    /// Below their cgroups
    #[arg(long)]
    pub tree: bool,
    /// Show systemd's units and the host too
    #[arg(long)]
    pub units: bool,
    /// Write all that is told into this file, which must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Show what is in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "token_file"])]
    pub replay: Option<PathBuf>,
    /// Begin at this time of the recording: 15:00, 15:00:30, or RFC 3339 [default: its begin]
    #[arg(long, value_name = "TIME", requires = "replay")]
    pub at: Option<String>,
    /// Play so many times as fast: 1/8 to 64, by powers of two
    #[arg(long, value_name = "FACTOR", requires = "replay", default_value = "1")]
    pub speed: String,
    /// Print a table of one interval and end; so, too, where standard output is no terminal
    #[arg(long, conflicts_with = "record")]
    pub once: bool,
    /// Time between two ticks where no daemon is asked
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = interval)]
    pub interval: Duration,
    /// Who is asked.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100)..=Duration::from_mins(1))
}
