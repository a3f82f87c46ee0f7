//! This file makes a realm in a file once, and finds it again.

use std::{fs::File, io, path::Path};

use redb::{Database, ReadableDatabase as _};

use crate::{
    clock::Clock,
    id::LogId,
    store::{
        FeedError,
        embedded::{
            read::{self, unreadable},
            tables::{META, Tip},
            write::Group,
        },
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
    let txn = db.begin_write().map_err(unreadable)?;
    let tip = Group::begin(&txn, Tip::new(log), clock.unix())
        .and_then(Group::finish)
        .map_err(|e| failed(&e))?;
    txn.commit().map_err(unreadable)?;
    Ok(tip)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
