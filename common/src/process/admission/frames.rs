//! The frames of an HTTP/2 client, watched beside h2: whether it says anything, whether it asks for
//! anything, and whether it takes what it asked for.
//!
//! h2 has limits of its own for streams that are reset, CONTINUATION and small DATA. Of SETTINGS,
//! PING, PRIORITY, WINDOW_UPDATE and frames that it doesn't know it takes as many as come.

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

/// A client that connects must speak HTTP/2 within this: nothing else ends a silent one.
pub const PREFACE: Duration = Duration::from_secs(10);

/// A connection without a request for so long, and no more than half as long again, gets a GOAWAY
/// once it has no streams. PING, SETTINGS and the like are no life: a client that keeps its
/// connection warm connects again when it needs it.
/// Streams that stand open in silence keep it as long again from there, and no longer: in all 10 to
/// 12.5 minutes.
pub const IDLE: Duration = Duration::from_secs(5 * 60);

/// An answer of which next to nothing is taken for so long, and at most twice as long, is reset: it
/// would hold what waits, and its place, for ever.
pub const UNTAKEN: Duration = Duration::from_secs(60);

/// What a client sends first (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;

/// Frames that ask for nothing, as many as may come at once; so many more come in each second.
const BURST: u32 = 1000;
const PER_SECOND: u32 = 100;
/// What a request is good for: its window updates, a ping to measure the line, its end.
const OF_A_REQUEST: u32 = 8;
/// Whoever is sent much says often that there is room again. Our answers to PING and SETTINGS are
/// too short to pay for themselves.
const BYTES_TAKEN: usize = 64;

/// Says that its sender asks for no new streams, and nothing against those that it has: h2 closes the
/// connection, by a GOAWAY of its own, when there are none. The highest id, so that one that the
/// client sends later isn't higher.
const FAREWELL: [u8; 17] = [
    0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
];

/// Why a stream is reset: to h2, as if its client had given up, and to the client.
const CANCEL: u8 = 8;
const ENHANCE_YOUR_CALM: u8 = 11;

/// What ends a connection.
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
    /// Whose payload comes.
    head: Option<Head>,
    answers: Answers,
    /// A request came, or a piece of one, since the timer was last looked at.
    active: bool,
    /// An answer went out, or a piece of one.
    answered: bool,
    was_active: bool,
    was_answered: bool,
    left: Left,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    waker: Option<Waker>,
    untaken: Duration,
    look: Pin<Box<Sleep>>,
    /// The connection ends by itself as soon as it has no streams.
    leaving: bool,
    /// What h2 reads next, as if the client had sent it.
    to_h2: Vec<u8>,
    /// Streams that are stuck and not reset yet, and how often that had to wait.
    stuck: Vec<u32>,
    put_off: u8,
    /// What the client is sent when h2 has nothing more to say.
    pub(super) to_client: Vec<u8>,
}

/// For how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For a client's preface.
    pub preface: Duration,
    /// For its next request.
    pub idle: Duration,
    /// For an answer to be taken.
    pub untaken: Duration,
}

impl Patience {
    pub const DEFAULT: Self = Self {
        preface: PREFACE,
        idle: IDLE,
        untaken: UNTAKEN,
    };
}

/// Frames that ask for nothing and may still come.
#[derive(Debug)]
struct Left {
    frames: u32,
    /// When this was last full, or filled up.
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Begins a request.
    Request,
    /// Goes on with one.
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

    /// Whether a request has come that isn't answered to its end.
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

    /// What went out, in one or more pieces of one write.
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
        // The client leaves by itself, when its streams have ended: a GOAWAY of ours would be a mistake.
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

    /// Into `buf`, what h2 is to read before anything else.
    pub(super) fn put(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let here = self.to_h2.len().min(buf.remaining());
        buf.put_slice(self.to_h2.get(..here).unwrap_or_default());
        self.to_h2.drain(..here);
        here > 0
    }

    /// When there is nothing to read: whether the connection should end. Puts into `buf` what makes h2
    /// end it, or a stream of it.
    pub(super) fn poll_quiet(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Ended>> {
        loop {
            // This is asked after every request; a timer that will wake us isn't touched.
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

    /// At the end of a span of silence, or of none.
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
            // Streams keep it that nobody uses. One that is sent an answer, however long, is used.
            return match answered || was_answered {
                true => Ok(()),
                false => Err(Ended::Silent),
            };
        }
        if !self.heads.between() {
            return Err(Ended::Silent);
        }
        self.leaving = true;
        // It has as long again from here.
        self.was_answered = true;
        self.to_h2.extend_from_slice(&FAREWELL);
        Ok(())
    }

    /// Whether answers are taken.
    fn look(&mut self) -> Result<(), Ended> {
        self.look.as_mut().reset(Instant::now() + self.untaken / 2);
        self.waker = None;
        self.stuck.extend(self.answers.stuck());
        if self.stuck.is_empty() {
            return Ok(());
        }
        // In the middle of a frame nothing can be put in: at another look, but not for ever.
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
            // The clock is read only here: once for many frames.
            let now = Instant::now();
            let seconds = (now - self.since).as_secs_f64();
            // A float becomes the nearest number that there is.
            self.add((seconds * f64::from(PER_SECOND)) as u32);
            self.since = now;
        }
        self.frames = self.frames.checked_sub(1).ok_or(Ended::Flood)?;
        Ok(())
    }
}
