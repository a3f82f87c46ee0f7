//! This file keeps what followers hand in until an issuer has committed it. It must not know what the
//! changes mean.

use prost::Message;
use redis::{Value, cmd};
use sha2::{Digest, Sha256};
use tokenward_proto::internal as pb;

use crate::store::{
    FeedError, HandedIn,
    redis::{
        feed::RedisFeed,
        reply::{corrupt, list, pairs},
    },
    wire,
};

/// At most this many pieces wait for an issuer. A piece has at most 256 KiB, and nearly always far less.
const MOST: i64 = 4096;
/// An issuer takes about this many at once.
const SOME: usize = 32;

impl RedisFeed {
    /// Keeps a piece for the issuers. A piece of a log that this realm doesn't come from says nothing of
    /// this realm, and is dropped.
    pub(super) async fn keep_piece(&self, piece: &HandedIn) -> Result<(), FeedError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&self.keys.head);
        let head = pairs(self.link.query(&ask).await?)?;
        let comes_from = |(field, log): &(Vec<u8>, Vec<u8>)| {
            [b"log".as_slice(), b"parent", b"origin"].contains(&field.as_slice())
                && *log == piece.left.log.0
        };
        if !head.iter().any(comes_from) {
            tracing::warn!(log = %piece.left.log, "what is known of another log is not handed in");
            return Ok(());
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
        self.link.query_write(&keep).await?.proven().map(drop)
    }

    /// Returns some of the pieces that wait. One that can't be read is dropped: whoever may write the key
    /// may write anything.
    pub(super) async fn pieces(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError> {
        let mut ask = cmd("HSCAN");
        ask.arg(&self.keys.handed).arg(0).arg("COUNT").arg(SOME);
        let mut answer = list(self.link.query(&ask).await?)?.into_iter();
        let found = pairs(answer.nth(1).unwrap_or_default())?;
        let mut pieces = Vec::new();
        for (name, value) in found {
            let piece = pb::HandInRequest::decode(value.as_slice()).map_err(|e| e.to_string());
            let piece = piece.and_then(|piece| {
                wire::handed_in_from_proto(piece).map_err(|error| error.to_string())
            });
            match piece {
                Ok(piece) => pieces.push((name, piece)),
                Err(error) => {
                    tracing::warn!(error, "a piece that a follower handed in can't be read");
                    self.drop_piece(&name).await?;
                }
            }
        }
        Ok(pieces)
    }

    pub(super) async fn drop_piece(&self, name: &[u8]) -> Result<(), FeedError> {
        let mut forget = cmd("HDEL");
        forget.arg(&self.keys.handed).arg(name);
        self.link.query(&forget).await.map(drop).map_err(Into::into)
    }
}
