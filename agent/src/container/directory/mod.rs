//! Cgroup id → who it is: all accounted entries, their names, and whose part each nested cgroup is.
//!
//! Two entries never carry the same name, for a name is what tells two series apart. An entry keeps its name after
//! its end until it is removed, that is until its final values are shipped. Reading names is left to `host`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::{
    CgroupId, Container, Exit, Identity, Kind, Runtime, RuntimeInfo, Selection, Share,
    cgroup_path::identify,
    series_guard::{SeriesGuard, Verdict},
    short,
};

/// All accounted entries of one hierarchy.
#[derive(Debug)]
pub struct Directory {
    host: CgroupId,
    selection: Selection,
    entries: HashMap<CgroupId, Entry>,
    /// Nested cgroup → the entry it is part of.
    nested: HashMap<CgroupId, CgroupId>,
    /// Path → the entry that has it now. A path may come again, with another id, before the entry that had it is
    /// removed.
    by_path: BTreeMap<String, CgroupId>,
    /// Runtime's id → the newest entry with it: a restarted container keeps its id and gets a new cgroup.
    by_runtime_id: HashMap<String, CgroupId>,
    /// Name → the entry that carries it, ended ones included.
    names: HashMap<String, CgroupId>,
    /// Name → the entries that want it as soon as the ended one that carries it is removed, oldest first.
    waiting: HashMap<String, Vec<CgroupId>>,
    collisions: u64,
    guard: SeriesGuard,
    /// Entries with a name that the guard was not asked for yet; the older ones come first.
    unjudged: BTreeSet<CgroupId>,
}

/// Where a cgroup belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placement<'p> {
    /// It is an entry of its own.
    Owner,
    /// It is part of this entry.
    Nested(CgroupId),
    /// It is part of the entry at this path, which is not known. It was not taken in: insert that one, then this.
    Orphan(&'p str),
}

#[derive(Debug)]
struct Entry {
    container: Arc<Container>,
    /// The name it would carry if no other entry did.
    wanted: String,
    /// What the guard said of its name.
    verdict: Verdict,
    ended: bool,
    described: bool,
    /// What the kernel said of the end of its main process, with the depth of the pid namespace that it was first in.
    init_exit: Option<(u32, Exit)>,
    /// Whether the runtime said that memory ran out in it.
    out_of_memory: bool,
    nested: BTreeSet<CgroupId>,
}

impl Directory {
    /// A directory that knows the host, whose cgroup is `root`; `selection` says under which series each entry is
    /// published.
    pub fn new(root: CgroupId, selection: Selection) -> Self {
        let mut directory = Self {
            host: root,
            guard: SeriesGuard::new(selection.max_names),
            unjudged: BTreeSet::new(),
            selection,
            entries: HashMap::new(),
            nested: HashMap::new(),
            by_path: BTreeMap::new(),
            by_runtime_id: HashMap::new(),
            names: HashMap::new(),
            waiting: HashMap::new(),
            collisions: 0,
        };
        directory.take_in(Container::host(root));
        directory
    }

    /// Takes in the cgroup at `path`, with what its runtime says where that is known. A cgroup that is known already
    /// stays where it is.
    pub fn insert<'p>(
        &mut self,
        cgroup: CgroupId,
        path: &'p str,
        info: Option<RuntimeInfo>,
    ) -> Placement<'p> {
        if let Some(owner) = self.owner_of(cgroup) {
            if owner != cgroup {
                return Placement::Nested(owner);
            }
            if let Some(info) = info {
                self.describe_entry(cgroup, info);
            }
            return Placement::Owner;
        }
        let identity = identify(path);
        if identity.runtime == Runtime::Host {
            return self.nest(cgroup, self.host);
        }
        let owner_path = &path[..identity.owner_path.len()];
        if owner_path != path.trim_end_matches('/') {
            return match self.by_path.get(owner_path) {
                Some(&owner) => self.nest(cgroup, owner),
                None => Placement::Orphan(owner_path),
            };
        }
        if let Some(owner) = self.container_above(&identity) {
            return self.nest(cgroup, owner);
        }
        self.take_in(container(cgroup, identity));
        if let Some(info) = info {
            self.describe_entry(cgroup, info);
        }
        Placement::Owner
    }

    /// Adds what the runtime says of its container `runtime_id`, as [`Directory::describe_entry`] does.
    pub fn describe(&mut self, runtime_id: &str, info: RuntimeInfo) -> bool {
        match self.by_runtime_id.get(runtime_id) {
            Some(&cgroup) => self.describe_entry(cgroup, info),
            None => false,
        }
    }

    /// Adds what a runtime says of the entry `cgroup`; what it does not say stays as it was. A new name ends the old
    /// name's series and begins another. Returns whether there is such an entry.
    pub fn describe_entry(&mut self, cgroup: CgroupId, info: RuntimeInfo) -> bool {
        let Some(entry) = self.entries.get_mut(&cgroup) else {
            return false;
        };
        entry.described = true;
        let container = Arc::make_mut(&mut entry.container);
        container.runtime = info.runtime.unwrap_or(container.runtime);
        container.image = info.image.or(container.image.take());
        container.namespace = info.namespace.or(container.namespace.take());
        container.pod = info.pod.or(container.pod.take());
        if !info.labels.is_empty() {
            container.labels = info.labels;
        }
        if let (None, Some(id)) = (&container.id, info.id) {
            self.by_runtime_id.insert(id.clone(), cgroup);
            container.id = Some(id);
        }
        let wanted = match (&container.namespace, &container.pod, info.name) {
            (_, _, None) => None,
            (Some(namespace), Some(pod), Some(name)) => Some(format!("{namespace}/{pod}/{name}")),
            (_, _, Some(name)) => Some(name),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != entry.wanted) {
            let before = std::mem::replace(&mut entry.wanted, wanted);
            self.stop_waiting(&before, cgroup);
            self.settle(cgroup);
        }
        self.choose_share(cgroup);
        true
    }

    /// Asks for the names that are new since the last call, at `now_ns` on the boot clock, before anything is published
    /// under them. An entry keeps its series for as long as it keeps its name, and so does one without. Returns whether
    /// there is one too many for the first time in an hour.
    pub fn judge_names(&mut self, now_ns: u64) -> bool {
        self.guard.advance(now_ns);
        let mut is_first = false;
        for cgroup in std::mem::take(&mut self.unjudged) {
            let Some(entry) = self.entries.get_mut(&cgroup) else {
                continue;
            };
            let by_rules = self.selection.share(&entry.container, &entry.wanted);
            entry.verdict = match by_rules {
                Share::Own => self.guard.ask(&entry.container.name),
                Share::Other | Share::Host => Verdict::Granted,
            };
            is_first |= entry.verdict == Verdict::Refused { first: true };
            self.choose_share(cgroup);
        }
        is_first
    }

    /// How often a new name was one too many, so that what carries it has no series of its own.
    pub fn refused_names(&self) -> u64 {
        self.guard.refused()
    }

    /// The entry `cgroup`; `None` if it is nested or unknown.
    pub fn container(&self, cgroup: CgroupId) -> Option<Arc<Container>> {
        self.entries
            .get(&cgroup)
            .map(|entry| Arc::clone(&entry.container))
    }

    /// The entry that `cgroup` is part of, which may be itself.
    pub fn owner_of(&self, cgroup: CgroupId) -> Option<CgroupId> {
        if self.entries.contains_key(&cgroup) {
            return Some(cgroup);
        }
        self.nested.get(&cgroup).copied()
    }

    /// A task was moved into the entry; the first is remembered.
    pub fn joined(&mut self, cgroup: CgroupId, pid: u32) {
        if let Some(entry) = self.entries.get_mut(&cgroup)
            && entry.container.pid.is_none()
        {
            Arc::make_mut(&mut entry.container).pid = Some(pid);
        }
    }

    /// The first process of a pid namespace ended in the entry `cgroup`. Of several the outermost is the main process:
    /// others may be made inside a container, and end before it or with it. It counts when the entry ends.
    pub fn init_exited(&mut self, cgroup: CgroupId, level: u32, exit: Exit) {
        if let Some(entry) = self.entries.get_mut(&cgroup)
            && entry.init_exit.is_none_or(|(known, _)| level <= known)
        {
            entry.init_exit = Some((level, exit));
        }
    }

    /// Memory ran out in the runtime's container `runtime_id`, its runtime says.
    pub fn out_of_memory(&mut self, runtime_id: &str) {
        if let Some(entry) = self.by_runtime_id(runtime_id) {
            entry.out_of_memory = true;
        }
    }

    /// The main process of the runtime's container `runtime_id` ended, its runtime says. What the kernel says of an
    /// entry that ended counts more: the runtime's word may be of the run before.
    pub fn exited(&mut self, runtime_id: &str, code: Option<i64>) {
        if let Some(entry) = self.by_runtime_id(runtime_id)
            && let Some(code) = code
            && !(entry.ended && entry.init_exit.is_some())
        {
            let exit = Exit::of_code(code, entry.out_of_memory);
            Arc::make_mut(&mut entry.container).exit = exit;
        }
    }

    /// Marks an entry as ended: its cgroup is gone. It stays, with its name, until it is removed.
    pub fn end(&mut self, cgroup: CgroupId) {
        if let Some(entry) = self.entries.get_mut(&cgroup) {
            entry.ended = true;
            if let Some((_, exit)) = entry.init_exit {
                Arc::make_mut(&mut entry.container).exit = exit;
            }
        }
    }

    /// Forgets a nested cgroup that is gone, or an ended entry whose final values are shipped. An entry that waited
    /// for its name carries it from now on. The host stays.
    pub fn remove(&mut self, cgroup: CgroupId) {
        if let Some(owner) = self.nested.remove(&cgroup) {
            if let Some(owner) = self.entries.get_mut(&owner) {
                owner.nested.remove(&cgroup);
            }
            return;
        }
        if cgroup == self.host {
            return;
        }
        let Some(entry) = self.entries.remove(&cgroup) else {
            return;
        };
        for nested in &entry.nested {
            self.nested.remove(nested);
        }
        let container = &entry.container;
        if self.by_path.get(&container.path) == Some(&cgroup) {
            self.by_path.remove(&container.path);
        }
        if let Some(id) = &container.id {
            remove_if(&mut self.by_runtime_id, id, cgroup);
        }
        self.stop_waiting(&entry.wanted, cgroup);
        self.release(&container.name, cgroup);
    }

    /// How often a name was already carried by another live entry, so that the newcomer got a longer one.
    pub fn collisions(&self) -> u64 {
        self.collisions
    }

    /// Whether there are entries, ended ones that are not removed included, in the cgroup at `path`.
    pub fn has_entries_below(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        let from = (Bound::Included(below.as_str()), Bound::Unbounded);
        let mut from = self.by_path.range::<str, _>(from);
        from.next()
            .is_some_and(|(path, _)| path.starts_with(&below))
    }

    /// All entries, ended ones that are not removed and the host included, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.entries.values().map(|entry| &entry.container)
    }

    /// Live containers with an id of which no runtime has said anything yet: worth another look.
    pub fn undescribed(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.entries
            .values()
            .filter(|entry| !entry.described && !entry.ended && entry.container.id.is_some())
            .map(|entry| &entry.container)
    }

    /// Number of entries, the host included.
    #[expect(clippy::len_without_is_empty, reason = "the host is always in it")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn by_runtime_id(&mut self, runtime_id: &str) -> Option<&mut Entry> {
        let cgroup = self.by_runtime_id.get(runtime_id)?;
        self.entries.get_mut(cgroup)
    }

    fn take_in(&mut self, container: Container) {
        let cgroup = container.cgroup;
        self.by_path.insert(container.path.clone(), cgroup);
        if let Some(id) = &container.id {
            self.by_runtime_id.insert(id.clone(), cgroup);
        }
        let entry = Entry {
            wanted: container.name.clone(),
            container: Arc::new(container),
            verdict: Verdict::Granted,
            ended: false,
            described: false,
            init_exit: None,
            out_of_memory: false,
            nested: BTreeSet::new(),
        };
        self.entries.insert(cgroup, entry);
        self.settle(cgroup);
        self.choose_share(cgroup);
    }

    /// Asks the rules anew, for what is known of the entry has changed.
    fn choose_share(&mut self, cgroup: CgroupId) {
        if let Some(entry) = self.entries.get_mut(&cgroup) {
            let share = match self.selection.share(&entry.container, &entry.wanted) {
                Share::Own if entry.verdict != Verdict::Granted => Share::Other,
                share => share,
            };
            if share != entry.container.share {
                // The name of an entry that the rules left out was never asked for.
                if share == Share::Own {
                    self.unjudged.insert(cgroup);
                }
                Arc::make_mut(&mut entry.container).share = share;
            }
        }
    }

    fn nest(&mut self, cgroup: CgroupId, owner: CgroupId) -> Placement<'static> {
        self.nested.insert(cgroup, owner);
        if let Some(owner) = self.entries.get_mut(&owner) {
            owner.nested.insert(cgroup);
        }
        Placement::Nested(owner)
    }

    /// The outermost container around a cgroup whose own path tells of none: only a runtime knows that it is one.
    fn container_above(&self, identity: &Identity) -> Option<CgroupId> {
        if identity.runtime.kind() == Kind::Container {
            return None;
        }
        let is_container = |above: &CgroupId| {
            let entry = self.entries.get(above);
            entry.is_some_and(|entry| entry.container.kind() == Kind::Container)
        };
        self.above(&identity.owner_path).filter(is_container).last()
    }

    /// The entries above a path, nearest first.
    fn above(&self, path: &str) -> impl Iterator<Item = CgroupId> {
        let parents = std::iter::successors(parent(path), |path| parent(path));
        parents.filter_map(|path| self.by_path.get(path).copied())
    }

    /// Gives an entry the name it wants, or else the nearest to it that is free.
    fn settle(&mut self, cgroup: CgroupId) {
        let Some(entry) = self.entries.get(&cgroup) else {
            return;
        };
        let wanted = &entry.wanted;
        let name = match self.names.get(wanted) {
            None => wanted.clone(),
            Some(&holder) if holder == cgroup => return,
            Some(holder) if self.entries.get(holder).is_some_and(|it| it.ended) => {
                let name = self.first_free(numbered(wanted));
                let waiting = self.waiting.entry(wanted.clone());
                waiting.or_default().push(cgroup);
                name
            }
            Some(_) => {
                let name = self.first_free(told_apart(wanted, &entry.container));
                self.collisions += 1;
                name
            }
        };
        self.carry(cgroup, name);
    }

    fn carry(&mut self, cgroup: CgroupId, name: String) {
        let Some(entry) = self.entries.get_mut(&cgroup) else {
            return;
        };
        let container = Arc::make_mut(&mut entry.container);
        let before = std::mem::replace(&mut container.name, name.clone());
        let changed = before != name;
        self.names.insert(name, cgroup);
        self.unjudged.insert(cgroup);
        if changed {
            self.release(&before, cgroup);
        }
    }

    /// Frees the name an entry carried, for those that wait for it.
    fn release(&mut self, name: &str, cgroup: CgroupId) {
        if !remove_if(&mut self.names, name, cgroup) {
            return;
        }
        self.guard.free(name);
        for waiter in self.waiting.remove(name).unwrap_or_default() {
            if self.entries.get(&waiter).is_some_and(|entry| !entry.ended) {
                self.settle(waiter);
            }
        }
    }

    fn stop_waiting(&mut self, name: &str, cgroup: CgroupId) {
        if let Some(waiting) = self.waiting.get_mut(name) {
            waiting.retain(|&waiter| waiter != cgroup);
            if waiting.is_empty() {
                self.waiting.remove(name);
            }
        }
    }

    fn first_free(&self, names: impl Iterator<Item = String>) -> String {
        names
            .into_iter()
            .find(|name| !self.names.contains_key(name))
            .unwrap_or_default()
    }
}

/// The entry that a path makes of a cgroup before its runtime has said anything.
fn container(cgroup: CgroupId, identity: Identity) -> Container {
    let provisional = identity.id.as_deref().map(|id| short(id).to_owned());
    Container {
        cgroup,
        name: identity
            .name
            .or(provisional)
            .unwrap_or_else(|| identity.owner_path.clone()),
        path: identity.owner_path,
        runtime: identity.runtime,
        id: identity.id,
        image: None,
        pid: None,
        exit: Exit::default(),
        namespace: None,
        pod: identity.pod,
        labels: BTreeMap::new(),
        share: Share::Own,
    }
}

/// Names for an entry whose name another live one carries. Cgroup ids differ, but a name may be made to look so:
/// numbers go on for ever.
fn told_apart(wanted: &str, container: &Container) -> impl Iterator<Item = String> {
    let short_id = container.short_id().map(|id| format!("{wanted}-{id}"));
    let id = container.id.as_ref().map(|id| format!("{wanted}-{id}"));
    let cgroup = format!("{wanted}-{}", container.cgroup);
    short_id
        .into_iter()
        .chain(id)
        .chain([cgroup])
        .chain(numbered(wanted))
}

/// Names for an entry that gets the name it wants as soon as an ended one is removed: few, so that a service that
/// restarts again and again makes few series.
fn numbered(wanted: &str) -> impl Iterator<Item = String> {
    (2_u64..).map(move |number| format!("{wanted}~{number}"))
}

fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        (_, "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

/// Removes `key` if it leads to `cgroup`; returns whether it did.
fn remove_if(map: &mut HashMap<String, CgroupId>, key: &str, cgroup: CgroupId) -> bool {
    let matches = map.get(key) == Some(&cgroup);
    if matches {
        map.remove(key);
    }
    matches
}

#[cfg(test)]
mod tests;
