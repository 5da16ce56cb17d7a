//! `cgflux auth`: the file of those who may ask. A part of `main`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, anyhow, bail};
use cgflux::{
    accounts::{self, Account, Accounts},
    cli::{AuthAddArgs, AuthCommand},
    config::Secret,
    exit::Exit,
    surroundings::read_secret,
};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::commands::print;

/// More is no file of accounts.
const MAX_BYTES: u64 = 1 << 20;

/// `cgflux auth …`
pub(crate) fn auth(command: &AuthCommand) -> anyhow::Result<Exit> {
    match command {
        AuthCommand::Add(arguments) => add(arguments),
    }
}

fn add(arguments: &AuthAddArgs) -> anyhow::Result<Exit> {
    let given = arguments.token_file.as_deref().map(token_in).transpose()?;
    let token = match &given {
        Some(token) => token.clone(),
        None => new_token()?,
    };
    let account = Account::new(&arguments.name, arguments.role(), &token);
    let account = account.map_err(|problem| anyhow!(problem))?;
    let mut told = io::stderr();
    if arguments.file == Path::new("-") {
        print(&format!("{account}\n"))?;
        if given.is_none() {
            writeln!(told, "cgflux: the token, which is shown this once: {token}")?;
        }
        return Ok(Exit::Ok);
    }
    append(&arguments.file, &account)?;
    if given.is_none() {
        print(&format!("{token}\n"))?;
    }
    let file = arguments.file.display();
    writeln!(
        told,
        "cgflux: {file} has {} with the hash of this token, which is shown nowhere again; `systemctl reload cgflux` \
         puts it in force where http.auth_file names this file",
        arguments.name
    )?;
    if fs::metadata(&arguments.file)?.uid() == 0 {
        writeln!(
            told,
            "cgflux: the service must be able to read it: `chown cgflux {file}`, or hand it over by LoadCredential="
        )?;
    }
    Ok(Exit::Ok)
}

/// Adds a line to a file that has lines of its kind, or none.
fn append(path: &Path, account: &Account) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    if file.metadata().with_context(failed)?.len() > MAX_BYTES {
        bail!("{} is too long to be a file of accounts", path.display());
    }
    let text = io::read_to_string(&mut file).with_context(failed)?;
    Accounts::parse(&format!("{text}\n{account}"))
        .with_context(|| format!("{} stays as it is", path.display()))?;
    let begin = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all(format!("{begin}{account}\n").as_bytes())
        .with_context(failed)
}

fn new_token() -> anyhow::Result<String> {
    let mut random = [0; 32];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_unspecified| anyhow!("the system gives no random numbers"))?;
    Ok(accounts::token(random))
}

fn token_in(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let file = std::path::absolute(file)?;
    let secret = Secret::in_file(&file, None, &read_secret).map_err(|problem| anyhow!(problem))?;
    Ok(secret.expose().to_owned())
}
