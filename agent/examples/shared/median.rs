//! One figure for several.

use super::spread::quartiles;

/// The middle one, which was seen; NaN of nothing.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quartiles(values).map_or(f64::NAN, |[_, median, _]| median)
}
