//! `packaging/compose.yaml` and `packaging/kubernetes`: they hold, ask for the same rights, and the stack does what it is for.

mod files;
mod stack;
