//! This file keeps what followers hand in until the issuer has committed it. It is in memory, so that a
//! follower is answered only then. It must not know what the changes mean.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::store::{FeedError, HandedIn, wire};

/// At most this many bytes of pieces wait.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The issuer takes this many at once.
const SOME: usize = 32;

#[derive(Default)]
pub(super) struct Handed(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    bytes: usize,
    pieces: BTreeMap<Vec<u8>, Piece>,
}

struct Piece {
    bytes: usize,
    piece: HandedIn,
    taken: Vec<oneshot::Sender<()>>,
}

impl Handed {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a piece, and returns what tells that it was committed.
    pub(super) fn keep(&self, piece: &HandedIn) -> Result<oneshot::Receiver<()>, FeedError> {
        let value = wire::handed_in_to_proto(piece).encode_to_vec();
        let name = Sha256::digest(&value).split_at(16).0.to_vec();
        let (taken, told) = oneshot::channel();
        let mut waiting = self.waiting();
        if let Some(known) = waiting.pieces.get_mut(&name) {
            known.taken.retain(|asker| !asker.is_closed());
            known.taken.push(taken);
            return Ok(told);
        }
        if waiting.bytes + value.len() > MOST_BYTES {
            let full = "the issuer has not taken what was handed in before".into();
            return Err(FeedError::Unavailable(full));
        }
        waiting.bytes += value.len();
        let piece = Piece {
            bytes: value.len(),
            piece: piece.clone(),
            taken: vec![taken],
        };
        waiting.pieces.insert(name, piece);
        Ok(told)
    }

    pub(super) fn some(&self) -> Vec<(Vec<u8>, HandedIn)> {
        let waiting = self.waiting();
        let some = waiting.pieces.iter().take(SOME);
        some.map(|(name, it)| (name.clone(), it.piece.clone()))
            .collect()
    }

    pub(super) fn took(&self, name: &[u8]) {
        let mut waiting = self.waiting();
        if let Some(piece) = waiting.pieces.remove(name) {
            waiting.bytes -= piece.bytes;
            for asker in piece.taken {
                let _ = asker.send(());
            }
        }
    }
}
