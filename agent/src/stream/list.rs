//! A list that is no longer than anything that is measured.

use std::{fmt, marker::PhantomData};

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
    deserializer.deserialize_seq(Items(PhantomData))
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
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
