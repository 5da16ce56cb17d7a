//! What `web` takes, and the spelling of the counter that it takes the place of.

use std::{
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, CommandFactory as _};

use super::{Cli, TelemetryArgs, between::between};
use crate::web::{Address, AddressError, Mode};

/// Examples of `web`.
pub(super) const EXAMPLES: &str = "\
Examples:
  cgflux web --reset
      Count in the Redis at 127.0.0.1:6379, from 1 on.
  curl http://127.0.0.1:58080/
      Counts, and says the number.
  cgflux web --redis-address unix:///run/redis/redis.sock --redis-mode coalesce
      The lightest on Redis.
  cgflux web --redis memory --listen :8080
      Without a Redis, for everybody who can reach this host.
  curl http://127.0.0.1:58081/stats
      Rates, latencies, batches, how Redis stands.

The flags of the Go counter that it takes the place of work as they were: -redis-address HOST:PORT, -max-connections N.
REDIS_ADDRESS in the environment is --redis-address.

Exit status: 0 it was told to end; 1 a port is taken, or --reset failed; 2 bad usage.";

/// What `web` takes.
#[derive(Args, Clone, Debug)]
pub struct WebArgs {
    /// Count at this address; `:PORT` is on every address of this host
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:58080", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Answer probes and show numbers at this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:58081", value_parser = listen_address)]
    pub admin: SocketAddr,
    /// Where to count: HOST:PORT, `redis://HOST:PORT/DB`, `rediss://…` for TLS, `unix:///PATH`, or `memory`
    #[arg(
        long,
        visible_alias = "redis",
        value_name = "WHERE",
        env = "REDIS_ADDRESS",
        hide_env_values = true,
        default_value = "127.0.0.1:6379",
        value_parser = redis_address
    )]
    pub redis_address: RedisAddress,
    /// User of Redis, where it has users
    #[arg(long, value_name = "NAME", requires = "redis_password_file")]
    pub redis_user: Option<String>,
    /// File with the password of Redis, of mode 0600
    #[arg(long, value_name = "PATH")]
    pub redis_password_file: Option<PathBuf>,
    /// Believe certificates of this CA (PEM), and no other, with `rediss://` [default: the system's]
    #[arg(long, value_name = "PATH")]
    pub redis_ca: Option<PathBuf>,
    /// What becomes of the hits that wait
    #[arg(long, value_name = "MODE", default_value = "pipeline")]
    pub redis_mode: Mode,
    /// Threads that serve, each with a connection to Redis of its own [default: one for each CPU it may use, up to 8]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Connections to Redis, and so threads, at most; more than one for a thread makes batches smaller and costs more
    /// [default: one for each thread]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_connections: Option<u16>,
    /// Batches on each connection that may be sent before the first is answered: more than one is for a Redis that is far
    /// away, and makes batches smaller
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub inflight: u8,
    /// After a batch of eight or more, wait up to this long for those it answered to ask again, and no longer than four times
    /// what it took: larger batches cost less. 0s to 10ms
    #[arg(long, value_name = "DURATION", default_value = "1ms", value_parser = linger)]
    pub linger: Duration,
    /// The counter's key
    #[arg(long, value_name = "KEY", default_value = "hits")]
    pub key: String,
    /// Begin with 0
    #[arg(long)]
    pub reset: bool,
    /// Count requests of every path and method, as the counter that it takes the place of did
    #[arg(long)]
    pub any_path: bool,
    /// Answer within this time, with a number or with why there is none; 10ms to 10s
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = deadline)]
    pub deadline: Duration,
    /// Hits that may wait for Redis; further ones are answered 503 at once
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_waiting: u32,
    /// Share the port with a process that listens there already, so that one takes over from another
    #[arg(long)]
    pub reuse_port: bool,
    /// Where its own points go.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// What stands at `--redis-address`. Whether it is an address is asked later: an argument that does not hold is printed
/// whole, and this one may hold a password.
#[derive(Clone, Debug)]
pub struct RedisAddress(pub Result<Address, AddressError>);

#[expect(
    clippy::unnecessary_wraps,
    reason = "what reads an argument may refuse it"
)]
fn redis_address(text: &str) -> Result<RedisAddress, AddressError> {
    Ok(RedisAddress(text.parse()))
}

/// `HOST:PORT` of this host, or `:PORT`.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        return port
            .parse()
            .map(every_address)
            .map_err(|_unnamed| bad_listen());
    }
    text.parse().map_err(|_unnamed| bad_listen())
}

/// This port at every address of this host.
pub(super) fn every_address(port: u16) -> SocketAddr {
    // Takes IPv4 too, where the kernel has IPv6.
    if std::path::Path::new("/proc/net/if_inet6").exists() {
        (Ipv6Addr::UNSPECIFIED, port).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, port).into()
    }
}

fn bad_listen() -> String {
    "is no address to listen at; write it as 127.0.0.1:58080, [::1]:58080 or :58080".to_owned()
}

fn deadline(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(10)..=Duration::from_secs(10))
}

fn linger(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO..=Duration::from_millis(10))
}

/// Gives the flags among these words a second dash where they have one, as the flags of Go programs do.
pub(super) fn give_two_dashes(words: &mut [OsString]) {
    let command = Cli::command();
    let long: Vec<&str> = command
        .find_subcommand("web")
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .collect();
    for word in words {
        if has_one_dash(word, &long) {
            let mut two = OsString::from("-");
            two.push(&word);
            *word = two;
        }
    }
}

fn has_one_dash(argument: &OsStr, long: &[&str]) -> bool {
    let name = argument.to_str().and_then(|it| it.strip_prefix('-'));
    name.is_some_and(|name| {
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        name.len() > 1 && long.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{
        super::{Command, in_our_words},
        *,
    };

    fn web(line: &str) -> Result<WebArgs, String> {
        let arguments = in_our_words(line.split(' ').map(OsString::from));
        match Cli::try_parse_from(arguments) {
            Ok(Cli {
                command: Command::Web(web),
                ..
            }) => Ok(*web),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_flags_of_the_counter_before_work_as_they_were() {
        let web = web("cgflux web -redis-address redis:7000 -max-connections=20 -v").unwrap();
        assert_eq!(web.redis_address.0.unwrap().to_string(), "redis:7000");
        assert_eq!((web.max_connections, web.listen.port()), (Some(20), 58080));
        assert!(!web.reset && web.key == "hits");
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        let refusal = web("cgflux web -nonsense").unwrap_err();
        assert!(refusal.contains("unexpected argument"), "{refusal}");
        let refused = web("cgflux web --redis-address redis://:s3cret@h:1").unwrap();
        assert_eq!(refused.redis_address.0.unwrap_err(), AddressError::Password);
    }

    #[test]
    fn a_port_alone_is_every_address() {
        assert!(
            web("cgflux web --listen :8080")
                .unwrap()
                .listen
                .ip()
                .is_unspecified()
        );
        assert!(
            web("cgflux web --listen 8080")
                .unwrap_err()
                .contains("write it as")
        );
    }
}
