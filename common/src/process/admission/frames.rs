//! This file watches the frames of an HTTP/2 client beside h2. It decides when the connection of a
//! client ends that is silent, sends no requests, or doesn't take its answers. It must not know what is
//! requested.
//!
//! h2 itself limits reset streams, CONTINUATION and small DATA. It accepts any number of SETTINGS,
//! PING, PRIORITY, WINDOW_UPDATE and unknown frames.

#[cfg(test)]
mod tests;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::ReadBuf,
    time::{Instant, Sleep, sleep},
};

use super::{
    answers::{Answers, LOOKS},
    heads::{
        CONTINUATION, DATA, END_STREAM, GOAWAY, HEADERS, Head, Heads, Part, SETTINGS,
        WINDOW_UPDATE, reset,
    },
};

/// A client that connects must speak HTTP/2 within this time. Nothing else ends a silent one.
pub const PREFACE: Duration = Duration::from_secs(10);

/// A connection without a request for this long, and at most half as long again, gets a GOAWAY once it
/// has no streams. PING, SETTINGS and similar frames don't count: a client that keeps its connection
/// warm can connect again when it needs it. Silent open streams keep the connection as long again from
/// there, and no longer: 10 to 12.5 minutes in all.
pub const IDLE: Duration = Duration::from_secs(5 * 60);

/// An answer of which almost nothing is taken for this long, and at most twice as long, is reset.
/// Otherwise it would hold the waiting bytes and its place for ever.
pub const UNTAKEN: Duration = Duration::from_secs(60);

/// The length of the client's preface (RFC 9113, section 3.4), in bytes.
const PREFACE_BYTES: usize = 24;

/// The most frames without a request that may come at once, and the number added in each second.
const BURST: u32 = 1000;
const PER_SECOND: u32 = 100;
/// The frames that each request allows: its window updates, a ping to measure the line, its end.
const OF_A_REQUEST: u32 = 8;
/// The bytes sent that allow one more frame: a client that gets much often sends window updates. Our
/// answers to PING and SETTINGS are too short to pay for themselves.
const BYTES_TAKEN: usize = 64;

/// A GOAWAY that we give h2 as the client's. It means that the client opens no new streams, and harms
/// no open stream: h2 closes the connection with its own GOAWAY when there are none. It has the highest
/// id, because a later one of the client must not be higher.
const FAREWELL: [u8; 17] = [
    0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
];

/// The reasons with which a stream is reset: to h2 as if its client had cancelled it, and to the
/// client.
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;

/// The reason that ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it said nothing")]
    Silent,
    #[error("too many frames that ask for nothing")]
    Flood,
    #[error("it takes no answers")]
    Untaken,
}

impl From<Ended> for io::Error {
    fn from(ended: Ended) -> Self {
        let kind = match ended {
            Ended::Silent | Ended::Untaken => io::ErrorKind::TimedOut,
            Ended::Flood => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, ended)
    }
}

#[derive(Debug)]
pub(super) struct Frames {
    preface_missing: usize,
    heads: Heads,
    /// The head of the frame whose payload is being read.
    head: Option<Head>,
    answers: Answers,
    /// Whether a request or a piece of one came since the timer was last checked.
    active: bool,
    /// Whether an answer or a piece of one went out since the timer was last checked.
    answered: bool,
    was_active: bool,
    was_answered: bool,
    left: Left,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    waker: Option<Waker>,
    untaken: Duration,
    look: Pin<Box<Sleep>>,
    /// Whether the connection ends by itself as soon as it has no streams.
    leaving: bool,
    /// The bytes that h2 reads next, as if the client had sent them.
    to_h2: Vec<u8>,
    /// The stuck streams that aren't reset yet. `put_off` counts how often their reset had to wait.
    stuck: Vec<u32>,
    put_off: u8,
    /// The bytes that the client gets as soon as h2 has nothing to send.
    pub(super) to_client: Vec<u8>,
}

/// The times that a connection may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// The time for a client's preface.
    pub preface: Duration,
    /// The time until its next request.
    pub idle: Duration,
    /// The time for an answer to be taken.
    pub untaken: Duration,
}

impl Patience {
    pub const DEFAULT: Self = Self {
        preface: PREFACE,
        idle: IDLE,
        untaken: UNTAKEN,
    };
}

/// The allowance of frames without a request.
#[derive(Debug)]
struct Left {
    frames: u32,
    /// The time when this was last full or refilled.
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The frame begins a request.
    Request,
    /// The frame continues a request.
    Piece,
    Control,
}

impl Frames {
    pub(super) fn new(patience: Patience) -> Self {
        let Patience {
            preface,
            idle,
            untaken,
        } = patience;
        Self {
            preface_missing: PREFACE_BYTES,
            heads: Heads::default(),
            head: None,
            answers: Answers::new(),
            active: false,
            answered: false,
            was_active: true,
            was_answered: true,
            left: Left {
                frames: BURST,
                since: Instant::now(),
            },
            idle,
            timer: Box::pin(sleep(preface)),
            waker: None,
            untaken,
            look: Box::pin(sleep(untaken / 2)),
            leaving: false,
            to_h2: Vec::new(),
            stuck: Vec::new(),
            put_off: 0,
            to_client: Vec::new(),
        }
    }

    /// Whether a request has come that isn't fully answered.
    pub(super) fn has_calls(&self) -> bool {
        self.answers.has_open()
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        if self.preface_missing > 0 {
            let here = self.preface_missing.min(bytes.len());
            self.preface_missing -= here;
            if self.preface_missing == 0 {
                self.wait(self.idle / 2);
            }
            bytes = bytes.get(here..).unwrap_or_default();
        }
        while let Some(part) = self.heads.next(&mut bytes) {
            match part {
                Part::Head(head) => self.frame(head)?,
                Part::Payload(payload) => match &self.head {
                    Some(head) if head.kind == SETTINGS => self.answers.settings(head, payload),
                    Some(head) => self.answers.update(head, payload),
                    None => {}
                },
            }
        }
        Ok(())
    }

    /// Reports the bytes of one write, in one or more pieces.
    pub(super) fn written<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        let mut all = 0;
        for piece in pieces {
            all += piece.len();
            self.answered |= self.answers.written(piece);
        }
        let frames = u32::try_from(all / BYTES_TAKEN).unwrap_or(BURST);
        self.left.add(frames);
    }

    fn frame(&mut self, head: Head) -> Result<(), Ended> {
        // The client leaves by itself when its streams have ended, so another GOAWAY would be an error.
        self.leaving |= head.kind == GOAWAY;
        self.head = matches!(head.kind, SETTINGS | WINDOW_UPDATE).then_some(head);
        if !self.answers.asked(&head) {
            return Err(Ended::Flood);
        }
        let kind = match head.kind {
            HEADERS => Kind::Request,
            CONTINUATION => Kind::Control,
            DATA if head.length > 0 || head.has(END_STREAM) => Kind::Piece,
            _ => Kind::Control,
        };
        match kind {
            Kind::Request => {
                self.active = true;
                self.left.add(OF_A_REQUEST);
            }
            Kind::Piece => {
                self.active = true;
                self.left.add(1);
            }
            Kind::Control => self.left.take()?,
        }
        Ok(())
    }

    fn wait(&mut self, time: Duration) {
        self.timer.as_mut().reset(Instant::now() + time);
        self.waker = None;
    }

    /// Puts into `buf` what h2 must read before anything else.
    pub(super) fn put(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let here = self.to_h2.len().min(buf.remaining());
        buf.put_slice(self.to_h2.get(..here).unwrap_or_default());
        self.to_h2.drain(..here);
        here > 0
    }

    /// Called when there is nothing to read. It decides whether the connection must end, and puts into
    /// `buf` the frames that make h2 end it or one of its streams.
    pub(super) fn poll_quiet(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Ended>> {
        loop {
            // This is called after every request, so a timer that will wake the task isn't touched.
            let known = self
                .waker
                .as_ref()
                .is_some_and(|it| it.will_wake(cx.waker()));
            if known && !self.timer.is_elapsed() && !self.look.is_elapsed() {
                return Poll::Pending;
            }
            let idle = self.timer.as_mut().poll(cx).is_ready();
            let look = self.look.as_mut().poll(cx).is_ready();
            if !idle && !look {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if look {
                self.look()?;
            }
            if idle {
                self.quiet()?;
            }
            if self.put(buf) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Called at the end of a span of time, silent or not. It decides whether the connection must end.
    fn quiet(&mut self) -> Result<(), Ended> {
        if self.preface_missing > 0 {
            return Err(Ended::Silent);
        }
        let active = std::mem::take(&mut self.active);
        let answered = std::mem::take(&mut self.answered);
        let was_active = std::mem::replace(&mut self.was_active, active);
        let was_answered = std::mem::replace(&mut self.was_answered, answered);
        self.wait(self.idle / 2);
        if active || was_active {
            return Ok(());
        }
        if self.leaving {
            // Only unused streams keep the connection. A stream that is being sent an answer, however
            // long, is used.
            return match answered || was_answered {
                true => Ok(()),
                false => Err(Ended::Silent),
            };
        }
        if !self.heads.between() {
            return Err(Ended::Silent);
        }
        self.leaving = true;
        // From here the open streams get the same time again.
        self.was_answered = true;
        self.to_h2.extend_from_slice(&FAREWELL);
        Ok(())
    }

    /// Finds and resets the streams whose answers aren't taken.
    fn look(&mut self) -> Result<(), Ended> {
        self.look.as_mut().reset(Instant::now() + self.untaken / 2);
        self.waker = None;
        self.stuck.extend(self.answers.stuck());
        if self.stuck.is_empty() {
            return Ok(());
        }
        // Nothing can be inserted in the middle of a frame. A later look resets the streams, but not
        // endlessly.
        if !self.heads.between() {
            self.put_off += 1;
            return match self.put_off < LOOKS {
                true => Ok(()),
                false => Err(Ended::Untaken),
            };
        }
        self.put_off = 0;
        for stream in self.stuck.drain(..) {
            self.to_h2.extend(reset(stream, CANCEL));
            self.to_client.extend(reset(stream, ENHANCE_YOUR_CALM));
        }
        Ok(())
    }
}

impl Left {
    fn add(&mut self, frames: u32) {
        self.frames = (self.frames + frames).min(BURST);
    }

    fn take(&mut self) -> Result<(), Ended> {
        if self.frames == 0 {
            // The clock is read only here, once for many frames.
            let now = Instant::now();
            let seconds = (now - self.since).as_secs_f64();
            // The cast saturates at the limits of u32.
            self.add((seconds * f64::from(PER_SECOND)) as u32);
            self.since = now;
        }
        self.frames = self.frames.checked_sub(1).ok_or(Ended::Flood)?;
        Ok(())
    }
}
