//! Who writes: a user with a password, or a token. Secrets stand in files, never in the configuration.

use std::path::PathBuf;

use super::super::{
    Credentials, InfluxdbVersion, Key, Origin, Secret, Surroundings, Value,
    reader::Reader,
    rules::{any, name},
    typed::Typed as _,
};

/// Variables of a secret, for those who cannot have a file.
const PASSWORD_VARIABLE: &str = "CGFLUX_INFLUX_PASSWORD";
const TOKEN_VARIABLE: &str = "CGFLUX_INFLUX_TOKEN";

pub(super) fn read(
    reader: &mut Reader,
    section: &Key,
    version: InfluxdbVersion,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Option<Credentials> {
    let handed = reader.secret(&section.child("password"));
    refuse(reader, &section.child("password"), "password");
    refuse(reader, &section.child("token"), "token");
    let file_key = section.child("token_file");
    let has_token = reader.has(&file_key);
    let token = secret(
        reader,
        &section.child("token"),
        &file_key,
        TOKEN_VARIABLE,
        around,
        warnings,
    );
    if version != InfluxdbVersion::V1 {
        return token.map(Credentials::Token);
    }
    let password = password(reader, section, around, handed, warnings);
    if has_token && password.is_some() {
        let problem = "stands beside `username`; one of the two says who writes".to_owned();
        reader.complain(&file_key, problem);
    }
    password.or(token.map(Credentials::Token))
}

/// A user of 1.x and the password.
fn password(
    reader: &mut Reader,
    section: &Key,
    around: &Surroundings<'_>,
    handed: Option<(Secret, Origin)>,
    warnings: &mut Vec<String>,
) -> Option<Credentials> {
    let username_key = section.child("username");
    let file_key = section.child("password_file");
    let is_named = reader.has(&username_key);
    let username = reader.optional(&username_key, user_name);
    if username.is_none() {
        let file: Option<PathBuf> = reader.optional(&file_key, any);
        if file.is_some() && !is_named {
            reader.complain(&file_key, "stands without `username`".to_owned());
        }
        return None;
    }
    let is_given = reader.has(&file_key);
    let password_key = section.child("password");
    let password = secret(
        reader,
        &password_key,
        &file_key,
        PASSWORD_VARIABLE,
        around,
        warnings,
    );
    let handed = handed.filter(|_| password.is_none() && !is_given);
    let password = password.or_else(|| {
        let (secret, origin) = handed?;
        reader.settle(&password_key, Some(Value::Other("not shown")), origin);
        Some(secret)
    });
    if password.is_none() && !is_given {
        let problem = "stands without a password; name a file that holds it in `password_file`";
        reader.complain(&username_key, problem.to_owned());
    }
    let (username, password) = username.zip(password)?;
    Some(Credentials::Password { username, password })
}

/// The secret in the file that `file_key` names, else in the variable.
fn secret(
    reader: &mut Reader,
    key: &Key,
    file_key: &Key,
    variable: &str,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Option<Secret> {
    let is_given = reader.has(file_key);
    let file: Option<PathBuf> = reader.optional(file_key, any);
    if let Some(file) = file {
        let credentials = around.variable("CREDENTIALS_DIRECTORY", str::to_owned);
        let credentials = credentials.map(|(folder, _)| PathBuf::from(folder));
        let secret = Secret::in_file(&file, credentials.as_deref(), around.read_secret);
        return secret
            .map_err(|problem| reader.complain(file_key, problem))
            .ok();
    }
    let (text, origin) = around.variable(variable, str::to_owned)?;
    if is_given {
        return None;
    }
    reader.settle(key, Some(Value::Other("not shown")), origin);
    warnings.push(format!(
        "{variable} can be read by whoever sees the environment of this process; {file_key} is safer",
    ));
    Some(Secret::new(text))
}

/// What must not stand in the configuration, which others may read.
fn refuse(reader: &mut Reader, key: &Key, what: &str) {
    if reader.has(key) {
        let problem = format!(
            "does not belong here; put the {what} into a file of mode 0600 and name it in `{what}_file`"
        );
        reader.complain(key, problem);
        reader.skip(key);
    }
}

/// RFC 7617, section 2: a user name ends at its first colon.
fn user_name(text: &String) -> Result<(), String> {
    name(text)?;
    if text.contains(':') {
        return Err(format!(
            "is {}; HTTP basic authentication cannot carry a user name with a colon",
            text.value()
        ));
    }
    Ok(())
}
