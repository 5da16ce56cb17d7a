//! Keys → what a person wants. Pure.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// Out of a view, or of the program.
    Back,
    Quit,
    /// To the shell that started it, until that brings it back.
    Suspend,
    /// Draw all of it anew.
    Redraw,
    /// So many rows down; less than nothing is up.
    Move(i32),
    /// So many screens down.
    Page(i32),
    First,
    Last,
    /// More of what is chosen.
    Open,
    /// Show or hide what is below it.
    Fold,
    /// Sort by the column to the right, or to the left.
    SortBeside {
        is_right: bool,
    },
    Reverse,
    Layout,
    Kinds,
    Pause,
    Help,
    Events,
    Filter,
    /// Of a replay: so many milliseconds on.
    Seek(i64),
    /// Of a replay: to a time that is asked for.
    GoTo,
    /// Of a replay: twice as fast, or half.
    Speed {
        is_faster: bool,
    },
    /// Typed into a prompt.
    Type(char),
    Erase,
    EraseAll,
    Accept,
}

/// A step through a replay, and a large one.
const STEP_MS: i64 = 10_000;
const LEAP_MS: i64 = 60_000;

/// What `key` means; where text is typed most keys are text.
pub(super) fn action(key: &KeyEvent, is_typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('l') => Some(Action::Redraw),
            KeyCode::Char('u') if is_typing => Some(Action::EraseAll),
            KeyCode::Char('h') if is_typing => Some(Action::Erase),
            KeyCode::Char('f' | 'd') => Some(Action::Page(1)),
            KeyCode::Char('b' | 'u') => Some(Action::Page(-1)),
            KeyCode::Char('n') => Some(Action::Move(1)),
            KeyCode::Char('p') => Some(Action::Move(-1)),
            _ => None,
        };
    }
    if is_typing {
        return match key.code {
            KeyCode::Esc => Some(Action::Back),
            KeyCode::Enter => Some(Action::Accept),
            KeyCode::Backspace => Some(Action::Erase),
            KeyCode::Up => Some(Action::Move(-1)),
            KeyCode::Down => Some(Action::Move(1)),
            KeyCode::Char(char) => Some(Action::Type(char)),
            _ => None,
        };
    }
    let far = if key.modifiers.contains(KeyModifiers::SHIFT) {
        LEAP_MS
    } else {
        STEP_MS
    };
    Some(match key.code {
        KeyCode::Esc | KeyCode::Char('q') | KeyCode::Backspace => Action::Back,
        KeyCode::Char('Q') => Action::Quit,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Home => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Enter => Action::Open,
        KeyCode::Char(' ') => Action::Fold,
        KeyCode::Char('>' | 's') | KeyCode::Tab => Action::SortBeside { is_right: true },
        KeyCode::Char('<' | 'S') | KeyCode::BackTab => Action::SortBeside { is_right: false },
        KeyCode::Char('r' | 'I') => Action::Reverse,
        KeyCode::Char('t') => Action::Layout,
        KeyCode::Char('a') => Action::Kinds,
        KeyCode::Char('p') => Action::Pause,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Char('e') => Action::Events,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Left => Action::Seek(-far),
        KeyCode::Right => Action::Seek(far),
        KeyCode::Char('[') => Action::Seek(-LEAP_MS),
        KeyCode::Char(']') => Action::Seek(LEAP_MS),
        KeyCode::Char('g') => Action::GoTo,
        KeyCode::Char('+' | '=') => Action::Speed { is_faster: true },
        KeyCode::Char('-') => Action::Speed { is_faster: false },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_text_and_control_still_works() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let with = |code, modifiers| KeyEvent::new(code, modifiers);
        for (key, is_typing, expected) in [
            (key(KeyCode::Char('q')), false, Some(Action::Back)),
            (key(KeyCode::Char('q')), true, Some(Action::Type('q'))),
            (
                with(KeyCode::Char('c'), KeyModifiers::CONTROL),
                true,
                Some(Action::Quit),
            ),
            (with(KeyCode::Char('x'), KeyModifiers::CONTROL), true, None),
            (
                with(KeyCode::Left, KeyModifiers::SHIFT),
                false,
                Some(Action::Seek(-60_000)),
            ),
            (key(KeyCode::Right), false, Some(Action::Seek(10_000))),
            (key(KeyCode::F(5)), false, None),
        ] {
            assert_eq!(action(&key, is_typing), expected, "{key:?}");
        }
    }
}
