//! How room is given back to the file system.

use super::{
    change::Change, error::Trouble, pending::Pending, removals::Removals, room::PAGE_BYTES,
    store::Store,
};

/// Free pages that are worth giving back.
const MANY_FREE_PAGES: u64 = (4 << 20) / PAGE_BYTES;

/// Steps of giving back at one time, each of a thousand pages or so.
const MOST_STEPS: usize = 4;

/// Gives pages back if more are free than in use, some of them each time.
pub(super) fn relax(store: &Store) -> Result<(), Trouble> {
    for _ in 0..MOST_STEPS {
        let free = store.free_pages()?;
        if free < MANY_FREE_PAGES || free < store.pages()? / 2 {
            break;
        }
        store.give_back(free)?;
    }
    Ok(())
}

/// Makes the file smaller than it was allowed to be before: the oldest batches make way, and the pages are given back.
pub(super) fn shrink(store: &mut Store, pending: &Pending) -> Result<(), Trouble> {
    loop {
        let excess = store.excess_pages()?;
        if excess == 0 {
            return store.bound();
        }
        let most_rows = store.reserve(0)?;
        let mut change = Change::of(store)?;
        let mut removals = Removals {
            change: &mut change,
            pending,
            left: most_rows,
        };
        removals.free(excess)?;
        let is_enough = removals.left > 0;
        let committed = change.commit()?;
        store.committed(committed);
        if is_enough {
            let before = store.pages()?;
            store.give_back(excess)?;
            if store.pages()? >= before {
                return Err(Trouble::Corrupt("it cannot be made smaller".into()));
            }
        }
    }
}
