//! The store of one machine: one file, one process that holds it, and every write durable before its
//! answer.
//!
//! This folder decides how the contract of [`Store`] is kept in a file (N = 1: what is on the disk is
//! durable). It must not know what the changes mean, nor who reads.
//!
//! One thread writes, in groups; reads are transactions of their own and never wait for it. A confirm
//! needs no write, because only this process can change the file.

mod archive;
mod handed;
mod read;
mod realm;
mod receipts;
mod room;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod why;
mod write;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    clock::{Clock, UnixTime},
    id::{AccountId, Cursor, RequestId, Serial, TokenId},
    state::{Entry, key::Key},
    store::{
        AuditId, Commit, CommitError, Committed, Confirmed, Feed, FeedError, HandedIn, Head,
        MAX_USED, MAX_WAIT, Reason, Receipt, Report, Retention, Snapshot, Store, Stored,
        bound_millis,
        committer::{Bounds, Queue},
    },
};
use handed::Handed;
use read::unreadable;
use realm::{find_tip, make_realm, sync_folder};
use receipts::Receipts;
use room::Room;
use tables::Tip;
use why::Why;
use writer::{ASKS, Ask, Writer};

/// The database keeps this many bytes of pages in memory; the machine's page cache has the rest.
const CACHE_BYTES: usize = 256 * 1024 * 1024;
/// At most this many entries are read without a move to a thread that may block.
const READ_AT_ONCE: u64 = 32;

/// The bounds of one transaction. An import's window is more than twice as large, so that the next
/// group is made ready while one is written. A commit that comes meanwhile waits for 10 ms of the
/// import.
const GROUP: Bounds = Bounds {
    commits: 256,
    bytes: 128 * 1024,
};

/// The reason why a file can't be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file isn't there or holds no realm, and its creation wasn't requested.
    #[error("there is no realm in {0}: make one on purpose, or mend the path")]
    Missing(PathBuf),
    /// Another process has the file open; only one process may.
    #[error("{0} is held by another process")]
    Held(PathBuf),
    /// The file is of a later version or damaged; the text says which.
    #[error("{0} holds what this version can't read: {1}")]
    Unreadable(PathBuf, String),
    /// The operating system refused the file, or the disk failed.
    #[error("can't use {0}")]
    Io(PathBuf, #[source] io::Error),
}

/// One realm in one file of this machine: the store of a single issuer.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Ask>,
}

/// The state of the store, as its handles and waiting readers see it.
#[derive(Clone, Debug)]
enum StoreStatus {
    Open,
    /// The disk failed: the content of the file is unknown until it is opened again.
    Failed(String),
    /// The file lacks what was acknowledged. It is no longer this process's store, and not tried again.
    Lost,
    Closed,
}

#[derive(Clone, Debug)]
struct State {
    head: Head,
    standing: StoreStatus,
}

struct Shared {
    /// The database; `None` once the store is closed.
    db: RwLock<Option<Database>>,
    clock: Arc<dyn Clock>,
    queue: Queue,
    state: watch::Sender<State>,
    receipts: Receipts,
    handed: Handed,
    /// Set while the disk is nearly full.
    short: AtomicBool,
    /// Set while the disk is full: the last write found no room.
    full: AtomicBool,
    opener: Opener,
}

/// Opens the file again in the way it was opened first.
type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

impl EmbeddedStore {
    /// Opens the realm in this file. With `create`, a new realm with a new log is made where there is
    /// none. Without it, a missing realm is [`OpenError::Missing`], so that a lost file is never taken
    /// for an empty realm. The call blocks; after a crash, for as long as it takes to read the whole
    /// file.
    pub fn open(path: &Path, create: bool, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        let named = |error| Self::named(path, error);
        let db = if create {
            let mut file = room::private();
            file.write(true).create(true).truncate(false);
            file.open(path).map_err(|e| OpenError::Io(path.into(), e))?;
            builder().create(path)
        } else {
            // `Builder::create` would make a database of an empty file.
            builder().open(path)
        };
        let db = db.map_err(named)?;
        room::make_private(path);
        let unreadable =
            |error: &dyn std::fmt::Display| OpenError::Unreadable(path.into(), error.to_string());
        let tip = match find_tip(&db).map_err(|e| unreadable(&e))? {
            Some(tip) => tip,
            None if create => {
                let tip = make_realm(&db, &*clock).map_err(|e| unreadable(&e))?;
                // The file's name must survive a crash as its content does.
                sync_folder(path).map_err(|e| OpenError::Io(path.into(), e))?;
                tip
            }
            None => return Err(OpenError::Missing(path.into())),
        };
        let room = Room::beside(path);
        let path = PathBuf::from(path);
        let again = path.clone();
        let opener = Box::new(move || builder().open(&again));
        Self::start(db, tip, clock, opener, room).map_err(|e| OpenError::Io(path, e))
    }

    fn named(path: &Path, error: DatabaseError) -> OpenError {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                OpenError::Held(path.into())
            }
            DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
                io::ErrorKind::NotFound => OpenError::Missing(path.into()),
                io::ErrorKind::InvalidData => OpenError::Unreadable(path.into(), error.to_string()),
                _ => OpenError::Io(path.into(), error),
            },
            error => OpenError::Unreadable(path.into(), error.to_string()),
        }
    }

    fn start(
        db: Database,
        tip: Tip,
        clock: Arc<dyn Clock>,
        opener: Opener,
        room: Room,
    ) -> io::Result<Arc<Self>> {
        let followers = followers(&db).map_err(io::Error::other)?;
        let receipts = Receipts::recall(followers, clock.boot());
        let (state, _) = watch::channel(State {
            head: tip.head,
            standing: StoreStatus::Open,
        });
        let shared = Arc::new(Shared {
            db: RwLock::new(Some(db)),
            clock,
            queue: Queue::new(GROUP),
            state,
            receipts,
            handed: Handed::default(),
            short: AtomicBool::new(false),
            full: AtomicBool::new(false),
            opener,
        });
        let (asks, asked) = mpsc::channel(ASKS);
        let writer = Writer {
            shared: Arc::clone(&shared),
            asks: asked,
            tip,
            room,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&runtime))?;
        Ok(Arc::new(Self { shared, asks }))
    }

    /// Writes the waiting commits, takes no more, and releases the file.
    pub async fn close(&self) {
        self.shared.queue.close();
        let mut state = self.shared.state.subscribe();
        // The sender lives in `self`, so it can't be gone.
        let _ = state
            .wait_for(|state| matches!(state.standing, StoreStatus::Closed))
            .await;
    }

    /// Hands an ask to the writer. Its answer may never come once the store is closed.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Drop for EmbeddedStore {
    /// Closes the queue; the writer ends by itself once it has written what waits.
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Shared {
    fn begin_read(&self) -> Result<ReadTransaction, FeedError> {
        self.state.borrow().head()?;
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(closed)?;
        db.begin_read().map_err(unreadable)
    }

    fn begin_write(&self) -> Result<WriteTransaction, Why> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| Why::other(&closed()))?;
        db.begin_write().map_err(Why::from_error)
    }

    fn standing(&self) -> StoreStatus {
        self.state.borrow().standing.clone()
    }

    fn is_lost(&self) -> bool {
        matches!(self.state.borrow().standing, StoreStatus::Lost)
    }

    /// Sets the head, and wakes every reader that waits for the log.
    fn publish(&self, head: Head) {
        self.state.send_modify(|state| state.head = head);
    }

    /// Opens the file again, because the database doesn't recover from a failed write: only a new one,
    /// over the content of the file, reads and writes again. Readers that are under way end with an
    /// error. A file that lacks what was acknowledged `before` is not used.
    fn reopen(&self, before: &Tip) -> Result<Tip, Why> {
        let old = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(error)) = old.map(Database::close) {
            tracing::debug!(%error, "the store's file was not closed cleanly");
        }
        let db = (self.opener)().map_err(Why::from_error)?;
        let tip = find_tip(&db).map_err(|error| Why::other(&error))?;
        let Some(tip) = tip.filter(|tip| tip.has_all_of(before)) else {
            self.state
                .send_modify(|state| state.standing = StoreStatus::Lost);
            tracing::error!(
                acknowledged = before.head.cursor.revision.0,
                "the store's file was opened again and lost what was acknowledged: it is not used"
            );
            return Err(Why::other(&Reason::Rollback));
        };
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        Ok(tip)
    }

    fn mended(&self, head: Head) {
        self.state.send_modify(|state| {
            state.head = head;
            state.standing = StoreStatus::Open;
        });
    }

    fn fail(&self, why: &Why) {
        self.state
            .send_modify(|state| state.standing = StoreStatus::Failed(why.to_string()));
    }

    /// Closes the database; only the writer calls this, when it writes no more.
    fn end(&self) {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Every answered write is on disk, whether the close succeeds or not: an unclean file is
        // repaired when it is opened.
        if let Some(Err(error)) = db.map(Database::close) {
            tracing::warn!(%error, "the store's file was not closed cleanly");
        }
        self.state
            .send_modify(|state| state.standing = StoreStatus::Closed);
    }
}

impl State {
    fn head(&self) -> Result<Head, FeedError> {
        match &self.standing {
            StoreStatus::Open => Ok(self.head),
            StoreStatus::Failed(why) => Err(FeedError::Unavailable(why.clone())),
            StoreStatus::Lost => Err(FeedError::Lost(Reason::Rollback.to_string())),
            StoreStatus::Closed => Err(closed()),
        }
    }
}

#[async_trait]
impl Feed for EmbeddedStore {
    async fn head(&self) -> Result<Head, FeedError> {
        self.shared.state.borrow().head()
    }

    fn snapshot(&self) -> Snapshot<'_> {
        snapshot::snapshot(Arc::clone(&self.shared))
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        let mut state = self.shared.state.subscribe();
        let moved = async {
            loop {
                let head = state.borrow_and_update().head()?;
                if head.cursor != *after {
                    return Ok::<_, FeedError>(head);
                }
                state.changed().await.map_err(|_| closed())?;
            }
        };
        let Ok(head) = tokio::time::timeout(wait.min(MAX_WAIT), moved).await else {
            return Ok(Vec::new());
        };
        let behind = head?.cursor.revision.0.saturating_sub(after.revision.0);
        let after = *after;
        let txn = self.shared.begin_read()?;
        if behind <= READ_AT_ONCE {
            return read::log_after(&txn, &after);
        }
        tokio::task::spawn_blocking(move || read::log_after(&txn, &after))
            .await
            .map_err(|error| FeedError::Unavailable(error.to_string()))?
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        let receipts = &self.shared.receipts;
        // The follower is noted before the head is read; `receipts` gives the reason.
        if !receipts.begin(report, self.shared.clock.boot()) {
            let (follower, bound_ms) = (report.follower.clone(), bound_millis(report.bound));
            self.ask(|answer| Ask::Admit(follower, bound_ms, answer))
                .await
                .unwrap_or_else(|| Err(closed()))?;
            receipts.admit(report, self.shared.clock.boot());
        }
        let txn = self.shared.begin_read()?;
        let head = read::on_log(&txn, applied)?.head;
        receipts.applied(report, applied);
        if !report.used.is_empty() {
            let used = report.used.iter().take(MAX_USED).copied().collect();
            // A full queue loses these notes, which are coarse anyway.
            let _ = self.asks.try_send(Ask::Used(used));
        }
        Ok(Confirmed {
            head,
            time: self.shared.clock.unix(),
        })
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        let log = self.head().await?.cursor.log;
        let parent = realm::fork_of(&self.shared.begin_read()?)?;
        let logs = std::iter::once(log).chain(parent.map(|parent| parent.log));
        if !piece.is_of(&logs.collect::<Vec<_>>()) {
            return Ok(false);
        }
        let taken = self.shared.handed.keep(piece)?;
        taken.await.map(|()| true).map_err(|_| closed())
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn take_serial(&self) -> Result<Serial, CommitError> {
        self.ask(Ask::Serial)
            .await
            .unwrap_or_else(|| Err(CommitError::Unknown("the store was closed".into())))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.shared.queue.commit(commit).await
    }

    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError> {
        read::request(&self.shared.begin_read()?, request)
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        read::records(&self.shared.begin_read()?, keys)
    }

    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError> {
        read::tokens_of(&self.shared.begin_read()?, owner, after, limit)
    }

    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError> {
        read::expiring(&self.shared.begin_read()?, from, to, after, limit)
    }

    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError> {
        read::last_used(&self.shared.begin_read()?, tokens)
    }

    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError> {
        self.shared.state.borrow().head()?;
        Ok(self.shared.receipts.all())
    }

    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError> {
        read::audit(&self.shared.begin_read()?, after, limit)
    }

    async fn able(&self) -> Result<(), Reason> {
        match self.shared.standing() {
            StoreStatus::Open | StoreStatus::Failed(_) if self.shared.full.load(Relaxed) => {
                Err(Reason::Full)
            }
            StoreStatus::Open if self.shared.short.load(Relaxed) => Err(Reason::Short),
            StoreStatus::Open => Ok(()),
            StoreStatus::Failed(_) => Err(Reason::Failed),
            StoreStatus::Lost => Err(Reason::Rollback),
            StoreStatus::Closed => Err(Reason::Closed),
        }
    }

    async fn handed_in(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError> {
        Ok(self.shared.handed.some())
    }

    async fn took_in(&self, name: &[u8]) -> Result<(), FeedError> {
        self.shared.handed.took(name);
        Ok(())
    }

    async fn pass_serial(&self, serial: Serial) -> Result<(), CommitError> {
        let passed = self.ask(|answer| Ask::PassSerial(serial, answer)).await;
        let closed = || Err(CommitError::Unknown("the store was closed".into()));
        passed.unwrap_or_else(closed).map(drop)
    }

    async fn trim(&self, retention: &Retention) -> Result<(), FeedError> {
        let gone = self.shared.receipts.forget(self.shared.clock.boot());
        if !gone.is_empty() {
            let _ = self.asks.try_send(Ask::Dismiss(gone));
        }
        self.ask(|answer| Ask::Trim(*retention, answer))
            .await
            .unwrap_or_else(|| Err(closed()))
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn followers(db: &Database) -> Result<Vec<(String, Option<Duration>)>, FeedError> {
    let txn = db.begin_read().map_err(unreadable)?;
    read::followers(&txn)
}

fn closed() -> FeedError {
    FeedError::Unavailable("the store was closed".into())
}
