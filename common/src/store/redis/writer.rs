//! This file sends groups of commits to Redis, and decides what is certain about each commit when the
//! connection breaks. It must not know what the changes mean.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use redis::{Cmd, Script, Value, cmd, pipe};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    clock::{BootTime, Clock, SystemClock},
    id::{Cursor, LogId, Serial},
    store::{
        CommitClass, CommitError, FeedError, Reason,
        committer::{Answer, Pending},
        redis::{
            layout::Keys,
            link::{Lease, Link, Written},
            outcome::judge,
            reply::{StoredEntry, StoredHead, bytes, corrupt, parse_number},
            script::{self, Arguments, commit_call, committed, opened},
            trouble::Trouble,
        },
    },
};

/// A reading of the server's memory is used for this long, then it is taken again.
const MEMORY_READ: std::time::Duration = std::time::Duration::from_millis(250);
/// The server is checked this often for settings that let it forget what it acknowledges.
const SETTINGS: std::time::Duration = std::time::Duration::from_secs(1);
/// Past this share of `maxmemory`, in percent, only takeaways are taken.
const MEMORY_PERCENT: u64 = 80;

/// This many serials are asked for at once. With several data nodes each one waits on the connection for
/// its majority, and a longer queue there would outlast the time of an answer.
const SERIALS: usize = 8;

pub(super) struct Writer {
    link: Link,
    keys: Keys,
    log: LogId,
    script: Script,
    /// The furthest cursor that was acknowledged: a server must have it on its log to be written to.
    acknowledged: Mutex<Cursor>,
    /// The number of the connection whose server was found to have that cursor.
    vouched: AtomicU64,
    /// The time at which the server's memory was read, and whether it was short.
    memory: Mutex<Option<(BootTime, bool)>>,
    serials: Semaphore,
    /// The time of the last check whether the server keeps what it acknowledges.
    checked: Mutex<Option<BootTime>>,
}

impl Writer {
    pub(super) fn new(link: Link, keys: Keys, head: Cursor) -> Self {
        Self {
            link,
            keys,
            log: head.log,
            script: Script::new(script::COMMIT),
            acknowledged: Mutex::new(head),
            vouched: AtomicU64::new(0),
            memory: Mutex::new(None),
            serials: Semaphore::new(SERIALS),
            checked: Mutex::new(None),
        }
    }

    pub(super) fn log(&self) -> LogId {
        self.log
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
                    waiting.push(pending.answer);
                }
            }
        }
        if calls.is_empty() {
            return;
        }
        let call = commit_call(self.script.get_hash(), &self.keys, self.log, &calls);
        let mut answers = match self.call(&call).await {
            Ok((written, before)) => self.answers(written, before, waiting.len()),
            Err(error) => vec![Err(error); waiting.len()],
        }
        .into_iter();
        for caller in waiting {
            let unanswered = || Err(CommitError::Unknown("no answer".into()));
            _ = caller.send(answers.next().unwrap_or_else(unanswered));
        }
    }

    pub(super) async fn take_serial(&self) -> Result<Serial, CommitError> {
        let mut call = cmd("EVAL");
        call.arg(script::SERIAL).arg(1).arg(&self.keys.head);
        call.arg(self.log.0.as_slice());
        let unknown = |error: FeedError| CommitError::Unknown(error.to_string());
        // The semaphore is never closed.
        let _turn = self.serials.acquire().await;
        // A serial that was taken and whose answer was lost is a gap.
        let (written, _) = self.call(&call).await?;
        // One that a failover may forget would be given out twice.
        let answer = written.proven().map_err(unknown)?;
        let unfit = |reason| CommitError::Unfit {
            reason,
            sent: false,
        };
        let mut parts = opened(answer).map_err(unknown)?.map_err(unfit)?;
        match parts.next() {
            Some(Value::Int(serial)) => Ok(Serial(serial.unsigned_abs())),
            _ => Err(unknown(corrupt("a serial"))),
        }
    }

    /// Calls a script that may be called again: a group's commits carry their request ids, and a serial
    /// taken twice is only a gap. Returns the answer, and whether an earlier call was sent whose answer
    /// was lost.
    async fn call(&self, call: &Cmd) -> Result<(Written, bool), CommitError> {
        let (began, mut sent, mut again) = (Instant::now(), false, true);
        loop {
            let trouble = match self.vouched_lease().await {
                Ok(mut lease) => match self.link.send_write(&mut lease, call).await {
                    Ok(written) => return Ok((written, sent)),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            match &trouble {
                Trouble::Answered { code, .. } if code == "NOSCRIPT" && again => {
                    // The server's scripts were flushed: the next lease loads the script again.
                    self.vouched.store(0, SeqCst);
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

    /// Leases a connection to a server that has the script and everything that was acknowledged.
    async fn vouched_lease(&self) -> Result<Lease, Trouble> {
        let mut lease = self.link.lease().await?;
        if self.vouched.load(SeqCst) == lease.generation {
            return Ok(lease);
        }
        let before_sending = |trouble: Trouble| Trouble::Refused(trouble.to_string());
        let acknowledged = *self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let at = format!("{}-0", acknowledged.revision);
        let mut ask = pipe();
        ask.cmd("SCRIPT").arg("LOAD").arg(script::COMMIT);
        ask.cmd("XRANGE").arg(&self.keys.log).arg(&at).arg(&at);
        ask.cmd("HGETALL").arg(&self.keys.head);
        let answers = self
            .link
            .send_all(&mut lease, &ask)
            .await
            .map_err(before_sending)?;
        self.vouch(&acknowledged, answers)?;
        self.vouched.store(lease.generation, SeqCst);
        Ok(lease)
    }

    /// Judges the store now as the connection of the next commit would be judged.
    pub(super) async fn able(&self) -> Result<(), Reason> {
        let reason = |trouble| match trouble {
            Trouble::Unfit(reason) => reason,
            Trouble::Volatile(_) => Reason::Volatile,
            _ => Reason::Unreachable,
        };
        if self.settings_are_due() {
            match self.link.check_again().await {
                Err(Trouble::Volatile(_)) => return Err(Reason::Volatile),
                // The question below reports a connection that broke; it doesn't report rights that
                // were withdrawn.
                Err(Trouble::Refused(why)) => {
                    tracing::warn!(
                        "whether Redis keeps what it acknowledges can't be asked: {why}"
                    );
                }
                _ => {}
            }
        }
        match self.ask_able().await {
            Err(Trouble::Lost { hung: false, .. }) => self.ask_able().await,
            asked => asked,
        }
        .map_err(reason)?;
        // The memory is unknown where the server doesn't report it (an ACL without INFO). A commit is
        // tried all the same, so this is no reason to report the store as unable.
        match self.short_of_memory().await {
            Ok(true) => Err(Reason::Memory),
            Ok(false) | Err(_) => Ok(()),
        }
    }

    fn settings_are_due(&self) -> bool {
        let now = SystemClock.boot();
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = checked.is_none_or(|last| now.since(last) >= SETTINGS);
        if due {
            *checked = Some(now);
        }
        due
    }

    async fn ask_able(&self) -> Result<(), Trouble> {
        let mut lease = self.link.lease().await?;
        let acknowledged = *self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let at = format!("{}-0", acknowledged.revision);
        let mut ask = pipe();
        ask.cmd("PING");
        ask.cmd("XRANGE").arg(&self.keys.log).arg(&at).arg(&at);
        ask.cmd("HGETALL").arg(&self.keys.head);
        let answers = self.link.send_all(&mut lease, &ask).await?;
        self.vouch(&acknowledged, answers)
    }

    /// Checks that the log is still this issuer's: an issuer that went on over another log would give
    /// out serials twice.
    fn vouch(&self, acknowledged: &Cursor, answers: Vec<Value>) -> Result<(), Trouble> {
        let refused = |error: FeedError| Trouble::Refused(error.to_string());
        let Ok([_, entries, head]) = <[Value; 3]>::try_from(answers) else {
            return Err(refused(corrupt("a pipeline")));
        };
        let head = StoredHead::new(head).map_err(|error| match error {
            FeedError::Lost(_) => Trouble::Unfit(Reason::Gone),
            other => refused(other),
        })?;
        let head = head.head.cursor;
        if head.log != self.log {
            return Err(Trouble::Unfit(Reason::OtherLog));
        }
        let entry = StoredEntry::list(entries)
            .map_err(refused)?
            .into_iter()
            .next();
        let held = match entry {
            Some(mut entry) => entry.fingerprint().map_err(refused)? == acknowledged.fingerprint,
            // The entry was trimmed away meanwhile, or nothing was acknowledged yet.
            None => head.revision > acknowledged.revision || head == *acknowledged,
        };
        if held && head.revision >= acknowledged.revision {
            return Ok(());
        }
        tracing::debug!(
            acknowledged = acknowledged.revision.0,
            head = head.revision.0,
            "what was acknowledged is not on the log"
        );
        Err(Trouble::Unfit(Reason::Rollback))
    }

    /// Answers each commit of a group. What no majority is known to have is not acknowledged: a repeat
    /// of the request writes again, and so proves it.
    fn answers(&self, written: Written, sent: bool, expected: usize) -> Vec<Answer> {
        let durable = written.durable;
        let parts = match opened(written.answer) {
            Ok(Ok(parts)) => parts,
            Ok(Err(reason)) => return vec![Err(CommitError::Unfit { reason, sent }); expected],
            Err(error) => return vec![Err(CommitError::Unknown(error.to_string())); expected],
        };
        let answers: Vec<Answer> = parts
            .map(|part| {
                committed(self.log, part)
                    .unwrap_or_else(|error| Err(CommitError::Unknown(error.to_string())))
            })
            .map(|answer| match (&durable, answer) {
                (Err(why), Ok(_)) => Err(CommitError::Unknown(why.clone())),
                (_, answer) => answer,
            })
            .collect();
        let mut acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for committed in answers.iter().flatten() {
            if committed.cursor.revision > acknowledged.revision {
                *acknowledged = committed.cursor;
            }
        }
        answers
    }

    async fn short_of_memory(&self) -> Result<bool, Trouble> {
        let now = SystemClock.boot();
        let known = *self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, short)) = known
            && now.since(read) < MEMORY_READ
        {
            return Ok(short);
        }
        let info = self.link.query(cmd("INFO").arg("memory")).await?;
        let info = bytes(info).unwrap_or_default();
        let info = String::from_utf8_lossy(&info);
        let number = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name));
            value.and_then(|value| parse_number(value.trim().as_bytes()))
        };
        let used = number("used_memory:").unwrap_or(0);
        let most = number("maxmemory:").unwrap_or(0);
        let short = most > 0 && used.saturating_mul(100) > most.saturating_mul(MEMORY_PERCENT);
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, short));
        Ok(short)
    }
}
