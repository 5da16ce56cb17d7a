//! The text of containers' tags, kept from shipment to shipment: escaping it anew would cost more than all the rest.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use crate::{
    container::{CgroupId, Container},
    shipment::Shipment,
};

/// What tells apart the lines of one container and measurement: keys and values of tags.
pub(super) type Extra = [(&'static str, Cow<'static, str>)];

/// The texts of all containers that one sink is sent.
#[derive(Debug, Default)]
pub(super) struct Known {
    texts: HashMap<CgroupId, Texts>,
    /// Counts complete shipments, to find those that are no longer used.
    round: u64,
}

/// The texts of one container.
#[derive(Debug)]
pub(super) struct Texts {
    /// Whose they are; while it is held, no other container can stand at its address.
    container: Arc<Container>,
    round: u64,
    plain: String,
    /// Those with more tags, a handful.
    extra: Vec<(Box<Extra>, String)>,
}

impl Known {
    /// Those of `container`; `plain` makes its tags without any extra, if they are not known or it has changed.
    pub(super) fn of(
        &mut self,
        container: &Arc<Container>,
        plain: impl Fn() -> String,
    ) -> &mut Texts {
        let make = || Texts {
            container: Arc::clone(container),
            round: 0,
            plain: plain(),
            extra: Vec::new(),
        };
        let texts = self
            .texts
            .entry(container.cgroup)
            .and_modify(|texts| {
                if !Arc::ptr_eq(&texts.container, container) {
                    *texts = make();
                }
            })
            .or_insert_with(make);
        texts.round = self.round;
        texts
    }

    /// Forgets a container that has had its last point.
    pub(super) fn forget(&mut self, cgroup: CgroupId) {
        self.texts.remove(&cgroup);
    }

    /// Ends a shipment. A container that a complete one did not have is forgotten.
    pub(super) fn shipped(&mut self, shipment: &Shipment<'_>) {
        if shipment.complete {
            self.texts.retain(|_, texts| texts.round == self.round);
            self.round += 1;
        }
    }
}

impl Texts {
    /// The tags with `extra`; `make` makes them if they are not known.
    pub(super) fn with(&mut self, extra: &Extra, make: impl FnOnce() -> String) -> &str {
        if extra.is_empty() {
            return &self.plain;
        }
        let at = self
            .extra
            .iter()
            .position(|(known, _)| known.as_ref() == extra)
            .unwrap_or_else(|| {
                self.extra.push((extra.into(), make()));
                self.extra.len() - 1
            });
        &self.extra[at].1
    }

    /// The tags without any extra.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }
}
