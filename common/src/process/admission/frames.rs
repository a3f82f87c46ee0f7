//! The frames of an HTTP/2 client, watched beside h2: whether it says anything, and whether it asks
//! for anything. Only heads are looked at (RFC 9113, section 4.1).
//!
//! h2 has limits of its own for streams that are reset, CONTINUATION and small DATA. Of SETTINGS,
//! PING, PRIORITY, WINDOW_UPDATE and frames that it doesn't know it takes as many as come.

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

/// A client that connects must speak HTTP/2 within this: nothing else ends a silent one.
pub const PREFACE: Duration = Duration::from_secs(10);

/// A connection without a request for so long, and no more than half as long again, gets a GOAWAY
/// once it has no streams. PING, SETTINGS and the like are no life: a client that keeps its
/// connection warm connects again when it needs it.
pub const IDLE: Duration = Duration::from_secs(5 * 60);

/// What a client sends first (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;

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
const GOAWAY: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
];

/// What ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it said nothing")]
    Silent,
    #[error("too many frames that ask for nothing")]
    Flood,
}

impl From<Ended> for io::Error {
    fn from(ended: Ended) -> Self {
        let kind = match ended {
            Ended::Silent => io::ErrorKind::TimedOut,
            Ended::Flood => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, ended)
    }
}

#[derive(Debug)]
pub(super) struct Frames {
    preface_missing: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    payload_missing: usize,
    /// Between HEADERS and the last of its CONTINUATION.
    in_headers: bool,
    /// A request came, or a piece of one, since the timer was last looked at.
    active: bool,
    quiet_before: bool,
    asked: bool,
    left: Left,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    waker: Option<Waker>,
    /// The connection ends by itself as soon as it has no streams.
    leaving: bool,
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
    pub(super) fn new(preface: Duration, idle: Duration) -> Self {
        Self {
            preface_missing: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            payload_missing: 0,
            in_headers: false,
            active: false,
            quiet_before: false,
            asked: false,
            left: Left {
                frames: BURST,
                since: Instant::now(),
            },
            idle,
            timer: Box::pin(sleep(preface)),
            waker: None,
            leaving: false,
        }
    }

    /// Whether a request has come.
    pub(super) fn asked(&self) -> bool {
        self.asked
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
        while !bytes.is_empty() {
            if self.payload_missing > 0 {
                let here = self.payload_missing.min(bytes.len());
                self.payload_missing -= here;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            let here = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            let (part, rest) = bytes.split_at(here);
            if let Some(to) = self.head.get_mut(self.head_bytes..self.head_bytes + here) {
                to.copy_from_slice(part);
            }
            self.head_bytes += here;
            bytes = rest;
            if self.head_bytes == HEAD_BYTES {
                self.head_bytes = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    pub(super) fn written(&mut self, bytes: usize) {
        let frames = u32::try_from(bytes / BYTES_TAKEN).unwrap_or(BURST);
        self.left.add(frames);
    }

    fn frame(&mut self) -> Result<(), Ended> {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const GOAWAY: u8 = 7;
        const CONTINUATION: u8 = 9;
        const END_STREAM: u8 = 1;
        const END_HEADERS: u8 = 4;
        let [l0, l1, l2, kind, flags, ..] = self.head;
        self.payload_missing = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
        // The client leaves by itself, when its streams have ended: a GOAWAY of ours would be a mistake.
        self.leaving |= kind == GOAWAY;
        let kind = match kind {
            HEADERS => {
                self.in_headers = flags & END_HEADERS == 0;
                Kind::Request
            }
            CONTINUATION => {
                self.in_headers = flags & END_HEADERS == 0;
                Kind::Control
            }
            DATA if self.payload_missing > 0 || flags & END_STREAM != 0 => Kind::Piece,
            _ => Kind::Control,
        };
        match kind {
            Kind::Request => {
                self.active = true;
                self.asked = true;
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

    /// When there is nothing to read: whether the connection should end. Puts into `buf` what makes h2
    /// end it.
    pub(super) fn poll_quiet(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Ended>> {
        if self.leaving {
            return Poll::Pending;
        }
        loop {
            // This is asked after every request; a timer that will wake us isn't touched.
            let known = self
                .waker
                .as_ref()
                .is_some_and(|it| it.will_wake(cx.waker()));
            if known && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if self.preface_missing > 0 {
                return Poll::Ready(Err(Ended::Silent));
            }
            let active = std::mem::take(&mut self.active);
            if std::mem::replace(&mut self.quiet_before, !active) && !active {
                return self.leave(buf);
            }
            self.wait(self.idle / 2);
        }
    }

    fn leave(&mut self, buf: &mut ReadBuf<'_>) -> Poll<Result<(), Ended>> {
        let between = self.head_bytes == 0 && self.payload_missing == 0 && !self.in_headers;
        if !between || buf.remaining() < GOAWAY.len() {
            return Poll::Ready(Err(Ended::Silent));
        }
        self.leaving = true;
        buf.put_slice(&GOAWAY);
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![
            0,
            (payload >> 8) as u8,
            payload as u8,
            kind,
            flags,
            0,
            0,
            0,
            1,
        ];
        frame.resize(HEAD_BYTES + payload, 0);
        frame
    }

    fn begun() -> Frames {
        let mut frames = Frames::new(PREFACE, IDLE);
        frames.read(&[b'x'; PREFACE_BYTES]).unwrap();
        frames
    }

    async fn quiet(frames: &mut Frames) -> Result<Vec<u8>, Ended> {
        let mut bytes = [0; 64];
        let mut buf = ReadBuf::new(&mut bytes);
        std::future::poll_fn(|cx| frames.poll_quiet(cx, &mut buf)).await?;
        Ok(buf.filled().to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_each_kind_ends() {
        // SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, unknown, empty DATA.
        for (kind, payload) in [(4, 0), (6, 8), (2, 5), (8, 4), (3, 4), (0x42, 3), (0, 0)] {
            let mut frames = begun();
            let one = frame(kind, 0, payload);
            let sent = (0..2 * BURST).take_while(|_| frames.read(&one).is_ok());
            assert_eq!(sent.count(), BURST as usize, "{kind}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_frames_beside_requests_or_over_time_do_not() {
        let (ping, window) = (frame(6, 0, 8), frame(8, 0, 4));
        let request = [frame(1, 4, 30), frame(0, 1, 90)].concat();
        let mut frames = begun();
        for _ in 0..5 * BURST {
            let all = [&request[..], &ping, &window, &window, &window].concat();
            frames.read(&all).unwrap();
        }
        // Taking what it is sent: two window updates for each 128 bytes.
        let mut frames = begun();
        for _ in 0..5 * BURST {
            frames.written(128);
            frames.read(&[&window[..], &window].concat()).unwrap();
        }
        // For hours.
        let mut frames = begun();
        for _ in 0..3600 {
            tokio::time::advance(Duration::from_secs(1)).await;
            for _ in 0..PER_SECOND {
                frames.read(&ping).unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answering_a_flood_does_not_pay_for_it() {
        let mut frames = begun();
        let ping = frame(6, 0, 8);
        let answered = (0..100 * BURST).take_while(|_| {
            frames.written(17);
            frames.read(&ping).is_ok()
        });
        assert!(answered.count() < 2 * BURST as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_come_in_any_pieces() {
        for size in [1, 2, 8, 9, 10, 23, 25, 1000] {
            let mut frames = Frames::new(PREFACE, IDLE);
            let all = [
                &[b'x'; PREFACE_BYTES][..],
                &frame(4, 0, 300),
                &frame(1, 4, 30),
            ]
            .concat();
            for piece in all.chunks(size) {
                frames.read(piece).unwrap();
            }
            assert!(frames.asked() && frames.payload_missing == 0 && frames.head_bytes == 0);
            assert_eq!(frames.left.frames, BURST, "{size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_and_pings_are_no_life() {
        let begin = Instant::now();
        let mut frames = Frames::new(PREFACE, IDLE);
        assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
        assert_eq!(begin.elapsed().as_secs(), PREFACE.as_secs());

        let mut frames = begun();
        let begin = Instant::now();
        let mut left = None;
        while left.is_none() {
            frames.read(&frame(6, 0, 8)).unwrap();
            left = tokio::time::timeout(Duration::from_secs(20), quiet(&mut frames))
                .await
                .ok();
        }
        assert_eq!(left, Some(Ok(GOAWAY.to_vec())));
        assert!(begin.elapsed() <= IDLE * 3 / 2);

        // In the middle of a frame nothing can be put in.
        let mut frames = begun();
        frames.read(&frame(1, 4, 30)[..20]).unwrap();
        assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
        let mut frames = begun();
        frames.read(&frame(1, 0, 30)).unwrap();
        assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_life() {
        let mut frames = begun();
        for _ in 0..100 {
            frames.read(&frame(1, 5, 30)).unwrap();
            let waited = tokio::time::timeout(IDLE - Duration::from_secs(1), quiet(&mut frames));
            assert!(waited.await.is_err());
        }
    }
}
