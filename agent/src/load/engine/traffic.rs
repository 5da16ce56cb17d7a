//! What a worker does with its connections: connects, writes, reads, and counts what comes of it.

use std::{io, time::Duration};

use mio::Token;

use super::{
    connection::{Job, State},
    stream::Stream,
    worker::{Worker, ns},
};
use crate::{
    clock::boot_ns,
    load::{
        response::{Reply, decimal},
        window::Fault,
    },
};

/// A request that is sent later than this, with a connection free, is late by this program's own fault.
const LATE: Duration = Duration::from_millis(1);

impl Worker {
    /// Sends one request, or begins to connect for it.
    pub(super) fn send(&mut self, index: usize, due_ns: u64, now_ns: u64) {
        let could_ns = due_ns.max(self.free_since_ns);
        if self.is_counted(due_ns) {
            self.window.sent += 1;
            self.window.sent_late += u64::from(now_ns.saturating_sub(could_ns) > ns(LATE));
        }
        let connection = &mut self.connections[index];
        connection.job = Some(Job {
            due_ns,
            sent_ns: now_ns,
            written: 0,
        });
        connection.deadline_ns = now_ns + self.timeout_ns;
        if connection.stream.is_some() {
            connection.state = State::Busy;
            self.write(index);
        } else {
            self.connect(index, now_ns);
        }
    }

    fn connect(&mut self, index: usize, now_ns: u64) {
        let to = &self.shared.order.endpoint;
        let connection = &mut self.connections[index];
        connection.deadline_ns = now_ns + self.timeout_ns;
        match Stream::connect(to, self.poll.registry(), Token(index)) {
            Ok(stream) => {
                connection.stream = Some(stream);
                connection.state = State::Connecting;
            }
            Err(error) => self.fail(index, Fault::Connect, || error.to_string()),
        }
    }

    fn write(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let (Some(stream), Some(job)) = (&mut connection.stream, &mut connection.job) else {
            return;
        };
        let request = &self.shared.order.request;
        while job.written < request.len() {
            match stream.write(&request[job.written..]) {
                Ok(written) => job.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(index, Fault::Reset, || error.to_string()),
            }
        }
    }

    /// Something happened at a connection.
    pub(super) fn happened(
        &mut self,
        index: usize,
        readable: bool,
        closed: bool,
        writable: bool,
    ) -> io::Result<()> {
        if self.connections[index].state == State::Connecting {
            let connection = &mut self.connections[index];
            match connection.stream.as_ref().map(Stream::is_connected) {
                Some(Ok(true)) => self.connected(index),
                Some(Err(error)) => {
                    self.fail(index, Fault::Connect, || error.to_string());
                    return Ok(());
                }
                _ => return Ok(()),
            }
        } else if writable && self.connections[index].job.is_some() {
            self.write(index);
        }
        if readable || closed {
            self.read(index, closed)?;
        }
        Ok(())
    }

    fn connected(&mut self, index: usize) {
        self.window.connected += 1;
        let connection = &mut self.connections[index];
        if connection.job.is_some() {
            connection.state = State::Busy;
            self.write(index);
        } else {
            self.set_free(index, boot_ns());
        }
    }

    /// Reads what there is. `closed`: nothing comes after it.
    fn read(&mut self, index: usize, closed: bool) -> io::Result<()> {
        loop {
            let connection = &mut self.connections[index];
            let Some(stream) = &mut connection.stream else {
                return Ok(());
            };
            let length = match stream.read(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.fail(index, Fault::Reset, || error.to_string());
                    return Ok(());
                }
            };
            if length == 0 {
                self.closed(index);
                return Ok(());
            }
            self.window.bytes += length as u64;
            let bytes = &self.buffer[..length];
            let is_awaited = connection.job.is_some();
            match connection.response.feed(bytes, self.shared.order.is_head) {
                Ok(Some(reply)) if is_awaited => {
                    let keep_alive = reply.keep_alive && self.shared.order.keep_alive && !closed;
                    self.replied(
                        index,
                        Reply {
                            keep_alive,
                            ..reply
                        },
                    )?;
                    if !keep_alive {
                        return Ok(());
                    }
                }
                Ok(None) if is_awaited => {}
                Ok(_) => self.fail(index, Fault::Protocol, || {
                    "a reply that nobody asked for".to_owned()
                }),
                Err(garbage) => self.fail(index, Fault::Protocol, || garbage.to_string()),
            }
            // A short read took all there was (epoll(7)); what comes later is an event of its own.
            if length < self.buffer.len() && !closed {
                return Ok(());
            }
        }
    }

    /// The target closed a connection: the end of some replies, its right between two, else a fault.
    fn closed(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if let Some(reply) = connection.response.closed()
            && connection.job.is_some()
        {
            self.count(index, reply, boot_ns());
            self.hang_up(index);
        } else if connection.job.is_some() {
            self.fail(index, Fault::Closed, || {
                "the target closed the connection before a whole reply".to_owned()
            });
        } else {
            self.let_go(index, boot_ns());
        }
    }

    /// A whole reply came: the connection is free again.
    fn replied(&mut self, index: usize, reply: Reply) -> io::Result<()> {
        let now_ns = boot_ns();
        self.count(index, reply, now_ns);
        if reply.keep_alive {
            self.set_free(index, now_ns);
        } else {
            self.hang_up(index);
        }
        self.dispatch(now_ns)
    }

    fn count(&mut self, index: usize, reply: Reply, now_ns: u64) {
        let connection = &mut self.connections[index];
        let Some(job) = connection.job.take() else {
            return;
        };
        connection.succeeded();
        if self.shared.order.wants_numbers && reply.status < 400 {
            let number = decimal(connection.response.kept().trim_ascii_end());
            self.window
                .numbers
                .push((self.first + u32::try_from(index).unwrap_or(0), number));
        }
        self.window.lost += u64::from(reply.status >= 400);
        if self.is_counted(job.due_ns) {
            self.window.reply(reply.status);
            self.took(job, now_ns);
        }
    }

    fn took(&mut self, job: Job, now_ns: u64) {
        let service_ns = self
            .schedule
            .is_some()
            .then(|| now_ns.saturating_sub(job.sent_ns));
        self.window
            .took(now_ns.saturating_sub(job.due_ns), service_ns);
    }

    /// Closes a connection that did its part; the next is opened at once, or when a request needs it.
    fn hang_up(&mut self, index: usize) {
        let now_ns = boot_ns();
        self.connections[index].drop_stream();
        self.restore(index, now_ns);
    }

    /// Something went wrong with a connection, and with the request on it, if there was one.
    pub(super) fn fail(&mut self, index: usize, fault: Fault, reason: impl FnOnce() -> String) {
        let now_ns = boot_ns();
        let job = self.let_go(index, now_ns);
        self.window.lost += u64::from(job.is_some_and(|job| job.written > 0));
        if self.is_counted(job.map_or(now_ns, |job| job.due_ns)) {
            self.window.fault(fault, reason);
            // Who waited in vain has waited all the same.
            if let (Some(job), Fault::Timeout) = (job, fault) {
                self.took(job, now_ns);
            }
        }
    }

    /// Closes a connection that failed, to be opened again soon; the request that was on it.
    fn let_go(&mut self, index: usize, now_ns: u64) -> Option<Job> {
        let connection = &mut self.connections[index];
        let was_free = connection.state == State::Free;
        let job = connection.drop_stream();
        connection.failed(now_ns);
        if was_free {
            self.free.retain(|&free| free != index);
        }
        job
    }

    /// Opens a connection, or makes it one that a request may open.
    pub(super) fn restore(&mut self, index: usize, now_ns: u64) {
        if self.shared.order.keep_alive {
            self.connect(index, now_ns);
        } else {
            self.set_free(index, now_ns);
        }
    }

    fn set_free(&mut self, index: usize, now_ns: u64) {
        let connection = &mut self.connections[index];
        connection.state = State::Free;
        connection.deadline_ns = u64::MAX;
        if self.free.is_empty() {
            self.free_since_ns = now_ns;
        }
        self.free.push_back(index);
    }
}
