//! How figures that were measured several times are told.

/// First quartile, median and third quartile; none of nothing.
pub(crate) fn quartiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some([1, 2, 3].map(|quarter| values[last * quarter / 4]))
}

/// The same as text, the median first, with so many decimals.
pub(crate) fn spread(values: Vec<f64>, decimals: usize) -> String {
    quartiles(values).map_or_else(
        || "–".to_owned(),
        |[low, median, high]| format!("{median:.decimals$} [{low:.decimals$}, {high:.decimals$}]"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_values_that_were_seen() {
        assert_eq!(
            quartiles(vec![5.0, 1.0, 4.0, 2.0, 3.0]),
            Some([2.0, 3.0, 4.0])
        );
        assert_eq!(quartiles(vec![1.0]), Some([1.0; 3]));
        assert_eq!(quartiles(vec![]), None);
    }
}
