//! Is this request allowed, now? The one place.
//!
//! [`Decider::decide`] is synchronous and pure but for the memo of genuine tokens: it awaits
//! nothing, holds nothing but the view's read lock, touches no network, and is handed the time.
//! Facts about tokens are memoised; decisions never.
//!
//! Order, the first refusal being the reason: the view is fresh enough and far enough → the token is
//! genuine and not expired → its key isn't withdrawn → it isn't revoked, by bit or by floor → its
//! owner exists and isn't disabled → an amendment of it, which stands over its claims → the resource
//! exists and is visible → `access::evaluate`. An explained decision runs the very same code.
//!
//! A refusal is an answer. What can't be judged ([`Undecided`]) is never an answer, and never ALLOW.

mod denial;
mod live;
mod moved;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;
mod unknown;
mod whoami;

use std::{ptr, sync::Arc, time::Duration};

use tokenward_common::{
    access::{self, Class, NoTrace, Permission, Principal, TokenFacts, Trace},
    clock::{BootTime, UnixTime},
    id::{Cursor, RevisionToken},
    replica::{Replica, View},
    state::{State, record::RepoKind},
    store::guards::Guards,
    token::{Expected, Role, TokenError, VerifyKeys, verify},
};
use tokenward_proto::v1::Reason;

use crate::{
    bounds::Bounds,
    genuine::Genuine,
    keys::TrustedKeys,
    memo::{Memo, Near, Remembered},
    metrics::Counts,
};

pub use denial::Denial;
use live::{Live, live};
pub use moved::Present;
use resolve::{Resolved, Resolving, resolve};
use unknown::Judged;
pub use whoami::{LiveToken, Membership, Told, Who, WhoAmI};

/// What is asked.
#[derive(Clone, Copy)]
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
#[derive(Clone, Copy)]
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

/// An answer, and what it was judged by. `P` holds the token's facts, or borrows them.
#[derive(Debug)]
pub struct Decision<P = Arc<Genuine>> {
    pub verdict: Result<(), Denial>,
    /// Of the view that judged.
    pub cursor: Cursor,
    pub age: Duration,
    /// The store's time that expiry was judged by.
    pub time: UnixTime,
    /// Whose token it is; set once it was found genuine and live.
    pub principal: Option<P>,
    /// That token's role, by its claims or by an amendment.
    pub role: Option<Role>,
    /// When that token ends, by its claims or sooner by an amendment.
    pub ends: Option<UnixTime>,
}

/// What is known of a caller before any view is held.
#[derive(Clone)]
pub enum Facts {
    Anonymous,
    Genuine(Arc<Genuine>),
    Refused(TokenError),
}

/// The rule that a `min_revision` of another log breaks.
pub(crate) const FOREIGN: &str = "is of another log than this verifier follows";

/// No decision could be made; the caller may try again, or ask another verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    #[error("this verifier has no fresh view yet")]
    NotYet,
    #[error("this verifier has no signing keys yet")]
    NoKeys,
    /// It may be newer than the keys here.
    #[error("the key that signed the token is not known here yet")]
    KeyUnknown,
    #[error("this verifier's view is {age:?} old, past the bound of {bound:?}")]
    Stale { age: Duration, bound: Duration },
    #[error("this verifier's view is at revision {at}, behind min_revision")]
    Behind { at: u64 },
    /// The question itself is wrong: no repeat will mend it.
    #[error("min_revision: {FOREIGN}")]
    ForeignRevision,
}

/// Everything that a decision needs besides the question and the time.
pub struct Decider {
    pub replica: Arc<Replica>,
    pub keys: TrustedKeys,
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
        self.decide_traced(question, now, counts, &mut NoTrace)
    }

    /// The same, with each step told.
    pub fn decide_traced(
        &self,
        question: &Question<'_>,
        now: BootTime,
        counts: &Counts,
        trace: &mut impl Trace,
    ) -> Result<Decision, Undecided> {
        if let Caller::Token(token) = question.caller {
            let keys = self.keys.load();
            let view = self.replica.view().ok_or(Undecided::NotYet)?;
            // The token's facts and the resource lie far apart and far away: step by step on both
            // ways, so that memory answers both at once.
            let mut resolving = Resolving::begin(&view.state, question.resource);
            resolving.first_step();
            let key = self.memo.key(token);
            self.memo.read_ahead(key);
            resolving.second_step();
            let near = self.memo.near(key);
            let likely = near.as_ref().and_then(Near::likely);
            if let Some(likely) = &likely {
                view.state.read_account_ahead(likely.owner());
                resolving.third_step(likely.owner());
            }
            let remembered = near.and_then(|near| near.find(likely));
            if let Some(remembered) = remembered.filter(|it| signed_by_one_of(&keys, it)) {
                if let Some(genuine) = remembered.genuine() {
                    genuine.read_ahead(&view.state);
                }
                if let Some(genuine) = remembered.take() {
                    counts.memo_hit();
                    let facts = Facts::Genuine(genuine);
                    return self.judge(question, &resolving, facts, &view, now, trace);
                }
            }
        }
        // No view is held: a signature takes longer than a reader may.
        let facts = self.facts(question.caller, counts);
        // No view: its writer died half way.
        let view = self.replica.view().ok_or(Undecided::NotYet)?;
        let resolving = Resolving::begin(&view.state, question.resource);
        let decision = self.judge(question, &resolving, facts, &view, now, trace)?;
        if let Some(genuine) = &decision.principal {
            self.memo.place_owner(genuine);
        }
        Ok(decision)
    }

    /// All by one view, or none. The facts are those of each question's caller. Only a token whose key
    /// isn't settled leaves its own questions undecided, and no others.
    pub fn decide_all<'a>(
        &self,
        asked: &[(Question<'_>, &'a Facts)],
        now: BootTime,
    ) -> Result<Vec<Result<Decision<&'a Genuine>, Undecided>>, Undecided> {
        let view = self.replica.view().ok_or(Undecided::NotYet)?;
        let judging = |question| self.judging(question, &view, now, &mut NoTrace);
        // By one view and at one time a token is live for each of its questions or for none; most
        // batches have one token.
        let mut last: Option<(&Genuine, Result<Live<'_>, Denial>)> = None;
        let mut decisions = Vec::with_capacity(asked.len());
        for (question, facts) in asked {
            let judging = judging(question)?;
            decisions.push(match facts {
                Facts::Genuine(genuine) => {
                    let genuine = &**genuine;
                    let known = last.take().filter(|(token, _)| ptr::eq(*token, genuine));
                    let (_, live) = last.insert(known.unwrap_or_else(|| {
                        let live = live(&view.state, genuine, judging.time, &mut NoTrace);
                        (genuine, live)
                    }));
                    Ok(match live {
                        Ok(live) => {
                            let target = resolve(&view.state, question.resource);
                            judging
                                .token(live, genuine, target, &mut NoTrace)
                                .of(genuine)
                        }
                        Err(denial) => judging.refused(denial.clone()),
                    })
                }
                Facts::Anonymous => {
                    Ok(judging.anonymous(resolve(&view.state, question.resource), &mut NoTrace))
                }
                Facts::Refused(error) => self
                    .refused_facts(question, *error, &judging, now)
                    .map(|denial| judging.refused(denial)),
            });
        }
        Ok(decisions)
    }

    pub fn facts(&self, caller: Caller<'_>, counts: &Counts) -> Facts {
        match caller {
            Caller::Anonymous => Facts::Anonymous,
            Caller::Token(token) => match self.genuine(token, counts) {
                Ok(genuine) => Facts::Genuine(genuine),
                Err(error) => Facts::Refused(error),
            },
        }
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
        let key = self.memo.key(token);
        let keys = self.keys.load();
        let remembered = self.memo.find(key);
        let remembered = remembered.filter(|it| signed_by_one_of(&keys, it));
        if let Some(genuine) = remembered.and_then(Remembered::take) {
            counts.memo_hit();
            return Ok(genuine);
        }
        counts.memo_miss();
        let verified = verify(token, &self.expected, &keys)?;
        let genuine = Arc::new(Genuine::new(key, &verified));
        self.memo.insert(Arc::clone(&genuine));
        Ok(genuine)
    }

    fn judge(
        &self,
        question: &Question<'_>,
        resolving: &Resolving<'_>,
        facts: Facts,
        view: &View,
        now: BootTime,
        trace: &mut impl Trace,
    ) -> Result<Decision, Undecided> {
        let judging = self.judging(question, view, now, trace)?;
        Ok(match facts {
            Facts::Anonymous => judging.anonymous(resolving.end(), trace),
            Facts::Refused(error) => {
                let denial = self.refused_facts(question, error, &judging, now)?;
                trace.step("token", || self.self_description(question.caller, error));
                judging.refused(denial)
            }
            Facts::Genuine(genuine) => {
                let decision = match live(&view.state, &genuine, judging.time, trace) {
                    Ok(live) => judging.token(&live, &genuine, resolving.end(), trace),
                    Err(denial) => return Ok(judging.refused(denial)),
                };
                decision.of(genuine)
            }
        })
    }

    fn refused_facts(
        &self,
        question: &Question<'_>,
        error: TokenError,
        judging: &Judging<'_>,
        now: BootTime,
    ) -> Result<Denial, Undecided> {
        let by = Judged {
            state: judging.state,
            now,
            time: judging.time,
            least: question.min_revision,
        };
        let token = match question.caller {
            Caller::Anonymous => "",
            Caller::Token(token) => token,
        };
        self.refusal_of(token, error, &by)
    }

    /// A view that may judge this question: fresh enough, and far enough.
    fn judging<'a>(
        &self,
        question: &'a Question<'a>,
        view: &'a View,
        now: BootTime,
        trace: &mut impl Trace,
    ) -> Result<Judging<'a>, Undecided> {
        let bound = bound(&self.bounds, question);
        let (cursor, age, time) = self.fresh(view, bound, question.min_revision, now)?;
        trace.step("view", || {
            format!(
                "revision {}, {age:?} old, of at most {bound:?}",
                cursor.revision
            )
        });
        Ok(Judging {
            question,
            state: &view.state,
            cursor,
            age,
            time,
        })
    }

    /// Where a view stands, how old it is and the store's time, if it is fresh and far enough.
    fn fresh(
        &self,
        view: &View,
        bound: Duration,
        least: Option<RevisionToken>,
        now: BootTime,
    ) -> Result<(Cursor, Duration, UnixTime), Undecided> {
        let freshness = view.freshness.ok_or(Undecided::NotYet)?;
        let age = freshness.age(now);
        if self.guards.freshness && age > bound {
            return Err(Undecided::Stale { age, bound });
        }
        let cursor = view.state.cursor();
        if let Some(least) = least {
            if least.log != cursor.log {
                return Err(Undecided::ForeignRevision);
            }
            if least.revision > cursor.revision {
                return Err(Undecided::Behind {
                    at: cursor.revision.0,
                });
            }
        }
        Ok((cursor, age, freshness.time(now).seconds()))
    }
}

/// One question before a view that may judge it.
struct Judging<'a> {
    question: &'a Question<'a>,
    state: &'a State,
    cursor: Cursor,
    age: Duration,
    time: UnixTime,
}

impl Judging<'_> {
    fn anonymous<P>(&self, target: Resolved, trace: &mut impl Trace) -> Decision<P> {
        let verdict = self.authorize(&Principal::Anonymous, target, trace);
        self.decided(verdict, None)
    }

    fn refused<P>(&self, denial: Denial) -> Decision<P> {
        self.decided(Err(denial), None)
    }

    /// Whose it is, is for the caller to add.
    fn token<P>(
        &self,
        live: &Live<'_>,
        genuine: &Genuine,
        target: Resolved,
        trace: &mut impl Trace,
    ) -> Decision<P> {
        let principal = Principal::Token {
            owner: live.owner,
            ceiling: live.ceiling(),
            token: TokenFacts {
                id: genuine.tid,
                serial: genuine.serial,
            },
        };
        let verdict = self.authorize(&principal, target, trace);
        self.decided(verdict, Some(live))
    }

    fn authorize(
        &self,
        principal: &Principal<'_>,
        resolved: Resolved,
        trace: &mut impl Trace,
    ) -> Result<(), Denial> {
        let (state, permission) = (self.state, self.question.permission);
        let (verdict, target) = match resolved {
            Resolved::Found(target) => {
                let verdict = access::evaluate_traced(state, principal, target, permission, trace);
                (verdict, Some(target))
            }
            Resolved::Missing(beside) => {
                trace.step("resource", || "none has this name or id".into());
                let refusal = access::evaluate_missing(state, principal, beside, permission);
                (Err(refusal), None)
            }
        };
        verdict.map_err(|refusal| Denial {
            reason: Reason::try_from(refusal.number()).unwrap_or(Reason::NotFound),
            message: refusal.message(permission, target),
        })
    }

    fn decided<P>(&self, verdict: Result<(), Denial>, live: Option<&Live<'_>>) -> Decision<P> {
        Decision {
            verdict,
            cursor: self.cursor,
            age: self.age,
            time: self.time,
            principal: None,
            role: live.map(|live| live.ceiling().role()),
            ends: live.and_then(|live| live.ends),
        }
    }
}

impl<P> Decision<P> {
    fn of(self, principal: P) -> Self {
        Self {
            principal: Some(principal),
            ..self
        }
    }
}

/// A key that is gone takes its memoised tokens along.
fn signed_by_one_of(keys: &VerifyKeys, remembered: &Remembered<'_>) -> bool {
    let genuine = remembered.genuine();
    genuine.is_some_and(|genuine| keys.get(&genuine.kid).is_some())
}

/// The class's own bound, or a shorter one that was asked for.
fn bound(bounds: &Bounds, question: &Question<'_>) -> Duration {
    let own = match question.permission.class() {
        Class::Read => bounds.read,
        Class::Write => bounds.write,
        Class::Infer => bounds.infer,
    };
    question.max_staleness.map_or(own, |asked| asked.min(own))
}
