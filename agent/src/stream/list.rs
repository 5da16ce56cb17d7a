//! A list that is no longer than anything that is measured.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Most entries, or events, of one text. In memory they take up to a hundred times the bytes of `{}`.
const MOST: usize = 1 << 17;

/// A list; one that is longer than [`MOST`] is refused.
pub(crate) fn bounded<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    List::<T, MOST>::deserialize(deserializer).map(|list| list.0)
}

/// A list; one of more than `MOST` items is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> Deref for List<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_seq(Items::<T, MOST>(PhantomData))
            .map(Self)
    }
}

struct Items<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(Error::invalid_length(MOST + 1, &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tick;

    #[test]
    fn a_list_of_more_than_can_be_measured_is_refused() {
        for (count, is_read) in [(MOST, true), (MOST + 1, false)] {
            let new = vec!["{}"; count].join(",");
            let text = format!("{{\"t\":1,\"new\":[{new}]}}");
            assert_eq!(tick(&text).is_ok(), is_read, "{count}");
        }
    }
}
