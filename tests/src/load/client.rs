//! Runs a load: warm up, measure, report. The number of calls and the time are bounded.

use std::{ops::Range, time::Duration};

use mio::{Events, Poll, Registry, Token};
use tokenward_common::clock::{Clock as _, SystemClock};

use super::{
    Report, Target,
    connection::{Answer, Connection, MESSAGE_HEAD},
    frames::{self, HeaderBlocks},
    http1::HttpConnection,
    report::{REFUSED, cpu_nanos},
    socket::Socket,
    strangers::vary,
    wire::Wire,
};

const MOST_CONNECTIONS: usize = 4096;

#[derive(Clone, Debug)]
pub struct Load {
    pub target: Target,
    /// At most 4,096.
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
    /// Where each message is changed before it is sent, by message, so that no two that are sent are alike. There
    /// are none if all are sent as they are.
    pub varied: Vec<Range<usize>>,
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

/// One load with its connections, as far as it is.
struct Part {
    connections: Vec<Wire>,
    headers: HeaderBlocks,
    messages: Vec<Vec<u8>>,
    /// Where each message is changed, with its head.
    varied: Vec<Range<usize>>,
    /// Counts through all phases. It chooses the next message, and in an open loop the next connection.
    turn: usize,
    pace: Pace,
    /// The calls of this phase, and how many of them were sent.
    calls: u64,
    sent: u64,
    report: Report,
}

struct Run {
    poll: Poll,
    parts: Vec<Part>,
    deadline: u64,
}

/// Runs a load to its end.
pub fn run(load: &Load) -> Result<Report, String> {
    run_all(&[load])?.pop().ok_or_else(|| "no load".into())
}

/// Runs a load to its end, and another one beside it, from the same thread: two threads would wait for each
/// other. One of `u64::MAX` requests goes on until the first one ends.
pub fn run_beside(load: &Load, beside: &Load) -> Result<[Report; 2], String> {
    let reports = run_all(&[load, beside])?.try_into();
    reports.map_err(|_| "a load is missing".into())
}

fn run_all(loads: &[&Load]) -> Result<Vec<Report>, String> {
    let poll = Poll::new().map_err(|e| format!("poll: {e}"))?;
    let parts = loads.iter().enumerate();
    let parts = parts.map(|(number, load)| Part::connect(load, number, poll.registry()));
    let parts: Vec<Part> = parts.collect::<Result<_, _>>()?;
    let longest = loads.iter().map(|load| load.limit).max();
    let mut run = Run {
        poll,
        parts,
        deadline: now().saturating_add(nanos(longest.unwrap_or_default())),
    };
    for (part, load) in run.parts.iter_mut().zip(loads) {
        (part.pace, part.calls) = (Pace::Closed, load.warmup);
    }
    run.phase()?;
    for (part, load) in run.parts.iter_mut().zip(loads) {
        (part.pace, part.calls) = (load.pace, load.requests);
        (part.sent, part.report) = (0, Report::default());
    }
    let cpu = |pid: Option<u32>| {
        pid.map(cpu_nanos)
            .transpose()
            .map_err(|e| format!("the server's CPU time: {e}"))
    };
    let (own, server) = (std::process::id(), loads.first().and_then(|it| it.server));
    let (server_before, own_before, begun) = (cpu(server)?, cpu(Some(own))?, now());
    run.phase()?;
    let seconds = Duration::from_nanos(now() - begun).as_secs_f64();
    let server_cpu_nanos = cpu(server)?
        .zip(server_before)
        .map(|(after, before)| after.saturating_sub(before));
    let own = cpu(Some(own))?.unwrap_or(0);
    let reports = run.parts.into_iter().map(|part| Report {
        seconds,
        server_cpu_nanos,
        client_cpu_nanos: own.saturating_sub(own_before.unwrap_or(0)),
        ..part.report
    });
    Ok(reports.collect())
}

impl Part {
    /// Connects. A part's tokens begin at its number times [`MOST_CONNECTIONS`].
    fn connect(load: &Load, number: usize, registry: &Registry) -> Result<Self, String> {
        let text = |e: std::io::Error| format!("{}: {e}", load.target);
        let mut connections = Vec::with_capacity(load.connections);
        for place in 0..load.connections.clamp(1, MOST_CONNECTIONS) {
            let socket = Socket::connect(&load.target).map_err(text)?;
            let mut wire = if load.http {
                Wire::Http(HttpConnection::new(socket))
            } else {
                let connection = Connection::new(socket, load.in_flight.max(1), load.streamed);
                Wire::Grpc(Box::new(connection))
            };
            let token = Token(number * MOST_CONNECTIONS + place);
            wire.register(registry, token).map_err(text)?;
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
        let head = if load.http { 0 } else { MESSAGE_HEAD };
        let varied = load.varied.iter();
        Ok(Self {
            connections,
            headers: HeaderBlocks::new(&load.path, "localhost"),
            messages,
            varied: varied.map(|at| at.start + head..at.end + head).collect(),
            turn: 0,
            pace: load.pace,
            calls: 0,
            sent: 0,
            report: Report::default(),
        })
    }

    /// Whether all calls are answered. One without an end is done with at any time.
    fn is_done(&self) -> bool {
        self.calls == u64::MAX
            || self.sent == self.calls && self.connections.iter().all(|it| it.in_flight() == 0)
    }

    /// When the call that comes next is due, in a phase that began then.
    fn due_at(&self, begun: u64) -> u64 {
        match self.pace {
            Pace::Closed => begun,
            Pace::Open { per_second } => {
                begun + (1e9 / per_second.max(1e-3) * self.sent as f64) as u64
            }
        }
    }

    /// Sends what is due and has room.
    fn send(&mut self, begun: u64, time: u64) -> Result<(), String> {
        match self.pace {
            Pace::Closed => self.fill(time),
            Pace::Open { .. } => {
                while self.sent < self.calls
                    && self.due_at(begun) <= time
                    && self.send_one(self.due_at(begun))
                {}
            }
        }
        self.connections.iter_mut().try_for_each(Wire::flush)
    }

    /// Sends as many requests as fit, in a closed loop.
    fn fill(&mut self, time: u64) {
        for number in 0..self.connections.len() {
            while self.sent < self.calls && self.send_on(number, time) {}
        }
    }

    /// Sends on the next connection that has room. Returns whether there was one.
    fn send_one(&mut self, intended: u64) -> bool {
        let count = self.connections.len();
        (0..count).any(|step| self.send_on((self.turn + step) % count, intended))
    }

    /// Sends the next message on this connection. Returns whether there was room.
    fn send_on(&mut self, number: usize, intended: u64) -> bool {
        let which = self.turn % self.messages.len();
        let connection = self.connections.get_mut(number);
        let (Some(connection), Some(message)) = (connection, self.messages.get_mut(which)) else {
            return false;
        };
        if !connection.can_send(message) {
            return false;
        }
        let part = self.varied.get(which);
        if let Some(part) = part.and_then(|at| message.get_mut(at.clone())) {
            vary(part, self.turn);
        }
        connection.send(&self.headers, message, intended);
        self.turn = self.turn.wrapping_add(1);
        self.sent += 1;
        true
    }

    /// The nanoseconds until something is to be sent.
    fn pause(&self, begun: u64, time: u64) -> u64 {
        if self.pace == Pace::Closed || self.sent == self.calls {
            100_000_000
        } else {
            self.due_at(begun).saturating_sub(time)
        }
    }
}

impl Run {
    /// Sends all calls of the parts that have an end and waits for their answers, or until the deadline.
    fn phase(&mut self) -> Result<(), String> {
        let begun = now();
        let mut time = begun;
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 64 * 1024];
        let mut answers = Vec::new();
        loop {
            for part in &mut self.parts {
                part.send(begun, time)?;
            }
            if self.parts.iter().all(Part::is_done) || time >= self.deadline {
                return Ok(());
            }
            let wait = self.parts.iter().map(|part| part.pause(begun, time)).min();
            // The system waits in whole milliseconds, so the loop polls without waiting when a request is
            // due sooner.
            let wait = wait.filter(|wait| *wait >= 2_000_000).unwrap_or(1_000_000) - 1_000_000;
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
                let (part, place) = (
                    event.token().0 / MOST_CONNECTIONS,
                    event.token().0 % MOST_CONNECTIONS,
                );
                let Some(part) = self.parts.get_mut(part) else {
                    continue;
                };
                if let Some(connection) = part.connections.get_mut(place) {
                    connection.receive(&mut scratch, &mut answers)?;
                }
                time = now();
                for answer in answers.drain(..) {
                    note(&mut part.report, &answer, time);
                }
            }
            time = now();
        }
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
