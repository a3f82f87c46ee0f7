//! Is this request allowed, now? The one place.
//!
//! [`Decider::decide`] is synchronous and pure but for the memo of genuine tokens: it awaits
//! nothing, holds nothing but the view's read lock, touches no network, and is handed the time.
//! Facts about tokens are memoised; decisions never.
//!
//! Order, the first refusal being the reason: the view is fresh enough and far enough → the token is
//! genuine and not expired → its key isn't withdrawn → it isn't revoked, by bit or by floor → its
//! owner exists and isn't disabled → what amends it: its value's end, its ceiling → the resource exists
//! and is visible → `access::evaluate`.
//!
//! A refusal is an answer. What can't be judged ([`Undecided`]) is never an answer, and never ALLOW.

use std::{borrow::Cow, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokenward_common::{
    access::{self, Permission, Principal, Refusal, Target},
    clock::{BootTime, UnixTime},
    id::{Cursor, RevisionToken},
    replica::{Replica, View},
    state::{Account, Standing, State, record::RepoKind},
    store::guards::Guards,
    token::{Expected, TokenError, VerifyKeys, verify},
};
use tokenward_proto::v1::Reason;

use crate::{
    config::Bounds,
    genuine::{Amended, Genuine},
    memo::Memo,
    metrics::Counts,
};

#[cfg(test)]
pub(crate) mod tests;

/// What is asked.
pub struct Question<'a> {
    pub caller: Caller<'a>,
    pub resource: Resource<'a>,
    pub permission: Permission,
    pub min_revision: Option<RevisionToken>,
    pub max_staleness: Option<Duration>,
}

#[derive(Clone, Copy)]
pub enum Caller<'a> {
    Anonymous,
    Token(&'a str),
}

/// A thing by its name or its id.
pub enum Resource<'a> {
    RepoName {
        kind: RepoKind,
        owner: &'a str,
        name: &'a str,
    },
    RepoId {
        kind: RepoKind,
        id: &'a str,
    },
    AccountName(&'a str),
    AccountId(&'a str),
}

/// An answer, and what it was judged by.
#[derive(Debug)]
pub struct Decision {
    pub verdict: Result<(), Denial>,
    /// Of the view that judged.
    pub cursor: Cursor,
    pub age: Duration,
    /// The store's time that it was judged at.
    pub time: UnixTime,
    /// Whose token it is; set once it was found genuine and live.
    pub principal: Option<Arc<Genuine>>,
    /// When the principal's value ends, by its claims or by what amends it.
    pub ends: Option<UnixTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub reason: Reason,
    pub message: Cow<'static, str>,
}

/// No decision could be made; the caller may try again, or ask another verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    #[error("this verifier has no fresh view yet")]
    NotYet,
    #[error("this verifier's view is {age:?} old, past the bound of {bound:?}")]
    Stale { age: Duration, bound: Duration },
    #[error("this verifier's view is at revision {at}, behind min_revision")]
    Behind { at: u64 },
    /// The question itself is wrong: no repeat will mend it.
    #[error("min_revision: is of another log than this verifier follows")]
    ForeignRevision,
}

/// Everything that a decision needs besides the question and the time.
pub struct Decider {
    pub replica: Arc<Replica>,
    pub keys: ArcSwap<VerifyKeys>,
    pub memo: Memo,
    pub expected: Expected,
    pub bounds: Bounds,
    pub guards: Guards,
}

impl Decider {
    /// `now` is read when the question arrived, or later.
    pub fn decide(
        &self,
        question: &Question<'_>,
        now: BootTime,
        counts: &Counts,
    ) -> Result<Decision, Undecided> {
        // A fact, found before the view is held: a signature takes longer than a reader may.
        let genuine = match question.caller {
            Caller::Anonymous => None,
            Caller::Token(token) => Some(self.genuine(token, counts)),
        };
        // No view: its writer died half way.
        let view = self.replica.view().ok_or(Undecided::NotYet)?;
        self.judge(question, genuine, &view, now)
    }

    /// All by one view, or none. `caller` asks where a question brings no caller of its own (`None`).
    pub fn decide_all(
        &self,
        caller: Option<Caller<'_>>,
        questions: &[(bool, Question<'_>)],
        now: BootTime,
        counts: &Counts,
    ) -> Result<Vec<Decision>, Undecided> {
        let of = |caller: &Caller<'_>| match caller {
            Caller::Anonymous => None,
            Caller::Token(token) => Some(self.genuine(token, counts)),
        };
        let shared = caller.as_ref().and_then(of);
        // Facts, all of them, before the view is held.
        let genuine: Vec<_> = questions
            .iter()
            .map(|(own, question)| match own {
                true => of(&question.caller),
                false => shared.clone(),
            })
            .collect();
        let view = self.replica.view().ok_or(Undecided::NotYet)?;
        let judged = questions.iter().zip(genuine);
        judged
            .map(|((_, question), genuine)| self.judge(question, genuine, &view, now))
            .collect()
    }

    /// Whether a Check could be decided now, by the longest of the bounds; if not, why.
    pub fn ready(&self) -> Result<(), String> {
        if self.keys.load().is_empty() {
            return Err("no signing keys yet".into());
        }
        let age = self.replica.age().ok_or("no fresh view yet")?;
        let bound = self.bounds.longest();
        if age > bound {
            return Err(format!("the view is {age:?} old, past {bound:?}"));
        }
        Ok(())
    }

    /// The token's facts, from the memo or by verifying it.
    fn genuine(&self, token: &str, counts: &Counts) -> Result<Arc<Genuine>, TokenError> {
        let keys = self.keys.load();
        let key = self.memo.key(token);
        // A key that is gone takes its memoised tokens along.
        if let Some(genuine) = self.memo.get(key)
            && keys.get(&genuine.kid).is_some()
        {
            counts.memo_hit();
            return Ok(genuine);
        }
        counts.memo_miss();
        let verified = verify(token, &self.expected, &keys)?;
        let genuine = Arc::new(Genuine::from(&verified));
        self.memo.insert(key, Arc::clone(&genuine));
        Ok(genuine)
    }

    fn judge(
        &self,
        question: &Question<'_>,
        genuine: Option<Result<Arc<Genuine>, TokenError>>,
        view: &View,
        now: BootTime,
    ) -> Result<Decision, Undecided> {
        let freshness = view.freshness.ok_or(Undecided::NotYet)?;
        let age = freshness.age(now);
        let bound = bound(&self.bounds, question);
        if self.guards.freshness && age > bound {
            return Err(Undecided::Stale { age, bound });
        }
        let cursor = view.state.cursor();
        if let Some(least) = question.min_revision {
            if least.log != cursor.log {
                return Err(Undecided::ForeignRevision);
            }
            if least.revision > cursor.revision {
                return Err(Undecided::Behind {
                    at: cursor.revision.0,
                });
            }
        }
        let time = freshness.time(now).seconds();
        let mut decision = Decision {
            verdict: Ok(()),
            cursor,
            age,
            time,
            principal: None,
            ends: None,
        };
        decision.verdict = match genuine {
            None => authorize(&view.state, &Principal::Anonymous, question),
            Some(Err(error)) => Err(Denial::of_token(error)),
            Some(Ok(genuine)) => match live(&view.state, &genuine, time) {
                Err(denial) => Err(denial),
                Ok(Live {
                    owner,
                    amended,
                    ends,
                }) => {
                    let ceiling = amended.as_ref().map(|amended| &amended.ceiling);
                    let principal = Principal::Token {
                        owner,
                        ceiling: ceiling.unwrap_or(&genuine.ceiling),
                    };
                    let verdict = authorize(&view.state, &principal, question);
                    decision.principal = Some(genuine);
                    decision.ends = ends;
                    verdict
                }
            },
        };
        Ok(decision)
    }
}

/// A token that isn't refused by now.
struct Live {
    owner: Account,
    /// In the place of its claims' ceiling.
    amended: Option<Arc<Amended>>,
    ends: Option<UnixTime>,
}

/// Unless the token is refused by now.
fn live(state: &State, genuine: &Genuine, time: UnixTime) -> Result<Live, Denial> {
    // RFC 7519, section 4.1.4: refused on and after the time.
    if genuine.exp.is_some_and(|exp| time >= exp) {
        return Err(Denial::fixed(
            Reason::TokenExpired,
            "the token has expired; its owner can make a new one",
        ));
    }
    if state.is_withdrawn(genuine.kid.as_str()) {
        return Err(Denial::fixed(
            Reason::TokenKeyWithdrawn,
            "the key that signed the token was withdrawn; its owner can make a new token",
        ));
    }
    let revoked = || {
        Denial::fixed(
            Reason::TokenRevoked,
            "the token was revoked; its owner can make a new one",
        )
    };
    if state.is_revoked(genuine.serial) {
        return Err(revoked());
    }
    let owner = state.account_by_id(&genuine.owner);
    let Some(owner) = owner else {
        return Err(Denial::fixed(
            Reason::OwnerUnknown,
            "the token's owner is not an account of this hub",
        ));
    };
    if genuine.serial <= state.refused_up_to(owner) {
        return Err(revoked());
    }
    match state.standing(owner) {
        Some(Standing::Org) => Err(Denial::fixed(
            Reason::OwnerUnknown,
            "the token's owner is not a user of this hub",
        )),
        Some(Standing::User { disabled: true }) => Err(Denial::fixed(
            Reason::OwnerDisabled,
            "the account of the token's owner is disabled; only the hub's staff can change that",
        )),
        Some(Standing::User { disabled: false }) => amended(state, genuine, owner, time),
        None => Err(Denial::fixed(
            Reason::OwnerUnknown,
            "the token's owner is not an account of this hub",
        )),
    }
}

/// What is in force over the claims: an end of this very value, other settings.
fn amended(
    state: &State,
    genuine: &Genuine,
    owner: Account,
    time: UnixTime,
) -> Result<Live, Denial> {
    let Some(amendment) = state.amendment(genuine.tid) else {
        return Ok(Live {
            owner,
            amended: None,
            ends: genuine.exp,
        });
    };
    if amendment.owner != owner {
        return Err(Denial::fixed(
            Reason::TokenClaims,
            "the token's settings are another owner's; its owner can make a new token",
        ));
    }
    let end = amendment.expiry(genuine.serial);
    if end.is_some_and(|end| time >= end) {
        return Err(Denial::fixed(
            Reason::TokenExpired,
            "the token was rotated and the time of the old value is over; use the new one",
        ));
    }
    let amended = genuine.amended(&amendment).ok_or_else(|| {
        Denial::fixed(
            Reason::TokenClaims,
            "the token's settings are not known to this version; its owner can make a new token",
        )
    })?;
    Ok(Live {
        owner,
        amended: Some(amended),
        ends: [genuine.exp, end].into_iter().flatten().min(),
    })
}

fn authorize(
    state: &State,
    principal: &Principal<'_>,
    question: &Question<'_>,
) -> Result<(), Denial> {
    let permission = question.permission;
    resolve(state, &question.resource)
        .ok_or(Refusal::NotFound)
        .and_then(|target| access::evaluate(state, principal, target, permission))
        .map_err(|refusal| Denial {
            reason: Reason::try_from(refusal.number()).unwrap_or(Reason::NotFound),
            message: refusal.message(permission),
        })
}

fn resolve(state: &State, resource: &Resource<'_>) -> Option<Target> {
    match *resource {
        Resource::RepoName { kind, owner, name } => {
            state.repo_by_name(kind, owner, name).map(Target::Repo)
        }
        Resource::RepoId { kind, id } => {
            let repo = state.repo_by_id(id)?;
            (state.repo(repo)?.kind == kind).then_some(Target::Repo(repo))
        }
        Resource::AccountName(name) => state.account_by_name(name).map(Target::Account),
        Resource::AccountId(id) => state.account_by_id(id).map(Target::Account),
    }
}

/// The class's own bound, or a shorter one that was asked for.
fn bound(bounds: &Bounds, question: &Question<'_>) -> Duration {
    let own = match question.permission {
        Permission::RepoContentRead => bounds.read,
        Permission::RepoWrite => bounds.write,
    };
    question.max_staleness.map_or(own, |asked| asked.min(own))
}

impl Denial {
    fn fixed(reason: Reason, message: &'static str) -> Self {
        Self {
            reason,
            message: Cow::Borrowed(message),
        }
    }

    fn of_token(error: TokenError) -> Self {
        match error {
            TokenError::Malformed => Self::fixed(
                Reason::TokenMalformed,
                "the credential is not a token of this hub; check that it was copied whole",
            ),
            TokenError::KeyUnknown => Self::fixed(
                Reason::TokenKeyUnknown,
                "the token was not signed by a key of this hub",
            ),
            TokenError::Signature => Self::fixed(
                Reason::TokenSignature,
                "the token's signature is wrong; check that it was copied whole",
            ),
            TokenError::Claims => Self::fixed(
                Reason::TokenClaims,
                "the token was not made for this hub, or by a version unknown here",
            ),
        }
    }
}
