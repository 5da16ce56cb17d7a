//! The name that was asked for → the entries meant by it.

use crate::{
    metrics::{Batch, Subject},
    text::printable,
};

/// How alike two names must be for one to be offered for the other; 1.0 is the same.
const ALIKE: f64 = 0.8;

/// Most names that are offered.
const OFFERED: usize = 5;

/// The entries of that name; if there is none, those whose id starts so; without a name all.
pub(super) fn choose<'b>(
    batch: &'b Batch,
    name: Option<&str>,
) -> impl Iterator<Item = &'b Subject> {
    let is_called = |subject: &Subject, name: &str| subject.container.name == name;
    let starts_so = |subject: &Subject, name: &str| {
        let id = subject.container.id.as_deref();
        !name.is_empty() && id.is_some_and(|id| id.starts_with(name))
    };
    let by_name = name.is_some_and(|name| batch.subjects.iter().any(|it| is_called(it, name)));
    let name = name.map(str::to_owned);
    batch.subjects.iter().filter(move |subject| match &name {
        None => true,
        Some(name) if by_name => is_called(subject, name),
        Some(name) => starts_so(subject, name),
    })
}

/// Names that may have been meant, best first, as they can be printed.
pub(super) fn near(batch: &Batch, name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let mut alike: Vec<(f64, &str)> = batch
        .subjects
        .iter()
        .map(|subject| {
            let other = &subject.container.name;
            let other_lower = other.to_lowercase();
            let contains = !lower.is_empty() && other_lower.contains(&lower);
            let likeness = strsim::jaro_winkler(&lower, &other_lower);
            (if contains { 1.0 } else { likeness }, other.as_str())
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(one, one_name), (other, other_name)| {
        other.total_cmp(one).then(one_name.cmp(other_name))
    });
    let alike = alike.into_iter().take(OFFERED);
    alike
        .map(|(_, name)| printable(name).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::fixture::{container, subject_of, tick_of};

    fn batch() -> Batch {
        // Ids are cgroup numbers in 64 digits, so 0…0a1 and so on; the last is called like the id of the first.
        let id = format!("{:064x}", 0xa1);
        let names = [
            (0xa1, "web-1"),
            (0xa2, "web-2"),
            (0xb1, "db"),
            (0xc1, &id[..12]),
        ];
        let subjects = names.map(|(cgroup, name)| subject_of(container(cgroup, name), Vec::new()));
        tick_of(1, subjects.into())
    }

    fn chosen(name: &str) -> Vec<u64> {
        let batch = batch();
        let chosen = choose(&batch, Some(name));
        chosen.map(|subject| subject.container.cgroup.0).collect()
    }

    #[test]
    fn a_name_counts_more_than_the_start_of_an_id() {
        assert_eq!(chosen("db"), [0xb1]);
        assert_eq!(
            chosen("000000000000"),
            [0xc1],
            "a name, and all ids start so"
        );
        assert_eq!(chosen("00000"), [0xa1, 0xa2, 0xb1, 0xc1]);
        assert_eq!(chosen(&format!("{:064x}", 0xa2)), [0xa2]);
        assert_eq!(chosen("web"), [0_u64; 0]);
        assert_eq!(chosen(""), [0_u64; 0]);
        assert_eq!(choose(&batch(), None).count(), 4);
    }

    #[test]
    fn what_looks_like_it_is_offered() {
        assert_eq!(near(&batch(), "wbe-1"), ["web-1", "web-2"]);
        assert_eq!(near(&batch(), "WEB"), ["web-1", "web-2"]);
        assert_eq!(near(&batch(), "redis"), [""; 0]);
        let hostile = tick_of(
            1,
            vec![subject_of(container(1, "web\u{1b}[2J"), Vec::new())],
        );
        assert_eq!(near(&hostile, "web"), ["web\\u{1b}[2J"]);
    }
}
