//! This file is the only writer: a thread that takes what waits, writes it in one durable transaction,
//! publishes the new head, then answers. A group shares the cost of one sync; a commit of the group
//! that fails leaves the others untouched. It must not know what a commit does to the tables.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use redb::{Durability, WriteTransaction};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use crate::{
    id::Serial,
    state::codec::encode_changes,
    store::{
        CommitClass, CommitError, Committed, FeedError, Reason, Retention, Used,
        committer::Pending,
        embedded::{
            Shared, StoreStatus,
            room::Room,
            tables::Tip,
            why::Why,
            write::{Conflict, Group, WriteError},
        },
    },
};

/// At most this many asks wait for the writer beside the commits.
pub(super) const ASKS: usize = 1024;

pub(super) type SerialAnswer = oneshot::Sender<Result<Serial, CommitError>>;
pub(super) type TrimAnswer = oneshot::Sender<Result<(), FeedError>>;

/// What the writer writes besides commits.
pub(super) enum Ask {
    Serial(SerialAnswer),
    /// No serial up to this one is given out any more.
    PassSerial(Serial, SerialAnswer),
    Trim(Retention, TrimAnswer),
    /// The tokens that were seen. No caller waits for it.
    Used(Vec<Used>),
    /// A follower and its bound in milliseconds, which must be on disk before the follower is answered.
    Admit(String, u64, TrimAnswer),
    /// The followers that are gone. No caller waits for it.
    Dismiss(Vec<String>),
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) tip: Tip,
    pub(super) room: Room,
}

/// A file that failed, and the room of a disk that is nearly full, are tried again after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// The work that waits to be written in one transaction.
#[derive(Default)]
struct Work {
    commits: Vec<Pending>,
    serials: Vec<SerialAnswer>,
    passed: Vec<(Serial, SerialAnswer)>,
    /// The first trim takes one step in each transaction, so that no commit waits for all of it.
    trims: VecDeque<(Retention, TrimAnswer)>,
    used: Vec<Used>,
    admitted: Vec<(String, u64, TrimAnswer)>,
    dismissed: Vec<String>,
}

/// A group's answers, held back until the group is durable.
struct Done {
    tip: Tip,
    commits: Vec<Result<Committed, CommitError>>,
    serials: Vec<Serial>,
    trimmed: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    /// Nothing of the group was written.
    #[error("nothing was written: {0}")]
    Before(Why),
    /// Nothing of the group was written, and the file must be opened again.
    #[error("nothing was written: {0}")]
    Broken(Why),
    /// The transaction was being made durable, and was written or not.
    #[error("written or not: {0}")]
    Within(Why),
}

impl Failed {
    fn why(&self) -> &Why {
        match self {
            Self::Before(why) | Self::Broken(why) | Self::Within(why) => why,
        }
    }

    /// Settles the failure once the file was opened again and shows whether something was written.
    fn seen(self, written: bool) -> Self {
        let (Self::Before(why) | Self::Broken(why) | Self::Within(why)) = self;
        if written {
            Self::Within(why)
        } else {
            Self::Before(why)
        }
    }
}

impl Writer {
    /// Runs until the store is closed and everything that waited is written.
    pub(super) fn run(mut self, runtime: &Runtime) {
        // This also runs when a bug unwinds the thread: no caller may wait for an answer that never
        // comes.
        let _ending = Ending(Arc::clone(&self.shared));
        let mut work = Work::default();
        while runtime.block_on(self.wait(&mut work)) {
            self.take_waiting(&mut work);
            self.write(&mut work);
        }
        drop(work);
    }

    /// Waits for work; returns `false` once the queue is closed and drained.
    async fn wait(&mut self, work: &mut Work) -> bool {
        if !work.trims.is_empty() {
            return true;
        }
        tokio::select! {
            group = self.shared.queue.next_group() => match group {
                Some(group) => {
                    work.commits = group;
                    true
                }
                None => {
                    self.take_waiting(work);
                    !(work.serials.is_empty()
                        && work.passed.is_empty()
                        && work.trims.is_empty()
                        && work.admitted.is_empty())
                }
            },
            Some(ask) = self.asks.recv() => {
                work.take(ask);
                true
            }
            () = tokio::time::sleep(AGAIN), if self.is_amiss() => true,
        }
    }

    fn take_waiting(&mut self, work: &mut Work) {
        while work.serials.len() < ASKS
            && let Ok(ask) = self.asks.try_recv()
        {
            work.take(ask);
        }
        if work.commits.is_empty() {
            work.commits = self.shared.queue.ready_group();
        }
    }

    fn is_amiss(&self) -> bool {
        match self.shared.standing() {
            StoreStatus::Open => self.shared.short.load(Relaxed) || self.shared.full.load(Relaxed),
            StoreStatus::Failed(_) => true,
            StoreStatus::Lost | StoreStatus::Closed => false,
        }
    }

    fn write(&mut self, work: &mut Work) {
        let unopened = match self.shared.standing() {
            StoreStatus::Failed(_) => self.reopen().err(),
            StoreStatus::Lost => Some(Why::other(&Reason::Rollback)),
            StoreStatus::Open | StoreStatus::Closed => None,
        };
        if let Some(why) = unopened {
            if why.full {
                self.shared.full.store(true, Relaxed);
            }
            work.refuse(&Failed::Before(why), self.shared.is_lost());
            return;
        }
        let short = self.room.is_short(self.shared.clock.boot());
        self.shared.short.store(short, Relaxed);
        if self.shared.full.load(Relaxed) && self.room.has_some() {
            self.shared.full.store(false, Relaxed);
        }
        if short {
            // A takeaway is tried even then.
            let full = self.shared.full.load(Relaxed);
            work.spare_takeaways(if full { Reason::Full } else { Reason::Short });
        }
        if work.is_empty() {
            return;
        }
        match self.write_twice(work) {
            Ok(done) => {
                if done.tip != self.tip {
                    self.shared.full.store(false, Relaxed);
                }
                self.tip = done.tip;
                self.shared.publish(done.tip.head);
                work.answer(done);
            }
            Err(failed) => {
                if failed.why().full {
                    self.shared.full.store(true, Relaxed);
                }
                work.refuse(&failed, self.shared.is_lost());
                tracing::error!(%failed, "the store could not write");
            }
        }
    }

    /// Writes the work. If the disk has no room, it tries once more in the room that was kept. A commit
    /// that the first try wrote after all is found by its request id, and a serial is only a gap.
    fn write_twice(&mut self, work: &mut Work) -> Result<Done, Failed> {
        let before = self.tip;
        let failed = match self.write_group(work) {
            Err(failed @ (Failed::Broken(_) | Failed::Within(_))) => failed,
            other => return other,
        };
        self.shared.fail(failed.why());
        // After any other failure the disk is as full as before, and the kept room would be used up for
        // nothing.
        let released = failed.why().full && self.room.release();
        if failed.why().full {
            self.shared.short.store(true, Relaxed);
        }
        if self.reopen().is_err() {
            return Err(failed);
        }
        // The reopened file shows whether the group was written.
        let failed = failed.seen(self.tip != before);
        if !released {
            return Err(failed);
        }
        work.encode_again();
        let again = match self.write_group(work) {
            Err(again) => again,
            done => return done,
        };
        if matches!(again, Failed::Before(_)) {
            return Err(again.seen(self.tip != before));
        }
        self.shared.fail(again.why());
        match self.reopen() {
            Ok(()) => Err(again.seen(self.tip != before)),
            // The first try may have been written after all.
            Err(_) if matches!(failed, Failed::Within(_)) => Err(again.seen(true)),
            Err(_) => Err(again),
        }
    }

    /// Opens the file again: only then its content is known again.
    fn reopen(&mut self) -> Result<(), Why> {
        let tip = self.shared.reopen(&self.tip)?;
        self.tip = tip;
        self.shared.mended(tip.head);
        tracing::warn!(
            revision = tip.head.cursor.revision.0,
            "the store's file was opened again"
        );
        Ok(())
    }

    fn write_group(&self, work: &mut Work) -> Result<Done, Failed> {
        let mut txn = self.shared.begin_write().map_err(Failed::Broken)?;
        txn.set_durability(Durability::Immediate)
            .map_err(|e| Failed::Before(Why::other(&e)))?;
        let done = self.fill(&txn, work).map_err(|error| match error {
            WriteError::Decode(error) => Failed::Before(Why::other(&error)),
            WriteError::Storage(error) => Failed::Broken(Why::from_error(error)),
            WriteError::Table(error) => Failed::Broken(Why::from_error(error)),
        })?;
        let written = done.tip != self.tip;
        if written {
            txn.commit()
                .map_err(|e| Failed::Within(Why::from_error(e)))?;
        }
        Ok(done)
    }

    fn fill(&self, txn: &WriteTransaction, work: &mut Work) -> Result<Done, WriteError> {
        let now = self.shared.clock.unix();
        let mut group = Group::begin(txn, self.tip, now)?;
        for (serial, _) in &work.passed {
            group.pass_serial(*serial);
        }
        let serials = work.serials.iter().map(|_| group.take_serial()).collect();
        group.note_used(&work.used)?;
        for (follower, bound_ms, _) in &work.admitted {
            group.admit(follower, *bound_ms)?;
        }
        for follower in &work.dismissed {
            group.dismiss(follower)?;
        }
        let noted =
            !(work.used.is_empty() && work.admitted.is_empty() && work.dismissed.is_empty());
        let mut commits = Vec::with_capacity(work.commits.len());
        for pending in &mut work.commits {
            commits.push(match group.commit(pending)? {
                Ok(committed) => Ok(committed),
                Err(Conflict(index)) => Err(CommitError::Conflict(index)),
            });
        }
        let trimmed = match work.trims.front() {
            Some((keep, _)) => group.trim(keep)?,
            None => false,
        };
        // A group of only conflicts has nothing to make durable.
        let idle = group.tip == self.tip && !noted && commits.iter().all(Result::is_err);
        Ok(Done {
            tip: if idle { self.tip } else { group.finish()? },
            commits,
            serials,
            trimmed,
        })
    }
}

impl Work {
    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Serial(answer) => self.serials.push(answer),
            Ask::PassSerial(serial, answer) => self.passed.push((serial, answer)),
            Ask::Trim(keep, answer) => self.trims.push_back((keep, answer)),
            Ask::Used(used) => self.used.extend(used),
            Ask::Admit(follower, bound_ms, answer) => {
                self.admitted.push((follower, bound_ms, answer));
            }
            Ask::Dismiss(followers) => self.dismissed.extend(followers),
        }
    }

    fn is_empty(&self) -> bool {
        self.commits.is_empty()
            && self.serials.is_empty()
            && self.passed.is_empty()
            && self.trims.is_empty()
            && self.used.is_empty()
            && self.admitted.is_empty()
            && self.dismissed.is_empty()
    }

    /// Encodes the commits again, because a group that failed has used up their bytes.
    fn encode_again(&mut self) {
        for pending in &mut self.commits {
            pending.changes = encode_changes(&pending.commit.changes);
        }
    }

    /// Refuses everything except takeaways and what followers need.
    fn spare_takeaways(&mut self, short: Reason) {
        let refused = || CommitError::Short(short);
        for pending in std::mem::take(&mut self.commits) {
            if pending.commit.class == CommitClass::Takeaway {
                self.commits.push(pending);
            } else {
                let _ = pending.answer.send(Err(refused()));
            }
        }
        for asker in self.serials.drain(..) {
            let _ = asker.send(Err(refused()));
        }
        self.used.clear();
    }

    // A caller that went away needs no answer: its work is done.
    fn answer(&mut self, done: Done) {
        for (pending, answer) in self.commits.drain(..).zip(done.commits) {
            let _ = pending.answer.send(answer);
        }
        for (asker, serial) in self.serials.drain(..).zip(done.serials) {
            let _ = asker.send(Ok(serial));
        }
        for (serial, asker) in self.passed.drain(..) {
            let _ = asker.send(Ok(serial));
        }
        for (_, _, asker) in self.admitted.drain(..) {
            let _ = asker.send(Ok(()));
        }
        self.used.clear();
        self.dismissed.clear();
        if done.trimmed
            && let Some((_, asker)) = self.trims.pop_front()
        {
            let _ = asker.send(Ok(()));
        }
    }

    /// Refuses all the work. `lost` means that the file is no longer this process's store.
    fn refuse(&mut self, failed: &Failed, lost: bool) {
        let why = failed.why();
        let error = match failed {
            _ if lost => CommitError::Unfit {
                reason: Reason::Rollback,
                sent: matches!(failed, Failed::Within(_)),
            },
            Failed::Within(_) if why.full => CommitError::Unknown(Reason::Full.to_string()),
            Failed::Within(_) => CommitError::Unknown(why.to_string()),
            _ if why.full => CommitError::Short(Reason::Full),
            _ => CommitError::Rejected(why.to_string()),
        };
        for pending in self.commits.drain(..) {
            let _ = pending.answer.send(Err(error.clone()));
        }
        let passed = self.passed.drain(..).map(|(_, asker)| asker);
        for asker in self.serials.drain(..).chain(passed) {
            let _ = asker.send(Err(error.clone()));
        }
        self.used.clear();
        self.dismissed.clear();
        let unserved = match lost {
            true => FeedError::Lost(Reason::Rollback.to_string()),
            false => FeedError::Unavailable(why.to_string()),
        };
        let admitted = self.admitted.drain(..).map(|(_, _, asker)| asker);
        for asker in admitted.chain(self.trims.drain(..).map(|(_, asker)| asker)) {
            let _ = asker.send(Err(unserved.clone()));
        }
    }
}

/// Leaves nothing open behind the writer, however it ended.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.close();
        // The queue is empty unless the thread unwound; the dropped senders answer `Unknown`.
        while !self.0.queue.ready_group().is_empty() {}
        self.0.end();
    }
}
