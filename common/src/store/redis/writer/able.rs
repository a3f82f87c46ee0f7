//! This file asks whether a commit would be taken now: whether the server is there, keeps what it acknowledges,
//! has memory left, and has this issuer's log. It must not know what is committed.

use std::{sync::PoisonError, time::Duration};

use redis::{Value, cmd, pipe};

use super::Writer;
use crate::{
    clock::{Clock, SystemClock},
    id::Cursor,
    store::{
        FeedError, Reason,
        redis::{
            member::Known,
            reply::{StoredEntry, StoredHead, bytes, corrupt, parse_number},
            trouble::Trouble,
        },
    },
};

/// A reading of the server's memory is used for this long, then it is taken again.
const MEMORY_READ: Duration = Duration::from_millis(250);
/// The server is checked this often for settings that let it forget what it acknowledges.
const SETTINGS: Duration = Duration::from_secs(1);
/// Past this share of `maxmemory`, in percent, only takeaways are taken.
const MEMORY_PERCENT: u64 = 80;

impl Writer {
    /// Judges the store now as the connection of the next commit would be judged.
    pub(in crate::store::redis) async fn able(&self) -> Result<(), Reason> {
        let reason = |trouble| match trouble {
            Trouble::Unfit(reason) => reason,
            Trouble::Volatile(_) => Reason::Volatile,
            Trouble::Unvouched(_) => Reason::Unvouched,
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
        if self.member.is_guarded() && !self.member.may_write(lease.stream()) {
            self.visit_until_ready(&mut lease).await?;
        }
        let acknowledged = match self.member.known() {
            Some(Known { cursor, .. }) => cursor,
            None => Cursor::start(self.log()),
        };
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
        if head.log != acknowledged.log {
            // Another issuer may have opened a history: the next visit tells.
            self.member.doubt();
            return Err(Trouble::Unvouched(Reason::Unvouched.words()));
        }
        if acknowledged.revision.0 == 0 {
            return Ok(());
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

    pub(super) async fn short_of_memory(&self) -> Result<bool, Trouble> {
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
