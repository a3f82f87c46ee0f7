//! This file decides the order and the grouping of commits: many callers queue here, and the store is
//! sent few groups. Takeaways go before all others, imports last. A group is bounded in count and
//! bytes; the store decides how many groups may be outstanding. This file must not know how
//! a store writes a group.

use std::{collections::VecDeque, sync::Mutex};

use tokio::sync::{Notify, oneshot};

use crate::store::{Commit, CommitClass, CommitError, Committed};

/// The bounds of one group. A commit that alone exceeds `bytes` is a group of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) commits: usize,
    pub(super) bytes: usize,
}

/// At most this many commits wait. One more is refused, and nothing of it is written.
const QUEUE: usize = 16 * 1024;

pub(super) type Answer = Result<Committed, CommitError>;

/// A commit with its encoded changes, which waits for its answer.
pub(super) struct Pending {
    pub(super) commit: Commit,
    pub(super) changes: Vec<u8>,
    pub(super) answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Lanes {
    lanes: [VecDeque<Pending>; 3],
    closed: bool,
}

pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Notify,
    bounds: Bounds,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lanes: Mutex::default(),
            filled: Notify::new(),
        }
    }

    /// Queues a commit and waits for its answer.
    pub(super) async fn commit(&self, commit: Commit) -> Answer {
        let changes = commit.encoded()?;
        let (answer, answered) = oneshot::channel();
        self.push(Pending {
            commit,
            changes,
            answer,
        })?;
        // A dropped sender means that the outcome of the group is unknown.
        answered
            .await
            .unwrap_or_else(|_| Err(CommitError::Unknown("the store was closed".into())))
    }

    fn push(&self, pending: Pending) -> Result<(), CommitError> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(CommitError::Rejected("the store was closed".into()));
        }
        if lanes.lanes.iter().map(VecDeque::len).sum::<usize>() >= QUEUE {
            return Err(CommitError::Rejected("too many commits are waiting".into()));
        }
        let [takeaways, ordinary, imports] = &mut lanes.lanes;
        match pending.commit.class {
            CommitClass::Takeaway => takeaways.push_back(pending),
            CommitClass::Ordinary => ordinary.push_back(pending),
            CommitClass::Import => imports.push_back(pending),
        }
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for the next group, which is never empty; returns `None` once the queue is closed and
    /// drained. Only one caller may wait at a time.
    pub(super) async fn next_group(&self) -> Option<Vec<Pending>> {
        loop {
            let filled = self.filled.notified();
            {
                let mut lanes = self.lock();
                let group = take_group(&mut lanes, self.bounds);
                if !group.is_empty() {
                    return Some(group);
                }
                if lanes.closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// Returns the commits that can be sent at once, without a wait for more. The group may be empty.
    #[cfg(feature = "embedded")]
    pub(super) fn ready_group(&self) -> Vec<Pending> {
        take_group(&mut self.lock(), self.bounds)
    }

    /// Closes the queue: queued commits are still sent, but no more are taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lanes> {
        // No code panics while it holds the lock, and the queue is consistent between any two
        // statements.
        self.lanes.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn take_group(lanes: &mut Lanes, bounds: Bounds) -> Vec<Pending> {
    let mut group = Vec::new();
    let mut bytes = 0;
    for lane in &mut lanes.lanes {
        while group.len() < bounds.commits && bytes < bounds.bytes {
            let Some(pending) = lane.pop_front() else {
                break;
            };
            bytes += pending.changes.len();
            group.push(pending);
        }
    }
    group
}
