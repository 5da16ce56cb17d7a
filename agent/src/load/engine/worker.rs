//! One thread of the load.

use std::{
    collections::VecDeque,
    fs, io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use mio::{Events, Poll, Token};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

use super::{
    Cost, Ended, Shared, Standing,
    connection::{Connection, State},
    timer::Timer,
};
use crate::{
    clock::boot_ns,
    load::{
        schedule::Schedule,
        window::{Fault, Window},
    },
};

/// How often connections are looked after: so late at most is a deadline noticed.
const LOOK: Duration = Duration::from_millis(10);

/// How often what was counted is handed on.
const HAND_ON: Duration = Duration::from_millis(100);

/// How long connecting may take before the first request is sent.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long replies are waited for once the run was stopped.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// Room for what one read gives; shared by all connections.
const BUFFER: usize = 64 << 10;

/// The token of the timer; connections are numbered from 0.
const TIMER: Token = Token(usize::MAX);

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) poll: Poll,
    pub(super) timer: Option<Timer>,
    pub(super) schedule: Option<Schedule>,
    pub(super) connections: Vec<Connection>,
    /// Those that may be given a request, the one that is free for longest first.
    pub(super) free: VecDeque<usize>,
    /// Since when one of them is.
    pub(super) free_since_ns: u64,
    /// The number of the first connection, among all workers'.
    pub(super) first: u32,
    pub(super) window: Window,
    pub(super) buffer: Vec<u8>,
    pub(super) timeout_ns: u64,
    pub(super) look_at_ns: u64,
    pub(super) hand_on_ns: u64,
    pub(super) phase: Phase,
}

/// What is to be done. Times are of the boot clock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Connecting,
    Sending {
        start_ns: u64,
        /// What is due from here on is counted.
        counted_ns: u64,
        end_ns: u64,
    },
    /// Waits for the last replies.
    Ending {
        counted_ns: u64,
    },
}

impl Worker {
    pub(super) fn new(shared: &Arc<Shared>, index: usize) -> io::Result<Self> {
        let order = &shared.order;
        let poll = Poll::new()?;
        let schedule = shared.schedule(index);
        let timer = schedule
            .as_ref()
            .map(|_| Timer::new(poll.registry(), TIMER));
        let count = usize::try_from(shared.share(order.connections as u64, index)).unwrap_or(0);
        let before: u64 = (0..index)
            .map(|it| shared.share(order.connections as u64, it))
            .sum();
        let connection = || Connection::new(order.wants_numbers, !order.keep_alive);
        Ok(Self {
            shared: Arc::clone(shared),
            index,
            timer: timer.transpose()?,
            poll,
            schedule,
            connections: std::iter::repeat_with(connection).take(count).collect(),
            free: if order.keep_alive {
                VecDeque::new()
            } else {
                (0..count).collect()
            },
            free_since_ns: 0,
            first: u32::try_from(before).unwrap_or(u32::MAX),
            window: Window::empty(),
            buffer: vec![0; BUFFER],
            timeout_ns: ns(order.timeout),
            look_at_ns: 0,
            hand_on_ns: 0,
            phase: Phase::Connecting,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(1024);
        let connected_by_ns = boot_ns() + ns(CONNECTING);
        self.every_now_and_then(boot_ns());
        while self.is_connecting() && boot_ns() < connected_by_ns && !self.is_stopped() {
            self.turn(&mut events)?;
        }
        let shared = Arc::clone(&self.shared);
        shared.connected.wait();
        let start_ns = *shared.start_ns.get_or_init(boot_ns);
        let order = &shared.order;
        let counted_ns = start_ns + ns(order.warmup);
        let end_ns = counted_ns + ns(order.length);
        self.phase = Phase::Sending {
            start_ns,
            counted_ns,
            end_ns,
        };
        let before = cost();
        self.dispatch(boot_ns())?;
        let mut unsent = 0;
        let ceased_ns = loop {
            let now_ns = self.turn(&mut events)?;
            let is_over = now_ns >= end_ns || self.is_stopped();
            if is_over {
                let until_ns = now_ns.min(end_ns);
                unsent = self.overdue(until_ns.saturating_sub(start_ns));
                break until_ns;
            }
            if order.most.is_some() && self.has_sent_all() && self.in_flight() == 0 {
                break now_ns;
            }
        };
        let after = cost();
        let patience_ns = if self.is_stopped() {
            ns(LAST_REPLIES)
        } else {
            self.timeout_ns
        };
        let until_ns = boot_ns() + patience_ns + ns(HAND_ON);
        self.phase = Phase::Ending { counted_ns };
        while self.in_flight() > 0 && self.turn(&mut events)? < until_ns {}
        self.hand_on(boot_ns());
        Ok(Ended {
            cost: after.since(&before),
            ceased_ns,
            unsent,
        })
    }

    /// Waits for what happens next and does what follows from it; the time then.
    fn turn(&mut self, events: &mut Events) -> io::Result<u64> {
        if let Err(error) = self.poll.poll(events, Some(LOOK))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in events.iter() {
            if event.token() != TIMER {
                self.happened(
                    event.token().0,
                    event.is_readable(),
                    event.is_read_closed(),
                    event.is_writable(),
                )?;
            }
        }
        let now_ns = boot_ns();
        self.dispatch(now_ns)?;
        self.every_now_and_then(now_ns);
        Ok(now_ns)
    }

    /// Sends what is due, as far as connections are free, and sees to it that it is woken for the next.
    pub(super) fn dispatch(&mut self, now_ns: u64) -> io::Result<()> {
        let Phase::Sending {
            start_ns, end_ns, ..
        } = self.phase
        else {
            return Ok(());
        };
        if now_ns >= end_ns {
            return Ok(());
        }
        while let Some(&free) = self.free.front() {
            let due_ns = match &mut self.schedule {
                None if self.shared.claim() => now_ns,
                None => return Ok(()),
                Some(schedule) => match schedule.next_ns() {
                    None => return Ok(()),
                    Some(next_ns) if start_ns + next_ns > now_ns => {
                        let is_dense = schedule.is_dense();
                        let timer = self.timer.as_mut();
                        return timer.map_or(Ok(()), |it| {
                            Ok(it.wake(start_ns + next_ns, now_ns, is_dense)?)
                        });
                    }
                    Some(next_ns) => {
                        schedule.advance();
                        start_ns + next_ns
                    }
                },
            };
            self.free.pop_front();
            self.send(free, due_ns, now_ns);
        }
        Ok(())
    }

    /// Looks after connections, and hands on what was counted, some times a second.
    fn every_now_and_then(&mut self, now_ns: u64) {
        if now_ns < self.look_at_ns {
            return;
        }
        self.look_at_ns = now_ns + ns(LOOK);
        for index in 0..self.connections.len() {
            self.look_after(index, now_ns);
        }
        if now_ns >= self.hand_on_ns {
            self.hand_on_ns = now_ns + ns(HAND_ON);
            self.hand_on(now_ns);
        }
    }

    fn look_after(&mut self, index: usize, now_ns: u64) {
        let Connection {
            state,
            deadline_ns,
            job,
            ..
        } = &self.connections[index];
        match *state {
            State::Down { until_ns } if until_ns <= now_ns && !self.is_ending() => {
                self.restore(index, now_ns);
            }
            State::Connecting if *deadline_ns <= now_ns && job.is_none() => {
                self.fail(index, Fault::Connect, || {
                    "it took longer than --timeout".to_owned()
                });
            }
            State::Connecting | State::Busy if *deadline_ns <= now_ns => {
                self.fail(index, Fault::Timeout, || {
                    "no whole reply within --timeout".to_owned()
                });
            }
            _ => {}
        }
    }

    fn hand_on(&mut self, now_ns: u64) {
        let standing = Standing {
            connections: self.connections.iter().filter(|it| it.is_up()).count() as u64,
            in_flight: self.in_flight(),
            overdue: match self.phase {
                Phase::Sending { start_ns, .. } if self.free.is_empty() => {
                    self.overdue(now_ns - start_ns)
                }
                _ => 0,
            },
        };
        let outbox = &self.shared.outbox[self.index];
        let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.window.add(&self.window);
        outbox.standing = standing;
        drop(outbox);
        self.window.clear();
    }

    fn overdue(&self, since_start_ns: u64) -> u64 {
        self.schedule
            .as_ref()
            .map_or(0, |it| it.overdue(since_start_ns))
    }

    fn in_flight(&self) -> u64 {
        self.connections
            .iter()
            .filter(|it| it.job.is_some())
            .count() as u64
    }

    fn is_connecting(&self) -> bool {
        self.connections
            .iter()
            .any(|it| it.state == State::Connecting)
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. })
    }

    fn has_sent_all(&mut self) -> bool {
        match &mut self.schedule {
            Some(schedule) => schedule.next_ns().is_none(),
            None => self.shared.left.load(Ordering::Relaxed) == 0,
        }
    }

    /// Whether what was due at this time is counted: not what is sent to warm up.
    pub(super) fn is_counted(&self, due_ns: u64) -> bool {
        match self.phase {
            Phase::Connecting => true,
            Phase::Sending { counted_ns, .. } | Phase::Ending { counted_ns } => {
                due_ns >= counted_ns
            }
        }
    }
}

/// What this thread took so far.
fn cost() -> Cost {
    let cpu_ns = getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| {
        usage.user_time().num_nanoseconds() + usage.system_time().num_nanoseconds()
    });
    // Time on a CPU, time waiting for one, turns (Documentation/scheduler/sched-stats.rst).
    let waited = fs::read_to_string("/proc/thread-self/schedstat");
    let waited = waited
        .ok()
        .and_then(|it| it.split_whitespace().nth(1)?.parse().ok());
    Cost {
        cpu_ns: cpu_ns.try_into().unwrap_or(0),
        waited_ns: waited.unwrap_or(0),
        wall_ns: boot_ns(),
    }
}

impl Cost {
    fn since(&self, before: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            waited_ns: self.waited_ns.saturating_sub(before.waited_ns),
            wall_ns: self.wall_ns.saturating_sub(before.wall_ns),
        }
    }
}

pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
