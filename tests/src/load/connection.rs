//! One HTTP/2 connection of the load client: it sends requests, reads answers and follows flow control.

use std::collections::VecDeque;

use super::{
    frames::{self, Frame, HeaderBlocks},
    hpack,
    report::RESET,
    socket::Socket,
    stream::{Conversation, STREAM},
};

/// Length in bytes of the head of a gRPC message.
pub(super) const MESSAGE_HEAD: usize = 5;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    decoder: hpack::Decoder,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Calls in the order of their streams, whose ids are odd and rise by two. An answered call stays
    /// until all calls before it are answered.
    flights: VecDeque<Option<Flight>>,
    first_stream: u32,
    in_flight: usize,
    /// The bytes that the server still allows the client to send.
    window: i64,
    max_in_flight: usize,
    /// The bytes that the server has sent since the client last extended its window.
    used: u32,
    used_headers: bool,
    /// The one call that carries all messages. `None`: each message has a call of its own.
    conversation: Option<Conversation>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    intended: u64,
    reply: Reply,
    status: Option<u32>,
}

/// The first bytes of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reply {
    bytes: usize,
    head: [u8; MESSAGE_HEAD + 4],
}

impl Reply {
    pub(super) fn take(&mut self, payload: &[u8]) {
        let free = self.head.iter_mut().skip(self.bytes);
        for (place, byte) in free.zip(payload) {
            *place = *byte;
        }
        self.bytes += payload.len();
    }

    /// Reads the verdict: the first field of a `CheckResponse`, alone, inside a stream's answer, or first
    /// in a batch. In an answer to Envoy it recognizes only an allowed request (an empty status and an OK
    /// response); a refusal has no verdict here.
    fn verdict(&self) -> Option<u8> {
        let [.., first, second, third, fourth] = self.head;
        match [first, second, third, fourth] {
            _ if self.bytes < self.head.len() => None,
            [0x08, verdict, ..] => Some(verdict),
            [0x0a, _, 0x08, verdict] => Some(verdict),
            [0x0a, 0, 0x1a, _] => Some(1),
            _ => None,
        }
    }

    pub(super) fn answer(&self, intended: u64, status: usize) -> Answer {
        Answer {
            intended,
            status,
            verdict: self.verdict(),
            bytes: self.bytes.saturating_sub(MESSAGE_HEAD),
        }
    }
}

/// The end of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) intended: u64,
    /// 0, or the index of the error in the report.
    pub(super) status: usize,
    pub(super) verdict: Option<u8>,
    /// Length in bytes of the message or body.
    pub(super) bytes: usize,
}

impl Connection {
    pub(super) fn new(socket: Socket, in_flight: usize, streamed: bool) -> Self {
        Self {
            socket,
            decoder: hpack::Decoder::default(),
            inbox: Vec::with_capacity(256 * 1024),
            outbox: frames::hello(),
            flights: VecDeque::new(),
            first_stream: 1,
            in_flight: 0,
            window: i64::from(frames::DEFAULT_WINDOW),
            max_in_flight: in_flight,
            used: 0,
            used_headers: false,
            conversation: streamed.then(Conversation::new),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        let waiting = self.conversation.as_ref().map(Conversation::waiting);
        waiting.unwrap_or(self.in_flight)
    }

    pub(super) fn can_send(&self, message: &[u8]) -> bool {
        let fits = |length: i64| {
            let conversation = self.conversation.as_ref();
            length <= self.window && conversation.is_none_or(|it| it.fits(length))
        };
        self.in_flight() < self.max_in_flight && i64::try_from(message.len()).is_ok_and(fits)
    }

    /// Queues `message` with its gRPC head. [`Self::flush`] sends it.
    pub(super) fn send(&mut self, headers: &HeaderBlocks, message: &[u8], intended: u64) {
        self.window -= i64::try_from(message.len()).unwrap_or(0);
        if let Some(conversation) = &mut self.conversation {
            conversation.send(&mut self.outbox, headers, message, intended);
            return;
        }
        let waiting = u32::try_from(self.flights.len()).unwrap_or(u32::MAX);
        let stream = self.first_stream.saturating_add(waiting.saturating_mul(2));
        let block = if self.used_headers {
            &headers.further
        } else {
            &headers.first
        };
        self.used_headers = true;
        frames::frame(
            &mut self.outbox,
            frames::HEADERS,
            frames::END_HEADERS,
            stream,
            block,
        );
        frames::frame(
            &mut self.outbox,
            frames::DATA,
            frames::END_STREAM,
            stream,
            message,
        );
        self.flights.push_back(Some(Flight {
            intended,
            reply: Reply::default(),
            status: None,
        }));
        self.in_flight += 1;
    }

    pub(super) fn flush(&mut self) -> Result<(), String> {
        self.socket.send(&mut self.outbox)
    }

    /// Reads all that has arrived.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        answers: &mut Vec<Answer>,
    ) -> Result<(), String> {
        self.socket.receive(&mut self.inbox, scratch)?;
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = inbox.as_slice();
        while let Some((frame, length)) = frames::parse(rest)? {
            self.handle(&frame, answers)?;
            rest = rest.get(length..).unwrap_or_default();
        }
        let left = rest.len();
        self.inbox = inbox;
        let done = self.inbox.len() - left;
        self.inbox.drain(..done);
        Ok(())
    }

    fn handle(&mut self, frame: &Frame<'_>, answers: &mut Vec<Answer>) -> Result<(), String> {
        match frame.kind {
            frames::DATA => {
                self.give_back(frame.payload.len());
                if let Some(conversation) = &mut self.conversation {
                    conversation.receive(frame.payload, &mut self.outbox, answers);
                } else if let Some(flight) = self.flight(frame.stream) {
                    flight.reply.take(frame.payload);
                }
            }
            frames::HEADERS => {
                if frame.flags & frames::END_HEADERS == 0 {
                    return Err("headers in several frames: not known to this client".into());
                }
                let status = self
                    .decoder
                    .status(frame.payload)
                    .map_err(|_| "malformed headers")?;
                let ends = frame.flags & frames::END_STREAM != 0;
                if let Some(conversation) = self.conversation.as_mut().filter(|_| ends) {
                    let status = status.and_then(|it| usize::try_from(it).ok());
                    conversation.ended(status.unwrap_or(2), answers);
                }
                if let Some(flight) = self.flight(frame.stream) {
                    flight.status = flight.status.or(status);
                }
            }
            frames::RST_STREAM => self.answered(frame.stream, Some(RESET), answers),
            frames::SETTINGS if frame.flags & frames::ACK == 0 => self.settings(frame.payload)?,
            frames::PING if frame.flags & frames::ACK == 0 => {
                frames::frame(
                    &mut self.outbox,
                    frames::PING,
                    frames::ACK,
                    0,
                    frame.payload,
                );
            }
            frames::WINDOW_UPDATE if frame.stream == STREAM => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.allow(i64::from(number(frame.payload)));
                }
            }
            frames::WINDOW_UPDATE if frame.stream == 0 => {
                self.window += i64::from(number(frame.payload));
            }
            frames::GOAWAY => {
                return Err(format!(
                    "the server said GOAWAY, error {}",
                    number(frame.payload.get(4..).unwrap_or_default())
                ));
            }
            frames::CONTINUATION => return Err("headers in several frames".into()),
            _ => {}
        }
        if matches!(frame.kind, frames::DATA | frames::HEADERS)
            && frame.flags & frames::END_STREAM != 0
        {
            self.answered(frame.stream, None, answers);
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), String> {
        for setting in payload.chunks_exact(6) {
            let (&[a, b], value) = setting
                .split_first_chunk::<2>()
                .ok_or("malformed settings")?;
            let value = number(value);
            match u16::from_be_bytes([a, b]) {
                frames::MAX_STREAMS => {
                    self.max_in_flight = self
                        .max_in_flight
                        .min(usize::try_from(value).unwrap_or(usize::MAX));
                }
                frames::INITIAL_WINDOW if value < frames::DEFAULT_WINDOW => {
                    return Err(format!("the server lets a stream send {value} bytes only"));
                }
                frames::INITIAL_WINDOW => {
                    if let Some(conversation) = &mut self.conversation {
                        conversation.allow(i64::from(value - frames::DEFAULT_WINDOW));
                    }
                }
                _ => {}
            }
        }
        frames::frame(&mut self.outbox, frames::SETTINGS, frames::ACK, 0, &[]);
        Ok(())
    }

    fn give_back(&mut self, bytes: usize) {
        self.used = self
            .used
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.used > frames::WINDOW / 2 {
            frames::window_update(&mut self.outbox, 0, self.used);
            self.used = 0;
        }
    }

    fn place(&self, stream: u32) -> Option<usize> {
        usize::try_from(stream.checked_sub(self.first_stream)? / 2).ok()
    }

    fn flight(&mut self, stream: u32) -> Option<&mut Flight> {
        let place = self.place(stream)?;
        self.flights.get_mut(place)?.as_mut()
    }

    fn answered(&mut self, stream: u32, status: Option<usize>, answers: &mut Vec<Answer>) {
        let Some(place) = self.place(stream) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(place).and_then(Option::take) else {
            return;
        };
        self.in_flight -= 1;
        while matches!(self.flights.front(), Some(None)) {
            self.flights.pop_front();
            self.first_stream = self.first_stream.saturating_add(2);
        }
        // An answer without a status counts as UNKNOWN, as in gRPC.
        let told = flight
            .status
            .and_then(|s| usize::try_from(s).ok())
            .unwrap_or(2);
        answers.push(flight.reply.answer(flight.intended, status.unwrap_or(told)));
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk::<4>()
        .map_or(0, |b| u32::from_be_bytes(*b))
}
