//! This file reads the feed from Redis: the head, the log from a cursor on, and the confirm, which
//! proves where the store stands. It must not know how commits are written.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection, cmd, pipe};

use crate::{
    clock::UnixMillis,
    id::Cursor,
    state::Entry,
    store::{
        Confirmed, Feed, FeedError, HandedIn, Head, MAX_BATCH, MAX_USED, MAX_WAIT, Reason, Report,
        Snapshot, bound_millis,
        guards::Guards,
        redis::{
            durable::Majority,
            layout::Keys,
            library::{LIBRARY, is_absent},
            link::{Link, RESPONSE, Written},
            locate::Locator,
            member::since,
            options::{OpenError, OpenOptions},
            place::{IntoPlace, RedisPlace},
            reply::{StoredEntry, StoredHead, bytes, corrupt, list, parse_number},
            script, snapshot,
            trouble::Trouble,
            visits::HURRY,
        },
    },
};

/// One answer holds at most this many entries, so that a piece of the log has a bounded size even when
/// every entry is full.
const BATCH: usize = 256;
const _: () = assert!(BATCH <= MAX_BATCH);
/// At most this many connections are kept for the next readers of the log.
const IDLE: usize = 4;
/// A confirm is repeated this often while the issuers vouch anew: for a second.
const AGAIN: usize = 20;
/// A read of the log that finds its server left or gone is begun again at most this often.
const TRIES: usize = 3;

/// What a verifier calls: it reads the feed and writes receipts. It needs only the rights of the
/// verifier's Redis user that the text of `redis` describes.
pub struct RedisFeed {
    pub(super) keys: Keys,
    pub(super) link: Arc<Link>,
    /// The connections for reading the log, whose reads block, each with the number of the link's
    /// connection when it was made. A connection on which a dropped call was blocked is dropped too, and
    /// never given back.
    idle: Mutex<Vec<(u64, MultiplexedConnection)>>,
    /// Set once a warning was given that functions can't be loaded.
    warned: AtomicBool,
    guards: Guards,
}

impl RedisFeed {
    /// Makes the feed of a realm with one data node; it connects when it is first used.
    pub fn new(place: impl IntoPlace, realm: &str) -> Result<Self, OpenError> {
        Self::of_nodes(place, realm, 1, Guards::ALL)
    }

    /// Makes the feed of a realm with this number of data nodes: a confirm counts once a majority of
    /// them has it.
    pub fn of_nodes(
        place: impl IntoPlace,
        realm: &str,
        nodes: u8,
        guards: Guards,
    ) -> Result<Self, OpenError> {
        let keys = Keys::new(realm).ok_or(OpenError::Realm)?;
        let locator = Locator::new(place.into_place()?, keys.head.clone());
        let majority = Majority::new(nodes, &guards)?;
        Ok(Self::over(keys, Link::new(locator, majority, None), guards))
    }

    /// Makes an issuer's feed, which checks the server's settings.
    pub(super) fn checked(
        place: &RedisPlace,
        keys: Keys,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        let link = Self::issuers_link(place, &keys, options)?;
        Ok(Self::over(keys, link, options.guards))
    }

    /// Makes a link of an issuer, which checks the server's settings on each new connection.
    pub(super) fn issuers_link(
        place: &RedisPlace,
        keys: &Keys,
        options: &OpenOptions,
    ) -> Result<Link, OpenError> {
        let majority = Majority::new(options.data_nodes, &options.guards)?;
        let locator = Locator::new(place.clone(), keys.head.clone());
        Ok(Link::new(locator, majority, Some(*options)))
    }

    fn over(keys: Keys, link: Link, guards: Guards) -> Self {
        Self {
            guards,
            keys,
            link: Arc::new(link),
            idle: Mutex::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// Loads the function by which verifiers confirm. Only an issuer does this.
    pub(super) async fn load_functions(&self) -> Result<(), Trouble> {
        self.link.query(&LIBRARY.load()).await.map(|_| ())
    }

    /// Requests the confirm's answer by the function, or by a script where the function is absent.
    async fn ask_confirm(&self, report: &Report, applied: &Cursor) -> Result<Written, FeedError> {
        let arguments = |mut ask: Cmd| {
            ask.arg(&self.keys.head).arg(&self.keys.log);
            ask.arg(applied.log.0.as_slice()).arg(applied.revision.0);
            ask.arg(applied.fingerprint.0.as_slice());
            ask.arg(&report.follower).arg(bound_millis(report.bound));
            ask.arg(applied.log.to_string()).arg(&self.keys.used);
            ask.arg(u8::from(self.guards.vouching));
            for used in report.used.iter().take(MAX_USED) {
                ask.arg(used.token.0).arg(used.hour);
            }
            ask
        };
        let mut call = cmd("FCALL");
        call.arg(&LIBRARY.confirm).arg(2);
        call.arg(&self.keys.receipts).arg(&self.keys.seen);
        let call = arguments(call);
        let absent = match self.link.query_write(&call).await {
            Err(trouble) if is_absent(&trouble) => trouble,
            answer => return Ok(answer?),
        };
        if self.link.is_issuers() {
            match self.load_functions().await {
                Ok(()) => return Ok(self.link.query_write(&call).await?),
                Err(trouble) => self.warn_once(&trouble),
            }
        }
        let mut eval = cmd("EVAL");
        eval.arg(script::CONFIRM).arg(1).arg(&self.keys.receipts);
        match self.link.query_write(&arguments(eval)).await {
            Err(trouble) if is_absent(&trouble) => Err(FeedError::Unavailable(format!(
                "can't confirm: {absent}; an issuer of this version loads the function, and this \
                 user must be allowed to call it"
            ))),
            answer => Ok(answer?),
        }
    }

    pub(super) fn warn_once(&self, trouble: &Trouble) {
        if !self.warned.swap(true, Relaxed) {
            tracing::warn!(
                "functions can't be loaded into Redis, so verifiers must run scripts: {trouble}"
            );
        }
    }

    /// Confirms, and returns how many followers' notes wait to be moved into the pages.
    pub(super) async fn confirm_waiting(
        &self,
        report: &Report,
        applied: &Cursor,
    ) -> Result<(Confirmed, u64), FeedError> {
        for _ in 0..AGAIN {
            if let Some(told) = self.confirm_once(report, applied).await? {
                return Ok(told);
            }
            tokio::time::sleep(HURRY).await;
        }
        Err(FeedError::Unavailable(
            "a replica was filled anew, and the issuers have not vouched since".into(),
        ))
    }

    /// Returns `None` if a replica was filled anew since the issuers vouched, which they do again in a
    /// moment.
    async fn confirm_once(
        &self,
        report: &Report,
        applied: &Cursor,
    ) -> Result<Option<(Confirmed, u64)>, FeedError> {
        let mut written = self.ask_confirm(report, applied).await?;
        written.durable.clone().map_err(FeedError::Unavailable)?;
        let mut parts = list(std::mem::take(&mut written.answer))?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let at = applied.revision;
        let lost = match bytes(next())?.as_slice() {
            b"on" => {
                let time = parse_number(&bytes(next())?).ok_or_else(|| corrupt("the time"))?;
                let confirmed = Confirmed {
                    head: StoredHead::new(next())?.head,
                    time: UnixMillis(time),
                };
                let waiting = parse_number(&bytes(next())?).unwrap_or(0);
                let since = since(Some(next()))?.filter(|_| self.guards.continuity);
                if written.was_refilled_since(since) {
                    return Ok(None);
                }
                let durable = written.durable_since(since);
                durable.map_err(FeedError::Unavailable)?;
                return Ok(Some((confirmed, waiting)));
            }
            b"unvouched" => {
                return Err(FeedError::Unavailable(Reason::Unvouched.to_string()));
            }
            b"gone" => "the realm is not in this Redis".to_owned(),
            b"other" => "the realm has another log".to_owned(),
            b"beyond" => format!("{at} is beyond the head"),
            b"trimmed" => format!("the log at {at} was trimmed"),
            b"fork" => format!("another entry has revision {at}"),
            _ => return Err(corrupt("a confirm")),
        };
        Err(FeedError::Lost(lost))
    }

    pub(super) async fn stored_head(&self) -> Result<StoredHead, FeedError> {
        StoredHead::new(self.link.query(cmd("HGETALL").arg(&self.keys.head)).await?)
    }

    /// Returns the entries after the cursor without a wait; there are none only if the cursor is the
    /// head.
    async fn at_hand(
        &self,
        connection: &mut MultiplexedConnection,
        after: &Cursor,
    ) -> Result<Vec<Entry>, FeedError> {
        let mut ask = pipe();
        ask.cmd("HGETALL").arg(&self.keys.head);
        ask.add_command(self.xread(after, None));
        let answers = within(RESPONSE, ask_all(connection, &ask)).await?;
        let Ok([head, entries]) = <[Value; 2]>::try_from(answers) else {
            return Err(corrupt("a pipeline"));
        };
        let head = StoredHead::new(head)?.head.cursor;
        if head.log != after.log {
            return Err(FeedError::Lost("the realm has another log".into()));
        }
        let entries = chain(after, entries)?;
        if !entries.is_empty() || head == *after {
            return Ok(entries);
        }
        Err(FeedError::Lost(if head.revision < after.revision {
            format!("{} is beyond the head, {}", after.revision, head.revision)
        } else if head.revision == after.revision {
            format!("another entry has revision {}", after.revision)
        } else {
            format!("the log after {} was trimmed", after.revision)
        }))
    }

    async fn follow(
        &self,
        connection: &mut MultiplexedConnection,
        after: &Cursor,
        wait: Duration,
    ) -> Result<Vec<Entry>, FeedError> {
        // After a rollback, an XREAD beyond the end of the log blocks without an error. So the cursor
        // is proved to be the head before the wait, and again when no entry came.
        let entries = self.at_hand(connection, after).await?;
        if !entries.is_empty() || wait.is_zero() {
            return Ok(entries);
        }
        let ask = self.xread(after, Some(wait));
        let came = within(wait + RESPONSE, ask_one(connection, &ask)).await?;
        let entries = chain(after, came)?;
        if entries.is_empty() {
            return self.at_hand(connection, after).await;
        }
        Ok(entries)
    }

    fn xread(&self, after: &Cursor, block: Option<Duration>) -> Cmd {
        let mut ask = cmd("XREAD");
        ask.arg("COUNT").arg(BATCH);
        if let Some(wait) = block {
            // A BLOCK of 0 would wait for ever.
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            ask.arg("BLOCK").arg(millis);
        }
        let id = format!("{}-0", after.revision);
        ask.arg("STREAMS").arg(&self.keys.log).arg(id);
        ask
    }

    /// Takes a connection that was made since the link's own last moved.
    fn take_idle(&self, made: u64) -> Option<MultiplexedConnection> {
        let mut idle = self.idle();
        idle.retain(|(then, _)| *then == made);
        idle.pop().map(|(_, connection)| connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(u64, MultiplexedConnection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask_one(
    connection: &mut MultiplexedConnection,
    ask: &Cmd,
) -> Result<Value, redis::RedisError> {
    ask.query_async(connection).await
}

async fn ask_all(
    connection: &mut MultiplexedConnection,
    ask: &Pipeline,
) -> Result<Vec<Value>, redis::RedisError> {
    ask.query_async(connection).await
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, FeedError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| FeedError::Unavailable(error.to_string())),
        Err(_) => Err(FeedError::Unavailable("no answer in time".into())),
    }
}

/// Decodes the answer of XREAD, and proves that each entry follows the one before it.
fn chain(after: &Cursor, answer: Value) -> Result<Vec<Entry>, FeedError> {
    let Some(stream) = list(answer)?.into_iter().next() else {
        return Ok(Vec::new());
    };
    let entries = list(stream)?.into_iter().nth(1).unwrap_or_default();
    let mut last = *after;
    let mut chained = Vec::new();
    for entry in StoredEntry::list(entry_list(entries)?)? {
        let entry = entry.decode(after.log)?;
        if entry.cursor.revision.0 != last.revision.0 + 1 {
            return Err(FeedError::Lost(format!(
                "the log after {} was trimmed",
                last.revision
            )));
        }
        if entry.predecessor != last.fingerprint {
            return Err(FeedError::Lost(format!(
                "another entry has revision {}",
                last.revision
            )));
        }
        last = entry.cursor;
        chained.push(entry);
    }
    Ok(chained)
}

fn entry_list(value: Value) -> Result<Value, FeedError> {
    match value {
        Value::Array(_) => Ok(value),
        _ => Err(corrupt("the log")),
    }
}

#[async_trait]
impl Feed for RedisFeed {
    async fn head(&self) -> Result<Head, FeedError> {
        Ok(self.stored_head().await?.head)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        snapshot::snapshot(self.link.clone(), self.keys.clone())
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        let wait = wait.min(MAX_WAIT);
        let mut moves = self.link.moves();
        let mut answer = Err(FeedError::Unavailable("no server answered".into()));
        for _ in 0..TRIES {
            let made = *moves.borrow_and_update();
            let idle = self.take_idle(made);
            let reused = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.link.connect(None).await?,
            };
            // A server that was left by the confirms is left here too: a read that waits at an old
            // primary would hear of nothing.
            answer = tokio::select! {
                biased;
                answer = self.follow(&mut connection, after, wait) => answer,
                _ = moves.changed() => continue,
            };
            match &answer {
                // The server may have been restarted since: the other idle connections are broken too.
                Err(FeedError::Unavailable(_)) if reused => self.idle().clear(),
                Err(FeedError::Unavailable(_)) => break,
                // An old primary that came back has a shorter log until it is made a replica. What such a
                // server lacks is not lost, so it is left, and the next read finds the primary.
                Err(FeedError::Lost(why)) if !self.link.is_followed(&mut connection).await => {
                    let why = format!("a server without a majority says: {why}");
                    answer = Err(FeedError::Unavailable(why));
                    break;
                }
                _ => {
                    let mut idle = self.idle();
                    if idle.len() < IDLE {
                        idle.push((made, connection));
                    }
                    break;
                }
            }
        }
        answer
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        Ok(self.confirm_waiting(report, applied).await?.0)
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        self.keep_piece(piece).await
    }
}
