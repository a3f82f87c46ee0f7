//! This file keeps one connection, makes it anew when it breaks, and decides what is certain then. It
//! must not know what the commands do.
//!
//! A multiplexed connection never repairs itself, and calls to a hung server only time out. After
//! either the connection is dropped, and the next call connects. A call is sent twice only if its
//! caller allows.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisError, Value,
    aio::MultiplexedConnection,
};

use crate::store::redis::{
    options::{OpenError, OpenOptions},
    settings,
    trouble::Trouble,
};

const CONNECT: Duration = Duration::from_millis(300);
/// An answer may take at most this long; after that the connection is dropped.
pub(super) const RESPONSE: Duration = Duration::from_secs(1);

/// A connection and its number: a broken one is dropped once, however many calls saw it break.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) connection: MultiplexedConnection,
    pub(super) generation: u64,
}

pub(super) struct Link {
    client: Client,
    /// The options for the check of the settings on every new connection; a follower checks none.
    check: Option<OpenOptions>,
    current: Mutex<Option<Lease>>,
    /// Held while connecting, so that one call connects for all.
    connecting: tokio::sync::Mutex<u64>,
}

pub(super) fn client(url: &str) -> Result<Client, OpenError> {
    // The library's own errors are not shown, because they may quote the URL, which holds a password.
    let info = url.into_connection_info().map_err(|_| {
        OpenError::Url("write redis://user:password@host:port/db or redis+unix:///path")
    })?;
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Client::open(info.set_redis_settings(settings))
        .map_err(|_| OpenError::Url("this kind of address is not supported"))
}

impl Link {
    pub(super) fn new(client: Client, check: Option<OpenOptions>) -> Self {
        Self {
            client,
            check,
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(0),
        }
    }

    pub(super) fn is_issuers(&self) -> bool {
        self.check.is_some()
    }

    /// Makes a connection of the caller's own, after a check of the server's settings.
    pub(super) async fn connect(
        &self,
        response: Option<Duration>,
    ) -> Result<MultiplexedConnection, Trouble> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(response);
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        if let Some(options) = &self.check {
            tokio::time::timeout(RESPONSE, settings::check(&mut connection, options))
                .await
                .map_err(|_| Trouble::Refused("no answer in time".into()))??;
        }
        Ok(connection)
    }

    pub(super) async fn lease(&self) -> Result<Lease, Trouble> {
        if let Some(lease) = self.current().clone() {
            return Ok(lease);
        }
        let mut generation = self.connecting.lock().await;
        if let Some(lease) = self.current().clone() {
            return Ok(lease);
        }
        let connection = self.connect(Some(RESPONSE)).await?;
        *generation += 1;
        let lease = Lease {
            connection,
            generation: *generation,
        };
        *self.current() = Some(lease.clone());
        Ok(lease)
    }

    /// Checks whether the server still keeps what it acknowledges: its settings may change while a
    /// connection lives.
    pub(super) async fn check_again(&self) -> Result<(), Trouble> {
        let Some(options) = &self.check else {
            return Ok(());
        };
        let mut lease = self.lease().await?;
        let check = settings::check_again(&mut lease.connection, options);
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

    /// Sends a command that may be sent twice: a connection that turns out broken is replaced once.
    pub(super) async fn query(&self, cmd: &Cmd) -> Result<Value, Trouble> {
        let mut lease = self.lease().await?;
        match self.send(&mut lease, cmd).await {
            Err(Trouble::Lost { hung: false, .. }) => {
                let mut lease = self.lease().await?;
                self.send(&mut lease, cmd).await
            }
            answer => answer,
        }
    }

    /// Sends a pipeline that may be sent twice: a connection that turns out broken is replaced once.
    pub(super) async fn query_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Trouble> {
        let mut lease = self.lease().await?;
        match self.send_all(&mut lease, pipeline).await {
            Err(Trouble::Lost { hung: false, .. }) => {
                let mut lease = self.lease().await?;
                self.send_all(&mut lease, pipeline).await
            }
            answer => answer,
        }
    }

    fn judge(&self, generation: u64, error: &RedisError) -> Trouble {
        let trouble = Trouble::from_error(error);
        let moved = matches!(&trouble, Trouble::Answered { code, .. } if code == "READONLY");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_urls_hide_the_password() {
        for url in [
            "http://:hunter2@localhost",
            "redis://:hunter2@localhost:notaport",
            "rediss://:hunter2@localhost",
        ] {
            let error = client(url).map(|_| ()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
