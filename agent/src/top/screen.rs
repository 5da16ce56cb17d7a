//! The terminal while it shows us: raw mode and the alternate screen, and how it was before.
//!
//! What was changed is undone when the [`Screen`] goes, when any thread panics, and before the process is stopped; a signal
//! that ends it is the caller's to turn into an end of the [`Screen`]. Only `SIGKILL` leaves the terminal as it is.

use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::{Hide, Show},
    execute,
    style::ResetColor,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode, size,
    },
};
use nix::{
    sys::signal::{Signal, kill, raise},
    unistd::Pid,
};
use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect,
};

/// Whether the terminal is changed by us. There is one terminal, and a panic has no other way to know.
static IS_OURS: AtomicBool = AtomicBool::new(false);

static HOOK: Once = Once::new();

/// The terminal, changed.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// The size it is drawn at.
    area: Rect,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            // Before the message, so that it stands where it can be read.
            panic::set_hook(Box::new(move |about| {
                give_back().unwrap_or_default();
                before(about);
            }));
        });
        change()?;
        let blank = blank();
        // Undoes what was changed if there is no terminal after all.
        blank
            .map(|(terminal, area)| Self { terminal, area })
            .inspect_err(|_| give_back().unwrap_or_default())
    }

    /// Draws a frame, of which only what is new is sent. After a panic elsewhere nothing is drawn any more.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !IS_OURS.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (width, height) = size()?;
        if (width, height) != (self.area.width, self.area.height) {
            self.clear()?;
        }
        self.terminal.draw(picture)?;
        Ok(())
    }

    /// Has the next frame sent in whole.
    pub fn clear(&mut self) -> io::Result<()> {
        (self.terminal, self.area) = blank()?;
        Ok(())
    }

    /// Asks for all of the foreground to be stopped, as the terminal itself does for Ctrl-Z: us, and who started us
    /// with us, as `sudo` did. [`Self::stop`] does our part.
    pub fn ask_to_stop() -> nix::Result<()> {
        kill(Pid::from_raw(0), Signal::SIGTSTP)
    }

    /// Gives the terminal back, stops the process, and takes the terminal again when it goes on.
    pub fn stop(&mut self) -> io::Result<()> {
        give_back()?;
        // SIGTSTP itself is caught.
        raise(Signal::SIGSTOP)?;
        self.resume()
    }

    /// Takes the terminal once more after a stop that was not ours to prepare.
    pub fn resume(&mut self) -> io::Result<()> {
        change()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal itself may be gone.
        give_back().unwrap_or_default();
    }
}

/// A terminal that shows nothing, of the size it has now. Of a size that we look after ourselves: ratatui asks a terminal
/// that changes its size where its cursor is, and the answer would be taken for keys by whoever reads these.
fn blank() -> io::Result<(Terminal<CrosstermBackend<Stdout>>, Rect)> {
    let (width, height) = size()?;
    let area = Rect::new(0, 0, width, height);
    execute!(stdout(), Clear(ClearType::All))?;
    let viewport = Viewport::Fixed(area);
    let terminal = Terminal::with_options(
        CrosstermBackend::new(stdout()),
        TerminalOptions { viewport },
    )?;
    Ok((terminal, area))
}

fn change() -> io::Result<()> {
    enable_raw_mode()?;
    IS_OURS.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, Hide).inspect_err(|_| give_back().unwrap_or_default())
}

fn give_back() -> io::Result<()> {
    if !IS_OURS.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let left = execute!(stdout(), ResetColor, LeaveAlternateScreen, Show);
    // Even if nothing can be written.
    disable_raw_mode()?;
    left
}
