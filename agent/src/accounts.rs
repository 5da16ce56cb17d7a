//! Who may ask the HTTP server what: names, roles, and hashes of tokens. Text in, decision out.
//!
//! A token is 256 random bits that nobody chose. It cannot be guessed from its hash, so one SHA-256 is enough, to check
//! it costs a microsecond, and no stranger can make the agent work hard by asking. A password that a person chose would
//! need a slow hash at each attempt, and that is exactly such work.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq as _;

use crate::text::is_unprintable;

/// What somebody may ask for; each may also ask for what those before it may.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// `/metrics` and `/readyz`.
    Scrape,
    /// Everything.
    View,
}

/// Those who may ask.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accounts(Vec<Account>);

/// One line: a name, what it may, and the hash of its token. A name may stand on several lines, as while its token is
/// changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    name: String,
    role: Role,
    hash: [u8; SHA256_OUTPUT_LEN],
}

/// Why a text is no list of accounts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub problem: &'static str,
}

/// What somebody brings along, by the `Authorization` header of a request.
#[derive(Eq, PartialEq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A token: `Bearer`.
    Token(String),
    /// A name and a token in place of a password: `Basic`.
    Named {
        /// The name.
        name: String,
        /// The token.
        token: String,
    },
    /// Something that cannot be read.
    Unreadable,
}

/// Shortest token that is taken: 128 bits as hexadecimal digits.
pub const MIN_TOKEN_CHARS: usize = 32;
/// More accounts than this are a file of something else.
const MOST: usize = 1_000;
/// What our tokens begin with, so that programs which look for secrets in the wrong places know them.
const TOKEN_PREFIX: &str = "cgflux_";
const HASH_PREFIX: &str = "sha256:";

impl Accounts {
    /// Reads lines of `NAME ROLE sha256:HASH`; `#` begins a comment. The first line that is none is told, without what
    /// stands in it: it may be a secret in the wrong place.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut accounts = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let fault = |problem| Fault {
                line: number + 1,
                problem,
            };
            if accounts.len() == MOST {
                return Err(fault("more than 1000 accounts"));
            }
            accounts.push(Account::parse(line).map_err(fault)?);
        }
        if accounts.is_empty() {
            return Err(Fault {
                line: 1,
                problem: "nobody is named; `cgflux auth add NAME --role scrape` adds a line",
            });
        }
        Ok(Self(accounts))
    }

    /// What whoever brings this along may; `None` for strangers. It takes as long for the first of the accounts as for
    /// the last, and for a token that is nearly right as for any other.
    pub fn role(&self, credentials: &Credentials) -> Option<Role> {
        let (name, token) = match credentials {
            Credentials::None | Credentials::Unreadable => return None,
            Credentials::Token(token) => (None, token),
            Credentials::Named { name, token } => (Some(name), token),
        };
        let hash = hash(token);
        let mut found = None;
        for account in &self.0 {
            let is_theirs = bool::from(account.hash.ct_eq(&hash));
            if is_theirs && name.is_none_or(|name| *name == account.name) {
                found = found.max(Some(account.role));
            }
        }
        found
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Account {
    /// Of somebody who is called so, with this token; or what is wrong with them.
    pub fn new(name: &str, role: Role, token: &str) -> Result<Self, &'static str> {
        if !is_name(name) {
            return Err(NAME);
        }
        if token.chars().count() < MIN_TOKEN_CHARS || !token.chars().all(|it| it.is_ascii_graphic())
        {
            return Err("a token needs at least 32 characters of ASCII, without spaces");
        }
        Ok(Self {
            name: name.to_owned(),
            role,
            hash: hash(token),
        })
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_whitespace();
        let (Some(name), Some(role), Some(hash), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("write NAME ROLE sha256:HASH, as `cgflux auth add` does");
        };
        if !is_name(name) {
            return Err(NAME);
        }
        let role = role.parse().map_err(|UnknownRole| ROLE)?;
        let digits = hash.strip_prefix(HASH_PREFIX);
        let hash = digits.and_then(bytes_of).ok_or(HASH)?;
        Ok(Self {
            name: name.to_owned(),
            role,
            hash,
        })
    }
}

const NAME: &str = "a name has 1 to 64 printable characters other than : and #, without spaces";
const ROLE: &str = "the second word is the role: scrape or view";
const HASH: &str = "the third word is the hash of a token, sha256: and 64 hexadecimal digits, never the token; `cgflux auth add` \
     makes it";

/// As the file has it.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {HASH_PREFIX}", self.name, self.role.as_str())?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A new token of these random bytes.
pub fn token(random: [u8; 32]) -> String {
    format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random))
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Scrape, Self::View];

    /// Its word in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::View => "view",
        }
    }
}

/// There is no such role.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there are the roles scrape and view")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let mut all = Self::ALL.into_iter();
        all.find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl Credentials {
    /// By the value of an `Authorization` header (RFC 6750, section 2.1; RFC 7617, section 2).
    pub fn of_header(value: &str) -> Self {
        let Some((scheme, rest)) = value.trim().split_once(' ') else {
            return Self::Unreadable;
        };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Self::Token(rest.to_owned());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Self::Unreadable;
        }
        let pair = BASE64_STANDARD.decode(rest).ok();
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
        match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((name, token)) => Self::Named {
                name: name.to_owned(),
                token: token.to_owned(),
            },
            None => Self::Unreadable,
        }
    }
}

/// Without what they say.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(not shown)",
            Self::Named { .. } => "Named(not shown)",
            Self::Unreadable => "Unreadable",
        })
    }
}

fn hash(token: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

fn is_name(text: &str) -> bool {
    let is_plain =
        |char: char| !char.is_whitespace() && !is_unprintable(char) && !":#".contains(char);
    (1..=64).contains(&text.chars().count()) && text.chars().all(is_plain)
}

fn bytes_of(digits: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let digits: Option<Vec<u32>> = digits.chars().map(|char| char.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * SHA256_OUTPUT_LEN)?;
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |byte, digit| {
            byte << 4 | u8::try_from(*digit).unwrap_or(0)
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str, token: &str) -> Credentials {
        let pair = BASE64_STANDARD.encode(format!("{name}:{token}"));
        Credentials::of_header(&format!("Basic {pair}"))
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::of_header(&format!("bearer  {token}"))
    }

    #[test]
    fn whoever_has_a_token_is_known_by_it_and_with_a_name_by_both() {
        let [one, two, three] = [1, 2, 3].map(|byte| token([byte; 32]));
        let lines = [
            Account::new("prometheus", Role::Scrape, &one).unwrap(),
            Account::new("alice", Role::View, &two).unwrap(),
            // The token is being changed.
            Account::new("alice", Role::View, &three).unwrap(),
        ];
        let text = lines
            .map(|line| format!("{line}  # a comment\n\n"))
            .concat();
        assert!(!text.contains(&one), "{text}");
        let accounts = Accounts::parse(&text).unwrap();
        assert_eq!(accounts.count(), 3);
        for (credentials, expected) in [
            (bearer(&one), Some(Role::Scrape)),
            (bearer(&two), Some(Role::View)),
            (named("alice", &two), Some(Role::View)),
            (named("alice", &three), Some(Role::View)),
            (named("prometheus", &two), None),
            (named("alice", &one), None),
            (bearer(&two[1..]), None),
            (bearer(""), None),
            (Credentials::of_header("Basic !"), None),
            (Credentials::of_header("Digest a=b"), None),
            (Credentials::None, None),
        ] {
            assert_eq!(accounts.role(&credentials), expected, "{credentials:?}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number_and_never_shown() {
        let right = Account::new("a", Role::View, &token([0; 32])).unwrap();
        for (line, expected) in [
            (
                "alice view hunter2",
                "line 2: the third word is the hash of a token",
            ),
            (
                "alice admin sha256:00",
                "line 2: the second word is the role",
            ),
            ("alice hunter2", "line 2: write NAME ROLE sha256:HASH"),
            ("a:b view sha256:00", "line 2: a name has 1 to 64"),
        ] {
            let fault = Accounts::parse(&format!("{right}\n{line}\n"))
                .unwrap_err()
                .to_string();
            assert!(fault.starts_with(expected), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
        let nobody = Accounts::parse("# nobody\n\n").unwrap_err().to_string();
        assert!(nobody.contains("cgflux auth add"), "{nobody}");
    }

    #[test]
    fn a_token_that_could_be_guessed_is_not_taken() {
        for token in ["", "hunter2", &"a".repeat(31), &"a ".repeat(32)] {
            assert!(Account::new("a", Role::View, token).is_err(), "{token:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in "[^\\s:#]{1,64}", bytes: [u8; 32], view: bool) {
            let role = if view { Role::View } else { Role::Scrape };
            let token = token(bytes);
            match Account::new(&name, role, &token) {
                Ok(account) => {
                    let accounts = Accounts::parse(&account.to_string()).unwrap();
                    prop_assert_eq!(accounts.role(&named(&name, &token)), Some(role));
                }
                Err(_) => prop_assert!(name.chars().any(is_unprintable)),
            }
        }

        #[test]
        fn no_text_is_a_way_in(text: String, header: String) {
            if let Ok(accounts) = Accounts::parse(&text) {
                prop_assert_eq!(accounts.role(&Credentials::of_header(&header)), None);
            }
            drop(Credentials::of_header(&header));
        }
    }
}
