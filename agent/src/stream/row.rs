//! A row of numbers: a cgroup id, and what is told of it, in a fixed order.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};

/// `[cgroup, number or null…]` with `N` numbers. Numbers that a later version adds behind them are passed over, those that
/// an earlier one does not have are unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row<const N: usize> {
    pub(super) cgroup: u64,
    pub(super) numbers: [Option<f64>; N],
}

impl<'de, const N: usize> Deserialize<'de> for Row<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Numbers::<N>)
    }
}

struct Numbers<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Numbers<N> {
    type Value = Row<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cgroup id and numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Row<N>, A::Error> {
        let first = list.next_element()?;
        let cgroup = first.ok_or_else(|| Error::invalid_length(0, &self))?;
        let mut numbers = [None; N];
        for number in &mut numbers {
            *number = list.next_element()?.flatten();
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Row { cgroup, numbers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_have_fewer_numbers_or_more() {
        for (text, numbers) in [
            ("[7]", [None, None]),
            ("[7,0.5]", [Some(0.5), None]),
            ("[7,null,2]", [None, Some(2.0)]),
            ("[7,1,2,3,\"x\"]", [Some(1.0), Some(2.0)]),
        ] {
            let row: Row<2> = serde_json::from_str(text).unwrap();
            assert_eq!((row.cgroup, row.numbers), (7, numbers), "{text}");
        }
        assert!(serde_json::from_str::<Row<2>>("[]").is_err());
    }
}
