//! Settings: typed, complete, nothing left to interpret.
