//! Decides whether a request is allowed now. No other module decides that.
//!
//! It takes three steps: the facts of the caller's token, a view that may judge, the verdict. A
//! decision is synchronous, and pure except for the memo of genuine tokens: it awaits nothing, holds
//! only the view's read lock, uses no network, and takes the time as an argument. Facts about tokens
//! are memoised; decisions never are.
//!
//! The checks run in this order, and the first refusal is the reason: the view is fresh enough and far
//! enough → the token is genuine and not expired → its key isn't withdrawn → its bit isn't set → its
//! owner exists → no floor revokes it → its owner isn't disabled → an amendment of it, which stands over
//! its claims → the resource exists and is visible → `access::evaluate`. An explained decision runs the
//! same code.
//!
//! A refusal is an answer. What can't be judged ([`Undecided`]) is never an answer, and never ALLOW.

mod denial;
mod live;
mod present;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;
mod undecided;
mod unknown;
mod whoami;

use std::{ops::Deref, sync::Arc, time::Duration};

use tokenward_common::{
    access::{self, NoTrace, Permission, PermissionClass, Principal, Trace},
    clock::{BootTime, UnixTime},
    id::{Cursor, RevisionToken},
    replica::{Replica, View},
    state::{State, record::RepoKind},
    store::guards::Guards,
    token::{Expected, MemoKey, Role, TokenError, VerifyKeys, verify},
};
use tokenward_proto::v1::Reason;

pub(crate) use undecided::FOREIGN;
pub use undecided::Undecided;

use crate::{
    bounds::Bounds,
    genuine::Genuine,
    keys::TrustedKeys,
    memo::Memo,
    strangers::{self, Asker, Turn},
};

pub use denial::Denial;
use live::{Live, check_live};
pub use present::Present;
use present::present_name;
use resolve::{Resolved, resolve};
pub use whoami::{LiveToken, Membership, Who, WhoAmI, WhoAmIAnswer};

/// What a Check asks.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub caller: Caller<'a>,
    pub resource: Resource<'a>,
    pub permission: Permission,
    pub min_revision: Option<RevisionToken>,
    pub max_staleness: Option<Duration>,
    /// Whether the decision reports the name that the repo has now.
    pub present_name: bool,
}

#[derive(Clone, Copy)]
pub enum Caller<'a> {
    Anonymous,
    Token(&'a str),
}

/// A thing, by its name or its id.
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

/// The answer to a question, and what it was judged by.
#[derive(Debug)]
pub struct Decision {
    pub verdict: Result<(), Denial>,
    /// The cursor of the view that judged, how old that was, and how old it was allowed to be.
    pub cursor: Cursor,
    pub age: Duration,
    pub bound: Duration,
    /// The store's time by which expiry was judged.
    pub time: UnixTime,
    /// The facts of the caller's token. They are set once the token was found genuine and live.
    pub principal: Option<Arc<Genuine>>,
    /// The role of the caller's token, by its claims or by an amendment.
    pub role: Option<Role>,
    /// When the caller's token ends, by its claims or sooner by an amendment.
    pub ends: Option<UnixTime>,
    /// The repo's name now. It is set if the question requests it, the name differs and the caller may
    /// see it.
    pub present: Option<Present>,
}

/// What is known of a caller before any view is held.
#[derive(Clone)]
pub enum Facts {
    Anonymous,
    Genuine(Arc<Genuine>),
    Refused(TokenError),
    /// The token was not looked at: too many with false signatures came lately.
    Unverified,
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
    /// Decides a question. `now` must be read when the question arrived, or later.
    pub fn decide(
        &self,
        question: &Question<'_>,
        now: BootTime,
        asker: Asker<'_>,
    ) -> Result<Decision, Undecided> {
        self.decide_traced(question, now, asker, &mut NoTrace)
    }

    /// Decides like [`Self::decide`], and reports each step to `trace`.
    pub fn decide_traced(
        &self,
        question: &Question<'_>,
        now: BootTime,
        asker: Asker<'_>,
        trace: &mut impl Trace,
    ) -> Result<Decision, Undecided> {
        // A signature check takes longer than a reader may hold the view, so it comes first.
        let facts = self.facts(question.caller, asker);
        let view = self.view()?;
        let moment = self.moment_of(question, &view, now, trace)?;
        self.judge(question, &facts, &moment, trace)
    }

    /// Decides all questions by one view, or none. Each question comes with the facts of its caller. A
    /// token whose key isn't settled leaves only its own questions undecided.
    pub fn decide_all(
        &self,
        asked: &[(Question<'_>, &Facts)],
        now: BootTime,
    ) -> Result<Vec<Result<Decision, Undecided>>, Undecided> {
        let view = self.view()?;
        let decide = |(question, facts): &(Question<'_>, &Facts)| {
            let moment = self.moment_of(question, &view, now, &mut NoTrace)?;
            Ok(self.judge(question, facts, &moment, &mut NoTrace))
        };
        asked.iter().map(decide).collect()
    }

    pub fn facts(&self, caller: Caller<'_>, asker: Asker<'_>) -> Facts {
        match caller {
            Caller::Anonymous => Facts::Anonymous,
            Caller::Token(token) => self.facts_of_token(token, asker),
        }
    }

    /// Whether a Check could be decided now, by the longest of the bounds; the error says why not.
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

    /// Waits for the caller's turn if its token is to be verified. Without a turn it is not.
    pub(crate) async fn turn(
        &self,
        caller: Caller<'_>,
        asker: Asker<'_>,
    ) -> Result<Option<Turn>, Undecided> {
        let Caller::Token(token) = caller else {
            return Ok(None);
        };
        if !self.guards.strangers || self.memo.get(self.memo.key(token)).is_some() {
            return Ok(None);
        }
        match strangers::turn(asker, self.replica.clock().boot()).await {
            None => Err(Undecided::Crowded),
            turn => Ok(turn),
        }
    }

    /// Returns the token's facts, from the memo or by verifying the token.
    fn facts_of_token(&self, token: &str, asker: Asker<'_>) -> Facts {
        let key = self.memo.key(token);
        let keys = self.keys.load();
        // A memoised token doesn't count once its key is gone.
        let known = self.memo.get(key);
        if let Some(genuine) = known.filter(|genuine| keys.get(&genuine.kid).is_some()) {
            asker.counts.memo_hit();
            return Facts::Genuine(genuine);
        }
        self.verified(token, key, &keys, asker)
    }

    /// Verifies a token that the memo doesn't hold, unless too many false ones came lately.
    fn verified(&self, token: &str, key: MemoKey, keys: &VerifyKeys, asker: Asker<'_>) -> Facts {
        let clock = self.replica.clock();
        let began = clock.boot();
        if self.guards.strangers && (!strangers::admits(asker, began) || asker.puts_off()) {
            return Facts::Unverified;
        }
        asker.counts.memo_miss();
        match verify(token, &self.expected, keys) {
            Ok(verified) => {
                let genuine = Arc::new(Genuine::new(key, &verified));
                self.memo.insert(Arc::clone(&genuine));
                Facts::Genuine(genuine)
            }
            Err(error) => {
                // The other mistakes are seen before the signature is looked at.
                if matches!(error, TokenError::Signature | TokenError::Claims) {
                    strangers::charge(asker, began, clock.boot());
                }
                Facts::Refused(error)
            }
        }
    }

    /// The view, read-locked while it judges. There is none if its writer died halfway.
    fn view(&self) -> Result<impl Deref<Target = View>, Undecided> {
        self.replica.view().ok_or(Undecided::NotYet)
    }

    /// Checks that the view is fresh enough and far enough for this question.
    fn moment_of<'a>(
        &self,
        question: &Question<'_>,
        view: &'a View,
        now: BootTime,
        trace: &mut impl Trace,
    ) -> Result<Moment<'a>, Undecided> {
        let bounds = &self.bounds;
        let own = match question.permission.class() {
            PermissionClass::Read => bounds.read,
            PermissionClass::Write => bounds.write,
            PermissionClass::Infer => bounds.infer,
        };
        let bound = question.max_staleness.map_or(own, |asked| asked.min(own));
        let moment = self.moment(view, bound, question.min_revision, now)?;
        trace.step("view", || {
            let (revision, age) = (moment.cursor.revision, moment.age);
            format!("revision {revision}, {age:?} old, of at most {bound:?}")
        });
        Ok(moment)
    }

    fn moment<'a>(
        &self,
        view: &'a View,
        bound: Duration,
        least: Option<RevisionToken>,
        now: BootTime,
    ) -> Result<Moment<'a>, Undecided> {
        let freshness = view.freshness.ok_or(Undecided::NotYet)?;
        let age = freshness.age(now);
        if self.guards.freshness && age > bound {
            return Err(Undecided::Stale { age, bound });
        }
        let cursor = view.state.cursor();
        if let Some(least) = least {
            if least.log != cursor.log {
                return Err(match self.replica.is_outdated() {
                    true => Undecided::Changing,
                    false => Undecided::ForeignRevision,
                });
            }
            if least.revision > cursor.revision {
                return Err(Undecided::Behind {
                    at: cursor.revision.0,
                });
            }
        }
        Ok(Moment {
            state: &view.state,
            cursor,
            age,
            bound,
            now,
            time: freshness.time(now).seconds(),
            least,
        })
    }

    fn judge(
        &self,
        question: &Question<'_>,
        facts: &Facts,
        moment: &Moment<'_>,
        trace: &mut impl Trace,
    ) -> Result<Decision, Undecided> {
        let genuine = match facts {
            Facts::Anonymous => {
                let nobody = Principal::Anonymous;
                let verdict = authorize(moment.state, question, &nobody, trace);
                return Ok(Decision {
                    present: self.present(question, moment, &nobody),
                    ..moment.decision(verdict)
                });
            }
            Facts::Genuine(genuine) => genuine,
            Facts::Unverified => return Err(Undecided::Crowded),
            Facts::Refused(error) => {
                let denial = self.explain_refusal(question.caller.token(), *error, moment)?;
                trace.step("token", || self.self_description(question.caller, *error));
                return Ok(moment.decision(Err(denial)));
            }
        };
        let live = match check_live(moment.state, genuine, moment.time, trace) {
            Ok(live) => live,
            Err(denial) => return Ok(moment.decision(Err(denial))),
        };
        let principal = live.principal(genuine);
        let verdict = authorize(moment.state, question, &principal, trace);
        Ok(Decision {
            principal: Some(Arc::clone(genuine)),
            role: Some(live.ceiling().role()),
            ends: live.ends,
            present: self.present(question, moment, &principal),
            ..moment.decision(verdict)
        })
    }

    /// Finds the repo's present name, if the question requests it. To be told it is a read of the repo's
    /// metadata, so the view must be fresh enough for a read, whatever the question's own bound is.
    fn present(
        &self,
        question: &Question<'_>,
        moment: &Moment<'_>,
        principal: &Principal<'_>,
    ) -> Option<Present> {
        let fresh = !self.guards.freshness || moment.age <= self.bounds.read;
        (question.present_name && fresh)
            .then(|| present_name(moment.state, question.resource, principal))
            .flatten()
    }
}

/// A view that is fresh and far enough, at the time of a question.
struct Moment<'a> {
    state: &'a State,
    cursor: Cursor,
    age: Duration,
    bound: Duration,
    now: BootTime,
    /// The store's time, by which expiry is judged.
    time: UnixTime,
    /// The lowest revision that the question accepts.
    least: Option<RevisionToken>,
}

impl Moment<'_> {
    /// Makes a decision without a principal.
    fn decision(&self, verdict: Result<(), Denial>) -> Decision {
        Decision {
            verdict,
            cursor: self.cursor,
            age: self.age,
            bound: self.bound,
            time: self.time,
            principal: None,
            role: None,
            ends: None,
            present: None,
        }
    }
}

impl<'a> Caller<'a> {
    /// The token's text. It is empty for an anonymous caller, and no hub has an empty token.
    fn token(self) -> &'a str {
        match self {
            Self::Anonymous => "",
            Self::Token(token) => token,
        }
    }
}

/// Judges what the principal may do.
fn authorize(
    state: &State,
    question: &Question<'_>,
    principal: &Principal<'_>,
    trace: &mut impl Trace,
) -> Result<(), Denial> {
    let permission = question.permission;
    let (verdict, target) = match resolve(state, question.resource) {
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
