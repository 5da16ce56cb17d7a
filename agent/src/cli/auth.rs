//! The command line of `auth`: who may ask the daemon.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::accounts::Role;

const EXAMPLES: &str = "\
Examples:
  install -o cgflux -m 600 /dev/null /etc/cgflux/auth
      An empty file that only the service may read.
  cgflux auth add prometheus --role scrape > /root/prometheus-token
      A new token for /metrics and /readyz: its hash in the file, itself on standard output, this once.
  cgflux auth add alice --role view
      A new token for everything; in a browser it is the password of alice.
  cgflux auth add prometheus --role scrape --token-file /run/token --file -
      Another's token: the line for the file, on standard output.

The file takes effect with http.auth_file, and its changes with `systemctl reload cgflux`. Whoever leaves: take out the
line. A token that is changed: add the new one, tell its bearer, take out the old line.";

/// Commands about who may ask.
#[derive(Clone, Debug, Subcommand)]
pub enum AuthCommand {
    /// Add somebody with a new token, which is shown this once
    #[command(after_help = EXAMPLES)]
    Add(AuthAddArgs),
}

/// What `auth add` takes.
#[derive(Args, Clone, Debug)]
pub struct AuthAddArgs {
    /// A person or a program
    pub name: String,
    /// What it may ask for: `scrape` for /metrics and /readyz, `view` for everything
    #[arg(long, value_parser = ["scrape", "view"])]
    role: String,
    /// Add the line to this file, or write it to standard output with -
    #[arg(long, value_name = "FILE", default_value = "/etc/cgflux/auth")]
    pub file: PathBuf,
    /// Take the token in this file (mode 0600; - for standard input) instead of a new one; 32 characters or more
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl AuthAddArgs {
    /// What it may ask for.
    pub fn role(&self) -> Role {
        // The flag takes no other words.
        self.role.parse().unwrap_or(Role::Scrape)
    }
}
