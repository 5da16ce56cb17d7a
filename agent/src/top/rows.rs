//! The rows of the table: who is shown, in which order, below whom. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

use super::{
    filter::Filter,
    measure::{Measure, Values},
    model::{Entry, Model, RECENT, add},
};

/// Rows are in the order of the mean of so many ticks, so that they do not jump with every tick.
const RANKED: usize = 10;

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    /// What it is called, hostile as it is.
    pub(super) name: String,
    pub(super) values: Values,
    /// How many rows it stands below.
    pub(super) depth: usize,
    /// Entries below it, folded or not.
    pub(super) below: usize,
    pub(super) is_folded: bool,
    pub(super) has_ended: bool,
}

/// What a row stands for. It is the same row from tick to tick.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Key {
    /// The entry of a cgroup id.
    Entry(u64),
    /// All that is below a path, or belongs together.
    Group(String),
}

/// How rows stand.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Layout {
    /// One below the other.
    #[default]
    Flat,
    /// By the paths of their cgroups.
    Tree,
    /// By compose project, pod, or what else they belong to.
    Groups,
}

/// What kinds of entries are shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kinds {
    #[default]
    Containers,
    /// And systemd's units, and what belongs to nobody.
    Units,
    /// And other cgroups, as far as they have used CPU lately.
    All,
}

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sort {
    Name,
    By(Measure),
}

/// How a person wants the rows.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) layout: Layout,
    pub(super) kinds: Kinds,
    pub(super) sort: Sort,
    /// The other way round.
    pub(super) is_reversed: bool,
    pub(super) filter: Filter,
    /// What shows its sum, and not what is below it.
    pub(super) folded: HashSet<Key>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            kinds: Kinds::default(),
            sort: Sort::By(Measure::Cpu),
            is_reversed: false,
            filter: Filter::default(),
            folded: HashSet::new(),
        }
    }
}

/// The rows that `wanted` makes of `model`.
pub(super) fn rows(model: &Model, wanted: &Wanted) -> Vec<Row> {
    let shown = model
        .entries()
        .filter(|(_, entry)| wanted.kinds.has(entry) && wanted.filter.fits(&entry.who));
    let mut top = match wanted.layout {
        Layout::Flat => shown
            .map(|(cgroup, entry)| Node::of(cgroup, entry, wanted))
            .collect(),
        Layout::Tree => tree(shown, wanted),
        Layout::Groups => groups(shown, wanted),
    };
    let mut rows = Vec::new();
    lay_out(&mut top, 0, wanted, &mut rows);
    rows
}

/// How many entries are shown of how many that could be, were there no filter.
pub(super) fn counts(model: &Model, wanted: &Wanted) -> (usize, usize) {
    let of_kind = model
        .entries()
        .filter(|(_, entry)| wanted.kinds.has(entry) && !entry.has_ended());
    of_kind.fold((0, 0), |(shown, all), (_, entry)| {
        let fits = wanted.filter.fits(&entry.who);
        (shown + usize::from(fits), all + 1)
    })
}

impl Kinds {
    fn has(self, entry: &Entry) -> bool {
        match entry.who.kind.as_str() {
            "container" => true,
            // One that only holds others, such as the parent of all containers, has no tasks to tell of.
            "cgroup" => {
                let cpu = entry.ring(Measure::Cpu);
                self == Self::All && cpu.newest(RECENT).flatten().any(|cpus| cpus > 0.0)
            }
            _ => self != Self::Containers,
        }
    }

    pub(super) fn next(self) -> Self {
        match self {
            Self::Containers => Self::Units,
            Self::Units => Self::All,
            Self::All => Self::Containers,
        }
    }
}

impl Layout {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Flat => Self::Tree,
            Self::Tree => Self::Groups,
            Self::Groups => Self::Flat,
        }
    }
}

impl Sort {
    /// All, in the order of columns.
    fn all() -> impl Iterator<Item = Self> + Clone {
        std::iter::once(Self::Name).chain(Measure::ALL.map(Self::By))
    }

    /// The column to the right, or to the left.
    pub(super) fn beside(self, is_right: bool) -> Self {
        let all: Vec<Self> = Self::all().collect();
        let at = all.iter().position(|it| *it == self).unwrap_or(0);
        let step = if is_right { 1 } else { all.len() - 1 };
        all[(at + step) % all.len()]
    }
}

/// An entry or a group, with all that is below it.
struct Node {
    key: Key,
    name: String,
    own: Values,
    sums: Values,
    rank: Option<f64>,
    has_ended: bool,
    /// Entries, itself left out.
    below: usize,
    children: Vec<Self>,
}

impl Node {
    fn of(cgroup: u64, entry: &Entry, wanted: &Wanted) -> Self {
        let rank = match wanted.sort {
            Sort::Name => None,
            Sort::By(measure) => entry.ring(measure).mean(RANKED),
        };
        let own = if entry.has_ended() {
            [None; _]
        } else {
            entry.now
        };
        Self {
            key: Key::Entry(cgroup),
            name: entry.who.name.clone(),
            own,
            sums: own,
            rank,
            has_ended: entry.has_ended(),
            below: 0,
            children: Vec::new(),
        }
    }

    fn group(key: String, name: String, children: Vec<Self>) -> Self {
        let mut group = Self {
            key: Key::Group(key),
            name,
            own: [None; _],
            sums: [None; _],
            rank: None,
            has_ended: true,
            below: 0,
            children: Vec::new(),
        };
        group.adopt(children);
        group
    }

    /// Takes in what is below it.
    fn adopt(&mut self, children: Vec<Self>) {
        for child in &children {
            add(&mut self.sums, &child.sums);
            if let Some(rank) = child.rank {
                self.rank = Some(self.rank.unwrap_or(0.0) + rank);
            }
            self.has_ended &= child.has_ended;
            let is_entry = matches!(child.key, Key::Entry(_));
            self.below += child.below + usize::from(is_entry);
        }
        self.children.extend(children);
    }
}

/// By path. A folder that holds nothing but one other is left out.
fn tree<'a>(shown: impl Iterator<Item = (u64, &'a Entry)>, wanted: &Wanted) -> Vec<Node> {
    #[derive(Default)]
    struct Folder<'a> {
        entry: Option<(u64, &'a Entry)>,
        folders: BTreeMap<&'a str, Self>,
    }

    fn nodes(folder: Folder<'_>, path: &str, wanted: &Wanted) -> Vec<Node> {
        let below: Vec<Node> = folder
            .folders
            .into_iter()
            .flat_map(|(name, folder)| nodes(folder, &format!("{path}/{name}"), wanted))
            .collect();
        match folder.entry {
            Some((cgroup, entry)) => {
                let mut node = Node::of(cgroup, entry, wanted);
                node.adopt(below);
                vec![node]
            }
            None if below.len() > 1 => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                vec![Node::group(path.to_owned(), name, below)]
            }
            None => below,
        }
    }

    let mut root = Folder::default();
    let mut pathless = Vec::new();
    for (cgroup, entry) in shown {
        // What is left of all others stands beside them, not above.
        let path = entry.who.path.as_deref().filter(|path| *path != "/");
        let Some(path) = path else {
            pathless.push(Node::of(cgroup, entry, wanted));
            continue;
        };
        let mut folder = &mut root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = folder.folders.entry(name).or_default();
        }
        if folder.entry.is_some() {
            pathless.push(Node::of(cgroup, entry, wanted));
        } else {
            folder.entry = Some((cgroup, entry));
        }
    }
    let mut top: Vec<Node> = root
        .folders
        .into_iter()
        .flat_map(|(name, folder)| nodes(folder, &format!("/{name}"), wanted))
        .collect();
    top.extend(pathless);
    top
}

fn groups<'a>(shown: impl Iterator<Item = (u64, &'a Entry)>, wanted: &Wanted) -> Vec<Node> {
    let mut groups: BTreeMap<(&str, String), Vec<Node>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (cgroup, entry) in shown {
        let node = Node::of(cgroup, entry, wanted);
        match group(entry) {
            Some(group) => groups.entry(group).or_default().push(node),
            None => alone.push(node),
        }
    }
    let mut top: Vec<Node> = groups
        .into_iter()
        .map(|((word, name), nodes)| Node::group(format!("{word} {name}"), name, nodes))
        .collect();
    top.extend(alone);
    top
}

/// What an entry belongs to, of the nearest kind that is told.
fn group(entry: &Entry) -> Option<(&'static str, String)> {
    let who = &entry.who;
    if let Some(project) = &who.project {
        return Some(("project", project.clone()));
    }
    match (&who.namespace, &who.pod) {
        (Some(namespace), Some(pod)) => return Some(("pod", format!("{namespace}/{pod}"))),
        (None, Some(pod)) => return Some(("pod", pod.clone())),
        _ => {}
    }
    let is_unit = who.kind == "unit";
    let slice = who.slice.as_ref().filter(|_| is_unit)?;
    Some(("slice", slice.clone()))
}

/// Sorts, and appends one row after the other.
fn lay_out(nodes: &mut [Node], depth: usize, wanted: &Wanted, rows: &mut Vec<Row>) {
    nodes.sort_by(|one, other| order(one, other, wanted));
    for node in nodes {
        let is_folded = wanted.folded.contains(&node.key) && !node.children.is_empty();
        let has_own = matches!(node.key, Key::Entry(_));
        rows.push(Row {
            key: node.key.clone(),
            name: node.name.clone(),
            values: if has_own && !is_folded {
                node.own
            } else {
                node.sums
            },
            depth,
            below: node.below,
            is_folded,
            has_ended: node.has_ended,
        });
        if !is_folded {
            lay_out(&mut node.children, depth + 1, wanted, rows);
        }
    }
}

/// The highest first, names from A on; what is not known, and then what has ended, comes last either way.
fn order(one: &Node, other: &Node, wanted: &Wanted) -> Ordering {
    let turned = |order: Ordering| {
        if wanted.is_reversed {
            order.reverse()
        } else {
            order
        }
    };
    let by_name = one.name.cmp(&other.name).then(one.key.cmp(&other.key));
    let by_rank = match (wanted.sort, one.rank, other.rank) {
        (Sort::Name, ..) => turned(by_name),
        (_, Some(one), Some(other)) => turned(other.total_cmp(&one)),
        (_, one, other) => other.is_some().cmp(&one.is_some()),
    };
    one.has_ended
        .cmp(&other.has_ended)
        .then(by_rank)
        .then(by_name)
}
