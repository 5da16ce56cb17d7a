//! The `[http]` section: where the server listens, by what it proves itself, and who may ask it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Address, Http, Identity, Key, Listen, Origin, Secret, Surroundings,
    given::shown,
    reader::Reader,
    rules::{any, distinct, host_names, name, within},
    typed::Typed,
};
use crate::{
    accounts::Accounts,
    metrics::choice::Choice,
    text,
    tls::{self, ServerTlsError},
};

/// The server, if it is not switched off.
pub(super) fn read(
    reader: &mut Reader,
    around: &Surroundings<'_>,
    interval: Duration,
    warnings: &mut Vec<String>,
) -> Option<Http> {
    let default = Http::default();
    renamed(reader);
    let enabled = reader.setting(&key("enabled"), true, any);
    let addresses = reader.setting(&key("listen"), vec![Address::default()], |it| listens(it));
    let socket_mode = reader.setting(&key("socket_mode"), default.socket_mode, any);
    let socket_group = unless_absent(reader, &key("socket_group"), name);
    let identity = identity(reader, around);
    let accounts = accounts(reader, around);
    let is_open = reader.setting(&key("allow_unauthenticated"), false, any);
    let has_certificate = matches!(identity, Found::This(_) | Found::Faulty);
    let longest = interval.saturating_mul(Http::MAX_HISTORY_TICKS);
    let http = Http {
        listen: addresses
            .iter()
            .map(|it| it.meant(has_certificate))
            .collect(),
        socket_mode,
        socket_group,
        identity: identity.this(),
        accounts: accounts.as_ref().this().map(Arc::clone),
        prefix: reader.setting(&key("prefix"), default.prefix, prefix),
        hosts: reader
            .setting(&key("hosts"), default.hosts, |hosts| host_names(hosts))
            .iter()
            .map(|host| host.to_lowercase())
            .collect(),
        connections: reader.setting(
            &key("connections"),
            default.connections,
            within(8..=100_000),
        ),
        connections_per_client: reader.setting(
            &key("connections_per_client"),
            default.connections_per_client,
            within(1..=100_000),
        ),
        watchers: reader.setting(&key("watchers"), default.watchers, within(1..=1024)),
        history: reader.setting(
            &key("history"),
            default.history.min(longest),
            within(interval..=longest),
        ),
        metrics: Choice {
            names: reader.setting(&key("metric_names"), default.metrics.names, any),
            families: reader.setting(&key("metric_families"), default.metrics.families, any),
        },
    };
    if enabled {
        let asks = !matches!(accounts, Found::Nothing);
        reach(reader, &http, asks, is_open, warnings);
        tls_of(reader, &addresses, has_certificate, warnings);
    }
    enabled.then_some(http)
}

fn key(name: &str) -> Key {
    Key::of("http").child(name)
}

/// A setting that has no default.
fn unless_absent<T: Typed>(
    reader: &mut Reader,
    key: &Key,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Option<T> {
    if reader.has(key) {
        return reader.optional(key, check);
    }
    reader.settle(key, None, Origin::System);
    None
}

/// Settings of former days.
fn renamed(reader: &mut Reader) {
    let problem =
        "is http.allow_unauthenticated now; better than that, name who may ask in http.auth_file";
    reader.refuse(&key("allow_remote"), problem);
}

/// Each place once, and at least one.
fn listens(addresses: &[Address]) -> Result<(), String> {
    if addresses.is_empty() {
        return Err("is empty; http.enabled = false switches the server off".to_owned());
    }
    let places = addresses.iter().map(|it| it.meant(false));
    let places = places.map(|it| match it {
        Listen::Tcp { address, .. } => address.to_string(),
        Listen::Unix(path) => path.to_string_lossy().into_owned(),
    });
    distinct(&places.collect::<Vec<_>>())
}

/// A part of paths: `/name`, of characters that need no escaping in one.
fn prefix(text: &String) -> Result<(), String> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-._~/".contains(char);
    let is_prefix = text.starts_with('/') && !text.ends_with('/') && text.chars().all(is_plain);
    let has_steps = text
        .split('/')
        .skip(1)
        .any(|it| matches!(it, "" | "." | ".."));
    if text.is_empty() || is_prefix && !has_steps {
        return Ok(());
    }
    Err(format!(
        "is {}; write a path without a slash at its end, as in \"/cgflux\"",
        text.value()
    ))
}

/// What a file was to give.
enum Found<T> {
    /// No file is named.
    Nothing,
    /// A complaint.
    Faulty,
    /// This.
    This(T),
}

impl<T> Found<T> {
    fn this(self) -> Option<T> {
        match self {
            Self::This(this) => Some(this),
            Self::Nothing | Self::Faulty => None,
        }
    }

    fn as_ref(&self) -> Found<&T> {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Faulty => Found::Faulty,
            Self::This(this) => Found::This(this),
        }
    }
}

/// The certificate and its key, which may be credentials of the service manager.
fn identity(reader: &mut Reader, around: &Surroundings<'_>) -> Found<Identity> {
    let (certificate_key, key_key) = (key("tls_certificate"), key("tls_key"));
    let certificate: Option<PathBuf> = unless_absent(reader, &certificate_key, any);
    let private: Option<PathBuf> = unless_absent(reader, &key_key, any);
    let (certificate, private) = match (certificate, private) {
        (None, None) => return Found::Nothing,
        (Some(certificate), Some(private)) => (certificate, private),
        (Some(_), None) => {
            reader.complain(&certificate_key, "stands without `tls_key`".to_owned());
            return Found::Faulty;
        }
        (None, Some(_)) => {
            reader.complain(&key_key, "stands without `tls_certificate`".to_owned());
            return Found::Faulty;
        }
    };
    let chain = public(&certificate, around);
    let chain = chain.map_err(|problem| reader.complain(&certificate_key, problem));
    let private = Secret::in_file(&private, credentials(around).as_deref(), around.read_secret);
    let private = private.map_err(|problem| reader.complain(&key_key, problem));
    let (Ok(chain), Ok(private)) = (chain, private) else {
        return Found::Faulty;
    };
    match tls::server(&chain, private.expose()) {
        Ok(_) => Found::This(Identity {
            chain,
            key: private,
        }),
        Err(error) => {
            let problem = text::chain(&error);
            let at = match error {
                ServerTlsError::Certificate(_) => &certificate_key,
                ServerTlsError::Key(_) | ServerTlsError::Pair(_) => &key_key,
            };
            let fix = "write both files anew, the server's own certificate first, the key without a password";
            reader.complain(at, format!("{problem}; {fix}"));
            Found::Faulty
        }
    }
}

/// Those who may ask.
fn accounts(reader: &mut Reader, around: &Surroundings<'_>) -> Found<Arc<Accounts>> {
    let file_key = key("auth_file");
    let Some(file) = unless_absent::<PathBuf>(reader, &file_key, any) else {
        return Found::Nothing;
    };
    let read = Secret::in_file(&file, credentials(around).as_deref(), around.read_secret);
    let accounts = read.and_then(|lines| {
        let accounts = Accounts::parse(lines.expose());
        accounts.map_err(|fault| format!("{}, {fault}", shown(&file)))
    });
    match accounts {
        Ok(accounts) => Found::This(Arc::new(accounts)),
        Err(problem) => {
            reader.complain(&file_key, problem);
            Found::Faulty
        }
    }
}

/// A file that everybody may read, from the folder of credentials where its path is relative.
fn public(file: &Path, around: &Surroundings<'_>) -> Result<String, String> {
    let path = match credentials(around) {
        Some(folder) => folder.join(file),
        None => file.to_owned(),
    };
    let read = (around.read_secret)(&path);
    let read = read.map_err(|error| format!("cannot read {}: {error}", shown(&path)))?;
    Ok(read.text)
}

fn credentials(around: &Surroundings<'_>) -> Option<PathBuf> {
    let credentials = around.variable("CREDENTIALS_DIRECTORY", str::to_owned);
    credentials.map(|(folder, _)| PathBuf::from(folder))
}

/// Whom it reaches, and whether they are asked who they are.
fn reach(reader: &mut Reader, http: &Http, asks: bool, is_open: bool, warnings: &mut Vec<String>) {
    let (listen_key, open_key) = (key("listen"), key("allow_unauthenticated"));
    let Some(remote) = http.listen.iter().find(|it| it.is_remote()) else {
        return;
    };
    let is_unasked = matches!(reader.origin(&open_key), Some(Origin::Predecessor(_)));
    if asks {
        let in_the_clear = http
            .listen
            .iter()
            .find(|it| it.is_remote() && matches!(it, Listen::Tcp { is_tls: false, .. }));
        if let Some(remote) = in_the_clear {
            warnings.push(format!(
                "{remote} can be reached from other machines without TLS: tokens travel in the clear; name a \
                 certificate in http.tls_certificate, or leave TLS to a proxy on this machine and listen on 127.0.0.1"
            ));
        }
    } else if !is_open {
        reader.complain(
            &listen_key,
            format!(
                "{remote} can be reached from other machines, and nobody is asked who they are; name in http.auth_file \
                 who may (`cgflux auth add` makes that file), or listen on 127.0.0.1 and forward the port (`ssh -L`), \
                 or set http.allow_unauthenticated = true"
            ),
        );
    } else if is_unasked {
        warnings.push(format!(
            "{remote} can be reached from other machines, as cAdvisor's page can, and nobody is asked who they are; \
             --listen_ip=127.0.0.1 keeps it here. Asked by another name than those of http.hosts, it refuses"
        ));
    } else {
        warnings.push(format!(
            "{remote} can be reached from other machines, and nobody is asked who they are; http.auth_file names who may"
        ));
    }
}

/// Whether TLS is where it is asked for, and of use where it is given.
fn tls_of(
    reader: &mut Reader,
    addresses: &[Address],
    has_certificate: bool,
    warnings: &mut Vec<String>,
) {
    let asked = addresses.iter().find(|it| {
        matches!(
            it,
            Address::Tcp {
                tls: Some(true),
                ..
            }
        )
    });
    if let Some(asked) = asked.filter(|_| !has_certificate) {
        let problem =
            format!("{asked} needs a certificate: name its files in tls_certificate and tls_key");
        reader.complain(&key("listen"), problem);
    }
    let is_used = addresses
        .iter()
        .any(|it| matches!(it.meant(true), Listen::Tcp { is_tls: true, .. }));
    if has_certificate && !is_used {
        let certificate = key("tls_certificate");
        warnings.push(format!(
            "{certificate} is of no use: http.listen has no address with TLS"
        ));
    }
}
