//! A request's body, read in order to be judged: whole, at most as long as is set, in time, and with room
//! for it. Decides nothing.
//!
//! While it comes it is looked through ([`Scan`]), piece by piece: nothing waits for the last byte of a
//! long prompt to be parsed at once. A call holds the body itself and at most 64 KiB of fields; what is
//! longer than [`UNCHARGED`] is charged to its caller, its address and the process, until it is sent on.

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

use super::routes::Scan;

/// What Envoy shows of a body, by the ready-made settings.
pub(super) const SHOWN: usize = 64 * 1024;
/// Envoy's own word on whether it shows a body whole, over HTTP as over gRPC.
pub(super) const PARTIAL: &str = "x-envoy-auth-partial-body";
/// Of a body that is read for whoever asks, live credential or none.
const STRANGERS: usize = 64 * 1024;
/// Of what nobody reads, as nginx lingers: in all, and between two pieces.
const DISCARDED_FOR: Duration = Duration::from_secs(30);
const DISCARDED_IDLE: Duration = Duration::from_secs(5);
/// Of a body that is charged to nobody: a connection's own buffers are larger.
const UNCHARGED: usize = 4 * 1024;
/// A second's worth, at the least that a caller may send.
const PART: usize = 64 * 1024;
/// For the first byte, and then a second more for each [`PART`] that has come.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) const BROKEN: &str = "the body did not come whole";
pub(super) const NO_ROOM: &str = "there is no room for the body at the moment; try again";

/// How bodies are read. All clones have one room.
#[derive(Clone, Debug)]
pub struct Bodies {
    most: usize,
    room: Room,
}

/// What came of a body.
pub(super) enum Read {
    Whole(Bytes, Scan),
    /// Whatever may follow. It was not read to its end.
    Unreadable(Scan),
    TooLong,
    /// It is compressed, or by its type no JSON in UTF-8.
    Encoded,
    /// Longer than is read for somebody who isn't known.
    Stranger,
    /// Too many are held already.
    NoRoom,
    /// It never came whole.
    Broken,
}

/// Bytes and the room that they take, given up together.
struct Held {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// Of `most` bytes each.
    pub fn new(most: usize) -> Self {
        let most_held = Shares::DEFAULT;
        // A proxy before us is one address; and one of the longest must have room.
        let shares = Shares {
            connection: most_held.connection.max(2 * most),
            address: most_held.process / 2,
            process: most_held.process,
        };
        Self::with_room(most, Room::new(shares))
    }

    pub fn with_room(most: usize, room: Room) -> Self {
        Self { most, room }
    }

    /// `is_known` is asked once, and only of what is long.
    pub(super) async fn read<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        caller: Option<SocketAddr>,
        is_known: impl FnOnce() -> bool,
    ) -> Read
    where
        B: Body<Data = Bytes>,
    {
        if body.is_end_stream() {
            return Read::Whole(Bytes::new(), Scan::default());
        }
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        if is_encoded(values(CONTENT_ENCODING)) || !is_json(values(CONTENT_TYPE)) {
            return Read::Encoded;
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let length: Option<usize> = length.and_then(|it| it.parse().ok());
        let mut is_known = Some(is_known);
        let mut strange = |length: usize| {
            let asked = is_known.take_if(|_| length > STRANGERS);
            asked.is_some_and(|is_known| !is_known())
        };
        if length.is_some_and(&mut strange) {
            return Read::Stranger;
        }
        if length.is_some_and(|length| length > self.most) {
            return Read::TooLong;
        }
        let mut body = pin!(body);
        let (mut bytes, mut scan) = (Vec::new(), Scan::default());
        let mut charge = self.room.nothing(caller);
        let begun = Instant::now();
        loop {
            let parts = u64::try_from(bytes.len() / PART).unwrap_or(u64::MAX);
            let until = begun + DEADLINE + Duration::from_secs(parts);
            let frame = match timeout_at(until, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => return Read::Broken,
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            let length = bytes.len().saturating_add(piece.len());
            if strange(length) {
                return Read::Stranger;
            }
            if length > self.most {
                return Read::TooLong;
            }
            bytes.extend_from_slice(&piece);
            if bytes.capacity() > UNCHARGED && !charge.raise(bytes.capacity()) {
                return Read::NoRoom;
            }
            if !scan.feed(&piece) {
                return Read::Unreadable(scan);
            }
        }
        let held = Held {
            bytes,
            _charge: charge,
        };
        Read::Whole(Bytes::from_owner(held), scan)
    }
}

/// A caller that is answered while it sends hears of it only if what it sends is taken: a connection
/// closed over unread bytes is reset, answer and all.
pub(super) fn discard(body: Incoming) {
    if !body.is_end_stream()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(timeout(DISCARDED_FOR, taken(body)));
    }
}

async fn taken(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(DISCARDED_IDLE, body.frame()).await {}
}

/// Whether what Envoy shows is all, by the values of all [`PARTIAL`]. `None`: it says nothing of it, and
/// so shows none.
pub(super) fn is_whole<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let mut values = values.into_iter().peekable();
    values.peek()?;
    Some(values.all(|value| value == b"false"))
}

/// Whether a body is written otherwise than as it is meant, by the values of all `Content-Encoding`.
pub(super) fn is_encoded<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut values = values.into_iter();
    values.any(|value| !value.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether every program reads it as what we do, by the values of all `Content-Type`: JSON in UTF-8. Some
/// go by a `charset` (in UTF-7 a text can hide a second field), some look for `form` anywhere in the type.
/// Without a type it is taken for JSON, or for nothing.
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
