//! Takes a request to its decision, in three values:
//!
//! ```text
//! route (Routed) → questions (Questions) → judgement (Judgement)
//! ```
//!
//! A door finds the route, has the request judged here once, and writes the judgement in its own form. This
//! module decides nothing: the decider answers all questions of a request from one view.

mod judgement;
mod live;
mod moved;
mod questions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use tokenward_common::{clock::BootTime, replica::Usage};
use tokenward_proto::v1::Reason;

use super::{
    credential::{Credential, Shown},
    principal::Principal,
    routes::{Dialect, Routed, Table, Thing, Unrouted},
};
use crate::{
    decide::{Caller, Decider, Decision},
    metrics::{Counts, Unanswered},
    strangers::{Asker, Turn},
};

pub use judgement::{Judgement, Outcome, Seen};
use moved::Moved;
use questions::{CallerNeeds, Questions};

/// This is the judge of one worker.
#[derive(Clone)]
pub struct Judge {
    pub decider: Arc<Decider>,
    pub table: Arc<Table>,
    pub counts: Arc<CachePadded<Counts>>,
    /// Records which tokens are in use.
    pub usage: Arc<Usage>,
}

/// Holds what is known once the questions are answered.
struct Found {
    outcome: Outcome,
    principal: Option<Principal>,
    view: Option<Seen>,
    moved: Option<Moved>,
}

impl From<Outcome> for Found {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            principal: None,
            view: None,
            moved: None,
        }
    }
}

impl Judge {
    /// Waits for the turn of an unseen token. It is to be taken just before the request is judged.
    pub async fn turn(&self, shown: &Shown<'_>) -> Option<Turn> {
        let asker = Asker::somebody(&self.counts);
        for dialect in [Dialect::Hub, Dialect::Inference] {
            if let Credential::Token(token) = &*shown.at(dialect) {
                let turn = self.decider.turn(Caller::Token(token), asker).await;
                // The budget decides whether it is verified; where too many wait, the doors wait too.
                if let Ok(Some(turn)) = turn {
                    return Some(turn);
                }
            }
        }
        None
    }

    /// Judges one request. `now` must not be older than the arrival of the request.
    pub fn judge(&self, routed: &Routed<'_>, shown: &Shown<'_>, now: BootTime) -> Judgement {
        let dialect = routed.dialect();
        let credential = shown.at(dialect);
        let anonymous = *credential == Credential::Anonymous;
        let route = match &routed.route {
            Ok(route) => route,
            Err(why) => {
                self.counts.refuse(Unanswered::InvalidRequest);
                let unrouted = Judgement::new(Outcome::Unrouted(*why), dialect);
                return Judgement {
                    anonymous,
                    ..unrouted
                };
            }
        };
        let facts = |caller: Caller<'_>| self.decider.facts(caller, Asker::somebody(&self.counts));
        let found = match Questions::from_route(route, &credential, facts) {
            Questions::Open => Outcome::Allowed.into(),
            Questions::LoginRequired => Outcome::LoginRequired.into(),
            Questions::Live => self.identified(&credential, now),
            Questions::Needs(asked) => self.decided(&asked, dialect, &credential, now),
        };
        let location = found.moved.and_then(|moved| moved.location(routed));
        Judgement {
            outcome: self.counted(location.map_or(found.outcome, Outcome::Moved)),
            dialect,
            offers_pr: route.offers_pr,
            creates: route.creates,
            unseen: route.unseen,
            anonymous,
            principal: found.principal,
            view: found.view,
        }
    }

    /// Counts an outcome that is undecided.
    fn counted(&self, outcome: Outcome) -> Outcome {
        if let Outcome::Undecided(why) = &outcome {
            self.counts.refuse(Unanswered::from(why));
        }
        outcome
    }

    /// Asks all questions at once. The request is allowed if every need is. It is undecided if one question
    /// is, since all questions have the same credential.
    fn decided(
        &self,
        asked: &CallerNeeds<'_>,
        dialect: Dialect,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Found {
        let decisions = self.decider.decide_all(&asked.questions(), now);
        let decisions: Result<Vec<_>, _> =
            decisions.and_then(|decisions| decisions.into_iter().collect());
        let decisions = match decisions {
            Ok(decisions) => decisions,
            Err(undecided) => return Outcome::Undecided(undecided).into(),
        };
        for decision in &decisions {
            match &decision.verdict {
                Ok(()) => self.counts.allow(),
                Err(denial) => self.counts.deny(denial.reason),
            }
        }
        // Nothing is allowed without a decision for each need.
        if decisions.is_empty() || decisions.len() != asked.needs.len() {
            return Outcome::Unrouted(Unrouted::Unknown).into();
        }
        let billed = asked.needs.first();
        let billed = billed.filter(|_| dialect == Dialect::Inference);
        let org = billed.and_then(|need| match &need.on {
            Thing::Account(name) => Some(name.clone()),
            _ => None,
        });
        let first = decisions.first();
        let principal = first.and_then(|decision| self.principal(decision, org.clone()));
        let bound = decisions.iter().map(|decision| decision.bound).min();
        let view = first.zip(bound).map(|(decision, bound)| Seen {
            cursor: decision.cursor,
            age: decision.age,
            bound,
        });
        let mut moved = None;
        let mut judged = asked.needs.iter().zip(decisions);
        let denied = judged.find_map(|(need, decision)| {
            let from = need.on.clone();
            let present = decision.present.map(|to| Moved { from, to });
            match decision.verdict {
                Ok(()) => {
                    moved = moved.take().or(present);
                    None
                }
                Err(denial) => {
                    // A thing that isn't found may have another name now. Any other refusal stands.
                    moved = present.filter(|_| denial.reason == Reason::NotFound);
                    Some((need, denial))
                }
            }
        });
        let outcome = match denied {
            None => Outcome::Allowed,
            Some((need, denial)) => {
                let billed = billed.filter(|billed| *billed == need && principal.is_some());
                Outcome::Denied {
                    billed: billed.map(|_| self.billed(org, credential, now)),
                    denial,
                    need: Some(need.clone()),
                }
            }
        };
        Found {
            outcome,
            principal,
            view,
            moved,
        }
    }

    /// Returns the owner of the token, and records that the token was used.
    fn principal(&self, decision: &Decision, org: Option<Box<str>>) -> Option<Principal> {
        let genuine = decision.principal.as_ref()?;
        genuine.note(&self.usage, decision.time);
        Some(Principal {
            subject: genuine.owner.clone(),
            token: genuine.tid,
            role: decision.role?,
            org,
        })
    }

    /// Names the account that would have been billed, for the text of a refusal. People read an account's
    /// name, not its id.
    fn billed(
        &self,
        org: Option<Box<str>>,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Box<str> {
        if let Some(org) = org {
            return format!("org {org}").into();
        }
        match self.check_live(credential, now).map(|who| who.owner) {
            Ok(user) => format!("user {}", user.name.as_str()).into(),
            Err(_) => "this user".into(),
        }
    }
}
