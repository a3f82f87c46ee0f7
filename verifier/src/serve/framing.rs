//! Watches where one request ends and the next begins, beside hyper, which removes the evidence: of two
//! lengths hyper believes one and removes the other (RFC 9112, section 6.3), it accepts a bare LF as
//! the end of a line, and it cuts a fragment off the target. Another server that reads the same bytes
//! may read them otherwise.
//!
//! This module only marks requests. What is read is hyper's decision.

#[cfg(test)]
mod tests;

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Marks, in its extensions, a request that states its length or its target in more than one way, or
/// whose beginning is in doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ambiguous;

/// The bytes of a line that are kept. A longer line is no length, and hyper refuses it.
const KEPT: usize = 64;

/// The number of the first ambiguous request on a connection.
#[derive(Clone, Debug)]
pub(super) struct FirstAmbiguous(Arc<AtomicU64>);

impl FirstAmbiguous {
    pub(super) fn reached(&self, request: u64) -> bool {
        request >= self.0.load(Relaxed)
    }
}

/// A connection whose framing is watched.
pub(super) struct FramedConnection<T> {
    connection: T,
    framing: Framing,
}

impl<T> FramedConnection<T> {
    pub(super) fn new(connection: T) -> (Self, FirstAmbiguous) {
        let first = FirstAmbiguous(Arc::new(AtomicU64::new(u64::MAX)));
        let framing = Framing::new(first.clone());
        let watched = Self {
            connection,
            framing,
        };
        (watched, first)
    }
}

struct Framing {
    at: At,
    line: Vec<u8>,
    /// Whether the last byte of the current line is a CR.
    cr: bool,
    head: Head,
    /// The number of the current request.
    number: u64,
    first: FirstAmbiguous,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Head,
    Data {
        left: u64,
        chunked: bool,
    },
    ChunkSize,
    ChunkEnd,
    Trailer,
    /// The framing is lost: nothing that follows is looked at.
    Lost,
}

#[derive(Default)]
struct Head {
    lines: usize,
    lengths: usize,
    codings: usize,
    length: Option<u64>,
    /// A line had no CR, or the target had a fragment.
    odd: bool,
}

impl Framing {
    fn new(first: FirstAmbiguous) -> Self {
        Self {
            at: At::Head,
            line: Vec::with_capacity(KEPT),
            cr: false,
            head: Head::default(),
            number: 0,
            first,
        }
    }

    fn watch(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return,
                At::Data { left, chunked } => self.skip(bytes, left, chunked),
                At::Head | At::ChunkSize | At::ChunkEnd | At::Trailer => self.gather(bytes),
            };
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, chunked: bool) -> &'a [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - here as u64;
        self.at = match (left, chunked) {
            (0, true) => At::ChunkEnd,
            (0, false) => self.next(),
            _ => At::Data { left, chunked },
        };
        bytes.get(here..).unwrap_or_default()
    }

    /// Gathers bytes up to the end of a line.
    fn gather<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|b| *b == b'\n');
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.at == At::Head && self.head.lines == 0 && part.contains(&b'#') {
            self.head.odd = true;
        }
        let room = KEPT.saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
        self.cr = part.last().map_or(self.cr, |byte| *byte == b'\r');
        if end.is_none() {
            return rest;
        }
        let mut line = std::mem::take(&mut self.line);
        let whole = std::mem::take(&mut self.cr);
        self.at = self.ended(line.strip_suffix(b"\r").unwrap_or(&line), whole);
        line.clear();
        self.line = line;
        rest.get(1..).unwrap_or_default()
    }

    /// Handles the end of a line. `whole` means that the line ended with CR LF.
    fn ended(&mut self, line: &[u8], whole: bool) -> At {
        match self.at {
            // Empty lines before a request are ignored.
            At::Head if line.is_empty() && self.head.lines == 0 => At::Head,
            At::Head => {
                self.head.odd |= !whole;
                match line.is_empty() {
                    true => self.body(),
                    false => {
                        self.head.read(line);
                        At::Head
                    }
                }
            }
            At::ChunkSize | At::ChunkEnd | At::Trailer if !whole => self.lost(1),
            At::ChunkSize => match chunk_size(line) {
                Some(0) => At::Trailer,
                Some(left) => At::Data {
                    left,
                    chunked: true,
                },
                None => self.lost(1),
            },
            At::ChunkEnd if line.is_empty() => At::ChunkSize,
            At::ChunkEnd => self.lost(1),
            At::Trailer if line.is_empty() => self.next(),
            At::Trailer => At::Trailer,
            At::Data { .. } | At::Lost => At::Lost,
        }
    }

    fn body(&mut self) -> At {
        let head = std::mem::take(&mut self.head);
        match (head.lengths, head.codings, head.length) {
            _ if head.odd => self.lost(0),
            (0, 0, _) => self.next(),
            (0, 1, _) => At::ChunkSize,
            (1, 0, Some(0)) => self.next(),
            (1, 0, Some(left)) => At::Data {
                left,
                chunked: false,
            },
            _ => self.lost(0),
        }
    }

    fn next(&mut self) -> At {
        self.number += 1;
        At::Head
    }

    /// Gives up: requests are ambiguous from the current one on (`after` 0), or after it (`after` 1).
    fn lost(&mut self, after: u64) -> At {
        self.first.0.store(self.number + after, Relaxed);
        At::Lost
    }
}

impl Head {
    fn read(&mut self, line: &[u8]) {
        self.lines += 1;
        let colon = line.iter().position(|b| *b == b':');
        let Some((name, value)) = colon.and_then(|at| line.split_at_checked(at)) else {
            return;
        };
        // The request line can't match these names.
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            let digits = value.trim_ascii_start().strip_prefix(b":");
            let digits = digits
                .map(<[u8]>::trim_ascii)
                .and_then(|it| str::from_utf8(it).ok());
            self.length = digits.and_then(|it| it.parse().ok());
        } else if name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding") {
            self.codings += 1;
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|b| *b == b';').next()?.trim_ascii();
    let size = str::from_utf8(size).ok()?;
    u64::from_str_radix(size, 16).ok()
}

impl<T: AsyncRead + Unpin> AsyncRead for FramedConnection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = pin!(&mut this.connection).poll_read(cx, buf);
        this.framing
            .watch(buf.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FramedConnection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.connection).poll_shutdown(cx)
    }
}
