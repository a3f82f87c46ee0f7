//! Reads a request's body for its judgement: whole, within the length limit, in time, and if there is room
//! for it. It decides nothing: its callers report whether the caller is a stranger.
//!
//! The body is scanned ([`Scan`]) piece by piece while it arrives, so that a long prompt is not parsed all
//! at once after its last byte. A call holds the body itself and at most 64 KiB of fields. A body longer
//! than [`UNCHARGED`] is charged ([`Account`]) to its caller, its address and the process until it is sent
//! on. A compressed body is held and sent on as it came, and is decompressed only for the scan.

mod account;
mod cuts;
mod gzip;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap,
    body::{Body, Incoming},
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use tokenward_common::process::bodies::{Charge, Room, Shares};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    judge::Judgement,
    routes::{self, Dialect, Scan},
};
use account::{Account, STRANGERS_SHARES};
pub use cuts::Cuts;
pub(super) use cuts::{PARTIAL, is_whole};
use gzip::{Gunzip, Stop};

/// This is the longest body, in bytes, that is read without a live credential.
pub(super) const STRANGERS: usize = 64 * 1024;
/// A body is discarded for at most this time, in total and between two pieces. It follows nginx's lingering
/// close.
const DISCARDED_FOR: Duration = Duration::from_secs(30);
const DISCARDED_IDLE: Duration = Duration::from_secs(5);
/// This is the longest body, in bytes, that is not charged. A connection's own buffers are larger.
const UNCHARGED: usize = 4 * 1024;
/// These bytes extend the deadline by one second. They set the slowest rate at which a caller may send.
const PART: usize = 64 * 1024;
/// This is the memory, in bytes, that decompressing any body takes.
const WINDOW: usize = 64 * 1024;
/// This many compressed bytes, at most, are decompressed before the limits are checked again.
const COMPRESSED: usize = 4 * 1024;
/// This is the time for the first byte. Each [`PART`] that has arrived adds a second.
const DEADLINE: Duration = Duration::from_secs(5);

const BROKEN: &str = "the body did not come whole";
const NO_ROOM: &str = "there is no room for the body at the moment; try again";

/// Decides how bodies are read. All clones share the same two rooms.
#[derive(Clone, Debug)]
pub struct Bodies {
    most: usize,
    room: Room,
    /// This is the room for callers without a live credential, so that they can't fill the other room.
    strangers: Room,
}

/// This is the result of reading a body.
pub(super) enum Read {
    Whole(Bytes, Scan),
    /// No later byte can make the body readable. It was not read to its end.
    Unreadable(Scan),
    TooLong,
    /// Not all servers would read the body alike: its encoding is ambiguous, or its type is not JSON in
    /// UTF-8.
    Encoded,
}

impl Read {
    /// Returns the body as routes see it.
    pub(super) fn said(&self) -> routes::Body<'_> {
        match self {
            Self::Whole(_, scan) | Self::Unreadable(scan) => routes::Body::Scanned(scan),
            Self::TooLong => routes::Body::TooLong,
            Self::Encoded => routes::Body::Encoded,
        }
    }
}

/// Says why a body is not read. Its request is refused without a judgement.
pub(super) enum NotRead {
    /// The body is longer than is read for a stranger. The judgement is what the stranger gets.
    Stranger(Box<Judgement>),
    /// Too many bodies are held already.
    NoRoom,
    /// The body never arrived whole.
    Broken,
}

impl NotRead {
    pub(super) fn judgement(self, dialect: Dialect) -> Box<Judgement> {
        match self {
            Self::Stranger(judgement) => judgement,
            Self::NoRoom => Box::new(Judgement::refused(dialect, 503, NO_ROOM)),
            Self::Broken => Box::new(Judgement::refused(dialect, 400, BROKEN)),
        }
    }
}

/// Holds bytes together with the charge for their room, so that both are released together.
struct Held {
    bytes: Vec<u8>,
    _charge: Option<Charge>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// Reads bodies of at most `most` bytes each.
    pub fn new(most: usize) -> Self {
        let most_held = Shares::DEFAULT;
        // A proxy before us is one address, and a body of the greatest length must have room.
        let shares = Shares {
            connection: most_held.connection.max(2 * most),
            address: most_held.process / 2,
            process: most_held.process,
        };
        Self::with_room(most, Room::new(shares))
    }

    pub fn with_room(most: usize, room: Room) -> Self {
        let strangers = Room::new(STRANGERS_SHARES);
        Self {
            most,
            room,
            strangers,
        }
    }

    /// `stranger` returns the caller's answer if the caller is a stranger. It is called at most once, and
    /// only if the body is charged or is declared to be long.
    pub(super) async fn read<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        caller: Option<SocketAddr>,
        stranger: impl FnOnce() -> Option<Box<Judgement>>,
    ) -> Result<Read, NotRead>
    where
        B: Body<Data = Bytes>,
    {
        if body.is_end_stream() {
            return Ok(Read::Whole(Bytes::new(), Scan::default()));
        }
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let coding = coding(values(CONTENT_ENCODING));
        let Some(coding) = coding.filter(|_| is_json(values(CONTENT_TYPE))) else {
            return Ok(Read::Encoded);
        };
        let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let length: Option<usize> = length.and_then(|it| it.parse().ok());
        let mut account = Account::new(self, caller, stranger);
        account.admit(length.unwrap_or_default())?;
        if length.is_some_and(|length| length > self.most) {
            return Ok(Read::TooLong);
        }
        let mut body = pin!(body);
        let (mut bytes, mut look) = (Vec::new(), Look::new(coding, self.most));
        let beside = match coding {
            Coding::Plain => 0,
            Coding::Gzip => WINDOW,
        };
        account.raise(beside)?;
        let begun = Instant::now();
        loop {
            let parts = u64::try_from(bytes.len() / PART).unwrap_or(u64::MAX);
            let until = begun + DEADLINE + Duration::from_secs(parts);
            let frame = match timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return Err(NotRead::Broken),
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            let declared = length;
            let length = bytes.len().saturating_add(piece.len());
            account.admit(length)?;
            if length > self.most {
                return Ok(Read::TooLong);
            }
            // The room is charged before the memory is allocated.
            let room = grown(bytes.capacity(), length, declared.unwrap_or(self.most));
            account.raise(room + beside)?;
            bytes.reserve_exact(room - bytes.len());
            bytes.extend_from_slice(&piece);
            for part in look.parts(&piece) {
                let fed = look.feed(part);
                account.admit(look.length())?;
                match fed {
                    Fed::More => {}
                    Fed::Enough => return Ok(Read::Unreadable(look.scan)),
                    Fed::TooLong => return Ok(Read::TooLong),
                    Fed::Wrong => return Ok(Read::Encoded),
                }
                if look.has_worked() {
                    tokio::task::yield_now().await;
                }
            }
        }
        if !look.is_whole() {
            return Ok(Read::Encoded);
        }
        let held = Held {
            bytes,
            _charge: account.charge(),
        };
        Ok(Read::Whole(Bytes::from_owner(held), look.scan))
    }
}

/// Returns the new capacity of a buffer that must hold `length` of at most `most` bytes. It doubles, so
/// that little is copied, but never past `most`, and a short buffer never past [`UNCHARGED`].
fn grown(capacity: usize, length: usize, most: usize) -> usize {
    if length <= capacity {
        return capacity;
    }
    let most = match length <= UNCHARGED {
        true => UNCHARGED.min(most),
        false => most,
    };
    capacity.saturating_mul(2).min(most).max(length)
}

/// This is the encoding of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

/// This is a scan of a body while it arrives.
struct Look {
    scan: Scan,
    gunzip: Option<Gunzip>,
    most: usize,
    /// This is the decompressed length when this task last yielded.
    rested: usize,
}

enum Fed {
    More,
    Enough,
    TooLong,
    Wrong,
}

impl Look {
    fn new(coding: Coding, most: usize) -> Self {
        Self {
            scan: Scan::default(),
            gunzip: (coding == Coding::Gzip).then(Gunzip::new),
            most,
            rested: 0,
        }
    }

    /// Splits a piece. A compressed piece is split into short parts, because decompression makes them grow.
    fn parts<'b>(&self, piece: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        piece.chunks(match self.gunzip {
            None => piece.len().max(1),
            Some(_) => COMPRESSED,
        })
    }

    fn feed(&mut self, bytes: &[u8]) -> Fed {
        let Self {
            scan, gunzip, most, ..
        } = self;
        let Some(gunzip) = gunzip else {
            return match scan.feed(bytes) {
                true => Fed::More,
                false => Fed::Enough,
            };
        };
        let mut length = gunzip.length();
        let mut too_long = false;
        let fed = gunzip.feed(bytes, |piece| {
            length += piece.len() as u64;
            too_long = length > *most as u64;
            !too_long && scan.feed(piece)
        });
        match fed {
            Ok(()) => Fed::More,
            Err(Stop::Grows) => Fed::TooLong,
            Err(Stop::Enough) if too_long => Fed::TooLong,
            Err(Stop::Enough) => Fed::Enough,
            Err(Stop::Wrong) => Fed::Wrong,
        }
    }

    /// Returns the length of the decompressed bytes.
    fn length(&self) -> usize {
        let length = self.gunzip.as_ref().map_or(0, Gunzip::length);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    /// Returns whether the task has decompressed more than usually arrives in one piece, and should yield
    /// to others.
    fn has_worked(&mut self) -> bool {
        let worked = self.length() - self.rested >= PART;
        if worked {
            self.rested = self.length();
        }
        worked
    }

    fn is_whole(&self) -> bool {
        self.gunzip.as_ref().is_none_or(Gunzip::is_whole)
    }
}

/// Scans a body that is already in memory. A compressed one may be `most` bytes long once decompressed.
pub(super) fn look_through(
    bytes: &[u8],
    coding: Coding,
    most: usize,
    stranger: impl FnOnce() -> Option<Box<Judgement>>,
) -> Result<Read, NotRead> {
    if coding == Coding::Plain {
        return match (bytes.len() > STRANGERS).then(stranger).flatten() {
            Some(stranger) => Err(NotRead::Stranger(stranger)),
            None => Ok(Read::Whole(Bytes::new(), Scan::read(bytes))),
        };
    }
    match stranger() {
        None => Ok(unzipped(bytes, most)),
        Some(stranger) => match unzipped(bytes, most.min(STRANGERS)) {
            Read::TooLong => Err(NotRead::Stranger(stranger)),
            read => Ok(read),
        },
    }
}

fn unzipped(bytes: &[u8], most: usize) -> Read {
    let mut look = Look::new(Coding::Gzip, most);
    match look.feed(bytes) {
        Fed::TooLong => Read::TooLong,
        Fed::Enough => Read::Unreadable(look.scan),
        Fed::More if look.is_whole() => Read::Whole(Bytes::new(), look.scan),
        Fed::More | Fed::Wrong => Read::Encoded,
    }
}

/// Discards the rest of a body. A caller that is still sending gets the answer only if its bytes are taken:
/// a connection that is closed over unread bytes is reset, and the answer is lost.
pub(super) fn discard(body: Incoming) {
    if !body.is_end_stream()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(discarded(body));
    }
}

/// Discards the rest of a body, and waits until that is done.
pub(super) async fn discarded(body: Incoming) {
    let _ = timeout(DISCARDED_FOR, taken(body)).await;
}

async fn taken(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(DISCARDED_IDLE, body.frame()).await {}
}

/// Finds the encoding by the values of all `Content-Encoding` headers. `None` means that servers would not
/// read it alike: they differ over what `deflate` is, and over the order of two encodings.
pub(super) fn coding<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Coding> {
    let mut values = values.into_iter().map(<[u8]>::trim_ascii).peekable();
    let is = |value: &[u8], known: &[u8]| value.eq_ignore_ascii_case(known);
    let first = values.peek().copied();
    let plain = values.by_ref().all(|value| is(value, b"identity"));
    match (first, plain, values.next()) {
        (_, true, _) => Some(Coding::Plain),
        (Some(first), false, None) if is(first, b"gzip") => Some(Coding::Gzip),
        _ => None,
    }
}

/// Returns whether every server reads the body as JSON in UTF-8, as we do, by the values of all
/// `Content-Type` headers. Some servers obey a `charset` (in UTF-7 a text can hide a second field), and
/// some look for `form` anywhere in the type. A body without a type is taken for JSON or for nothing.
pub(super) fn is_json<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => is_json_type(value),
        (Some(_), Some(_)) => false,
    }
}

fn is_json_type(value: &[u8]) -> bool {
    let mut parts = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let is = |part: &[u8], known: &str| part.eq_ignore_ascii_case(known.as_bytes());
    let kind = parts.next().unwrap_or_default();
    let known = ["application/json", "application/vnd.git-lfs+json"];
    let utf_8 = ["charset=utf-8", "charset=\"utf-8\""];
    known.iter().any(|known| is(kind, known))
        && match (parts.next(), parts.next()) {
            (None, _) => true,
            (Some(only), None) => utf_8.iter().any(|known| is(only, known)),
            (Some(_), Some(_)) => false,
        }
}
