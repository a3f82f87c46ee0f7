//! One call of many messages on a connection: it sends questions and reads the answers, in order.

use std::collections::VecDeque;

use super::{
    connection::{Answer, MESSAGE_HEAD, Reply},
    frames::{self, HeaderBlocks},
};

/// The connection's only stream.
pub(super) const STREAM: u32 = 1;

#[derive(Debug, Default)]
pub(super) struct Conversation {
    open: bool,
    /// The bytes that the server still allows this stream, in addition to the connection's window.
    window: i64,
    /// The time when each unanswered question was meant to be sent.
    waiting: VecDeque<u64>,
    inbox: Vec<u8>,
    /// The bytes that the server has sent since the client last extended the stream's window.
    used: u32,
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self {
            window: i64::from(frames::DEFAULT_WINDOW),
            ..Self::default()
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn fits(&self, message: i64) -> bool {
        message <= self.window
    }

    pub(super) fn allow(&mut self, more: i64) {
        self.window += more;
    }

    pub(super) fn send(
        &mut self,
        out: &mut Vec<u8>,
        headers: &HeaderBlocks,
        message: &[u8],
        intended: u64,
    ) {
        if !self.open {
            self.open = true;
            let flags = frames::END_HEADERS;
            frames::frame(out, frames::HEADERS, flags, STREAM, &headers.first);
        }
        frames::frame(out, frames::DATA, 0, STREAM, message);
        self.window -= i64::try_from(message.len()).unwrap_or(0);
        self.waiting.push_back(intended);
    }

    /// Takes each complete message in the received data as an answer.
    pub(super) fn receive(&mut self, payload: &[u8], out: &mut Vec<u8>, answers: &mut Vec<Answer>) {
        self.used += u32::try_from(payload.len()).unwrap_or(0);
        if self.used > frames::STREAM_WINDOW / 2 {
            frames::window_update(out, STREAM, self.used);
            self.used = 0;
        }
        self.inbox.extend_from_slice(payload);
        let mut rest = self.inbox.as_slice();
        while let Some((head, after)) = rest.split_first_chunk::<MESSAGE_HEAD>() {
            let [_, length @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if after.len() < length {
                break;
            }
            let (message, following) = rest.split_at(MESSAGE_HEAD + length);
            let mut reply = Reply::default();
            reply.take(message);
            if let Some(intended) = self.waiting.pop_front() {
                answers.push(reply.answer(intended, 0));
            }
            rest = following;
        }
        let done = self.inbox.len() - rest.len();
        self.inbox.drain(..done);
    }

    /// Handles the end of the stream by the server: every unanswered question gets its status.
    pub(super) fn ended(&mut self, status: usize, answers: &mut Vec<Answer>) {
        for intended in self.waiting.drain(..) {
            answers.push(Reply::default().answer(intended, status));
        }
    }
}
