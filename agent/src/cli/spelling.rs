//! Command lines of the programs that this one takes the place of, in a form that the parser reads.

use std::ffi::OsString;

use clap::{Arg, CommandFactory as _};

use super::{Cli, cadvisor, web};

/// The command line as it is to be read. Under the name `cadvisor` it is that of cAdvisor, whose flags are left to
/// `cadvisor` as they are; after `web` a long flag may have one dash.
pub fn in_our_words(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments
        .first()
        .is_some_and(|name| cadvisor::is_name(name))
    {
        arguments.insert(1, "cadvisor".into());
    }
    let Some(at) = command(&arguments) else {
        return arguments;
    };
    if arguments[at] == "cadvisor" {
        // The parser reads nothing behind two dashes.
        arguments.insert(at + 1, "--".into());
    } else if arguments[at] == "web" {
        web::give_two_dashes(&mut arguments[at + 1..]);
    }
    arguments
}

/// Where the command stands: before it there are but flags of every command.
fn command(arguments: &[OsString]) -> Option<usize> {
    let cli = Cli::command();
    let takes_value = |word: &str| {
        let is_named = |flag: &Arg| {
            let long = flag.get_long().map(|long| format!("--{long}"));
            let short = flag.get_short().map(|short| format!("-{short}"));
            [long, short].iter().flatten().any(|name| name == word)
        };
        let mut flags = cli.get_arguments();
        flags.any(|flag| flag.get_action().takes_values() && is_named(flag))
    };
    let mut words = arguments.iter().enumerate().skip(1);
    loop {
        let (at, word) = words.next()?;
        match word.to_str() {
            Some(flag) if flag.starts_with('-') => {
                if takes_value(flag) {
                    words.next();
                }
            }
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let words = in_our_words(line.split(' ').map(OsString::from));
        let words: Vec<String> = words
            .into_iter()
            .map(|it| it.into_string().unwrap())
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_program_named_cadvisor_has_cadvisors_flags() {
        assert_eq!(
            read("/usr/bin/cadvisor -port=1 --config x"),
            "/usr/bin/cadvisor cadvisor -- -port=1 --config x"
        );
        assert_eq!(read("cadvisor"), "cadvisor cadvisor --");
        assert_eq!(read("cgflux cadvisor -v 3"), "cgflux cadvisor -- -v 3");
        assert_eq!(
            read("cgflux --config x -q cadvisor --help"),
            "cgflux --config x -q cadvisor -- --help"
        );
    }

    #[test]
    fn what_is_called_like_a_command_and_is_none_changes_nothing() {
        for line in [
            "cgflux stat cadvisor --once",
            "cgflux --config cadvisor run -v",
            "cgflux stat web -c x",
            "cgflux",
        ] {
            assert_eq!(read(line), line);
        }
    }
}
