//! This file keeps one connection, makes it anew when it breaks, and decides what is certain then. It
//! must not know what the commands do, nor where the server is.
//!
//! A multiplexed connection never repairs itself, and calls to a hung server only time out. After
//! either the connection is dropped, and the next call connects to the server that is found then. A
//! call is sent twice only if its caller allows, or if the server says that it did not run it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{Cmd, Pipeline, RedisError, Value, aio::MultiplexedConnection, cmd, pipe};
use tokio::{sync::watch, time::Instant};

use crate::store::{
    FeedError,
    redis::{
        dial::{Login, Replication},
        durable::{Majority, Proof},
        locate::Locator,
        options::OpenOptions,
        reply::bytes,
        settings,
        trouble::{Instead, Trouble},
    },
};

/// An answer may take at most this long; after that the connection is dropped.
pub(super) const RESPONSE: Duration = Duration::from_secs(1);
/// A call that the server sends elsewhere is tried again for at most this long.
const ELSEWHERE: Duration = Duration::from_secs(1);
/// The pause before a call that can't run yet is tried again.
const PAUSE: Duration = Duration::from_millis(25);
/// Replicas have this long to tell that they follow, when a server is asked whether a majority does.
const FOLLOWED_MILLIS: u64 = 100;
/// The password file is looked at this often.
const LOGIN: Duration = Duration::from_secs(1);

/// A connection and its number: a broken one is dropped once, however many calls saw it break.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) connection: MultiplexedConnection,
    pub(super) generation: u64,
    proof: Proof,
    login: Login,
    /// What the server said of itself when this connection was made.
    replication: Option<Replication>,
}

impl Lease {
    /// Returns the stream that the server was the primary of when this connection was made; it is empty
    /// where the server hides it.
    pub(super) fn stream(&self) -> &str {
        let stream = self
            .replication
            .as_ref()
            .and_then(|it| it.stream.as_deref());
        stream.unwrap_or_default()
    }
}

/// A script's answer, and whether what it wrote is durable.
pub(super) struct Written {
    pub(super) answer: Value,
    pub(super) durable: Result<(), String>,
    /// The full resyncs that the server had served when enough had the write; `None` where there is one
    /// data node.
    resyncs: Option<Result<u64, String>>,
    /// Whether every data node has the write.
    pub(super) everywhere: bool,
}

impl Written {
    /// An answer of several data nodes, of which a majority has the write.
    #[cfg(test)]
    pub(super) fn proved() -> Self {
        Self {
            answer: Value::Nil,
            durable: Ok(()),
            resyncs: Some(Ok(1)),
            everywhere: false,
        }
    }

    /// Gives the answer only if what was written is durable.
    pub(super) fn proven(self) -> Result<Value, FeedError> {
        match self.durable {
            Ok(()) => Ok(self.answer),
            Err(why) => Err(FeedError::Unavailable(why)),
        }
    }

    /// Whether what was written is durable on a stream that was vouched for when the server had served
    /// so many full resyncs. A replica that was filled anew since then may have been one of those that had
    /// an older write, so its word counts again only once the issuers have vouched anew.
    pub(super) fn durable_since(&self, since: Option<u64>) -> Result<(), String> {
        self.durable.clone()?;
        if self.was_refilled_since(since) {
            return Err("a replica was filled anew, and the issuers have not vouched since".into());
        }
        match (since, &self.resyncs) {
            (Some(_), Some(Err(why))) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn was_refilled_since(&self, since: Option<u64>) -> bool {
        matches!((since, &self.resyncs), (Some(since), Some(Ok(now))) if *now > since)
    }
}

/// How often a call was tried that may be sent twice.
struct Tries {
    began: Instant,
    again: bool,
}

impl Tries {
    fn begin() -> Self {
        Self {
            began: Instant::now(),
            again: true,
        }
    }

    async fn are_left(&mut self, link: &Link, trouble: &Trouble) -> bool {
        if self.again && matches!(trouble, Trouble::Lost { hung: false, .. }) {
            self.again = false;
            return true;
        }
        link.sent_elsewhere(trouble, self.began).await
    }
}

pub(super) struct Link {
    locator: Locator,
    majority: Majority,
    /// The options for the check of the settings on every new connection; a follower checks none.
    check: Option<OpenOptions>,
    current: Mutex<Option<Lease>>,
    /// Held while connecting, so that one call connects for all.
    connecting: tokio::sync::Mutex<()>,
    /// The number of the newest connection, also of one that was dropped.
    newest: watch::Sender<u64>,
    /// The time at which the password file was last looked at.
    looked: Mutex<Option<Instant>>,
}

impl Link {
    pub(super) fn new(locator: Locator, majority: Majority, check: Option<OpenOptions>) -> Self {
        Self {
            locator,
            majority,
            check,
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
            newest: watch::Sender::new(0),
            looked: Mutex::new(None),
        }
    }

    pub(super) fn is_issuers(&self) -> bool {
        self.check.is_some()
    }

    /// Changes when the connection was dropped or replaced: whoever reads over another one does well to
    /// ask again where the server is.
    pub(super) fn moves(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Makes a connection of the caller's own, after a check of the server's settings.
    pub(super) async fn connect(
        &self,
        response: Option<Duration>,
    ) -> Result<MultiplexedConnection, Trouble> {
        Ok(self.make(response).await?.connection)
    }

    async fn make(&self, response: Option<Duration>) -> Result<Lease, Trouble> {
        let found = self.locator.connect(response).await?;
        let (mut connection, replication) = (found.connection, found.replication);
        let replication_of = replication.as_ref();
        let fails_over = self.locator.fails_over();
        let checking = async {
            if let Some(options) = &self.check {
                settings::check(&mut connection, options, self.majority).await?;
            }
            let options = self.check.as_ref();
            settings::check_replicas(replication_of, self.majority, fails_over, options)?;
            let proof = Proof::find(&mut connection, self.majority).await;
            proof.map_err(|error| Trouble::Refused(error.to_string()))
        };
        let proof = tokio::time::timeout(RESPONSE, checking)
            .await
            .map_err(|_| Trouble::Refused("no answer in time".into()))??;
        Ok(Lease {
            connection,
            generation: 0,
            proof,
            login: found.login,
            replication,
        })
    }

    /// Returns whether enough replicas follow this server for a majority. A server alone can say nothing of
    /// the log.
    pub(super) async fn is_followed(&self, connection: &mut MultiplexedConnection) -> bool {
        let needed = self.majority.replicas();
        if needed == 0 {
            return true;
        }
        let mut ask = cmd("WAIT");
        ask.arg(needed).arg(FOLLOWED_MILLIS);
        let asked = ask.query_async::<u64>(connection);
        let answer = tokio::time::timeout(RESPONSE, asked).await;
        matches!(answer, Ok(Ok(following)) if following >= needed)
    }

    pub(super) async fn lease(&self) -> Result<Lease, Trouble> {
        let held = self.current().clone();
        if let Some(lease) = held {
            return Ok(self.by_today(lease).await);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(lease) = self.current().clone() {
            return Ok(lease);
        }
        let made = self.make(Some(RESPONSE)).await?;
        Ok(self.put(made))
    }

    fn put(&self, mut lease: Lease) -> Lease {
        self.newest.send_modify(|newest| {
            *newest += 1;
            lease.generation = *newest;
        });
        *self.current() = Some(lease.clone());
        lease
    }

    /// Looks now and then whether the password was changed. A connection by the new one replaces the
    /// old one only once it stands, so that a rotation interrupts nothing.
    async fn by_today(&self, lease: Lease) -> Lease {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|last| last.elapsed() < LOGIN) {
                return lease;
            }
            *looked = Some(Instant::now());
        }
        let changed = match self.locator.login().await {
            Ok(login) => login != lease.login,
            Err(trouble) => {
                tracing::warn!("the connection to Redis stays as it is: {trouble}");
                false
            }
        };
        if !changed {
            return lease;
        }
        match self.make(Some(RESPONSE)).await {
            Ok(made) => {
                tracing::info!("connected to Redis by the new password");
                self.put(made)
            }
            Err(trouble) => {
                tracing::warn!("the old connection to Redis stays: {trouble}");
                lease
            }
        }
    }

    /// Checks whether the server still keeps what it acknowledges: its settings may change while a
    /// connection lives.
    pub(super) async fn check_again(&self) -> Result<(), Trouble> {
        let Some(options) = &self.check else {
            return Ok(());
        };
        let mut lease = self.lease().await?;
        let check = settings::check_again(&mut lease.connection, options, self.majority);
        let checked = match tokio::time::timeout(RESPONSE, check).await {
            Ok(checked) => checked,
            Err(_) => Err(Trouble::Refused("no answer in time".into())),
        };
        if matches!(checked, Err(Trouble::Volatile(_))) {
            // The next call connects anew, and the same check refuses it.
            self.discard(lease.generation);
        }
        checked
    }

    /// Drops this connection, so that the next lease is another one.
    pub(super) fn discard(&self, generation: u64) {
        let mut current = self.current();
        if current
            .as_ref()
            .is_some_and(|lease| lease.generation == generation)
        {
            *current = None;
            self.newest.send_modify(|newest| *newest += 1);
        }
    }

    /// Sends once, over this lease. If there is no answer, the connection is dropped.
    pub(super) async fn send(&self, lease: &mut Lease, cmd: &Cmd) -> Result<Value, Trouble> {
        let answer = cmd.query_async(&mut lease.connection).await;
        answer.map_err(|error| self.judge(lease.generation, &error))
    }

    /// Sends a pipeline once, over this lease. If there is no answer, the connection is dropped.
    pub(super) async fn send_all(
        &self,
        lease: &mut Lease,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, Trouble> {
        let answer = pipeline.query_async(&mut lease.connection).await;
        answer.map_err(|error| self.judge(lease.generation, &error))
    }

    /// Sends a write once, over this lease, with the question who has it. The write's own error voids
    /// the other answer. A connection over which no majority was reached is dropped: there may be
    /// another primary.
    pub(super) async fn send_write(
        &self,
        lease: &mut Lease,
        cmd: &Cmd,
    ) -> Result<Written, Trouble> {
        let waits = lease.proof.commands();
        if waits.is_empty() {
            let answer = self.send(lease, cmd).await?;
            return Ok(Written {
                answer,
                durable: Ok(()),
                resyncs: None,
                everywhere: self.majority.nodes() == 1,
            });
        }
        let mut all = pipe();
        all.add_command(cmd.clone()).ignore_errors();
        for wait in waits {
            all.add_command(wait);
        }
        all.cmd("INFO").arg("stats");
        let mut answers: Vec<Value> = all
            .query_async(&mut lease.connection)
            .await
            .map_err(|error| self.judge(lease.generation, &error))?;
        let resyncs = Some(resyncs(answers.pop().unwrap_or_default()));
        let waited = answers.pop().unwrap_or_default();
        let answer = answers.into_iter().next().unwrap_or_default();
        let answer = answer
            .extract_error()
            .map_err(|error| self.judge(lease.generation, &error))?;
        let reached = lease.proof.judge(waited);
        let everywhere = matches!(&reached, Ok(nodes) if *nodes + 1 >= self.majority.nodes());
        let durable = reached.map(|_| ());
        if let Err(why) = &durable {
            tracing::warn!("a write to Redis is not known to be durable: {why}");
            self.discard(lease.generation);
        }
        Ok(Written {
            answer,
            durable,
            resyncs,
            everywhere,
        })
    }

    /// Sends a command that may be sent twice: a connection that turns out broken is replaced once.
    pub(super) async fn query(&self, cmd: &Cmd) -> Result<Value, Trouble> {
        let mut tries = Tries::begin();
        loop {
            let mut lease = self.lease().await?;
            match self.send(&mut lease, cmd).await {
                Err(trouble) if tries.are_left(self, &trouble).await => {}
                answer => return answer,
            }
        }
    }

    /// Sends a pipeline that may be sent twice: a connection that turns out broken is replaced once.
    pub(super) async fn query_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Trouble> {
        Ok(self.query_all_on(pipeline).await?.0)
    }

    /// Does the same, and returns the lease over which the answers came.
    pub(super) async fn query_all_on(
        &self,
        pipeline: &Pipeline,
    ) -> Result<(Vec<Value>, Lease), Trouble> {
        let mut tries = Tries::begin();
        loop {
            let mut lease = self.lease().await?;
            match self.send_all(&mut lease, pipeline).await {
                Err(trouble) if tries.are_left(self, &trouble).await => {}
                answer => return Ok((answer?, lease)),
            }
        }
    }

    /// Sends a write that may be sent twice: a connection that turns out broken is replaced once.
    pub(super) async fn query_write(&self, cmd: &Cmd) -> Result<Written, Trouble> {
        let mut tries = Tries::begin();
        loop {
            let mut lease = self.lease().await?;
            match self.send_write(&mut lease, cmd).await {
                Err(trouble) if tries.are_left(self, &trouble).await => {}
                answer => return answer,
            }
        }
    }

    /// Whether a call that the server did not run is worth another try, after a pause where the server
    /// asks for one. The connection was dropped already if the server is another one now.
    pub(super) async fn sent_elsewhere(&self, trouble: &Trouble, began: Instant) -> bool {
        let Some(instead) = trouble.instead() else {
            return false;
        };
        let follows = match instead {
            Instead::Primary | Instead::Node => self.locator.fails_over(),
            Instead::Later => true,
        };
        if !follows || began.elapsed() >= ELSEWHERE {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
        true
    }

    fn judge(&self, generation: u64, error: &RedisError) -> Trouble {
        let trouble = Trouble::from_error(error);
        let moved = matches!(trouble.instead(), Some(Instead::Primary | Instead::Node));
        if moved || matches!(trouble, Trouble::Lost { .. }) {
            self.discard(generation);
        }
        trouble
    }

    fn current(&self) -> MutexGuard<'_, Option<Lease>> {
        // No code panics while it holds the lock.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads how many full resyncs a server has served.
fn resyncs(answer: Value) -> Result<u64, String> {
    let told = bytes(answer).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let found = told
        .lines()
        .find_map(|line| line.strip_prefix("sync_full:"));
    found
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| "the server doesn't tell how many replicas it filled (INFO stats)".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_was_filled_anew_proves_nothing() {
        let written = Written::proved();
        assert!(written.durable_since(Some(1)).is_ok());
        assert!(written.durable_since(Some(0)).is_err());
        // One data node has no replicas, and without the guard nobody asks.
        assert!(written.durable_since(None).is_ok());
        let info = |text: &str| resyncs(Value::BulkString(text.as_bytes().to_vec()));
        assert_eq!(
            info("# Stats\r\nsync_full:12\r\nsync_partial_ok:3\r\n"),
            Ok(12)
        );
        let silent = Written {
            resyncs: Some(info("")),
            ..Written::proved()
        };
        assert!(silent.durable_since(Some(0)).is_err());
    }
}
