//! What a person looks at: the view, the chosen row, the prompt; and what each action makes of it. Pure.

use super::{
    filter::Filter,
    input::Action,
    model::Model,
    rows::{Key, Kinds, Row, Wanted, rows},
};

/// Most characters that are typed into a prompt.
const TYPED: usize = 200;

/// What is shown, and how.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) view: View,
    pub(super) wanted: Wanted,
    /// What is being typed, and what for.
    pub(super) prompt: Option<Prompt>,
    pub(super) chosen: Chosen,
    /// The first line that is shown of the events or of the help.
    pub(super) scroll: usize,
    /// What was known when the picture was held.
    pub(super) held: Option<Box<Model>>,
    /// Lines of the list that the screen had room for last.
    pub(super) page: usize,
}

/// What fills the screen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum View {
    #[default]
    List,
    /// Of one entry.
    Detail(u64),
    Events,
    Help,
}

/// A line that is typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PromptKind {
    Filter,
    Time,
}

/// The chosen row: found again by its key wherever it goes, and by its place when it is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    key: Option<Key>,
    at: usize,
    /// The first row on the screen.
    first: usize,
}

/// What an action asks for beyond the look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    Nothing,
    Quit,
    Suspend,
    Redraw,
    /// Of a replay: play, or stand still.
    PlayOrStop,
    Seek(i64),
    GoTo(String),
    Speed {
        is_faster: bool,
    },
}

impl Look {
    /// The model that is shown: `live`, or the one that is held.
    pub(super) fn shown<'a>(&'a self, live: &'a Model) -> &'a Model {
        self.held.as_deref().unwrap_or(live)
    }

    /// Does what `action` says. `is_replay` gives keys of time their meaning.
    pub(super) fn act(&mut self, action: Action, live: &Model, is_replay: bool) -> Effect {
        if let Some(effect) = self.type_in(action, is_replay) {
            return effect;
        }
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Redraw => return Effect::Redraw,
            Action::Back => return self.back(),
            Action::Pause if is_replay => return Effect::PlayOrStop,
            Action::Pause => {
                self.held = match self.held.take() {
                    Some(_) => None,
                    None => Some(Box::new(live.clone())),
                };
            }
            Action::Seek(by_ms) if is_replay => return Effect::Seek(by_ms),
            Action::Speed { is_faster } if is_replay => return Effect::Speed { is_faster },
            Action::GoTo if is_replay => self.ask(PromptKind::Time, String::new()),
            Action::GoTo | Action::First => self.move_by(i64::MIN, live),
            Action::Filter => {
                self.view = View::List;
                let text = self.wanted.filter.text().to_owned();
                self.ask(PromptKind::Filter, text);
            }
            Action::Help => self.toggle(View::Help),
            Action::Events => self.toggle(View::Events),
            Action::Layout => {
                self.wanted.layout = self.wanted.layout.next();
                self.wanted.folded.clear();
            }
            Action::Kinds => self.wanted.kinds = self.wanted.kinds.next(),
            Action::Reverse => self.wanted.is_reversed = !self.wanted.is_reversed,
            Action::SortBeside { is_right } => {
                self.wanted.sort = self.wanted.sort.beside(is_right);
                self.wanted.is_reversed = false;
            }
            Action::Move(by) => self.move_by(by.into(), live),
            Action::Page(by) => {
                let page = i64::try_from(self.page.max(2) - 1).unwrap_or(i64::MAX);
                self.move_by(page.saturating_mul(by.into()), live);
            }
            Action::Last => self.move_by(i64::MAX, live),
            Action::Open => self.open(live),
            Action::Fold => self.fold(live),
            Action::Seek(_)
            | Action::Speed { .. }
            | Action::Type(_)
            | Action::Erase
            | Action::EraseAll
            | Action::Accept => {}
        }
        Effect::Nothing
    }

    /// The rows of the list, and which of them is chosen. The choice is brought in line with what there is, and what is
    /// shown first so that it is among `page` rows.
    pub(super) fn rows(&mut self, live: &Model, page: usize) -> Placed {
        let rows = rows(self.shown(live), &self.wanted);
        self.page = page;
        let chosen = &mut self.chosen;
        let found = rows
            .iter()
            .position(|row| Some(&row.key) == chosen.key.as_ref());
        // Nobody has chosen yet: the first one is, whoever that is.
        chosen.at = match (&chosen.key, found) {
            (Some(_), Some(at)) => at,
            (Some(_), None) => chosen.at.min(rows.len().saturating_sub(1)),
            (None, _) => 0,
        };
        if found.is_none() && chosen.key.is_some() {
            chosen.key = rows.get(chosen.at).map(|row| row.key.clone());
        }
        let last_first = rows.len().saturating_sub(page);
        let lowest = (chosen.at + 1).saturating_sub(page);
        chosen.first = chosen
            .first
            .clamp(lowest, chosen.at.max(lowest))
            .min(last_first);
        Placed {
            first: chosen.first,
            chosen: chosen.at,
            rows,
        }
    }

    /// What is typed goes to the prompt; `None` for what is not meant for it.
    fn type_in(&mut self, action: Action, is_replay: bool) -> Option<Effect> {
        let prompt = self.prompt.as_mut()?;
        match action {
            Action::Type(char) => {
                if prompt.text.chars().count() < TYPED {
                    prompt.text.push(char);
                }
            }
            Action::Erase => drop(prompt.text.pop()),
            Action::EraseAll => prompt.text.clear(),
            Action::Back => {
                if prompt.kind == PromptKind::Filter {
                    prompt.text.clear();
                    self.wanted.filter = Filter::default();
                }
                self.prompt = None;
                return Some(Effect::Nothing);
            }
            Action::Accept => {
                let Prompt { kind, text } = self.prompt.take()?;
                let goes = kind == PromptKind::Time && is_replay && !text.trim().is_empty();
                return Some(if goes {
                    Effect::GoTo(text.trim().to_owned())
                } else {
                    Effect::Nothing
                });
            }
            _ => return None,
        }
        if prompt.kind == PromptKind::Filter {
            self.wanted.filter = Filter::new(&prompt.text);
        }
        Some(Effect::Nothing)
    }

    fn ask(&mut self, kind: PromptKind, text: String) {
        self.prompt = Some(Prompt { kind, text });
    }

    fn toggle(&mut self, view: View) {
        self.scroll = 0;
        self.view = if self.view == view { View::List } else { view };
    }

    /// Out of what is in front; the list alone is the end.
    fn back(&mut self) -> Effect {
        if self.view != View::List {
            self.view = View::List;
        } else if !self.wanted.filter.is_empty() {
            self.wanted.filter = Filter::default();
        } else {
            return Effect::Quit;
        }
        Effect::Nothing
    }

    fn move_by(&mut self, by: i64, live: &Model) {
        let moved = |from: usize, last: usize| {
            let to = i64::try_from(from).unwrap_or(0).saturating_add(by);
            usize::try_from(to.max(0)).unwrap_or(usize::MAX).min(last)
        };
        if self.view != View::List {
            // Brought in line with what there is when it is drawn.
            self.scroll = moved(self.scroll, 100_000);
            return;
        }
        let page = self.page;
        let Placed { rows, chosen, .. } = self.rows(live, page);
        let to = moved(chosen, rows.len().saturating_sub(1));
        self.choose(&rows, to);
    }

    fn choose(&mut self, rows: &[Row], at: usize) {
        self.chosen.at = at;
        self.chosen.key = rows.get(at).map(|row| row.key.clone());
    }

    fn open(&mut self, live: &Model) {
        if self.view != View::List {
            return;
        }
        let page = self.page;
        let Placed { rows, chosen, .. } = self.rows(live, page);
        match rows.get(chosen).map(|row| row.key.clone()) {
            Some(Key::Entry(cgroup)) => {
                self.choose(&rows, chosen);
                self.scroll = 0;
                self.view = View::Detail(cgroup);
            }
            Some(Key::Group(_)) => self.fold(live),
            None => {}
        }
    }

    fn fold(&mut self, live: &Model) {
        let page = self.page;
        let Placed { rows, chosen, .. } = self.rows(live, page);
        let Some(row) = rows.get(chosen) else {
            return;
        };
        if !self.wanted.folded.remove(&row.key) && row.below > 0 {
            self.wanted.folded.insert(row.key.clone());
        }
        self.choose(&rows, chosen);
    }
}

/// The rows, and where among them the screen begins and the choice is.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) rows: Vec<Row>,
    pub(super) first: usize,
    pub(super) chosen: usize,
}

impl Wanted {
    /// What kinds of entries are listed, and that they stand the other way round.
    pub(super) fn told(&self) -> String {
        let kinds = match self.kinds {
            Kinds::Containers => "containers",
            Kinds::Units => "with units",
            Kinds::All => "of all kinds",
        };
        let turned = if self.is_reversed {
            ", lowest first"
        } else {
            ""
        };
        format!("{kinds}{turned}")
    }
}
