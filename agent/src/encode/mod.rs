//! A batch → text, one format a file. Nothing here writes anywhere.

#[cfg(test)]
pub(crate) mod fixture;
pub mod json;
pub mod prometheus;
