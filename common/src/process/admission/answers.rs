//! Answers that a client asked for and doesn't take: what of each stream HTTP/2's flow control lets go
//! out (RFC 9113, section 6.9), counted beside h2, which waits for ever.
//!
//! A stream is stuck when its window, or the connection's, is closed each time that one looks and next
//! to nothing went out between. A window that is open isn't: whatever is ready goes out, so nothing is.

use super::heads::{ACK, DATA, END_STREAM, HEADERS, Head, Heads, Part, RST_STREAM, SETTINGS};

/// Of a connection and of each stream, before anybody says anything.
const WINDOW: i64 = 65_535;
const INITIAL_WINDOW: u16 = 4;
/// Whoever takes less between two looks takes nothing: a byte now and then would hold all the rest.
const LEAST: usize = 16 * 1024;
/// Looks at which a stream was found waiting, one after the other; after so many it is stuck.
pub(super) const LOOKS: u8 = 3;
/// Streams that may be open here, where a connection may have some 256: h2 passes over those that
/// come after it has said goodbye, and says nothing of them.
const MOST: usize = 2048;

#[derive(Debug)]
pub(super) struct Answers {
    out: Heads,
    /// Of a stream that begins.
    initial: i64,
    connection: Window,
    /// In the order in which they began, but for those that ended.
    open: Vec<Open>,
    /// Where the next to be answered probably stands: all take their turns.
    next: usize,
    newest: u32,
    /// A setting or an update that isn't all there yet.
    payload: [u8; 6],
    payload_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    left: i64,
    /// Since the last look.
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

    /// A client's frame. `false`: more streams stand open than there can be.
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

    /// Of a client's SETTINGS.
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

    /// Of a client's WINDOW_UPDATE.
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

    /// All of them, once they are there.
    fn gathered<const N: usize>(&mut self, byte: u8) -> Option<[u8; N]> {
        *self.payload.get_mut(self.payload_bytes)? = byte;
        self.payload_bytes += 1;
        if self.payload_bytes < N {
            return None;
        }
        self.payload_bytes = 0;
        self.payload.first_chunk().copied()
    }

    /// What went out. Whether any of it was of an answer.
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

    /// To be called every so often: the streams that are stuck, to be reset.
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
            // What is put in its place isn't in order: found all the same.
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

    /// Of so many looks, each after the step.
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
        // From the first answer on, none of which went out.
        let mut none = of(&[1]);
        set(&mut none, 0);
        assert_eq!(looks(&mut none, |_| {}), [1]);
        assert!(none.open.is_empty());
        // Set before its streams began; and the connection's, whatever the streams' are.
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
        // Silent, with its window open: nothing waits.
        assert_eq!(looks(&mut of(&[1, 3]), |_| {}), NONE);
        // As much as it takes: found waiting at each look, but it goes on.
        let mut slow = of(&[1]);
        opened(&mut slow, 0, 1 << 30);
        sent(&mut slow, 1, 65_535, false);
        let takes = |answers: &mut Answers| {
            opened(answers, 1, 20_000);
            sent(answers, 1, 20_000, false);
        };
        assert_eq!(looks(&mut slow, takes), NONE);
        // Beside one that keeps the connection's window used up.
        let mut busy = of(&[1, 3]);
        opened(&mut busy, 3, 1 << 30);
        sent(&mut busy, 3, 65_535, false);
        let takes = |answers: &mut Answers| {
            opened(answers, 0, 20_000);
            sent(answers, 3, 20_000, false);
        };
        assert_eq!(looks(&mut busy, takes), NONE);
        // It opens again before long.
        let mut late = of(&[1]);
        opened(&mut late, 0, 1 << 20);
        sent(&mut late, 1, 65_535, false);
        assert_eq!((late.stuck(), late.stuck()), (Vec::new(), Vec::new()));
        opened(&mut late, 1, 1);
        assert_eq!(looks(&mut late, |_| {}), NONE);
        // A larger window for all: what was used up is used up.
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
        // Trailers of a request begin none.
        answers.asked(&head(HEADERS, 5, 5, 9));
        assert!(answers.open.is_empty());
        // Those that are passed over are not gathered for ever.
        let mut many = (9..).step_by(2);
        let taken = many.position(|stream| !answers.asked(&head(HEADERS, 5, stream, 9)));
        assert_eq!(taken, Some(MOST));
    }
}
