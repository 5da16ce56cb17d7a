//! Writes what the packages say of the command line: a manual page for each command, and what shells complete it with.
//!
//! `package_docs FOLDER` makes `man1/cgflux.1`, `man1/cgflux-run.1` …, and `cgflux.bash`, `_cgflux`, `cgflux.fish`.

use std::{env, fs, io, path::Path};

use cgflux::cli::Cli;
use clap::CommandFactory as _;
use clap_complete::{Shell, generate_to};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "usage: package_docs FOLDER, which is made",
        )
    })?;
    let folder = Path::new(&folder);
    let manual = folder.join("man1");
    fs::create_dir_all(&manual)?;
    // Its commands have pages of their own; `help` of each would have one, too.
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &manual)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), "cgflux", folder)?;
    }
    Ok(())
}
