//! placeholder
use crate::container::RuntimeInfo;
use std::path::PathBuf;
use tokio::sync::mpsc;
/// x
#[derive(Debug)]
pub enum News {
    /// x
    DockerRoot(PathBuf),
    /// x
    Container {
        /// x
        id: String,
        /// x
        info: RuntimeInfo,
    },
}
/// x
#[derive(Debug)]
pub struct DockerApi {
    #[allow(dead_code)]
    tell: mpsc::Sender<News>,
}
impl DockerApi {
    /// x
    pub fn new(tell: mpsc::Sender<News>) -> Self {
        Self { tell }
    }
    /// x
    pub async fn run(self, stop: impl Future<Output = ()>) {
        stop.await
    }
}
