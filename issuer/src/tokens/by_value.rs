//! Revoking by value, for finders of leaks. The answer, and what is done for it, is the same whether
//! a value was a token or not: as many reads, as many commits of as many records' reach.
//!
//! Bounded: so many values, each so long, verified on a thread that may block, two calls at a time.

use std::{collections::BTreeMap, sync::Arc};

use tokenward_common::{
    id::{Cursor, Serial, TokenId},
    state::{key::Key, record::Change},
    store::{Class, Commit, CommitError, Expect, PrivateWrite, Stored},
    token::verify,
};
use tokenward_proto::internal::StoredToken;
use tokio::sync::Semaphore;

use super::{Tokens, decode, owner_of, revoke::revocation, written};
use crate::{
    error::Problem,
    request::{Audited, Request},
};

pub const MAX_VALUES: usize = 1000;
/// Characters of one.
pub const MAX_VALUE: usize = 4096;
/// Values in one commit: an entry takes 256 serials, and a token may have 17 values.
const CHUNK: usize = 15;
/// Calls that are verified at once: a full one takes 25 ms of a core.
const AT_ONCE: usize = 2;
const TRIES: usize = 100;

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

impl Tokens {
    pub async fn revoke_by_value(
        &self,
        request: &Request,
        values: Vec<String>,
        budget: &ByValue,
    ) -> Result<Cursor, Problem> {
        check(&values)?;
        let _turn = budget.0.acquire().await.map_err(|_| Problem::Internal)?;
        let keys = self.keys.current();
        let found = tokio::task::spawn_blocking(move || {
            let (expected, keys) = (keys.expected(), keys.published().clone());
            let genuine = |value: &String| {
                let verified = verify(value, &expected, &keys).ok()?;
                Some((verified.claims().tid, verified.claims().serial))
            };
            values.iter().map(genuine).collect::<Vec<_>>()
        })
        .await
        .map_err(|_| Problem::Internal)?;

        let mut last = None;
        for (number, chunk) in found.chunks(CHUNK).enumerate() {
            last = Some(self.revoke_values(&request.part(number), chunk).await?);
        }
        last.ok_or(Problem::Internal)
    }

    /// One commit, whatever was found.
    async fn revoke_values(
        &self,
        request: &Request,
        found: &[Option<Genuine>],
    ) -> Result<Cursor, Problem> {
        // What isn't a token is looked for all the same.
        let id = |found: &Option<Genuine>| found.map_or(TokenId(0), |(token, _)| token);
        let keys: Vec<Key> = found.iter().map(|found| Key::token(id(found))).collect();
        for _ in 0..TRIES {
            let stored = self.store.get(&keys).await?;
            let mut hits = Hits::default();
            for (found, stored) in found.iter().zip(stored) {
                if let (Some((token, serial)), Some(stored)) = (found, stored) {
                    hits.add(request, *token, *serial, &stored)?;
                }
            }
            let commit = hits.commit(request, found.len());
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(response) = committed.repeated {
                        request.repeat_of(&response)?;
                    }
                    return Ok(committed.cursor);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }
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
    tokens: BTreeMap<u64, StoredToken>,
    private: Vec<PrivateWrite>,
    expect: Vec<Expect>,
}

impl Hits {
    fn add(
        &mut self,
        request: &Request,
        id: TokenId,
        serial: Serial,
        stored: &Stored,
    ) -> Result<(), Problem> {
        let newest = match self.tokens.get(&id.0) {
            Some(token) => token.serials.last(),
            None => {
                self.expect.push(Expect::Unchanged {
                    key: Key::token(id),
                    since: stored.revision,
                });
                let token = decode(&stored.value)?;
                self.tokens.entry(id.0).or_insert(token).serials.last()
            }
        };
        // A replaced value that leaked takes nothing from the new one: only itself is revoked.
        if newest != Some(&serial.0) {
            self.serials.push(serial);
            return Ok(());
        }
        match self.tokens.get_mut(&id.0) {
            Some(token) if token.revoked_at == 0 => {
                let revocation = revocation(request, token);
                self.serials.extend(revocation.serials);
                self.private.push(revocation.index);
                // One notice for each token, however often it leaked.
                let owner = owner_of(token)?;
                self.private.extend(written(request, &owner, token));
            }
            _ => self.serials.push(serial),
        }
        Ok(())
    }

    fn commit(mut self, request: &Request, values: usize) -> Commit {
        let audited = Audited {
            operations: values,
            ..Audited::default()
        };
        self.private
            .push(PrivateWrite::Audit(request.audit(&audited)));
        self.serials.sort_unstable();
        self.serials.dedup();
        Commit {
            request: request.id,
            response: request.response(None),
            class: Class::Takeaway,
            changes: vec![Change::Revoke(self.serials)],
            private: self.private,
            expect: self.expect,
        }
    }
}
