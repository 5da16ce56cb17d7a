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
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use nix::sys::statvfs::statvfs;

use super::privileges;
use crate::{container::CgroupId, snapshot::SpaceTotals};

/// Rounds of questions that may wait. What does not fit is not asked before the containers' next turn.
const N_QUEUED_ROUNDS: usize = 4;

/// Answers that may wait, a tenth of as many containers as a large machine runs; the thread waits when there are more.
const N_QUEUED_ANSWERS: usize = 1_024;

/// Asks for the space of containers, and hears the answers later.
#[derive(Debug)]
pub struct LayerSpace {
    questions: SyncSender<Vec<Question>>,
    answers: Receiver<(CgroupId, Option<SpaceTotals>)>,
}

/// A container, and a process in it.
pub type Question = (CgroupId, u32);

impl LayerSpace {
    /// Starts the thread that puts the questions. It ends with this, or, where a filesystem never answers, with the
    /// process.
    pub fn start() -> io::Result<Self> {
        let (questions, asked) = sync_channel::<Vec<Question>>(N_QUEUED_ROUNDS);
        let (answer, answers) = sync_channel(N_QUEUED_ANSWERS);
        thread::Builder::new()
            .name("space".to_owned())
            .spawn(move || {
                privileges::keep_to_read();
                for (container, process) in asked.into_iter().flatten() {
                    if answer.send((container, space_of(process))).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { questions, answers })
    }

    /// Asks for the space that the processes of these containers see, all at once, since to wake the thread costs as
    /// much as what it does; false if too many questions wait.
    pub fn ask(&self, round: Vec<Question>) -> bool {
        self.questions.try_send(round).is_ok()
    }

    /// The answers since the last call; `None` is of a process that is gone, or that may not be looked at.
    pub fn answers(&self) -> impl Iterator<Item = (CgroupId, Option<SpaceTotals>)> {
        self.answers.try_iter()
    }
}

fn space_of(process: u32) -> Option<SpaceTotals> {
    let space = statvfs(format!("/proc/{process}/root").as_str()).ok()?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer_of(process: u32) -> Option<SpaceTotals> {
        let space = LayerSpace::start().unwrap();
        assert!(space.ask(vec![(CgroupId(7), process)]));
        let (container, answer) = space.answers.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(container, CgroupId(7));
        answer
    }

    #[test]
    fn the_space_is_what_a_process_sees() {
        let answer = answer_of(std::process::id()).expect("told");
        let kernels = statvfs("/").unwrap();
        assert_eq!(
            answer.size_bytes,
            Some(kernels.blocks() * kernels.fragment_size())
        );
        assert!(answer.available_bytes <= answer.size_bytes, "{answer:?}");
    }

    #[test]
    fn what_has_no_process_has_no_answer() {
        assert_eq!(answer_of(0), None);
    }
}
