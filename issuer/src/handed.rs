//! Takes in what followers know and the store lost: each piece is committed as far as the store lacks it. It
//! must not know how the pieces come here.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokenward_common::{
    clock::Clock,
    id::{RequestId, Serial},
    state::{
        codec::{encode_changes, join},
        key::Key,
        record::{Change, Floor, Record},
    },
    store::{Commit, CommitClass, CommitError, Expect, HandedIn, PrivateWrite, Store},
};
use tokenward_proto::internal::AuditRecord;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// The issuer looks at this interval whether something was handed in.
const LOOK: Duration = Duration::from_millis(500);
/// The method that the audit trail names.
const METHOD: &str = "HandIn";
/// Serials go on this far past the highest that a follower had heard of: others may have been given out
/// since.
const JUMP: u64 = 1 << 20;
/// No serial is believed that is further ahead than this of the counter as it stood when the first piece came.
/// No realm mints so many in a year, and a restore goes on by half of it at most.
const FAR: u64 = 1 << 32;

/// So many digests of what was taken in are remembered.
const REMEMBERED: usize = 64 * 1024;

/// What this issuer has taken in.
#[derive(Default)]
struct Taken {
    /// Many followers lose the same at once, and hand in the same.
    digests: HashSet<[u8; 32]>,
    /// The highest serial that is believed.
    believed: Option<Serial>,
}

/// Takes in what comes, until stopped.
pub(crate) async fn watch(store: Arc<dyn Store>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let watching = async {
        let (mut more, mut taken) = (false, Taken::default());
        loop {
            if !std::mem::take(&mut more) {
                tokio::time::sleep(LOOK).await;
            }
            match take_in(&*store, &*clock, &mut taken).await {
                Ok(pieces) => more = pieces > 0,
                Err(problem) => warn!("what followers handed in is not taken yet: {problem:#}"),
            }
        }
    };
    stop.run_until_cancelled(watching).await;
}

/// Takes in some of the pieces that wait, and returns how many.
async fn take_in(store: &dyn Store, clock: &dyn Clock, taken: &mut Taken) -> Result<usize> {
    let pieces = store.handed_in().await?;
    let mut done = 0;
    for (name, piece) in &pieces {
        let mut digest = Sha256::new_with_prefix(piece.left.log.0);
        digest.update(encode_changes(&piece.changes));
        let digest: [u8; 32] = digest.finalize().into();
        if !pass_serials(store, piece, taken).await? {
            store.took_in(name).await?;
            done += 1;
            continue;
        }
        if !taken.digests.contains(&digest) {
            let Some(commit) = commit_of(store, piece, clock).await? else {
                store.took_in(name).await?;
                done += 1;
                continue;
            };
            let changes = commit.changes.len();
            match store.commit(commit).await {
                Ok(_) => error!(
                    changes,
                    follower = piece.follower,
                    "the store had lost takeaways that a follower knows: they hold again"
                ),
                // Somebody wrote the same record meanwhile: it is looked at again.
                Err(CommitError::Conflict(_)) => continue,
                Err(CommitError::TooLarge(why)) => error!(
                    why,
                    follower = piece.follower,
                    "a piece that a follower handed in is too large: it is dropped"
                ),
                Err(error) => return Err(error).context("what was handed in"),
            }
            if taken.digests.len() >= REMEMBERED {
                taken.digests.clear();
            }
            taken.digests.insert(digest);
        }
        store.took_in(name).await?;
        done += 1;
    }
    Ok(done)
}

/// Lets no serial be given out again that the follower has heard of, and raises the counter above all floors.
/// Returns whether the piece is believed: one that names a serial far ahead would use up the serials, or, as a
/// floor, refuse all tokens for good.
async fn pass_serials(store: &dyn Store, piece: &HandedIn, taken: &mut Taken) -> Result<bool> {
    let named = piece.changes.iter().filter_map(|change| match change {
        Change::Revoke(serials) => serials.iter().max().copied(),
        Change::Put(Record::Floor(floor)) => Some(floor.serial),
        _ => None,
    });
    let heard = named.fold(piece.serial, Ord::max);
    let given = store.head().await?.serial;
    if heard <= given {
        return Ok(true);
    }
    let believed = *(taken.believed).get_or_insert(Serial(given.0.saturating_add(FAR)));
    if heard > believed {
        error!(
            follower = piece.follower,
            heard = heard.0,
            counter = given.0,
            "a follower names a serial that can't be: nothing of this piece is taken"
        );
        return Ok(false);
    }
    store.pass_serial(Serial(heard.0 + JUMP)).await?;
    Ok(true)
}

/// Returns what brings a piece into the store, or `None` if the store has all of it. It reads the store and
/// not a view: a view keeps what it knew, also where the store lost it.
async fn commit_of(
    store: &dyn Store,
    piece: &HandedIn,
    clock: &dyn Clock,
) -> Result<Option<Commit>> {
    let key = |change: &Change| match change {
        Change::Put(record) => Some(record.key()),
        Change::Retire(key) => Some(key.clone()),
        Change::Revoke(_) | Change::Delete(_) | Change::RaiseFloor(_) => None,
    };
    let named: Vec<(&Change, Key)> = (piece.changes.iter())
        .filter_map(|change| Some((change, Key::from_record_key(&key(change)?))))
        .collect();
    let keys: Vec<Key> = named.iter().map(|(_, key)| key.clone()).collect();
    let stored = store.get(&keys).await?;

    let revoked = piece.changes.iter();
    let revoked = revoked.filter(|change| matches!(change, Change::Revoke(_)));
    let mut changes: Vec<Change> = revoked.cloned().collect();
    let mut expect = Vec::new();
    for ((change, key), stands) in named.into_iter().zip(stored) {
        let since = stands.as_ref().map(|stands| stands.revision);
        let old = stands.map(|stands| join(&key, &stands.value)).transpose()?;
        let expected = match since {
            Some(since) => Expect::Unchanged { key, since },
            None => Expect::Absent(key),
        };
        let expected = match (change, &old) {
            (Change::Retire(_), old) => old.is_some().then_some(expected),
            (Change::Put(Record::Floor(new)), old) => {
                let stands = match old {
                    Some(Record::Floor(old)) => old.serial,
                    _ => Serial(0),
                };
                let Floor { target, serial } = new.clone();
                (serial > stands).then_some(Expect::FloorBelow { target, serial })
            }
            (Change::Put(Record::Departures(new)), Some(Record::Departures(old))) => {
                (new.count > old.count).then_some(expected)
            }
            (Change::Put(new), old) => (old.as_ref() != Some(new)).then_some(expected),
            _ => None,
        };
        if let Some(expected) = expected {
            expect.push(expected);
            changes.push(change.clone());
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    let mut request = [0; 16];
    getrandom::fill(&mut request).context("random bytes")?;
    let audit = AuditRecord {
        time: clock.unix().0,
        caller: format!("follower {}", piece.follower),
        method: METHOD.into(),
        operations: u32::try_from(changes.len()).unwrap_or(u32::MAX),
        ..AuditRecord::default()
    };
    Ok(Some(Commit {
        request: RequestId(request),
        response: Vec::new(),
        class: CommitClass::Takeaway,
        changes,
        private: vec![PrivateWrite::Audit(audit.encode_to_vec())],
        expect,
    }))
}
