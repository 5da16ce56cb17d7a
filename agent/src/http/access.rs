//! Whether a request may be answered: by what it asks for, the door it came in by, and what it brings along. Pure.

use crate::accounts::{Accounts, Credentials, Role};

/// Who may have an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Everybody: it tells nothing but that somebody is there.
    Nothing,
    /// Whoever has this role, or a higher one.
    Role(Role),
}

/// What is decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is answered.
    Answer,
    /// Nothing was brought along.
    Unknown,
    /// What was brought along is nobody's.
    Wrong,
    /// This role does not suffice.
    Lacks(Role),
}

/// Decides. `accounts` is absent where nobody is asked: there is no list of accounts, or the request came in by a
/// socket, whose file says who may.
pub(super) fn judge(
    need: Need,
    accounts: Option<&Accounts>,
    credentials: impl FnOnce() -> Credentials,
) -> Verdict {
    let (Need::Role(needed), Some(accounts)) = (need, accounts) else {
        return Verdict::Answer;
    };
    let credentials = credentials();
    match accounts.role(&credentials) {
        Some(role) if role >= needed => Verdict::Answer,
        Some(role) => Verdict::Lacks(role),
        None if credentials == Credentials::None => Verdict::Unknown,
        None => Verdict::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Verdict::{Answer, Lacks, Unknown, Wrong},
        *,
    };
    use crate::accounts::{Account, token};

    #[test]
    fn who_may_have_what() {
        let [scraper, viewer] = [1, 2].map(|byte| token([byte; 32]));
        let lines = [
            Account::new("prometheus", Role::Scrape, &scraper).unwrap(),
            Account::new("alice", Role::View, &viewer).unwrap(),
        ];
        let accounts = Accounts::parse(&lines.map(|line| format!("{line}\n")).concat()).unwrap();
        let needs = [
            Need::Nothing,
            Need::Role(Role::Scrape),
            Need::Role(Role::View),
        ];
        let none = || Credentials::None;
        let wrong = || Credentials::Token("x".repeat(40));
        let scraper = || Credentials::Token(scraper.clone());
        let viewer = || Credentials::Token(viewer.clone());
        let table: [(&dyn Fn() -> Credentials, [Verdict; 3]); 5] = [
            (&none, [Answer, Unknown, Unknown]),
            (&wrong, [Answer, Wrong, Wrong]),
            (&|| Credentials::Unreadable, [Answer, Wrong, Wrong]),
            (&scraper, [Answer, Answer, Lacks(Role::Scrape)]),
            (&viewer, [Answer, Answer, Answer]),
        ];
        for (credentials, expected) in table {
            let judged = needs.map(|need| judge(need, Some(&accounts), credentials));
            assert_eq!(judged, expected, "{:?}", credentials());
            // Where nobody is asked, everybody may.
            let open = needs.map(|need| judge(need, None, credentials));
            assert_eq!(open, [Answer; 3], "{:?}", credentials());
        }
    }
}
