//! `_other`: all entries that the operator's rules and bound leave out, as one.

use std::{collections::HashSet, sync::Arc};

use super::{Batch, Remainder, Sample, Subject, catalog::Families};
use crate::container::{CgroupId, Container, Share};

/// Adds them up from tick to tick. The sum goes on when an entry ends, and when the rules' verdict on it changes because
/// its labels or its name came late: what was published under another series is not counted again, what was counted here stays.
#[derive(Debug)]
pub struct Other {
    container: Arc<Container>,
    sum: Remainder,
    /// Entries that were published under another series.
    elsewhere: HashSet<CgroupId>,
    /// Whether there is anything to tell.
    is_used: bool,
}

impl Default for Other {
    fn default() -> Self {
        Self {
            container: Arc::new(Container::other()),
            sum: Remainder::default(),
            elsewhere: HashSet::new(),
            is_used: false,
        }
    }
}

impl Other {
    /// Counts in what ended before the first tick.
    pub fn begin_with(&mut self, ended: &[Sample]) {
        self.sum.begin_with(ended);
        self.is_used = true;
    }

    /// Takes in a tick's entries and gives the batch their sum, as far as these families tell of it.
    pub fn fold(&mut self, batch: &mut Batch, families: Families) {
        for subject in &batch.subjects {
            self.take(subject);
        }
        batch.other = self.is_used.then(|| {
            let mut samples = self.sum.samples(left_out(&batch.subjects));
            samples.retain(|sample| families.cover(sample.metric));
            Subject::new(Arc::clone(&self.container), true, samples)
        });
    }

    fn take(&mut self, subject: &Subject) {
        let cgroup = subject.container.cgroup;
        if subject.container.share() == Share::Other {
            self.is_used = true;
            if self.elsewhere.remove(&cgroup) {
                self.sum.skip(subject);
            } else {
                self.sum.add(subject);
            }
        } else {
            self.sum.release(subject);
            self.elsewhere.insert(cgroup);
        }
        if !subject.alive {
            self.sum.forget(cgroup);
            self.elsewhere.remove(&cgroup);
        }
    }
}

fn left_out(subjects: &[Subject]) -> impl Iterator<Item = &Subject> {
    let subjects = subjects.iter();
    subjects.filter(|subject| subject.container.share() == Share::Other)
}
