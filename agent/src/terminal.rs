//! The standard streams of commands that print again and again: a reader that has seen enough, and a terminal on which
//! one text takes the place of the one before. Sequences are those of ECMA-48, 5th edition.

use std::io::{self, Write as _};

use crate::text::printable;

/// Takes the cursor to the upper left corner (CUP).
const HOME: &str = "\u{1b}[H";
/// Clears the rest of the line (EL).
const CLEAR_LINE: &str = "\u{1b}[K";
/// Clears the rest of the screen (ED).
const CLEAR_BELOW: &str = "\u{1b}[J";

/// What draws `lines` from the upper left corner on, and clears all else. They must fit the terminal.
pub(crate) fn redraw(lines: &[String]) -> String {
    let body = lines.join(&format!("{CLEAR_LINE}\n"));
    format!("{HOME}{body}{CLEAR_LINE}{CLEAR_BELOW}")
}

/// Prints to standard output; returns whether anybody reads on. One that has seen enough, as `head` has, is no error.
pub(crate) fn print(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says `message` on standard error, made safe; answers are printed all the same if there is nobody to tell.
pub(crate) fn tell(message: &str) {
    let line = format!("cgflux: {}\n", printable(message));
    io::stderr().write_all(line.as_bytes()).unwrap_or_default();
}
