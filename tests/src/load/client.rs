//! Runs a load: warm up, measure, report. The number of calls and the time are bounded.

use std::time::Duration;

use mio::{Events, Poll, Token};
use tokenward_common::clock::{Clock as _, SystemClock};

use super::{
    Report, Target,
    connection::{Answer, Connection},
    frames::{self, HeaderBlocks},
    http1::HttpConnection,
    report::{REFUSED, cpu_nanos},
    socket::Socket,
    wire::Wire,
};

#[derive(Clone, Debug)]
pub struct Load {
    pub target: Target,
    pub connections: usize,
    /// The most calls in flight on each connection.
    pub in_flight: usize,
    pub pace: Pace,
    /// The gRPC method, `/package.Service/Method`.
    pub path: String,
    /// Each connection sends all its messages in one call, like `CheckStream`.
    pub streamed: bool,
    /// Uses HTTP/1.1, not gRPC: each message is a whole request, one at a time on a connection.
    pub http: bool,
    /// Encoded requests, which are sent in turn.
    pub messages: Vec<Vec<u8>>,
    /// Calls before the measured ones.
    pub warmup: u64,
    pub requests: u64,
    /// The longest time of the whole run.
    pub limit: Duration,
    /// The process whose CPU time is measured.
    pub server: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// Sends the next request when an answer arrives.
    Closed,
    /// Sends this many requests a second, whether or not the server keeps up.
    Open { per_second: f64 },
}

struct Run {
    poll: Poll,
    connections: Vec<Wire>,
    headers: HeaderBlocks,
    messages: Vec<Vec<u8>>,
    /// Counts through all phases. It chooses the next message, and in an open loop the next connection.
    turn: usize,
    deadline: u64,
}

pub fn run(load: &Load) -> Result<Report, String> {
    let text = |e: std::io::Error| format!("{}: {e}", load.target);
    let poll = Poll::new().map_err(text)?;
    let mut connections = Vec::with_capacity(load.connections);
    for number in 0..load.connections.max(1) {
        let socket = Socket::connect(&load.target).map_err(text)?;
        let mut wire = if load.http {
            Wire::Http(HttpConnection::new(socket))
        } else {
            let connection = Connection::new(socket, load.in_flight.max(1), load.streamed);
            Wire::Grpc(Box::new(connection))
        };
        wire.register(poll.registry(), Token(number))
            .map_err(text)?;
        connections.push(wire);
    }
    let messages: Vec<Vec<u8>> = if load.http {
        load.messages.clone()
    } else {
        load.messages.iter().map(|m| frames::message(m)).collect()
    };
    if messages.iter().all(Vec::is_empty) {
        return Err("nothing to send".into());
    }
    let mut run = Run {
        poll,
        connections,
        headers: HeaderBlocks::new(&load.path, "localhost"),
        messages,
        turn: 0,
        deadline: now().saturating_add(nanos(load.limit)),
    };
    run.phase(load.warmup, Pace::Closed, &mut Report::default())?;

    let cpu = |pid: Option<u32>| {
        pid.map(cpu_nanos)
            .transpose()
            .map_err(|e| format!("the server's CPU time: {e}"))
    };
    let own = std::process::id();
    let (server_before, own_before, begun) = (cpu(load.server)?, cpu(Some(own))?, now());
    let mut report = Report::default();
    run.phase(load.requests, load.pace, &mut report)?;
    report.seconds = Duration::from_nanos(now() - begun).as_secs_f64();
    report.server_cpu_nanos = cpu(load.server)?
        .zip(server_before)
        .map(|(after, before)| after.saturating_sub(before));
    report.client_cpu_nanos = cpu(Some(own))?
        .unwrap_or(0)
        .saturating_sub(own_before.unwrap_or(0));
    Ok(report)
}

impl Run {
    /// Sends `calls` requests and waits for their answers, or until the deadline.
    fn phase(&mut self, calls: u64, pace: Pace, report: &mut Report) -> Result<(), String> {
        let begun = now();
        let gap = match pace {
            Pace::Closed => 0.0,
            Pace::Open { per_second } => 1e9 / per_second.max(1e-3),
        };
        let due_at = |call: u64| begun + (gap * call as f64) as u64;
        let (mut sent, mut time) = (0, begun);
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 64 * 1024];
        let mut answers = Vec::new();
        loop {
            match pace {
                Pace::Closed => sent += self.fill(calls - sent, time),
                Pace::Open { .. } => {
                    while sent < calls && due_at(sent) <= time && self.send_one(due_at(sent)) {
                        sent += 1;
                    }
                }
            }
            let mut in_flight = 0;
            for connection in &mut self.connections {
                connection.flush()?;
                in_flight += connection.in_flight();
            }
            if (sent == calls && in_flight == 0) || time >= self.deadline {
                return Ok(());
            }
            let wait = if pace == Pace::Closed || sent == calls {
                100_000_000
            } else {
                due_at(sent).saturating_sub(time)
            };
            // The system waits in whole milliseconds, so the loop polls without waiting when a request is
            // due sooner.
            let wait = if wait < 2_000_000 {
                0
            } else {
                wait - 1_000_000
            };
            match self
                .poll
                .poll(&mut events, Some(Duration::from_nanos(wait)))
            {
                Err(e) if e.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(format!("poll: {e}"));
                }
                _ => {}
            }
            for event in &events {
                if let Some(connection) = self.connections.get_mut(event.token().0) {
                    connection.receive(&mut scratch, &mut answers)?;
                }
            }
            time = now();
            for answer in answers.drain(..) {
                note(report, &answer, time);
            }
        }
    }

    /// Sends as many requests as fit, in a closed loop.
    fn fill(&mut self, most: u64, time: u64) -> u64 {
        let mut sent = 0;
        for connection in &mut self.connections {
            while sent < most
                && let Some(message) = self.messages.get(self.turn % self.messages.len())
                && connection.can_send(message)
            {
                connection.send(&self.headers, message, time);
                self.turn = self.turn.wrapping_add(1);
                sent += 1;
            }
        }
        sent
    }

    /// Sends on the next connection that has room. Returns whether there was one.
    fn send_one(&mut self, intended: u64) -> bool {
        let Some(message) = self.messages.get(self.turn % self.messages.len()) else {
            return false;
        };
        let count = self.connections.len();
        for step in 0..count {
            if let Some(connection) = self.connections.get_mut((self.turn + step) % count)
                && connection.can_send(message)
            {
                connection.send(&self.headers, message, intended);
                self.turn = self.turn.wrapping_add(1);
                return true;
            }
        }
        false
    }
}

fn note(report: &mut Report, answer: &Answer, time: u64) {
    if answer.status != 0 {
        if let Some(count) = report.errors.get_mut(answer.status.min(REFUSED)) {
            *count += 1;
        }
        return;
    }
    report.answered += 1;
    report
        .latencies
        .record(time.saturating_sub(answer.intended));
    if report.reply_bytes == 0 {
        report.reply_bytes = answer.bytes;
    }
    match answer.verdict {
        Some(1) => report.allowed += 1,
        Some(2) => report.denied += 1,
        _ => report.other += 1,
    }
}

fn now() -> u64 {
    SystemClock.boot().0
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
