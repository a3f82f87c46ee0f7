//! A verifier's snapshot file: its view on its own disk, for a start while the store is away, and for a quick
//! one when it is not.
//!
//! This module decides what such a file must be to be used, and what may be believed of it. It must not
//! know when one is saved.
//!
//! **A file alone proves no freshness.** It says since when its view was fresh, on this boot of this
//! machine; after another boot nobody knows how old it is. Whatever is wrong with a file, it is not used at
//! all, and the view is read from the store.

mod file;
mod format;
mod load;
mod save;
#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use crate::{
    clock::{BootTime, Clock, UnixMillis},
    id::{Cursor, LogId},
    replica::{Freshness, Heard, Replica},
    state::{ApplyError, State, codec::DecodeError},
    store::Head,
};

/// Longer files are neither written nor read: some 200 million records.
const LONGEST: u64 = 16 << 30;

/// The place of the snapshot file of one realm's verifier.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    /// The folder. Only this module writes the files in it whose names begin with `view`.
    pub folder: PathBuf,
    /// The realm that the view must be of.
    pub realm: String,
    /// The bound that this follower's receipts declare.
    pub bound: Option<Duration>,
}

/// A view as it was saved.
pub struct Restored {
    pub(super) state: State,
    pub(super) freshness: Option<Freshness>,
    pub(super) heard: Heard,
}

impl Restored {
    /// Returns the cursor of the view, from which the log must be read on.
    pub fn cursor(&self) -> Cursor {
        self.state.cursor()
    }

    /// Returns how old the view is; `None` if nobody can know.
    pub fn age(&self, now: BootTime) -> Option<Duration> {
        self.freshness.map(|freshness| freshness.age(now))
    }

    /// Returns the state alone, to be looked at.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// What was saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The cursor of the saved view.
    pub cursor: Cursor,
    /// The saved view is fresh as of then.
    pub as_of: BootTime,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The longest time for which the view's writer was held up. Readers were not.
    pub held: Duration,
}

/// Why no snapshot was saved. The file before it stands.
#[derive(Debug, thiserror::Error)]
pub enum Unsaved {
    /// Without a proof of freshness a file would be worth less than the one before it.
    #[error("the view is not proved fresh yet")]
    NotFresh,
    /// The view was built anew while it was saved.
    #[error("the view was replaced meanwhile")]
    Replaced,
    /// Another process, or another call, saves one.
    #[error("another snapshot is being saved in this folder")]
    Busy,
    /// More entries came in than the disk took.
    #[error("the disk is too slow for the entries that come in")]
    TooSlow,
    /// The view is longer than a file may be.
    #[error("the snapshot is longer than {LONGEST} bytes")]
    TooLong,
    /// The caller ended it.
    #[error("told to end")]
    Stopped,
    /// The disk did not take it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Why a file isn't used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Somebody else could have written it.
    #[error("it is not this user's own file")]
    NotOwn,
    /// Somebody else could write it, or read the hub's directory in it.
    #[error("others may read or write it: its mode must be 0600")]
    Open,
    /// It isn't a snapshot file.
    #[error("it is no snapshot file")]
    Foreign,
    /// Another version wrote it.
    #[error("its format {0} is not known to this version")]
    Version(u32),
    /// It is cut off, or some of its bytes were changed.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// This version can't read what it holds.
    #[error("it holds what this version can't read: {0}")]
    Unreadable(#[from] DecodeError),
    /// Its records and entries don't make up a state.
    #[error("it holds no state: {0}")]
    NoState(#[from] ApplyError),
    /// It is of another realm.
    #[error("it is of the realm `{0}`")]
    OtherRealm(String),
    /// It says that it will be written later.
    #[error("it was fresh at a time of this boot that has not come yet")]
    Future,
    /// The caller ended it.
    #[error("told to end")]
    Stopped,
}

/// The end of a file: what the view was when it was saved.
#[derive(Clone, PartialEq, Eq, Debug)]
struct End {
    /// The cursor and the counts of the view, and the highest serial that was heard of.
    view: Head,
    /// The logs that were followed before.
    ancestors: Vec<LogId>,
    /// The name of the boot that `as_of` counts from. Empty: unknown.
    boot: String,
    as_of: BootTime,
    store_time: UnixMillis,
    bound: Option<Duration>,
}

impl SnapshotFile {
    /// Returns the path of the file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("view.snapshot")
    }

    /// Makes the folder, for this user alone, if it is not there.
    pub fn make_folder(folder: &Path) -> io::Result<()> {
        file::make_folder(folder)
    }

    /// Saves the view in place of the file before it. It blocks, and holds up the view's writer for some
    /// 40 us at a time; a gentle one rests as long between. Readers never wait for it.
    pub fn save(
        &self,
        replica: &Replica,
        gentle: bool,
        stop: &AtomicBool,
    ) -> Result<Saved, Unsaved> {
        if self.bound.is_none() || replica.age().is_none() {
            return Err(Unsaved::NotFresh);
        }
        file::replace(&self.path(), |to| {
            save::save(self, replica, gentle, stop, to)
        })
    }

    /// Reads the file; `None` if there is none. It blocks.
    pub fn load(&self, clock: &dyn Clock, stop: &AtomicBool) -> Result<Option<Restored>, Unusable> {
        let Some((from, length)) = file::open(&self.path())? else {
            return Ok(None);
        };
        let (state, end) = load::load(&self.realm, from, length, stop)?;
        let freshness = self.freshness(&end, clock)?;
        let heard = Heard {
            serial: end.view.serial,
            ancestors: end.ancestors,
        };
        Ok(Some(Restored {
            state,
            freshness,
            heard,
        }))
    }

    /// Says what is known of the view's freshness. The receipts by which issuers wait for this view declared
    /// the bound of then, so a greater bound of now must not count.
    fn freshness(&self, end: &End, clock: &dyn Clock) -> Result<Option<Freshness>, Unusable> {
        let boot = clock.boot_name().filter(|name| !name.is_empty());
        if boot.is_none_or(|boot| boot != end.boot) {
            return Ok(None);
        }
        if end.as_of > clock.boot() {
            return Err(Unusable::Future);
        }
        let declared = end.bound >= self.bound;
        Ok(declared.then(|| Freshness::new(end.as_of, end.store_time)))
    }
}
