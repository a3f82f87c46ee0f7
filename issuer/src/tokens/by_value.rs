//! Revokes by value, for finders of leaks. Tokens are found inside the given values by the published pattern,
//! and each is looked up in the store whether it is genuine or not. For an unknown caller only revocations
//! are written and, where all genuine values were revoked before, one commit that proves it: what strangers
//! send must not fill the store, least of all the room that it keeps for takeaways.
//!
//! A genuine value is refused for ever even if its token's record is gone, because its serial is enough. A
//! serial that was never given out here can't be revoked; a caller with a credential gets an error.
//!
//! The audit trail holds each revocation once, and each call with a credential. An unknown caller's call that
//! revoked nothing is in the program's log alone, so that strangers can't push records out of the trail.
//!
//! The number and length of values and tokens are bounded. Signatures are verified on a blocking thread, for
//! two calls at a time.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tokenward_common::{
    id::{Cursor, KeyId, Serial, TokenId},
    state::{key::Key, record::Change},
    store::{CommitClass, Stored},
    token::{tokens_in, verify},
};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::{Tokens, token::Token};
use crate::{
    commit::{Answer, Effort, Plan, Planned, Writes, commit_if_needed},
    error::{ErrorReason, Problem},
    keys::Signing,
    request::{Audited, Request},
};

/// A call has at most this many values, which together hold at most this many tokens.
pub const MAX_VALUES: usize = 1000;
/// A value has at most this many characters.
pub const MAX_VALUE: usize = 4096;
/// A commit has at most this many values: an entry takes 256 serials, and a token may have 17 values.
const CHUNK: usize = 15;
/// At most this many calls are verified at once. A full call takes 25 ms of a core.
const AT_ONCE: usize = 2;

/// All calls of one process share this budget.
#[derive(Clone)]
pub struct ByValue(Arc<Semaphore>);

impl Default for ByValue {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Identifies a genuine value by its token and its serial.
type Genuine = (TokenId, Serial);

/// Holds the result of a call.
pub struct ByValueDone {
    pub cursor: Cursor,
    pub beyond: Option<Beyond>,
}

/// Names the first genuine value whose serial was never given out here: it can't be revoked alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Beyond {
    /// The value has this index in the request.
    pub index: usize,
    pub kid: KeyId,
}

impl ByValueDone {
    /// Returns the result for callers that may know which value was beyond the newest serial.
    pub fn into_result(self) -> Result<Cursor, Problem> {
        let Some(Beyond { index, kid }) = self.beyond else {
            return Ok(self.cursor);
        };
        Err(Problem::Precondition(
            ErrorReason::ValueNeverIssued,
            format!(
                "values[{index}]: is signed by the realm's key {kid}, and has a number that was never \
             given out here: the store has lost what was written last, or somebody else has the key; \
             it is not revoked: withdraw the key. All others are done"
            ),
        ))
    }
}

/// Decides when a chunk is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// Always, because the call must be in the audit trail.
    Audited,
    /// If a value in the chunk is genuine.
    Hits,
    /// If the chunk is the first to revoke one of its values.
    New,
}

/// Tells what was done with a chunk.
enum Done {
    Written {
        at: Cursor,
        /// The chunk was the first to revoke this many values.
        new: usize,
    },
    /// All genuine values in it are revoked already in what was read, which may be ahead of what is durable.
    Dead,
    Nothing,
}

/// Holds what was found in the values.
#[derive(Default)]
struct Looked {
    /// Has one item for each token found by the pattern; `None` if it is not genuine.
    found: Vec<Option<Genuine>>,
    beyond: Option<Beyond>,
}

impl Tokens {
    pub async fn revoke_by_value(
        &self,
        request: &Request,
        values: Vec<String>,
        budget: &ByValue,
    ) -> Result<ByValueDone, Problem> {
        check(&values)?;
        let head = self.store.head().await?;
        let (keys, count) = (self.keys.current(), values.len());
        let looked = {
            // The turn covers the signatures alone, so no call waits for the store's answers to others.
            let _turn = budget.0.acquire().await.map_err(|_| Problem::Internal)?;
            tokio::task::spawn_blocking(move || look(&keys, &values, head.serial)).await
        };
        let Looked { mut found, beyond } = looked.map_err(|_| Problem::Internal)??;
        let known = request.caller.is_known();
        if found.is_empty() && known {
            // A credential's call is in the audit trail even if the values held no token.
            found.push(None);
        }

        let (mut cursor, mut revoked, mut unproved) = (head.cursor, 0, None);
        for (number, chunk) in found.chunks(CHUNK).enumerate() {
            let part = request.part(number);
            let write = match known {
                true if number == 0 => Write::Audited,
                // A repeat is recognized by what the first call wrote.
                true => Write::Hits,
                false => Write::New,
            };
            match self.revoke_values(&part, chunk, write).await? {
                Done::Written { at, new } => {
                    (cursor, unproved) = (at, None);
                    revoked += new;
                }
                Done::Dead => unproved = Some((part, chunk)),
                Done::Nothing => {}
            }
        }
        // The view may be ahead of what is durable. One commit proves that all earlier writes are durable.
        if let Some((part, chunk)) = unproved
            && let Done::Written { at, new } = self.revoke_values(&part, chunk, Write::Hits).await?
        {
            cursor = at;
            revoked += new;
        }
        if revoked == 0 && !known {
            let peer = request.caller.peer.as_str();
            info!(
                peer,
                values = count,
                "leaked values were sent, and nothing was revoked"
            );
        }
        if let Some(Beyond { kid, .. }) = &beyond {
            let kid = kid.as_str();
            warn!(
                kid,
                "a leaked value is genuine, and its number was never given out here"
            );
        }
        Ok(ByValueDone { cursor, beyond })
    }

    /// Writes one commit, if there is something to write.
    async fn revoke_values(
        &self,
        request: &Request,
        found: &[Option<Genuine>],
        write: Write,
    ) -> Result<Done, Problem> {
        let hits = self.hits(request, found).await?;
        if write != Write::Audited && hits.serials.is_empty() {
            return Ok(Done::Nothing);
        }
        let mut first = Some(hits);
        let plan = || {
            let first = first.take();
            async move {
                let hits = match first {
                    Some(hits) => hits,
                    None => self.hits(request, found).await?,
                };
                // Whoever lost a race to another revocation has nothing new to write either.
                Ok(match write == Write::New && hits.new == 0 {
                    true => Planned::Nothing,
                    false => Planned::Write(hits.plan(request, found.len(), write)),
                })
            }
        };
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let done = commit_if_needed(store, replica, request, Effort::Revocation, plan).await?;
        let Some((at, answer)) = done else {
            return Ok(Done::Dead);
        };
        let new = match answer {
            Answer::New(new) => new,
            Answer::First(_) => 0,
        };
        Ok(Done::Written { at, new })
    }

    async fn hits(&self, request: &Request, found: &[Option<Genuine>]) -> Result<Hits, Problem> {
        // A value that is no genuine token is looked up all the same.
        let id = |found: &Option<Genuine>| found.map_or(TokenId(0), |(token, _)| token);
        let keys: Vec<Key> = found.iter().map(|found| Key::token(id(found))).collect();
        let stored = self.store.get(&keys).await?;
        let mut hits = Hits::default();
        for (found, stored) in found.iter().zip(stored) {
            match (found, stored) {
                (Some((token, serial)), Some(stored)) => {
                    let dead = self.is_dead(*serial);
                    hits.add(request, *token, *serial, &stored, dead)?;
                }
                (Some((_, serial)), None) => hits.value(*serial, self.is_dead(*serial)),
                (None, _) => {}
            }
        }
        Ok(hits)
    }

    /// Tells whether the own view shows the value as revoked. An old view writes at worst a second audit
    /// record.
    fn is_dead(&self, serial: Serial) -> bool {
        let view = self.replica.view();
        view.is_some_and(|view| view.state.is_revoked(serial))
    }
}

/// Finds the tokens in the values by the published pattern first, so other text costs no signature check.
fn look(signing: &Signing, values: &[String], last: Serial) -> Result<Looked, Problem> {
    let (expected, keys) = (signing.expected(), signing.published());
    let of = |(index, value)| tokens_in(value, &expected.prefix).map(move |token| (index, token));
    let candidates = values.iter().map(String::as_str).enumerate().flat_map(of);
    let candidates: Vec<_> = candidates.take(MAX_VALUES + 1).collect();
    if candidates.len() > MAX_VALUES {
        let rule = format!("must hold at most {MAX_VALUES} tokens; send the rest in another call");
        return Err(Problem::invalid("values", rule));
    }
    let mut looked = Looked::default();
    let mut seen = HashSet::new();
    for (index, token) in candidates {
        let verified = verify(token, &expected, keys).ok();
        let genuine = verified
            .as_ref()
            .map(|it| (it.claims().tid, it.claims().serial));
        // Its bit would belong to a value that is yet to be made.
        let beyond = verified.filter(|it| it.claims().serial > last);
        let is_beyond = beyond.is_some();
        if let Some(it) = beyond
            && looked.beyond.is_none()
        {
            let kid = it.kid().clone();
            looked.beyond = Some(Beyond { index, kid });
        }
        // A value that is sent twice is one hit, whichever chunk it falls into.
        let first = genuine.is_some_and(|(_, serial)| seen.insert(serial));
        looked.found.push(genuine.filter(|_| first && !is_beyond));
    }
    Ok(looked)
}

fn check(values: &[String]) -> Result<(), Problem> {
    if values.is_empty() || values.len() > MAX_VALUES {
        return Err(Problem::invalid(
            "values",
            format!("must be 1 to {MAX_VALUES}"),
        ));
    }
    let fits = |value: &String| (1..=MAX_VALUE).contains(&value.chars().count());
    match values.iter().position(|value| !fits(value)) {
        None => Ok(()),
        Some(index) => Err(Problem::invalid(
            format!("values[{index}]"),
            format!("must be 1 to {MAX_VALUE} characters"),
        )),
    }
}

/// Holds what is revoked in one commit. Several values may hit the same token.
#[derive(Default)]
struct Hits {
    serials: Vec<Serial>,
    tokens: BTreeMap<u64, Token>,
    writes: Writes,
    audited: Vec<Audited>,
    /// Counts the values that weren't revoked before.
    new: usize,
}

impl Hits {
    /// Revokes a single value.
    fn value(&mut self, serial: Serial, dead: bool) {
        self.serials.push(serial);
        self.new += usize::from(!dead);
    }

    fn add(
        &mut self,
        request: &Request,
        id: TokenId,
        serial: Serial,
        stored: &Stored,
        dead: bool,
    ) -> Result<(), Problem> {
        let newest = match self.tokens.get(&id.0) {
            Some(token) => token.serial,
            None => {
                let token = Token::read(&stored.value)?;
                self.writes.expect.push(token.unchanged(stored.revision));
                self.tokens.entry(id.0).or_insert(token).serial
            }
        };
        // A replaced value that leaked doesn't affect the newest one: only the replaced value is revoked.
        if newest != serial {
            self.value(serial, dead);
            return Ok(());
        }
        match self.tokens.get_mut(&id.0) {
            Some(token) if token.revoked.is_none() => {
                *token = token.revoke(request);
                self.serials.extend(token.serials());
                let writes = [token.put(), token.forecast(token.expires_at)];
                self.writes.private.extend(writes);
                // Each token has one audit record, however many of its values leaked.
                self.audited.push(token.audited());
                self.new += 1;
            }
            // One commit revoked the token's record and its newest value. The own view may not show it yet.
            _ => self.value(serial, true),
        }
        Ok(())
    }

    fn plan(mut self, request: &Request, values: usize, write: Write) -> Plan<usize> {
        if write == Write::Audited || self.new > 0 {
            self.audited.push(Audited::of(values));
        }
        // One leaked value that is sent again and again must not use the room that is kept for takeaways.
        let class = match self.new > 0 || request.caller.is_known() {
            true => CommitClass::Takeaway,
            false => CommitClass::Ordinary,
        };
        self.serials.sort_unstable();
        self.serials.dedup();
        self.writes.changes.push(Change::Revoke(self.serials));
        Plan::new(class, self.writes, self.audited, self.new)
    }
}
