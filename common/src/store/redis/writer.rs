//! This file sends groups of commits to Redis, and decides what is certain about each commit when the
//! connection breaks. It must not know what the changes mean.

mod able;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redis::{Cmd, Script, Value, cmd};
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use crate::{
    clock::BootTime,
    id::{Cursor, LogId, Serial},
    state::{codec::encode_changes, record::Change},
    store::{
        Commit, CommitClass, CommitError, FeedError, Reason,
        committer::{Answer, Pending},
        redis::{
            layout::Keys,
            link::{Lease, Link},
            member::{Member, Opening, opening},
            outcome::judge,
            recent::Recent,
            reply::StoredEntry,
            script::{self, Arguments, commit_call, committed},
            trouble::Trouble,
            visits::HURRY,
        },
    },
};

/// This many serials are asked for at once. With several data nodes each one waits on the connection for
/// its majority, and a longer queue there would outlast the time of an answer.
const SERIALS: usize = 8;
/// A call is repeated for at most this long while the issuers vouch anew.
const REPEAT: Duration = Duration::from_secs(1);

/// An answer to a script that ran, and what is known of its durability.
pub(super) struct Done {
    pub(super) opening: Opening,
    pub(super) durable: Result<(), String>,
    stream: String,
    /// A replica was filled anew, and the issuers have not vouched since: the call is worth repeating.
    was_refilled: bool,
}

pub(super) struct Writer {
    pub(super) link: Link,
    pub(super) keys: Keys,
    pub(super) script: Script,
    /// What this issuer remembers: a server must have it on its log to be written to.
    pub(super) member: Member,
    pub(super) recent: Recent,
    continuity: bool,
    /// The number of the connection whose server has the script.
    loaded: AtomicU64,
    /// The time at which the server's memory was read, and whether it was short.
    memory: Mutex<Option<(BootTime, bool)>>,
    serials: Semaphore,
    /// The time of the last check whether the server keeps what it acknowledges.
    checked: Mutex<Option<BootTime>>,
}

impl Done {
    /// Joins the answers of a call and of its repeat on the same stream. What proves the repeat proves the
    /// call too; what the repeat finds written already was new when the call wrote it.
    fn after(mut self, call: Self) -> Self {
        let is = |answer: &Value, letter: u8| matches!(answer, Value::BulkString(bytes) if bytes.first() == Some(&letter));
        let both = call.opening.rest.zip(self.opening.rest);
        let joined: Vec<Value> = both
            .map(
                |(first, repeat)| match is(&first, b'C') && is(&repeat, b'R') {
                    true => first,
                    false => repeat,
                },
            )
            .collect();
        // A commit that the call wrote raised its floors to the counter of then.
        if !joined.is_empty() {
            self.opening.serial = call.opening.serial;
        }
        self.opening.rest = joined.into_iter();
        self
    }
}

impl Writer {
    pub(super) fn new(link: Link, keys: Keys, member: Member, continuity: bool) -> Self {
        Self {
            link,
            keys,
            script: Script::new(script::COMMIT),
            member,
            recent: Recent::default(),
            continuity,
            loaded: AtomicU64::new(0),
            memory: Mutex::new(None),
            serials: Semaphore::new(SERIALS),
            checked: Mutex::new(None),
        }
    }

    pub(super) fn log(&self) -> LogId {
        self.member.log()
    }

    /// Sends a group and answers every commit in it.
    pub(super) async fn send(&self, group: Vec<Pending>) {
        let urgent = |pending: &Pending| pending.commit.class == CommitClass::Takeaway;
        let short = if group.iter().all(urgent) {
            Ok(false)
        } else {
            match self.short_of_memory().await {
                // A server that doesn't report its memory is not known to be short: it refuses the
                // commit itself if it is.
                Err(Trouble::Answered { .. }) => Ok(false),
                told => told,
            }
        };
        let mut calls = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        // Commits that raise a floor to the counter: brought back, they must raise it no further.
        let mut raising: Vec<Option<Commit>> = Vec::new();
        for pending in group {
            let refused = match &short {
                Err(trouble) => Some(CommitError::Rejected(trouble.to_string())),
                Ok(true) if !urgent(&pending) => Some(CommitError::Short(Reason::Memory)),
                Ok(_) => None,
            };
            match refused {
                // A caller that went away needs no answer, here and below.
                Some(error) => _ = pending.answer.send(Err(error)),
                None => {
                    calls.push(Arguments::new(&pending));
                    let raises = |change: &Change| matches!(change, Change::RaiseFloor(_));
                    let raises = pending.commit.changes.iter().any(raises);
                    raising.push(raises.then_some(pending.commit));
                    waiting.push(pending.answer);
                }
            }
        }
        if calls.is_empty() {
            return;
        }
        let log = self.log();
        let sha = self.script.get_hash();
        let call = |stream: &str| {
            let sign = |call: &mut Cmd| self.member.sign(call, stream);
            commit_call(sha, &self.keys, log, sign, &calls)
        };
        let done = match self.call(call).await {
            Ok(done) => done,
            Err(error) => {
                for caller in waiting {
                    _ = caller.send(Err(error.clone()));
                }
                return;
            }
        };
        let counter = done.opening.serial;
        let (told, acknowledged) = self.answers(log, done, waiting.len());
        let mut told = told.into_iter();
        for ((caller, commit), raising) in waiting.into_iter().zip(&calls).zip(raising) {
            let unanswered = || Err(CommitError::Unknown("no answer".into()));
            let told = told.next().unwrap_or_else(unanswered);
            // It is remembered before anybody hears of it. What isn't proved yet is too: a repeat may prove it.
            match &told {
                Ok(committed) if committed.repeated.is_some() => {
                    self.recall(committed.cursor).await
                }
                Ok(committed) => {
                    let whole = match raising {
                        Some(raising) => raised_to(raising, counter).pack(),
                        None => commit.pack(),
                    };
                    self.recent.acknowledged(committed.cursor, whole);
                }
                Err(_) => {}
            }
            _ = caller.send(match (&acknowledged, told) {
                (Err(why), Ok(_)) => Err(CommitError::Unknown(why.clone())),
                (_, told) => told,
            });
        }
    }

    /// Remembers an entry that is acknowledged because its request was repeated, unless it is remembered. One that
    /// was trimmed away is older than all that anybody brings back.
    async fn recall(&self, cursor: Cursor) {
        if self.recent.has(&cursor) {
            return;
        }
        let id = format!("{}-0", cursor.revision);
        let mut ask = cmd("XRANGE");
        ask.arg(&self.keys.log).arg(&id).arg(&id);
        let found = self.link.query(&ask).await.map_err(FeedError::from);
        let entry = found.and_then(|found| match StoredEntry::list(found)?.into_iter().next() {
            Some(entry) => entry.decode(cursor.log).map(Some),
            None => Ok(None),
        });
        match entry {
            Ok(Some(entry)) if entry.cursor == cursor => self.recent.saw(&[entry]),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "an entry of the log can't be read"),
        }
    }

    pub(super) async fn take_serial(&self) -> Result<Serial, CommitError> {
        let call = |stream: &str| {
            let mut call = cmd("EVAL");
            call.arg(script::SERIAL).arg(1).arg(&self.keys.head);
            call.arg(self.log().0.as_slice());
            self.member.sign(&mut call, stream);
            call
        };
        // The semaphore is never closed.
        let _turn = self.serials.acquire().await;
        // A serial that was taken and whose answer was lost is a gap.
        let done = self.call(call).await?;
        // One that a failover may forget would be given out twice.
        done.durable.map_err(CommitError::Unknown)?;
        let serial = done.opening.serial;
        let roster = &done.opening.roster;
        let told = self.member.acknowledge(&done.stream, roster, None, serial);
        told.map_err(CommitError::Unknown)?;
        Ok(serial)
    }

    /// Calls a script that may be called again: a group's commits carry their request ids, and a serial
    /// taken twice is only a gap.
    pub(super) async fn call(&self, call: impl Fn(&str) -> Cmd) -> Result<Done, CommitError> {
        let (began, mut sent, mut again) = (Instant::now(), false, true);
        let mut first: Option<Done> = None;
        loop {
            let trouble = match self.ready_lease().await {
                Ok(mut lease) => match self.call_once(&mut lease, &call).await {
                    Ok(done) if done.was_refilled && began.elapsed() < REPEAT => {
                        sent = true;
                        first.get_or_insert(done);
                        self.member.doubt();
                        tokio::time::sleep(HURRY).await;
                        continue;
                    }
                    Ok(done) => {
                        return Ok(match first {
                            Some(first) if first.stream == done.stream => done.after(first),
                            _ => done,
                        });
                    }
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            match &trouble {
                Trouble::Answered { code, .. } if code == "NOSCRIPT" && again => {
                    // The server's scripts were flushed: the next lease loads the script again.
                    self.loaded.store(0, SeqCst);
                    again = false;
                    continue;
                }
                Trouble::Lost { hung, .. } => {
                    sent = true;
                    if !hung && again {
                        again = false;
                        continue;
                    }
                }
                trouble if self.link.sent_elsewhere(trouble, began).await => continue,
                _ => {}
            }
            return Err(judge(trouble, sent));
        }
    }

    async fn call_once(
        &self,
        lease: &mut Lease,
        call: impl Fn(&str) -> Cmd,
    ) -> Result<Done, Trouble> {
        let stream = lease.stream().to_owned();
        let mut written = self.link.send_write(lease, &call(&stream)).await?;
        let lost = |error: FeedError| Trouble::Lost {
            text: error.to_string(),
            hung: true,
        };
        match opening(std::mem::take(&mut written.answer)).map_err(lost)? {
            Ok(opening) => {
                let since = opening.since.filter(|_| self.continuity);
                Ok(Done {
                    was_refilled: written.was_refilled_since(since),
                    durable: written.durable_since(since),
                    opening,
                    stream,
                })
            }
            Err(refusal) => Err(self.refused(lease, refusal)),
        }
    }

    /// Leases a connection to a server that has the script, and that may be written to as far as this
    /// issuer knows.
    async fn ready_lease(&self) -> Result<Lease, Trouble> {
        let mut lease = self.link.lease().await?;
        let before_sending = |trouble: Trouble| match trouble {
            Trouble::Unfit(_) | Trouble::Unvouched(_) => trouble,
            other => Trouble::Refused(other.to_string()),
        };
        if self.loaded.load(SeqCst) != lease.generation {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(script::COMMIT);
            let loaded = self.link.send(&mut lease, &load).await;
            loaded.map_err(before_sending)?;
            self.loaded.store(lease.generation, SeqCst);
        }
        let opening = self.member.opening().is_some();
        if self.member.is_guarded() && !opening && !self.member.may_write(lease.stream()) {
            self.visit_until_ready(&mut lease)
                .await
                .map_err(before_sending)?;
        }
        Ok(lease)
    }

    /// Decodes what became of each commit of a group, and whether that is acknowledged. What no majority is known
    /// to have is not: a repeat of the request writes again, and so proves it.
    fn answers(
        &self,
        log: LogId,
        done: Done,
        expected: usize,
    ) -> (Vec<Answer>, Result<(), String>) {
        let answers: Vec<Answer> = done
            .opening
            .rest
            .map(|part| {
                committed(log, part)
                    .unwrap_or_else(|error| Err(CommitError::Unknown(error.to_string())))
            })
            .collect();
        let newest = answers.iter().flatten().map(|done| done.cursor);
        let newest = newest.max_by_key(|cursor| cursor.revision);
        let roster = &done.opening.roster;
        let acknowledged = done.durable.and_then(|()| {
            self.member
                .acknowledge(&done.stream, roster, newest, Serial(0))
        });
        debug_assert_eq!(answers.len(), expected);
        (answers, acknowledged)
    }
}

/// Makes the arguments of a commit whose floors go to this counter, whenever it is written.
fn raised_to(mut commit: Commit, counter: Serial) -> Arguments {
    let changes = commit.changes.into_iter().map(|change| change.at(counter));
    commit.changes = changes.collect();
    Arguments::new(&Pending {
        changes: encode_changes(&commit.changes),
        commit,
        answer: oneshot::channel().0,
    })
}
