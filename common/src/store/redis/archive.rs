//! This file reads from Redis what an archive needs beside the feed, and makes a realm of an archive.
//!
//! A realm that is being made has a format of its own: no issuer and no follower of any version opens it. If
//! the restore breaks off, it stays so, and its keys are deleted by hand.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use prost::Message as _;
use redis::{Cmd, Script, Value, cmd, pipe};
use tokio::sync::oneshot;

use crate::{
    id::{AccountId, Cursor, TokenId},
    state::{key::Key, record::Kind},
    store::{
        Commit, FeedError, Head, Snapshot,
        archive::{Archive, ArchiveError, Fresh, Origin, Paged},
        committer::Pending,
        redis::{
            feed::RedisFeed,
            layout::{Keys, key_of, number, stored},
            make::{self, known},
            member::opening,
            options::{OpenError, OpenOptions},
            place::IntoPlace,
            reply::{StoredHead, bytes, corrupt, list, pairs, parse_number},
            script::{self, Arguments, commit_call, committed},
            snapshot::snapshot_by,
            store::RedisStore,
            trouble::Trouble,
        },
        wire,
    },
};

/// One page reads this many buckets.
const BUCKETS: u64 = 16;
/// One step looks at this many keys; other clients of Redis wait meanwhile.
const LOOKED_AT: u64 = 1000;
/// A call whose outcome is unknown is repeated at most this often, with this pause.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(250);

#[async_trait]
impl Archive for RedisStore {
    async fn issuer_records(
        &self,
        kind: Kind,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(Key, Vec<u8>)>, FeedError> {
        let keys = &self.feed.keys;
        let from = from.and_then(|from| number(&from).map(|(bucket, _)| bucket));
        let first = from.unwrap_or(0);
        let next = first.saturating_add(BUCKETS);
        let mut ask = pipe();
        for bucket in first..next {
            ask.cmd("HGETALL").arg(keys.issuers_bucket(kind, bucket));
        }
        // The count is read after the buckets: a bucket that was split meanwhile has added one, and records
        // only move to that.
        let buckets = format!("buckets{}", kind.number());
        ask.cmd("HMGET").arg(&keys.head).arg("log").arg(buckets);
        let mut answers = self.feed.link.query_all(&ask).await?;
        let Ok([log, buckets]) = <[Value; 2]>::try_from(list(answers.pop().unwrap_or_default())?)
        else {
            return Err(corrupt("the head"));
        };
        self.is_own(log)?;
        let buckets = match buckets {
            Value::Nil => 1,
            count => parse_number(&bytes(count)?).ok_or_else(|| corrupt("a count"))?,
        };
        let mut records = Vec::new();
        for answer in answers {
            for (field, value) in pairs(answer)? {
                let key = key_of(kind, &field)?;
                let value = stored(&key, &value)?.value;
                records.push((key, value));
            }
        }
        let next = (next < buckets).then(|| next.to_be_bytes().to_vec());
        Ok((records, next))
    }

    async fn owners_tokens(
        &self,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(AccountId, TokenId)>, FeedError> {
        // A realm's name has no characters with a meaning in a pattern.
        let lists = format!("{}i:o:", self.feed.keys.prefix);
        let mut scan = cmd("SCAN");
        scan.arg(from.unwrap_or(b"0".to_vec()));
        scan.arg("MATCH").arg(format!("{lists}*"));
        scan.arg("COUNT").arg(LOOKED_AT);
        let answer = list(self.ask(scan).await?)?;
        let Ok([next, found]) = <[Value; 2]>::try_from(answer) else {
            return Err(corrupt("a scan"));
        };
        let next = bytes(next)?;
        let mut owners = Vec::new();
        let mut ask = pipe();
        for key in list(found)? {
            let key = bytes(key)?;
            let owner = key.strip_prefix(lists.as_bytes());
            let owner = owner.and_then(|owner| std::str::from_utf8(owner).ok());
            let owner = owner.and_then(|owner| AccountId::parse(owner).ok());
            owners.push(owner.ok_or_else(|| corrupt("an owner's id"))?);
            ask.cmd("SMEMBERS").arg(key);
        }
        let mut tokens = Vec::new();
        if !owners.is_empty() {
            let answers = self.feed.link.query_all(&ask).await?;
            for (owner, answer) in owners.iter().zip(answers) {
                for token in list(answer)? {
                    let token = parse_number(&bytes(token)?);
                    let token = token.ok_or_else(|| corrupt("a token's id"))?;
                    tokens.push((owner.clone(), TokenId(token)));
                }
            }
        }
        Ok((tokens, (next != b"0").then_some(next)))
    }
}

impl RedisStore {
    fn is_own(&self, log: Value) -> Result<(), FeedError> {
        match log {
            Value::BulkString(log) if log == self.log().0 => Ok(()),
            _ => Err(FeedError::Lost("the realm has another log".into())),
        }
    }

    /// Begins to make a realm of an archive, where nothing of a realm of this name is.
    pub async fn restore(
        place: impl IntoPlace + Send,
        realm: &str,
        options: OpenOptions,
        origin: &Origin,
    ) -> Result<Box<dyn Fresh>, ArchiveError> {
        let opened = |error: OpenError| match error {
            OpenError::Known => ArchiveError::There(format!(
                "{error}; a realm is restored where nothing of it is left: delete the keys that \
                 begin with {{tw:{realm}}}:"
            )),
            error => ArchiveError::Store(error.to_string()),
        };
        let keys = Keys::new(realm).ok_or(opened(OpenError::Realm))?;
        let place = place.into_place().map_err(opened)?;
        let feed = RedisFeed::checked(&place, keys, &options).map_err(opened)?;
        if known(&feed).await.map_err(opened)? {
            return Err(opened(OpenError::Known));
        }
        let begun = origin.draw()?;
        let mut call = cmd("EVAL");
        call.arg(script::RESTORE).arg(2);
        call.arg(&feed.keys.head).arg(&feed.keys.log);
        call.arg(begun.cursor.log.0.as_slice());
        call.arg(begun.cursor.revision.0);
        call.arg(begun.cursor.fingerprint.0.as_slice());
        call.arg(begun.serial.0);
        parentage(&mut call, &origin.fork);
        let making = Making {
            feed,
            log: begun.cursor,
            script: Script::new(script::COMMIT),
        };
        match making.certain(&call).await.map(bytes)?.as_deref() {
            Ok(b"made") => Ok(Box::new(making)),
            _ => Err(opened(OpenError::Known)),
        }
    }

    /// Returns the cursor of the log that this realm was restored from; `None` if it was made anew.
    pub async fn fork(&self) -> Result<Option<Cursor>, FeedError> {
        let mut ask = cmd("HGET");
        ask.arg(&self.feed.keys.head).arg("origin_cursor");
        match self.ask(ask).await? {
            Value::Nil => Ok(None),
            fork => {
                let fork = tokenward_proto::internal::Cursor::decode(bytes(fork)?.as_slice());
                let fork = fork.map_err(|_| corrupt("the parent's cursor"))?;
                Ok(Some(wire::cursor_from_proto(Some(fork))?))
            }
        }
    }
}

/// Says which log a history comes from: the log's id, and the cursor at which it was left.
fn parentage(call: &mut Cmd, fork: &Cursor) {
    call.arg(fork.log.0.as_slice());
    call.arg(wire::cursor_to_proto(fork).encode_to_vec());
}

struct Making {
    feed: RedisFeed,
    log: Cursor,
    script: Script,
}

impl Making {
    /// Calls a script that may be called again until it is certain that what it wrote is durable.
    async fn certain(&self, call: &Cmd) -> Result<Value, ArchiveError> {
        let mut tries = 0;
        loop {
            let why = match self.feed.link.query_write(call).await {
                Ok(written) => match written.proven() {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error.to_string(),
                },
                Err(Trouble::Answered { code, .. }) if code == "NOSCRIPT" => {
                    let mut load = cmd("SCRIPT");
                    load.arg("LOAD").arg(script::COMMIT);
                    self.feed.link.query(&load).await.map_err(failed)?;
                    "the server's scripts were flushed".into()
                }
                Err(trouble @ (Trouble::Lost { .. } | Trouble::Refused(_))) => trouble.to_string(),
                Err(trouble) => return Err(failed(trouble)),
            };
            tries += 1;
            if tries == TRIES {
                return Err(ArchiveError::Store(why));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn failed(trouble: Trouble) -> ArchiveError {
    ArchiveError::Store(make::trouble(trouble).to_string())
}

#[async_trait]
impl Fresh for Making {
    async fn write(&mut self, commits: Vec<Commit>) -> Result<(), ArchiveError> {
        let mut group = Vec::with_capacity(commits.len());
        for commit in commits {
            let changes = commit.encoded()?;
            // Its answer comes with the call.
            let (answer, _) = oneshot::channel();
            group.push(Arguments::new(&Pending {
                commit,
                changes,
                answer,
            }));
        }
        let log = self.log.log;
        // A realm that is being restored has no issuers yet, so nobody vouches.
        let sign = |call: &mut Cmd| {
            call.arg("").arg("").arg("any");
        };
        let call = commit_call(self.script.get_hash(), &self.feed.keys, log, sign, &group);
        let Ok(opening) = opening(self.certain(&call).await?)? else {
            return Err(ArchiveError::Store(
                "the realm was made anew meanwhile".into(),
            ));
        };
        for part in opening.rest {
            committed(log, part)??;
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot<'static> {
        let link = Arc::clone(&self.feed.link);
        snapshot_by(link, self.feed.keys.clone(), StoredHead::restoring)
    }

    async fn head(&self) -> Result<Head, FeedError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&self.feed.keys.head);
        Ok(StoredHead::restoring(self.feed.link.query(&ask).await?)?.head)
    }

    async fn finish(self: Box<Self>) -> Result<(), ArchiveError> {
        let mut call = cmd("EVAL");
        call.arg(script::RESTORE).arg(2);
        call.arg(&self.feed.keys.head).arg(&self.feed.keys.log);
        call.arg(self.log.log.0.as_slice());
        match bytes(self.certain(&call).await?)?.as_slice() {
            b"done" => Ok(()),
            _ => Err(ArchiveError::Store(
                "the realm was made anew meanwhile".into(),
            )),
        }
    }
}
