//! This file keeps what followers hand in until an issuer has committed it. It must not know what the
//! changes mean.

use prost::Message;
use redis::{Value, cmd};
use sha2::{Digest, Sha256};
use tokenward_proto::internal as pb;

use crate::{
    id::LogId,
    store::{
        FeedError, HandedIn, MAX_CHANGE_BYTES,
        redis::{
            feed::RedisFeed,
            reply::{bytes, corrupt, list, pairs},
        },
        wire,
    },
};

/// At most this many pieces wait for an issuer. A piece has at most 256 KiB, and nearly always far less.
const MOST: i64 = 4096;
/// An issuer takes this many at once.
const SOME: usize = 32;
/// No piece is longer: its changes are those of one entry, and its other parts are few.
const LONGEST: i64 = MAX_CHANGE_BYTES as i64 + 4096;

impl RedisFeed {
    /// Keeps a piece for the issuers. A piece of a log that this realm doesn't come from says nothing of
    /// this realm: `false`.
    pub(super) async fn keep_piece(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&self.keys.head);
        let head = pairs(self.link.query(&ask).await?)?;
        let names_logs =
            |field: &[u8]| [b"log".as_slice(), b"before", b"parent", b"origin"].contains(&field);
        let logs = head.iter().filter(|(field, _)| names_logs(field));
        let logs = logs.flat_map(|(_, logs)| logs.chunks(16).filter_map(LogId::from_slice));
        if !piece.is_of(&logs.collect::<Vec<_>>()) {
            return Ok(false);
        }
        let mut ask = cmd("HLEN");
        ask.arg(&self.keys.handed);
        match self.link.query(&ask).await? {
            Value::Int(waiting) if waiting < MOST => {}
            Value::Int(_) => {
                let full = "no issuer has taken what was handed in before".into();
                return Err(FeedError::Unavailable(full));
            }
            _ => return Err(corrupt("a length")),
        }
        let value = wire::handed_in_to_proto(piece).encode_to_vec();
        let mut keep = cmd("HSET");
        keep.arg(&self.keys.handed);
        keep.arg(Sha256::digest(&value).split_at(16).0).arg(value);
        self.link.query_write(&keep).await?.proven()?;
        Ok(true)
    }

    /// Returns some of the pieces that wait, drawn at random, so that none waits behind others for good. One that
    /// can't be read is dropped: whoever may write the key may write anything.
    pub(super) async fn pieces(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError> {
        let mut draw = cmd("HRANDFIELD");
        draw.arg(&self.keys.handed).arg(SOME);
        let mut pieces = Vec::new();
        for name in list(self.link.query(&draw).await?)? {
            let name = bytes(name)?;
            match self.piece(&name).await? {
                Some(Ok(piece)) => pieces.push((name, piece)),
                // Another issuer took it.
                None => {}
                Some(Err(error)) => {
                    tracing::warn!(error, "a piece that a follower handed in can't be read");
                    self.drop_piece(&name).await?;
                }
            }
        }
        Ok(pieces)
    }

    /// Returns a piece, or why it is none.
    async fn piece(&self, name: &[u8]) -> Result<Option<Result<HandedIn, String>>, FeedError> {
        let mut measure = cmd("HSTRLEN");
        measure.arg(&self.keys.handed).arg(name);
        match self.link.query(&measure).await? {
            Value::Int(length) if length <= LONGEST => {}
            _ => return Ok(Some(Err("it is longer than any piece".into()))),
        }
        let mut ask = cmd("HGET");
        ask.arg(&self.keys.handed).arg(name);
        let value = match self.link.query(&ask).await? {
            Value::Nil => return Ok(None),
            value => bytes(value)?,
        };
        let piece = pb::HandInRequest::decode(value.as_slice()).map_err(|error| error.to_string());
        Ok(Some(piece.and_then(|piece| {
            wire::handed_in_from_proto(piece).map_err(|error| error.to_string())
        })))
    }

    pub(super) async fn drop_piece(&self, name: &[u8]) -> Result<(), FeedError> {
        let mut forget = cmd("HDEL");
        forget.arg(&self.keys.handed).arg(name);
        self.link.query(&forget).await.map(drop).map_err(Into::into)
    }
}
