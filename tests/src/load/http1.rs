//! One HTTP/1.1 connection of the load client. It is kept alive, sends one request at a time, and reads
//! answers that have a length.
//!
//! Only status 200 counts as an answer: a refusal must not make a door look fast.

use super::{connection::Answer, report::REFUSED, socket::Socket};

/// The longest head of an answer in bytes. No server that is measured here sends a longer one.
const LONGEST_HEAD: usize = 16 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
/// The bytes that a connection reads at once.
const CHUNK: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct HttpConnection {
    pub(super) socket: Socket,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// The time when the unanswered request was meant to be sent.
    waiting: Option<u64>,
}

impl HttpConnection {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            inbox: Vec::with_capacity(CHUNK),
            outbox: Vec::with_capacity(CHUNK),
            waiting: None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        usize::from(self.waiting.is_some())
    }

    pub(super) fn can_send(&self) -> bool {
        self.waiting.is_none()
    }

    /// Queues a whole request. [`Self::flush`] sends it.
    pub(super) fn send(&mut self, request: &[u8], intended: u64) {
        self.outbox.extend_from_slice(request);
        self.waiting = Some(intended);
    }

    pub(super) fn flush(&mut self) -> Result<(), String> {
        self.socket.send(&mut self.outbox)
    }

    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        answers: &mut Vec<Answer>,
    ) -> Result<(), String> {
        self.socket.receive(&mut self.inbox, scratch)?;
        let Some(head) = Head::of(&self.inbox)? else {
            return Ok(());
        };
        let all = head.length.saturating_add(head.body);
        if self.inbox.len() < all {
            return Ok(());
        }
        // One request at a time has exactly one answer, so no bytes may follow it.
        let intended = self.waiting.take().filter(|_| self.inbox.len() == all);
        self.inbox.clear();
        answers.push(Answer {
            intended: intended.ok_or("an answer to no request")?,
            status: if head.status == 200 { 0 } else { REFUSED },
            verdict: Some(1),
            bytes: head.body,
        });
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    status: u16,
    length: usize,
    body: usize,
}

impl Head {
    /// Parses the head of an answer. `None`: the head is incomplete.
    fn of(bytes: &[u8]) -> Result<Option<Self>, String> {
        let end = bytes.windows(HEAD_END.len()).position(|it| it == HEAD_END);
        let Some(end) = end else {
            if bytes.len() > LONGEST_HEAD {
                return Err("an answer's head without an end".into());
            }
            return Ok(None);
        };
        let text = bytes.get(..end).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| "a head that is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or("an answer that isn't HTTP/1.1")?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok());
        Ok(Some(Self {
            status,
            length: end + HEAD_END.len(),
            body: length.ok_or("an answer without Content-Length: not known to this client")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::{TcpListener, TcpStream},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::load::{Load, Pace, Report, Target, proxied, run};

    /// Starts a server that accepts the token `good`, on this many connections.
    fn door(connections: usize) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming().take(connections) {
                let socket = socket.unwrap();
                thread::spawn(move || judge(socket));
            }
        });
        Target::Tcp(address)
    }

    fn judge(mut socket: TcpStream) {
        let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
        let mut good = false;
        while let Some(Ok(line)) = lines.next() {
            good |= line.eq_ignore_ascii_case("authorization: Bearer good");
            if line.is_empty() {
                let status = if std::mem::take(&mut good) {
                    "200 OK"
                } else {
                    "403 Forbidden"
                };
                // The head is sent in two pieces: an incomplete head is no answer.
                let told = format!("HTTP/1.1 {status}\r\ncontent-");
                socket.write_all(told.as_bytes()).unwrap();
                socket.write_all(b"Length: 5\r\n\r\nhello").unwrap();
            }
        }
    }

    fn load(tokens: &[&str], pace: Pace) -> Report {
        run(&Load {
            target: door(3),
            connections: 3,
            in_flight: 1,
            pace,
            path: String::new(),
            streamed: false,
            http: true,
            messages: tokens
                .iter()
                .map(|token| proxied::request("/acme/model", token))
                .collect(),
            varied: Vec::new(),
            warmup: 4,
            requests: 400,
            limit: Duration::from_secs(60),
            server: None,
        })
        .unwrap()
    }

    #[test]
    fn a_refusal_is_a_failure() {
        let report = load(&["good", "bad"], Pace::Closed);
        assert_eq!(
            (report.allowed, report.failed(), report.errors[REFUSED]),
            (200, 200, 200)
        );
        let text = report.to_string();
        assert!(text.contains("\nfailed_refused=200"), "{text}");
        let report = load(&["good"], Pace::Open { per_second: 5000.0 });
        assert_eq!((report.allowed, report.failed()), (400, 0));
        assert_eq!(report.reply_bytes, 5);
    }

    #[test]
    fn a_head_is_read_once_it_is_there() {
        let whole = b"HTTP/1.1 404 Not Found\r\nX: y\r\ncontent-length: 12\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(Head::of(&whole[..length]), Ok(None), "{length}");
        }
        let head = Head {
            status: 404,
            length: whole.len(),
            body: 12,
        };
        assert_eq!(Head::of(whole), Ok(Some(head)));
        for wrong in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/2 200\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ] {
            assert!(Head::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Head::of(&[b'x'; LONGEST_HEAD + 1]).is_err());
    }
}
