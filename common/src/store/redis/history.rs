//! This file opens a history where the store lost what was acknowledged, and hands in what this issuer
//! remembers. It must not know what the changes mean.
//!
//! One issuer finds its last acknowledged cursor missing, and opens a history: a new log id, and revision
//! and serial past all that was heard of. Every issuer of the roster hands in the newest entries that it
//! remembers; the opener brings them back, with whatever else its own state holds and the store lacks, and
//! only then does anybody vouch for the stream. Until then nothing counts, so no view is fresh without
//! them.

use std::collections::HashSet;

use redis::{Cmd, Value, cmd};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use crate::{
    id::{Cursor, Fingerprint, LogId, RequestId, Revision, Serial},
    state::{codec::decode_changes, record::Change},
    store::{
        Bring, Commit, CommitClass, CommitError, FeedError, History, Reason, Recalled, Reopening,
        committer::Pending,
        redis::{
            layout::Keys,
            link::{Lease, Link},
            member::{Adopted, Word},
            recent::Remembered,
            reply::{bytes, corrupt, list, pairs, parse_number},
            script::{self, Arguments, commit_call, committed},
            trouble::Trouble,
            writer::Writer,
        },
    },
};

/// An opened history goes on this far past all revisions and serials that were ever heard of.
pub(in crate::store) const JUMP: u64 = 1 << 20;
/// One call hands in at most about this many bytes.
const PIECE: usize = 256 * 1024;
/// What was handed in: a whole commit that was acknowledged, or the changes of an entry that was seen.
const ACKNOWLEDGED: &str = "1";
const SEEN: &str = "0";

impl Writer {
    /// Opens a history if what this issuer acknowledged is missing, or takes part in one that another
    /// opened. `state`: the cursor of the state from which it can bring back facts.
    pub(super) async fn reopen(&self, state: &Cursor) -> Result<Reopening, FeedError> {
        let mut lease = self.link.lease().await?;
        if let Some((_, fork)) = self.member.opening() {
            return self.hand_in_to(&mut lease, self.log(), fork).await;
        }
        let found = match self.visit(&mut lease, Word::Usual).await {
            Ok(()) => return Ok(Reopening::Sound),
            Err(Trouble::Unfit(Reason::Reopened)) => self.member.adopted(),
            Err(Trouble::Unfit(Reason::Rollback)) => None,
            Err(trouble) => return Err(trouble.into()),
        };
        if let Some(adopted) = found {
            return self.follow(&mut lease, adopted).await;
        }
        let parent = self.log();
        let Some(call) = self.member.open(&self.keys, lease.stream(), state)? else {
            return Ok(Reopening::Sound);
        };
        let written = self.link.send_write(&mut lease, &call).await?;
        let mut parts = list(written.proven()?)?.into_iter();
        let mut next = || bytes(parts.next().unwrap_or_default());
        match next()?.as_slice() {
            b"opened" => {}
            b"found" => return Ok(Reopening::Sound),
            b"reopened" | b"moved" => return Ok(Reopening::Follows),
            b"gone" => return Err(FeedError::Lost(Reason::Gone.to_string())),
            _ => return Err(FeedError::Lost(Reason::OtherLog.to_string())),
        }
        let fork = Revision(parse_number(&next()?).ok_or_else(|| corrupt("a fork"))?);
        let bring = match next()?.as_slice() {
            b"1" => Bring::Nothing,
            b"0" => Bring::All,
            _ => Bring::Kept,
        };
        self.member.opened(bring, fork);
        tracing::error!(
            log = %parent,
            fork = fork.0,
            "the store lost what this issuer acknowledged: it opened a new history"
        );
        self.hand_in_to(&mut lease, self.log(), fork).await
    }

    /// Hands in what is remembered of a log that another issuer found broken, and goes over to the new
    /// one once all of it is there again.
    async fn follow(&self, lease: &mut Lease, adopted: Adopted) -> Result<Reopening, FeedError> {
        if adopted.settled.is_some() {
            let log = adopted.log;
            self.member.adopt(adopted);
            tracing::error!(%log, "went over to the history that another issuer opened");
            return Ok(Reopening::Follows);
        }
        self.hand_in_to(lease, adopted.log, adopted.fork).await
    }

    async fn hand_in_to(
        &self,
        lease: &mut Lease,
        log: LogId,
        fork: Revision,
    ) -> Result<Reopening, FeedError> {
        let mut pieces: Vec<Vec<(String, Vec<u8>)>> = vec![Vec::new()];
        let mut size = 0;
        for ((revision, fingerprint), entry) in self.recent.after(&self.member.lineage(), fork) {
            if size > PIECE {
                pieces.push(Vec::new());
                size = 0;
            }
            let (sort, bytes) = match entry {
                Remembered::Acknowledged(commit) => (ACKNOWLEDGED, commit),
                Remembered::Seen(changes) => (SEEN, changes),
            };
            size += bytes.len() + 64;
            let fingerprint = hex::encode(fingerprint);
            if let Some(piece) = pieces.last_mut() {
                piece.push((format!("{}:{fingerprint}:{sort}", revision.0), bytes));
            }
        }
        let last = pieces.len();
        let mut answer = Value::Nil;
        for (at, piece) in pieces.into_iter().enumerate() {
            let mut call = cmd("EVAL");
            call.arg(script::RECALL).arg(2);
            call.arg(&self.keys.head).arg(&self.keys.recall);
            call.arg(log.0.as_slice()).arg(self.member.id());
            call.arg(lease.stream());
            self.member.add_lease(&mut call, Word::Usual);
            call.arg(self.member.serial().0).arg(JUMP);
            call.arg(u8::from(at + 1 == last));
            for (field, bytes) in piece {
                call.arg(field).arg(bytes);
            }
            answer = self.link.send_write(lease, &call).await?.proven()?;
        }
        let mut parts = list(answer)?.into_iter();
        let mut next = || bytes(parts.next().unwrap_or_default());
        match next()?.as_slice() {
            b"ok" => {}
            // The next visit finds out what stands there instead.
            b"other" if self.member.takes_opening_back() => return Ok(Reopening::Follows),
            b"moved" => {
                self.link.discard(lease.generation);
                return Ok(Reopening::Follows);
            }
            _ => return Ok(Reopening::Follows),
        }
        let (all, opener) = (next()? == b"1", next()?);
        if opener != self.member.id().as_bytes() {
            return Ok(Reopening::Follows);
        }
        let bring = self.member.lead(log, fork);
        let Some((parent, _)) = self.member.opening() else {
            return Ok(Reopening::Follows);
        };
        Ok(Reopening::Leads { parent, bring, all })
    }

    /// Returns all that was handed in, in the order of the log. What the store had kept is not among it: written
    /// again, it would undo what came after it.
    pub(super) async fn recalled(&self) -> Result<Vec<Recalled>, FeedError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&self.keys.recall);
        let mut recalled = Vec::new();
        let fork = self.member.opening().map_or(Revision(0), |(_, fork)| fork);
        let odd = || corrupt("an entry that was handed in");
        for (field, bytes) in pairs(self.link.query(&ask).await?)? {
            let field = String::from_utf8(field).map_err(|_| odd())?;
            let mut words = field.split(':');
            let revision = words.next().and_then(|word| word.parse().ok());
            let fingerprint = words.next().and_then(|word| hex::decode(word).ok());
            let fingerprint = fingerprint.and_then(|bytes| Fingerprint::from_slice(&bytes));
            let acknowledged = words.next() == Some(ACKNOWLEDGED);
            let changes = match acknowledged {
                true => Arguments::unpack(&bytes)
                    .and_then(|commit| commit.changes().map(<[u8]>::to_vec))
                    .ok_or_else(odd)?,
                false => bytes.clone(),
            };
            recalled.push(Recalled {
                revision: Revision(revision.ok_or_else(odd)?),
                fingerprint: fingerprint.ok_or_else(odd)?,
                changes: decode_changes(&changes)?,
                commit: acknowledged.then_some(bytes),
            });
        }
        recalled.retain(|entry: &Recalled| entry.revision > fork);
        // Of two entries with one revision, the one that was acknowledged has the last word. What another
        // issuer only saw of it is no entry of its own.
        recalled.sort_by_key(|entry| (entry.revision, entry.commit.is_some()));
        let whole: HashSet<_> = recalled
            .iter()
            .filter(|entry| entry.commit.is_some())
            .map(|entry| (entry.revision, entry.fingerprint))
            .collect();
        recalled.retain(|entry| {
            entry.commit.is_some() || !whole.contains(&(entry.revision, entry.fingerprint))
        });
        Ok(recalled)
    }

    /// Commits an entry of the log before to a history that is being opened: whole, if that was handed in,
    /// or else its changes. Either has a request id of its own for ever, so that an entry which was brought back
    /// already is not written again over what came after it.
    pub(super) async fn bring_back(&self, entry: &Recalled) -> Result<(), CommitError> {
        match entry.commit.as_deref().and_then(Arguments::unpack) {
            Some(commit) => self.bring_one(&[commit]).await,
            None => {
                let mut digest = Sha256::new_with_prefix(entry.revision.0.to_be_bytes());
                digest.update(entry.fingerprint.0);
                let mut request = [0; 16];
                request.copy_from_slice(digest.finalize().split_at(16).0);
                self.bring_as(RequestId(request), entry.changes.clone())
                    .await
            }
        }
    }

    /// Commits to a history that is being opened.
    pub(super) async fn bring(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let mut request = [0; 16];
        let drawn = getrandom::fill(&mut request);
        drawn.map_err(|error| CommitError::Rejected(error.to_string()))?;
        self.bring_as(RequestId(request), changes).await
    }

    async fn bring_as(&self, request: RequestId, changes: Vec<Change>) -> Result<(), CommitError> {
        let commit = Commit {
            request,
            response: Vec::new(),
            class: CommitClass::Takeaway,
            changes,
            private: Vec::new(),
            expect: Vec::new(),
        };
        let pending = Pending {
            changes: commit.encoded()?,
            commit,
            answer: oneshot::channel().0,
        };
        self.bring_one(&[Arguments::new(&pending)]).await
    }

    async fn bring_one(&self, arguments: &[Arguments]) -> Result<(), CommitError> {
        let (log, sha) = (self.log(), self.script.get_hash());
        let call = |stream: &str| {
            let sign = |call: &mut Cmd| {
                call.arg(self.member.id()).arg(stream).arg("bring");
            };
            commit_call(sha, &self.keys, log, sign, arguments)
        };
        let mut done = self.call(call).await?;
        done.durable.map_err(CommitError::Unknown)?;
        let answer = done.opening.rest.next().unwrap_or_default();
        let told = committed(log, answer);
        let told = told.map_err(|error| CommitError::Unknown(error.to_string()))??;
        // If the store goes back once more, it is brought back once more.
        if let (None, [commit]) = (told.repeated, arguments) {
            self.recent.acknowledged(told.cursor, commit.pack());
        }
        Ok(())
    }

    /// Gives out no serial up to this one any more.
    pub(super) async fn pass_serial(&self, serial: Serial) -> Result<(), CommitError> {
        let call = |stream: &str| {
            let mut call = cmd("EVAL");
            call.arg(script::PASS).arg(1).arg(&self.keys.head);
            call.arg(self.log().0.as_slice());
            self.member.sign(&mut call, stream);
            call.arg(serial.0);
            call
        };
        let done = self.call(call).await?;
        done.durable.map_err(CommitError::Unknown)
    }

    /// Says that all is back, and vouches for it.
    pub(super) async fn settle(&self) -> Result<(), FeedError> {
        let mut call = cmd("EVAL");
        call.arg(script::SETTLE).arg(2);
        call.arg(&self.keys.head).arg(&self.keys.recall);
        let log = self.log();
        call.arg(log.0.as_slice()).arg(self.member.id());
        let mut parts = list(self.link.query_write(&call).await?.proven()?)?.into_iter();
        let mut next = || bytes(parts.next().unwrap_or_default());
        if next()? != b"ok" {
            return Err(FeedError::Lost(Reason::OtherLog.to_string()));
        }
        let odd = || corrupt("the end of an opening");
        let cursor = Cursor {
            log,
            revision: Revision(parse_number(&next()?).ok_or_else(odd)?),
            fingerprint: Fingerprint::from_slice(&next()?).ok_or_else(odd)?,
        };
        let version = parse_number(&next()?).ok_or_else(odd)?;
        let members = String::from_utf8(next()?).map_err(|_| odd())?;
        self.member.settled(cursor, version, members);
        Ok(())
    }
}

/// Lists the histories that were opened, oldest first.
pub(super) async fn histories(link: &Link, keys: &Keys) -> Result<Vec<History>, FeedError> {
    let mut ask = cmd("LRANGE");
    ask.arg(&keys.histories).arg(0).arg(-1);
    let mut histories = Vec::new();
    for line in list(link.query(&ask).await?)? {
        let line = String::from_utf8_lossy(&bytes(line)?).into_owned();
        histories.push(parse(&line).ok_or_else(|| corrupt("a history"))?);
    }
    Ok(histories)
}

fn parse(line: &str) -> Option<History> {
    let mut words = line.split(' ');
    let micros: u64 = words.next()?.parse().ok()?;
    let parent = super::reply::log_id(words.next()?);
    let mut number = || words.next()?.parse::<u64>().ok();
    Some(History {
        opened: crate::clock::UnixMillis(micros / 1000),
        parent,
        stood: Revision(number()?),
        heard: Revision(number()?),
        serial_stood: Serial(number()?),
        serial_heard: Serial(number()?),
        revision: Revision(number()?),
        serial: Serial(number()?),
    })
}
