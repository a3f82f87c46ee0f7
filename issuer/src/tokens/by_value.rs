//! Revoking by value, for finders of leaks. Tokens are found inside what is given by the published
//! pattern. Each is looked for in the store whether it is genuine or not, but of nobody known only what
//! revokes is written, and, where all that is genuine was revoked before, one commit that proves it: what
//! strangers send must not fill the store, and least of all what it keeps for takeaways.
//!
//! A genuine value is refused for ever also where its token's record is gone: its number is all that it
//! takes. A number that was never given out here can't be: whoever has a credential is told.
//!
//! In the audit trail stands what was revoked, once, and each call of a credential's; a call of nobody
//! known that revoked nothing is in the log alone: nobody pushes the trail out.
//!
//! Bounded: so many values and tokens, each so long, verified on a thread that may block, two calls at
//! a time.

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
    commit::{Answer, Effort, Plan, Writes, commit},
    error::{ErrorReason, Problem},
    keys::Signing,
    request::{Audited, Request},
};

/// In one call; and so many tokens in all of them.
pub const MAX_VALUES: usize = 1000;
/// Characters of one.
pub const MAX_VALUE: usize = 4096;
/// Values in one commit: an entry takes 256 serials, and a token may have 17 values.
const CHUNK: usize = 15;
/// Calls that are verified at once: a full one takes 25 ms of a core.
const AT_ONCE: usize = 2;

/// The budget that all calls of one process share.
#[derive(Clone)]
pub struct ByValue(Arc<Semaphore>);

impl Default for ByValue {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// A value that is genuine: which token's, and which of its values.
type Genuine = (TokenId, Serial);

/// What became of the values.
pub struct ByValueDone {
    pub cursor: Cursor,
    pub beyond: Option<Beyond>,
}

/// The first genuine value whose number was never given out here: it can't be revoked alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Beyond {
    /// Among the values that were given.
    pub index: usize,
    pub kid: KeyId,
}

impl ByValueDone {
    /// For those who may know.
    pub fn told(self) -> Result<Cursor, Problem> {
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

/// When a chunk is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// Whatever it holds: the call stands in the trail.
    Audited,
    /// If a value in it is genuine.
    Hits,
    /// If it is the first to revoke one.
    New,
}

/// What became of a chunk.
enum Done {
    Written {
        at: Cursor,
        /// How many values it was the first to revoke.
        new: usize,
    },
    /// All that is genuine in it is revoked already, by a view that may not be durable yet.
    Dead,
    Nothing,
}

/// What the values hold.
#[derive(Default)]
struct Looked {
    /// One for each token by its form.
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
            // For the signatures alone: nobody's turn waits for the store's answers to others.
            let _turn = budget.0.acquire().await.map_err(|_| Problem::Internal)?;
            tokio::task::spawn_blocking(move || look(&keys, &values, head.serial)).await
        };
        let Looked { mut found, beyond } = looked.map_err(|_| Problem::Internal)??;
        let known = request.caller.is_known();
        if found.is_empty() && known {
            // A credential's call is in the trail whatever it held.
            found.push(None);
        }

        let (mut cursor, mut revoked, mut unproved) = (head.cursor, 0, None);
        for (number, chunk) in found.chunks(CHUNK).enumerate() {
            let part = request.part(number);
            let write = match known {
                true if number == 0 => Write::Audited,
                // A repeat is known by what the first time wrote.
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
        // The view may be ahead of what is durable. One commit proves all that was written before it.
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

    /// One commit, if there is something to write.
    async fn revoke_values(
        &self,
        request: &Request,
        found: &[Option<Genuine>],
        write: Write,
    ) -> Result<Done, Problem> {
        let hits = self.hits(request, found).await?;
        match write {
            Write::Audited => {}
            Write::Hits | Write::New if hits.serials.is_empty() => return Ok(Done::Nothing),
            Write::New if hits.new == 0 => return Ok(Done::Dead),
            Write::Hits | Write::New => {}
        }
        let mut first = Some(hits);
        let plan = || {
            let first = first.take();
            async move {
                let hits = match first {
                    Some(hits) => hits,
                    None => self.hits(request, found).await?,
                };
                Ok(Some(hits.plan(request, found.len(), write)))
            }
        };
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let (at, answer) = commit(store, replica, request, Effort::Revocation, plan).await?;
        let new = match answer {
            Answer::New(new) => new,
            Answer::First(_) => 0,
        };
        Ok(Done::Written { at, new })
    }

    async fn hits(&self, request: &Request, found: &[Option<Genuine>]) -> Result<Hits, Problem> {
        // What isn't a token is looked for all the same.
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

    /// As the own view has it: at worst it stands in the trail once more.
    fn is_dead(&self, serial: Serial) -> bool {
        let view = self.replica.view();
        view.is_some_and(|view| view.state.is_revoked(serial))
    }
}

/// By the published pattern first: what isn't of that form costs no signature.
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
        // Its bit would stand for a value that is yet to be made.
        let beyond = verified.filter(|it| it.claims().serial > last);
        let is_beyond = beyond.is_some();
        if let Some(it) = beyond
            && looked.beyond.is_none()
        {
            let kid = it.kid().clone();
            looked.beyond = Some(Beyond { index, kid });
        }
        // A value that is sent twice is one hit, in whichever chunk it falls.
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

/// What is revoked in one commit; a token may be hit by several of its values.
#[derive(Default)]
struct Hits {
    serials: Vec<Serial>,
    tokens: BTreeMap<u64, Token>,
    writes: Writes,
    audited: Vec<Audited>,
    /// How many weren't revoked before.
    new: usize,
}

impl Hits {
    /// A single value.
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
        // A replaced value that leaked takes nothing from the new one: only itself is revoked.
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
                // One notice for each token, however often it leaked.
                self.audited.push(token.audited());
                self.new += 1;
            }
            _ => self.value(serial, dead),
        }
        Ok(())
    }

    fn plan(mut self, request: &Request, values: usize, write: Write) -> Plan<usize> {
        if write == Write::Audited || self.new > 0 {
            self.audited.push(Audited::of(values));
        }
        // One leaked value sent again and again takes nothing of what is kept for takeaways.
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
