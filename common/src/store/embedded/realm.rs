//! This file makes a realm in a file once, and finds it again.

use std::{fs::File, io, path::Path};

use prost::Message as _;
use redb::{Database, ReadTransaction, ReadableDatabase as _};
use tokenward_proto::internal as pb;

use crate::{
    clock::Clock,
    id::{Cursor, LogId},
    state::codec::DecodeError,
    store::{
        FeedError,
        embedded::{
            read::{self, unreadable},
            tables::{META, PARENT, Tip},
            write::Group,
        },
        wire,
    },
};

/// Returns the tip, or `None` if nothing was ever written here.
pub(super) fn find_tip(db: &Database) -> Result<Option<Tip>, FeedError> {
    let txn = db.begin_read().map_err(unreadable)?;
    match txn.open_table(META) {
        Ok(_) => read::tip(&txn).map(Some),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

/// Makes all tables and the first tip, in one transaction.
pub(super) fn make_realm(db: &Database, clock: &dyn Clock) -> Result<Tip, FeedError> {
    let failed = |error: &dyn std::fmt::Display| FeedError::Unavailable(error.to_string());
    let mut log = LogId::default();
    getrandom::fill(&mut log.0).map_err(|e| failed(&e))?;
    begin_history(db, clock, Tip::new(log), None)
}

/// Makes all tables and the first tip of a history, in one transaction. A history that goes on from another
/// one names the cursor at which it leaves it.
pub(super) fn begin_history(
    db: &Database,
    clock: &dyn Clock,
    tip: Tip,
    fork: Option<&Cursor>,
) -> Result<Tip, FeedError> {
    let failed = |error: &dyn std::fmt::Display| FeedError::Unavailable(error.to_string());
    let txn = db.begin_write().map_err(unreadable)?;
    let tip = Group::begin(&txn, tip, clock.unix())
        .and_then(Group::finish)
        .map_err(|e| failed(&e))?;
    if let Some(fork) = fork {
        let parent = wire::cursor_to_proto(fork).encode_to_vec();
        let mut meta = txn.open_table(META).map_err(unreadable)?;
        meta.insert(PARENT, parent.as_slice()).map_err(unreadable)?;
    }
    txn.commit().map_err(unreadable)?;
    Ok(tip)
}

/// Returns the cursor at which this history left another one; `None` if it left none.
pub(super) fn fork_of(txn: &ReadTransaction) -> Result<Option<Cursor>, FeedError> {
    let meta = txn.open_table(META).map_err(unreadable)?;
    let Some(row) = meta.get(PARENT).map_err(unreadable)? else {
        return Ok(None);
    };
    let parent = pb::Cursor::decode(row.value()).map_err(DecodeError::from)?;
    Ok(Some(wire::cursor_from_proto(Some(parent))?))
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
