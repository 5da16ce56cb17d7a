//! placeholder
use crate::container::{Identity, RuntimeInfo};
/// x
#[derive(Debug, Default)]
pub struct Runtimes;
impl Runtimes {
    /// x
    pub fn lookup(&mut self, _identity: &Identity) -> Option<RuntimeInfo> {
        None
    }
    /// x
    pub fn set_docker_root(&mut self, _path: &std::path::Path) {}
}
