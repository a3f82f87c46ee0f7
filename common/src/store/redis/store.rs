//! This file is the store of an issuer in Redis: it decides how issuers' calls become commands and
//! groups. It must not know what is certain when a connection breaks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Cmd, Pipeline, Value, cmd, pipe};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    clock::UnixTime,
    id::{AccountId, Cursor, LogId, RequestId, Serial, TokenId},
    state::{Entry, key::Key, record::Change},
    store::{
        AuditId, Commit, CommitError, Committed, Confirmed, Feed, FeedError, HandedIn, Head,
        History, Reason, Recalled, Receipt, Reopening, Report, Retention, Snapshot, Store, Stored,
        committer::{Bounds, Queue},
        redis::{
            feed::RedisFeed,
            history,
            layout::{Keys, expiry, expiry_of, field, stored, used_place},
            make,
            member::{Member, Word},
            options::{OpenError, OpenOptions},
            place::IntoPlace,
            reply::{StoredHead, audit_record, bytes, corrupt, list, parse_number, receipts},
            script::{self, opened, remembered},
            trim,
            trouble::Trouble,
            writer::Writer,
        },
    },
};

/// This many groups are on their way at once: the server works on one while the next one travels.
const OUTSTANDING: usize = 2;
/// The server runs a group in one go while all other clients wait: about 1,500 records of an import,
/// which take 5 ms.
const GROUP: Bounds = Bounds {
    commits: 256,
    bytes: 96 * 1024,
};

/// One move of what was seen takes at most this many steps of four followers each; the rest waits for
/// the next move.
const DRAINS: usize = 16;

/// One realm in a Redis server: the store of an issuer, which several issuers may share.
pub struct RedisStore {
    pub(super) feed: RedisFeed,
    writer: Arc<Writer>,
    queue: Arc<Queue>,
    visits: JoinHandle<()>,
}

impl RedisStore {
    /// Connects, checks the server's settings, and finds the realm; it makes the realm if `create` is
    /// set.
    pub async fn open(
        place: impl IntoPlace + Send,
        realm: &str,
        options: OpenOptions,
    ) -> Result<Self, OpenError> {
        let place = place.into_place()?;
        let keys = Keys::new(realm).ok_or(OpenError::Realm)?;
        let feed = RedisFeed::checked(&place, keys.clone(), &options)?;
        let unreachable = |trouble| match trouble {
            Trouble::Volatile(wrong) => OpenError::Volatile(wrong),
            other => OpenError::Unavailable(other.to_string()),
        };
        let found = cmd("EXISTS").arg(&keys.head).to_owned();
        let found = feed.link.query(&found).await.map_err(unreachable)?;
        if found == Value::Int(0) {
            if !options.create {
                return Err(OpenError::NoRealm);
            }
            make::create(&feed).await?;
        }
        let head = feed.head().await.map_err(|error| match error {
            FeedError::Unavailable(text) => OpenError::Unavailable(text),
            other => OpenError::Store(other.to_string()),
        })?;
        if let Err(trouble) = feed.load_functions().await {
            feed.warn_once(&trouble);
        }
        let link = RedisFeed::issuers_link(&place, &keys, &options)?;
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| OpenError::Store(error.to_string()))?;
        let alone = options.data_nodes == 1;
        let (id, guards) = (hex::encode(id), options.guards);
        let member = Member::new(id, options.lease, alone, guards, head.cursor.log);
        let writer = Arc::new(Writer::new(link, keys, member, guards.continuity));
        let queue = Arc::new(Queue::new(GROUP));
        tokio::spawn(write(queue.clone(), writer.clone()));
        let visits = {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.keep_visiting().await })
        };
        Ok(Self {
            feed,
            writer,
            queue,
            visits,
        })
    }

    /// Takes the store as it is, where no issuer is left that remembers what it acknowledged: issuers
    /// that are silent are struck off, and this one vouches without memory. What the server lost is then
    /// lost for good, so this is an operator's word. Returns `false` while an issuer that is not silent has
    /// not vouched.
    pub async fn take_as_it_is(&self) -> Result<bool, FeedError> {
        self.writer.take_as_it_is().await
    }

    /// Ends the part that this store takes: it leaves the roster of the realm's issuers. An issuer that
    /// ends without this call is struck off by the others once its lease is over.
    pub async fn close(&self) {
        self.visits.abort();
        self.writer.leave().await;
    }

    /// Makes the realm where there is none and there never was one. Fails with `Known` if the realm or
    /// any key of it is there.
    pub async fn make(
        place: impl IntoPlace + Send,
        realm: &str,
        options: OpenOptions,
    ) -> Result<(), OpenError> {
        make::make(&place.into_place()?, realm, &options).await
    }

    /// Lists the histories of a realm that were opened because its store had lost something, oldest first.
    pub async fn histories(
        place: impl IntoPlace + Send,
        realm: &str,
        options: OpenOptions,
    ) -> Result<Vec<History>, OpenError> {
        let place = place.into_place()?;
        let keys = Keys::new(realm).ok_or(OpenError::Realm)?;
        let feed = RedisFeed::checked(&place, keys.clone(), &options)?;
        let found = history::histories(&feed.link, &keys).await;
        found.map_err(|error| OpenError::Unavailable(error.to_string()))
    }

    /// Returns the id of the log that this store commits to.
    pub fn log(&self) -> LogId {
        self.writer.log()
    }

    /// Moves what verifiers have seen to the pages from which it is read.
    async fn drain(&self) -> Result<(), FeedError> {
        let keys = &self.feed.keys;
        let mut call = cmd("EVAL");
        call.arg(script::DRAIN).arg(1).arg(&keys.seen);
        call.arg(&keys.head).arg(&keys.used);
        for _ in 0..DRAINS {
            let left = self.feed.link.query(&call).await?;
            if parse_number(&bytes(left)?).unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Moves what verifiers have seen. That it isn't moved yet hinders nobody.
    async fn try_to_drain(&self) {
        if let Err(error) = self.drain().await {
            tracing::warn!(%error, "what verifiers have seen can't be noted");
        }
    }

    /// Queries this store's realm only: a realm that was wiped is not taken for an empty one.
    pub(super) async fn ask(&self, ask: Cmd) -> Result<Value, FeedError> {
        let mut both = pipe();
        both.cmd("HGET").arg(&self.feed.keys.head).arg("log");
        both.add_command(ask);
        let Ok([log, answer]) = <[Value; 2]>::try_from(self.read(&both).await?) else {
            return Err(corrupt("a pipeline"));
        };
        match log {
            Value::BulkString(log) if log == self.log().0 => Ok(answer),
            Value::Nil => Err(FeedError::Lost(Reason::Gone.to_string())),
            _ => Err(self.other_log().await),
        }
    }

    /// Says what another log in the store means: a history that is about to be opened or gone over to passes by
    /// itself, a realm that was made anew doesn't.
    async fn other_log(&self) -> FeedError {
        let mut ask = pipe();
        let fields = ["log", "parent", "before"];
        ask.cmd("HMGET").arg(&self.feed.keys.head).arg(&fields);
        let told = match self.read(&ask).await {
            Ok(mut told) => list(told.pop().unwrap_or_default()),
            Err(error) => return error,
        };
        let ids: Vec<u8> = told
            .unwrap_or_default()
            .into_iter()
            .flat_map(|it| bytes(it).unwrap_or_default())
            .collect();
        let ours = self.writer.member.lineage();
        match ids
            .chunks_exact(16)
            .any(|id| ours.iter().any(|it| it.0 == id))
        {
            true => FeedError::Unavailable(Reason::Reopened.to_string()),
            false => FeedError::Lost(Reason::OtherLog.to_string()),
        }
    }

    /// Reads over the feed's connection, where no commit is waited for. If it leads to another primary than the
    /// one that this issuer vouched for, the commits' connection is asked: one of the two may lack what was
    /// acknowledged.
    async fn read(&self, ask: &Pipeline) -> Result<Vec<Value>, FeedError> {
        let (feed, writer) = (&self.feed.link, &self.writer);
        let (answers, of_feed) = feed.query_all_on(ask).await?;
        if writer.member.may_read(of_feed.stream()) {
            return Ok(answers);
        }
        let (answers, mut lease) = writer.link.query_all_on(ask).await?;
        if !writer.member.may_read(lease.stream()) {
            writer.visit(&mut lease, Word::Usual).await?;
        }
        if !writer.member.may_read(of_feed.stream()) {
            feed.discard(of_feed.generation);
        }
        if writer.member.may_read(lease.stream()) {
            return Ok(answers);
        }
        Err(FeedError::Unavailable(Reason::Unvouched.to_string()))
    }
}

/// Sends queued commits until the queue is closed.
async fn write(queue: Arc<Queue>, writer: Arc<Writer>) {
    let slots = Arc::new(Semaphore::new(OUTSTANDING));
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let Some(group) = queue.next_group().await else {
            return;
        };
        let writer = writer.clone();
        tokio::spawn(async move {
            writer.send(group).await;
            drop(slot);
        });
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.visits.abort();
        self.queue.close();
    }
}

#[async_trait]
impl Feed for RedisStore {
    async fn head(&self) -> Result<Head, FeedError> {
        let mut ask = pipe();
        ask.cmd("HGETALL").arg(&self.feed.keys.head);
        let head = self.read(&ask).await?.pop().unwrap_or_default();
        Ok(StoredHead::new(head)?.head)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        self.feed.snapshot()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        let entries = self.feed.read_log(after, wait).await?;
        self.writer.recent.saw(&entries);
        Ok(entries)
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        let (confirmed, waiting) = self.feed.confirm_waiting(report, applied).await?;
        if waiting > 0 {
            self.try_to_drain().await;
        }
        Ok(confirmed)
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        self.feed.keep_piece(piece).await
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn take_serial(&self) -> Result<Serial, CommitError> {
        self.writer.take_serial().await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.queue.commit(commit).await
    }

    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError> {
        let mut ask = cmd("GET");
        ask.arg(self.feed.keys.request(request));
        let value = match self.ask(ask).await? {
            Value::Nil => return Ok(None),
            value => bytes(value)?,
        };
        let (_, response) = remembered(self.log(), &value).ok_or_else(|| corrupt("a request"))?;
        Ok(Some(response))
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        let mut call = cmd("EVAL");
        call.arg(script::GET).arg(1).arg(&self.feed.keys.head);
        call.arg(&self.feed.keys.prefix)
            .arg(self.log().0.as_slice());
        for key in keys {
            call.arg(key.kind.number()).arg(field(&key.bytes));
        }
        let mut ask = pipe();
        ask.add_command(call);
        let answer = self.read(&ask).await?.pop().unwrap_or_default();
        let found = match opened(answer)? {
            Ok(found) => found,
            Err(Reason::Unvouched) => {
                return Err(FeedError::Unavailable(Reason::Unvouched.to_string()));
            }
            Err(Reason::OtherLog) => return Err(self.other_log().await),
            Err(reason) => return Err(FeedError::Lost(reason.to_string())),
        };
        if found.len() != keys.len() {
            return Err(corrupt("records"));
        }
        keys.iter()
            .zip(found)
            .map(|(key, value)| match value {
                Value::Nil => Ok(None),
                value => stored(key, &bytes(value)?).map(Some),
            })
            .collect()
    }

    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError> {
        let mut ask = cmd("SMEMBERS");
        ask.arg(self.feed.keys.owner(owner));
        let after = after.map_or(0, |token| token.0);
        let mut tokens = Vec::new();
        for token in list(self.ask(ask).await?)? {
            let token = parse_number(&bytes(token)?).ok_or_else(|| corrupt("a token's id"))?;
            if token > after {
                tokens.push(TokenId(token));
            }
        }
        tokens.sort_unstable();
        tokens.truncate(limit);
        Ok(tokens)
    }

    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError> {
        let bound = |sign: u8, member: [u8; 16]| [&[sign], member.as_slice()].concat();
        let first = bound(b'[', expiry(from, TokenId(0)));
        let first = after.map_or(first, |(at, token)| bound(b'(', expiry(at, token)));
        let mut ask = cmd("ZRANGEBYLEX");
        ask.arg(&self.feed.keys.expiries).arg(first);
        ask.arg(bound(b'(', expiry(to, TokenId(0))));
        ask.arg("LIMIT").arg(0).arg(limit);
        list(self.ask(ask).await?)?
            .into_iter()
            .map(|member| expiry_of(&bytes(member)?).ok_or_else(|| corrupt("a token's end")))
            .collect()
    }

    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        self.try_to_drain().await;
        let mut ask = pipe();
        for token in tokens {
            let (page, offset) = used_place(*token);
            let key = format!("{}{page}", self.feed.keys.used);
            ask.cmd("GETRANGE").arg(key).arg(offset).arg(offset + 3);
        }
        let answers = self.read(&ask).await?;
        let hour = |answer| {
            let bytes = bytes(answer)?;
            let hour = <[u8; 4]>::try_from(bytes.as_slice()).map(u32::from_be_bytes);
            Ok(hour.ok().filter(|hour| *hour != 0))
        };
        answers.into_iter().map(hour).collect()
    }

    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError> {
        let mut ask = cmd("HGETALL");
        ask.arg(&self.feed.keys.receipts);
        receipts(self.ask(ask).await?)
    }

    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError> {
        let mut ask = cmd("XRANGE");
        ask.arg(&self.feed.keys.audit)
            .arg(format!("({}-{}", after.0, after.1));
        ask.arg("+").arg("COUNT").arg(limit);
        list(self.ask(ask).await?)?
            .into_iter()
            .map(audit_record)
            .collect()
    }

    async fn able(&self) -> Result<(), Reason> {
        self.writer.able().await
    }

    async fn reopen(&self, state: &Cursor) -> Result<Reopening, FeedError> {
        self.writer.reopen(state).await
    }

    async fn recalled(&self) -> Result<Vec<Recalled>, FeedError> {
        self.writer.recalled().await
    }

    async fn bring_back(&self, entry: &Recalled) -> Result<(), CommitError> {
        self.writer.bring_back(entry).await
    }

    async fn bring(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.writer.bring(changes).await
    }

    async fn settle(&self) -> Result<(), FeedError> {
        self.writer.settle().await
    }

    async fn handed_in(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError> {
        self.feed.pieces().await
    }

    async fn took_in(&self, name: &[u8]) -> Result<(), FeedError> {
        self.feed.drop_piece(name).await
    }

    async fn pass_serial(&self, serial: Serial) -> Result<(), CommitError> {
        self.writer.pass_serial(serial).await
    }

    async fn trim(&self, retention: &Retention) -> Result<(), FeedError> {
        trim::trim(&self.feed, self.log(), retention).await
    }
}
