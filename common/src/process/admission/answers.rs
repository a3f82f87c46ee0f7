//! This file decides which answers a client requested but doesn't take. It counts beside h2, which
//! waits for ever, what HTTP/2's flow control lets out of each stream (RFC 9113, section 6.9).
//!
//! A stream is stuck when its window, or the connection's, is closed at each look and almost nothing
//! went out in between. A stream with an open window isn't stuck: ready bytes go out, so none are
//! waiting.

use super::heads::{ACK, DATA, END_STREAM, HEADERS, Head, Heads, Part, RST_STREAM, SETTINGS};

/// The initial window of a connection and of each stream, in bytes.
const WINDOW: i64 = 65_535;
const INITIAL_WINDOW: u16 = 4;
/// A stream that takes fewer bytes between two looks counts as stopped: a single byte now and then
/// would keep all the rest waiting.
const LEAST: usize = 16 * 1024;
/// The number of successive looks that find a stream waiting before it is stuck.
pub(super) const LOOKS: u8 = 3;
/// The most streams that may be open here, while a connection may have some 256: h2 silently ignores
/// streams that come after its GOAWAY.
const MOST: usize = 2048;

#[derive(Debug)]
pub(super) struct Answers {
    out: Heads,
    /// The initial window of a new stream, in bytes.
    initial: i64,
    connection: Window,
    /// The open streams, in the order in which they began until the first one ended.
    open: Vec<Open>,
    /// The probable index of the next stream that gets a piece of its answer, because all take turns.
    next: usize,
    newest: u32,
    /// The bytes of a setting or an update that isn't complete yet.
    payload: [u8; 6],
    payload_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    left: i64,
    /// The bytes taken since the last look.
    taken: usize,
}

#[derive(Debug)]
struct Open {
    stream: u32,
    window: Window,
    waited: u8,
}

impl Window {
    fn new(left: i64) -> Self {
        Self { left, taken: 0 }
    }

    fn take(&mut self, bytes: usize) {
        self.left -= i64::try_from(bytes).unwrap_or(i64::MAX);
        self.taken = self.taken.saturating_add(bytes);
    }

    fn waits(&mut self) -> bool {
        std::mem::take(&mut self.taken) < LEAST && self.left <= 0
    }
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            out: Heads::default(),
            initial: WINDOW,
            connection: Window::new(WINDOW),
            open: Vec::new(),
            next: 0,
            newest: 0,
            payload: [0; 6],
            payload_bytes: 0,
        }
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Records a client's frame. `false`: more streams are open than there can be.
    pub(super) fn asked(&mut self, head: &Head) -> bool {
        self.payload_bytes = 0;
        match head.kind {
            HEADERS if head.stream > self.newest => {
                self.newest = head.stream;
                self.open.push(Open {
                    stream: head.stream,
                    window: Window::new(self.initial),
                    waited: 0,
                });
            }
            RST_STREAM => self.ended(head.stream),
            _ => {}
        }
        self.open.len() <= MOST
    }

    /// Applies a client's SETTINGS.
    pub(super) fn settings(&mut self, head: &Head, payload: &[u8]) {
        debug_assert_eq!(head.kind, SETTINGS);
        if head.has(ACK) {
            return;
        }
        for byte in payload {
            let Some([i0, i1, v0, v1, v2, v3]) = self.gathered(*byte) else {
                continue;
            };
            if u16::from_be_bytes([i0, i1]) != INITIAL_WINDOW {
                continue;
            }
            let initial = i64::from(u32::from_be_bytes([v0, v1, v2, v3]));
            let more = initial - self.initial;
            self.initial = initial;
            for open in &mut self.open {
                open.window.left += more;
            }
        }
    }

    /// Applies a client's WINDOW_UPDATE.
    pub(super) fn update(&mut self, head: &Head, payload: &[u8]) {
        for byte in payload {
            let Some([v0, v1, v2, v3]) = self.gathered(*byte) else {
                continue;
            };
            let more = i64::from(u32::from_be_bytes([v0, v1, v2, v3]) & 0x7fff_ffff);
            if head.stream == 0 {
                self.connection.left += more;
            } else if let Some(open) = self.find(head.stream) {
                open.window.left += more;
            }
        }
    }

    /// Collects bytes, and returns them once all N have come.
    fn gathered<const N: usize>(&mut self, byte: u8) -> Option<[u8; N]> {
        *self.payload.get_mut(self.payload_bytes)? = byte;
        self.payload_bytes += 1;
        if self.payload_bytes < N {
            return None;
        }
        self.payload_bytes = 0;
        self.payload.first_chunk().copied()
    }

    /// Records bytes that went out. Returns whether any of them belonged to an answer.
    pub(super) fn written(&mut self, mut bytes: &[u8]) -> bool {
        let mut answered = false;
        while let Some(part) = self.out.next(&mut bytes) {
            let Part::Head(head) = part else {
                continue;
            };
            match head.kind {
                DATA | HEADERS => answered = true,
                RST_STREAM => self.ended(head.stream),
                _ => continue,
            }
            if head.kind == DATA {
                self.connection.take(head.length);
                if let Some(open) = self.find(head.stream) {
                    open.window.take(head.length);
                }
            }
            if head.kind != RST_STREAM && head.has(END_STREAM) {
                self.ended(head.stream);
            }
        }
        answered
    }

    /// Returns the streams that are stuck and must be reset. The caller must call it at regular
    /// intervals.
    pub(super) fn stuck(&mut self) -> Vec<u32> {
        let connection_waits = self.connection.waits();
        for open in &mut self.open {
            let waits = open.window.waits() || connection_waits;
            open.waited = if waits { open.waited + 1 } else { 0 };
        }
        self.next = 0;
        let stuck = self.open.extract_if(.., |open| open.waited >= LOOKS);
        stuck.map(|open| open.stream).collect()
    }

    fn find(&mut self, stream: u32) -> Option<&mut Open> {
        let at = self.place(stream)?;
        self.next = at + 1;
        self.open.get_mut(at)
    }

    fn ended(&mut self, stream: u32) {
        if let Some(at) = self.place(stream) {
            // The last stream moves to this index, out of order, and is found nevertheless.
            self.open.swap_remove(at);
            self.next = at + 1;
        }
    }

    fn place(&self, stream: u32) -> Option<usize> {
        let is = |at: &usize| self.open.get(*at).is_some_and(|it| it.stream == stream);
        let near = [self.next, self.next.saturating_sub(1), 0];
        near.into_iter()
            .find(is)
            .or_else(|| self.open.iter().position(|it| it.stream == stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::admission::heads::WINDOW_UPDATE;

    const NONE: [u32; 0] = [];

    fn head(kind: u8, flags: u8, stream: u32, length: usize) -> Head {
        Head {
            length,
            kind,
            flags,
            stream,
        }
    }

    fn of(streams: &[u32]) -> Answers {
        let mut answers = Answers::new();
        for stream in streams {
            assert!(answers.asked(&head(HEADERS, 4, *stream, 30)));
        }
        answers
    }

    fn sent(answers: &mut Answers, stream: u8, mut bytes: usize, end: bool) {
        while bytes > 0 {
            let here = bytes.min(16_384);
            bytes -= here;
            let flags = u8::from(end && bytes == 0);
            let [_, _, l0, l1] = u32::try_from(here).unwrap().to_be_bytes();
            let mut frame = vec![0, l0, l1, DATA, flags, 0, 0, 0, stream];
            frame.resize(9 + here, 0);
            answers.written(&frame);
        }
    }

    fn opened(answers: &mut Answers, stream: u32, by: u32) {
        let update = head(WINDOW_UPDATE, 0, stream, 4);
        answers.asked(&update);
        for piece in by.to_be_bytes().chunks(3) {
            answers.update(&update, piece);
        }
    }

    fn set(answers: &mut Answers, initial: u32) {
        let settings = head(SETTINGS, 0, 0, 12);
        answers.asked(&settings);
        let [v0, v1, v2, v3] = initial.to_be_bytes();
        for piece in [0, 3, 0, 0, 0, 9, 0, 4, v0, v1, v2, v3].chunks(5) {
            answers.settings(&settings, piece);
        }
    }

    /// Looks several times, each time after the step, and returns the streams that are stuck.
    fn looks(answers: &mut Answers, mut step: impl FnMut(&mut Answers)) -> Vec<u32> {
        let mut all = Vec::new();
        for _ in 0..2 * LOOKS {
            step(answers);
            all.extend(answers.stuck());
        }
        all
    }

    #[test]
    fn a_window_that_never_opens_is_found() {
        // The window is closed from the first answer on, and nothing went out.
        let mut none = of(&[1]);
        set(&mut none, 0);
        assert_eq!(looks(&mut none, |_| {}), [1]);
        assert!(none.open.is_empty());
        // The window was closed before the stream began. The connection's window can also be the closed
        // one.
        let mut later = Answers::new();
        set(&mut later, 0);
        later.asked(&head(HEADERS, 4, 7, 30));
        assert_eq!(looks(&mut later, |_| {}), [7]);
        let mut both = of(&[1, 3]);
        set(&mut both, 1 << 20);
        sent(&mut both, 3, 65_535, false);
        assert_eq!(looks(&mut both, |_| {}), [1, 3]);
    }

    #[test]
    fn a_byte_now_and_then_is_nothing() {
        let mut answers = of(&[1]);
        sent(&mut answers, 1, 65_535, false);
        opened(&mut answers, 0, 1 << 20);
        let slow = |answers: &mut Answers| {
            opened(answers, 1, 9);
            sent(answers, 1, 9, false);
        };
        assert_eq!(looks(&mut answers, slow), [1]);
    }

    #[test]
    fn who_takes_or_is_sent_nothing_is_left_alone() {
        // A silent stream with an open window has nothing waiting.
        assert_eq!(looks(&mut of(&[1, 3]), |_| {}), NONE);
        // This stream waits at each look, but takes enough between them.
        let mut slow = of(&[1]);
        opened(&mut slow, 0, 1 << 30);
        sent(&mut slow, 1, 65_535, false);
        let takes = |answers: &mut Answers| {
            opened(answers, 1, 20_000);
            sent(answers, 1, 20_000, false);
        };
        assert_eq!(looks(&mut slow, takes), NONE);
        // A stream beside one that always uses the connection's window up isn't stuck.
        let mut busy = of(&[1, 3]);
        opened(&mut busy, 3, 1 << 30);
        sent(&mut busy, 3, 65_535, false);
        let takes = |answers: &mut Answers| {
            opened(answers, 0, 20_000);
            sent(answers, 3, 20_000, false);
        };
        assert_eq!(looks(&mut busy, takes), NONE);
        // The window opens again soon.
        let mut late = of(&[1]);
        opened(&mut late, 0, 1 << 20);
        sent(&mut late, 1, 65_535, false);
        assert_eq!((late.stuck(), late.stuck()), (Vec::new(), Vec::new()));
        opened(&mut late, 1, 1);
        assert_eq!(looks(&mut late, |_| {}), NONE);
        // A larger initial window opens the used-up window of a stream too.
        let mut more = of(&[1]);
        opened(&mut more, 0, 1 << 20);
        sent(&mut more, 1, 65_535, false);
        set(&mut more, 65_536);
        assert_eq!(looks(&mut more, |_| {}), NONE);
    }

    #[test]
    fn what_ended_is_forgotten() {
        let mut answers = of(&[1, 3, 5, 7]);
        sent(&mut answers, 3, 10, true);
        answers.asked(&head(RST_STREAM, 0, 7, 4));
        answers.written(&crate::process::admission::heads::reset(1, 8));
        let trailers = [0, 0, 0, HEADERS, 5, 0, 0, 0, 5];
        answers.written(&trailers);
        assert!(answers.open.is_empty());
        // Trailers of a request don't begin a stream.
        answers.asked(&head(HEADERS, 5, 5, 9));
        assert!(answers.open.is_empty());
        // Streams that h2 ignores are not collected without a limit.
        let mut many = (9..).step_by(2);
        let taken = many.position(|stream| !answers.asked(&head(HEADERS, 5, stream, 9)));
        assert_eq!(taken, Some(MOST));
    }
}
