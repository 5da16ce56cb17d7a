//! The disk space that containers have to write to, as they see it themselves.
//!
//! `statfs` of a container's root tells of the filesystem that its writable layer is on: overlayfs passes the question
//! on to the layer's folder (`ovl_statfs` in fs/overlayfs/super.c, Linux 6.12), and xfs and ext4 answer for a folder
//! with a project quota with what the quota allows (`xfs_fs_statfs`, `ext4_statfs_project`). So it does for every
//! runtime and storage driver, and no tree is walked.
//!
//! A filesystem may take its time to answer, or never do: a server that is gone, a user's FUSE daemon. So the
//! questions are put on a thread of their own.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use nix::sys::statvfs::statvfs;

use crate::{container::CgroupId, snapshot::SpaceTotals};

/// Questions that may wait: a tenth of as many containers as a large machine runs. What does not fit is not asked
/// before the container's next turn.
const N_QUEUED_QUESTIONS: usize = 1_024;

/// Cgroups deep that a container's process is looked for; systemd in a container puts its own two or three deep.
const MAX_DEPTH: usize = 4;

/// Asks for the space of containers, and hears the answers later.
#[derive(Debug)]
pub struct LayerSpace {
    questions: SyncSender<(CgroupId, PathBuf)>,
    answers: Receiver<(CgroupId, Option<SpaceTotals>)>,
}

impl LayerSpace {
    /// Starts the thread that puts the questions. It ends with this, or, where a filesystem never answers, with the
    /// process.
    pub fn start() -> io::Result<Self> {
        let (questions, asked) = sync_channel::<(CgroupId, PathBuf)>(N_QUEUED_QUESTIONS);
        let (answer, answers) = sync_channel(N_QUEUED_QUESTIONS);
        thread::Builder::new()
            .name("space".to_owned())
            .spawn(move || {
                for (container, folder) in asked {
                    if answer.send((container, space_in(&folder))).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { questions, answers })
    }

    /// Asks for the space that the processes of the cgroup at `folder` see; false if too many questions wait.
    pub fn ask(&self, container: CgroupId, folder: PathBuf) -> bool {
        self.questions.try_send((container, folder)).is_ok()
    }

    /// The answers since the last call; `None` is of a container without a process, or none that may be looked at.
    pub fn answers(&self) -> impl Iterator<Item = (CgroupId, Option<SpaceTotals>)> {
        self.answers.try_iter()
    }
}

fn space_in(folder: &Path) -> Option<SpaceTotals> {
    let pid = process_in(folder, MAX_DEPTH)?;
    let space = statvfs(format!("/proc/{pid}/root").as_str()).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size());
    // Without inodes of its own, as btrfs, a filesystem tells zero.
    let inodes = Some(space.files()).filter(|files| *files > 0);
    Some(SpaceTotals {
        size_bytes: Some(bytes(space.blocks())),
        available_bytes: Some(bytes(space.blocks_available())),
        inodes,
        inodes_free: inodes.map(|_| space.files_available()),
    })
}

/// The first process in or below a cgroup.
fn process_in(folder: &Path, depth: usize) -> Option<u32> {
    let mut first = [0; 256];
    let length = File::open(folder.join("cgroup.procs"))
        .and_then(|mut processes| processes.read(&mut first))
        .unwrap_or_default();
    let text = std::str::from_utf8(&first[..length]).ok()?;
    if let Some((pid, _)) = text.split_once('\n') {
        return pid.parse().ok();
    }
    let inside = fs::read_dir(folder).ok()?.flatten();
    let mut inside = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    (depth > 0)
        .then(|| inside.find_map(|entry| process_in(&entry.path(), depth - 1)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The answer for a folder that has these `cgroup.procs`.
    fn answer_of(processes: &[(&str, &str)]) -> Option<SpaceTotals> {
        let root = tempfile::tempdir().unwrap();
        for (folder, text) in processes {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.procs"), text).unwrap();
        }
        let space = LayerSpace::start().unwrap();
        assert!(space.ask(CgroupId(7), root.path().to_owned()));
        let (container, answer) = space.answers.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(container, CgroupId(7));
        answer
    }

    #[test]
    fn the_space_is_what_a_process_of_it_sees() {
        let own = std::process::id();
        let answer = answer_of(&[(".", &format!("{own}\n{own}1\n"))]).expect("told");
        let kernels = statvfs("/").unwrap();
        assert_eq!(
            answer.size_bytes,
            Some(kernels.blocks() * kernels.fragment_size())
        );
        assert!(answer.available_bytes <= answer.size_bytes, "{answer:?}");
    }

    #[test]
    fn a_process_further_down_serves_too() {
        let own = format!("{}\n", std::process::id());
        assert!(answer_of(&[(".", ""), ("init", ""), ("init/scope", &own)]).is_some());
    }

    #[test]
    fn a_container_without_a_process_has_no_answer() {
        assert_eq!(answer_of(&[(".", "")]), None);
        assert_eq!(answer_of(&[(".", "0\n")]), None);
    }
}
