//! A request before the decision: what its route takes, asked in the name of its credential.
//!
//! Decides nothing of its own. All of a request's questions are judged by one view.

mod judgement;
mod moved;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use tokenward_common::{clock::BootTime, replica::Usage, token::TokenError};
use tokenward_proto::v1::Reason;

use super::{
    credential::{Credential, Shown},
    principal::Principal,
    routes::{Access, Dialect, Need, Request, Route, Table, Thing, Unrouted},
};
use crate::{
    decide::{
        Caller, Decider, Decision, Denial, Facts, Question, Resource, Told, Undecided, Who, WhoAmI,
    },
    metrics::{Counts, Refusal},
};

use judgement::Found;
pub use judgement::{Judgement, Outcome, Seen};
use moved::Moved;

/// One worker's.
#[derive(Clone)]
pub struct Judge {
    pub decider: Arc<Decider>,
    pub table: Arc<Table>,
    pub counts: Arc<CachePadded<Counts>>,
    /// Told which tokens are in use.
    pub usage: Arc<Usage>,
}

impl Judge {
    /// `now` is read when the request arrived, or later.
    pub fn judge(&self, request: &Request<'_>, shown: &Shown<'_>, now: BootTime) -> Judgement {
        self.judge_by(&self.table, request, shown, now)
    }

    /// The same for a caller that can't be sent elsewhere.
    pub fn judge_in_place(
        &self,
        table: &Table,
        request: &Request<'_>,
        shown: &Shown<'_>,
        now: BootTime,
    ) -> Judgement {
        match table.route(request) {
            Ok(route) => self.judge_route(&route, &shown.at(route.dialect), now),
            Err(why) => self.unrouted(why, table.dialect_of(request.target), shown),
        }
    }

    /// The same by another table than this verifier's own.
    pub fn judge_by(
        &self,
        table: &Table,
        request: &Request<'_>,
        shown: &Shown<'_>,
        now: BootTime,
    ) -> Judgement {
        let again = |target: &str| table.route_inside(&Request { target, ..*request }).ok();
        let route = match table.route(request) {
            Ok(route) => route,
            Err(why) => return self.unrouted(why, table.dialect_of(request.target), shown),
        };
        let credential = shown.at(route.dialect);
        let place = table.place();
        let target = place.inside(request.target).unwrap_or_default();
        let judgement = self.judge_at(&route, &target, again, &credential, now);
        judgement.moved_by(|inside| place.outside(inside))
    }

    /// A browser asks on a page's behalf, in nobody's name.
    pub fn preflight(table: &Table, target: &str) -> Judgement {
        Judgement {
            outcome: Outcome::Allowed,
            dialect: table.dialect_of(target),
            offers_pr: false,
            creates: None,
            unseen: false,
            anonymous: true,
            principal: None,
            view: None,
        }
    }

    fn unrouted(&self, why: Unrouted, dialect: Dialect, shown: &Shown<'_>) -> Judgement {
        self.counts.refuse(Refusal::InvalidRequest);
        Judgement {
            outcome: Outcome::Unrouted(why),
            dialect,
            offers_pr: false,
            creates: None,
            unseen: false,
            anonymous: *shown.at(dialect) == Credential::Anonymous,
            principal: None,
            view: None,
        }
    }

    /// The same for a door that knows what it asks.
    pub fn judge_route(
        &self,
        route: &Route,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Judgement {
        self.judged(route, credential, now).0
    }

    /// And what this target names, by `again` as every target's route is found: what has another name
    /// now is there.
    pub fn judge_at(
        &self,
        route: &Route,
        target: &str,
        again: impl Fn(&str) -> Option<Route>,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Judgement {
        let (mut judgement, moved) = self.judged(route, credential, now);
        if let Some(location) = moved.and_then(|moved| moved.location(route, target, again)) {
            judgement.outcome = Outcome::Moved(location);
        }
        judgement
    }

    fn judged(
        &self,
        route: &Route,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> (Judgement, Option<Moved>) {
        let anonymous = *credential == Credential::Anonymous;
        let found = match &route.access {
            Access::Open => Outcome::Allowed.into(),
            Access::Visitor if anonymous => Outcome::Allowed.into(),
            Access::Identity if anonymous => Outcome::LoginRequired.into(),
            Access::Visitor | Access::Identity => self.identified(credential, now),
            Access::Needs(needs) => self.judge_needs(needs, route.dialect, credential, now),
        };
        let Found {
            outcome,
            principal,
            view,
            moved,
        } = found;
        if let Outcome::Undecided(why) = &outcome {
            self.counts.refuse(Refusal::from(why));
        }
        let judgement = Judgement {
            outcome,
            dialect: route.dialect,
            offers_pr: route.offers_pr,
            creates: route.creates,
            unseen: route.unseen,
            anonymous,
            principal,
            view,
        };
        (judgement, moved)
    }

    /// Whose credential it is, if it is live; else a judgement, which never allows.
    pub fn who(&self, credential: &Credential<'_>, now: BootTime) -> Result<Who, Box<Judgement>> {
        self.live(credential, now).map_err(|outcome| {
            if let Outcome::Undecided(why) = &outcome {
                self.counts.refuse(Refusal::from(why));
            }
            Box::new(nobody(outcome, Dialect::Hub, credential))
        })
    }

    /// A refusal in this form of whoever shows no live credential, however a route reads what is shown. While
    /// nothing can be decided it may be one; but a key that isn't known is the caller's own word.
    pub fn stranger(
        &self,
        shown: &Shown<'_>,
        dialect: Dialect,
        now: BootTime,
    ) -> Option<Box<Judgement>> {
        let refused = |credential: &Credential<'_>| {
            let live = match credential {
                Credential::Anonymous => Err(Outcome::LoginRequired),
                _ => match self.decider.is_live(text(credential), now, &self.counts) {
                    Ok(live) => live.map_err(self::refused),
                    Err(Undecided::NotYet | Undecided::Stale { .. } | Undecided::Behind { .. }) => {
                        Ok(())
                    }
                    Err(why) => Err(Outcome::Undecided(why)),
                },
            };
            live.err()
                .map(|outcome| nobody(outcome, dialect, credential))
        };
        let (as_key, otherwise) = (shown.at(Dialect::Inference), shown.at(Dialect::Hub));
        let nobody = refused(&otherwise)?;
        let nobody = match as_key == otherwise {
            true => nobody,
            false => {
                let by_key = refused(&as_key)?;
                match dialect {
                    Dialect::Inference => by_key,
                    Dialect::Hub | Dialect::Git | Dialect::Lfs => nobody,
                }
            }
        };
        Some(Box::new(nobody))
    }

    fn live(&self, credential: &Credential<'_>, now: BootTime) -> Result<Who, Outcome> {
        match credential {
            Credential::Anonymous => Err(Outcome::LoginRequired),
            _ => self.told(credential, now)?.who.map_err(refused),
        }
    }

    /// No check: it is counted with none.
    fn told(&self, credential: &Credential<'_>, now: BootTime) -> Result<Told, Outcome> {
        let asked = WhoAmI {
            token: text(credential),
            min_revision: None,
            max_staleness: None,
        };
        let told = self.decider.who_am_i(&asked, now, &self.counts);
        told.map_err(Outcome::Undecided)
    }

    /// A credential that is live, whatever it may do.
    fn identified(&self, credential: &Credential<'_>, now: BootTime) -> Found {
        let told = match self.told(credential, now) {
            Ok(told) => told,
            Err(outcome) => return outcome.into(),
        };
        let view = Some(Seen {
            cursor: told.cursor,
            age: told.age,
        });
        let (outcome, principal) = match told.who {
            Err(denial) => (refused(denial), None),
            Ok(who) => {
                let principal = Principal {
                    subject: who.owner.id.as_str().into(),
                    token: who.token.id,
                    role: who.token.role,
                    org: None,
                };
                (Outcome::Allowed, Some(principal))
            }
        };
        Found {
            outcome,
            principal,
            view,
            moved: None,
        }
    }

    fn judge_needs(
        &self,
        needs: &[Need],
        dialect: Dialect,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Found {
        let caller = match credential {
            Credential::Anonymous => Caller::Anonymous,
            Credential::Token(token) => Caller::Token(token),
            Credential::Malformed => Caller::Token(""),
        };
        let facts = match credential {
            Credential::Malformed => Facts::Refused(TokenError::Malformed),
            _ => self.decider.facts(caller, &self.counts),
        };
        let is_own = |need: &Need| need.on == Thing::Own;
        if matches!(facts, Facts::Anonymous) && needs.iter().any(is_own) {
            return Outcome::LoginRequired.into();
        }
        let asked: Vec<_> = needs
            .iter()
            .map(|need| (question(need, caller, &facts), &facts))
            .collect();
        // One credential: undecided for one of its questions is undecided.
        let decisions = self.decider.decide_all(&asked, now);
        let decisions: Result<Vec<_>, _> =
            decisions.and_then(|decisions| decisions.into_iter().collect());
        let decisions = match decisions {
            Ok(decisions) => decisions,
            Err(undecided) => return Outcome::Undecided(undecided).into(),
        };
        for decision in &decisions {
            self.count(decision);
        }
        let billed = needs.first().filter(|_| dialect == Dialect::Inference);
        let org = billed.and_then(|need| match &need.on {
            Thing::Account(name) => Some(name.clone()),
            _ => None,
        });
        let principal = decisions.first().and_then(|decision| {
            let genuine = decision.principal.as_ref()?;
            genuine.note(&self.usage, decision.time);
            Some(Principal {
                subject: genuine.owner.clone(),
                token: genuine.tid,
                role: decision.role?,
                org: org.clone(),
            })
        });
        // One for each need, or nothing is allowed.
        if decisions.len() != needs.len() {
            return Outcome::Unrouted(Unrouted::Unknown).into();
        }
        let view = decisions.first().map(|decision| Seen {
            cursor: decision.cursor,
            age: decision.age,
        });
        let judged = needs.iter().zip(decisions);
        let denied = judged.filter_map(|(need, decision)| Some((need, decision.verdict.err()?)));
        let Some((need, denial)) = denied.into_iter().next() else {
            let mut needs = needs.iter();
            return Found {
                outcome: Outcome::Allowed,
                principal,
                view,
                moved: needs.find_map(|need| self.moved(need, &facts, now)),
            };
        };
        let hidden = denial.reason == Reason::NotFound;
        let moved = hidden.then(|| self.moved(need, &facts, now)).flatten();
        let billed = billed.filter(|billed| *billed == need && principal.is_some());
        let outcome = Outcome::Denied {
            billed: billed.map(|_| self.billed(org, credential, now)),
            denial,
            need: Some(need.clone()),
        };
        Found {
            outcome,
            principal,
            view,
            moved,
        }
    }

    /// What isn't found, or is found by another spelling. No decision: it is counted with none.
    fn moved(&self, need: &Need, facts: &Facts, now: BootTime) -> Option<Moved> {
        let Thing::Repo { kind, owner, name } = &need.on else {
            return None;
        };
        let to = self
            .decider
            .present_name((*kind, owner, name), facts, now)?;
        Some(Moved {
            from: need.on.clone(),
            to,
        })
    }

    /// For the text of a refusal alone: of the caller's own account the name, not the id.
    fn billed(
        &self,
        org: Option<Box<str>>,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Box<str> {
        if let Some(org) = org {
            return format!("org {org}").into();
        }
        match self.live(credential, now).map(|who| who.owner) {
            Ok(user) => format!("user {}", user.name.as_str()).into(),
            Err(_) => "this user".into(),
        }
    }

    fn count<P>(&self, decision: &Decision<P>) {
        match &decision.verdict {
            Ok(()) => self.counts.allow(),
            Err(denial) => self.counts.deny(denial.reason),
        }
    }
}

/// A judgement of a credential alone, which isn't live.
fn nobody(outcome: Outcome, dialect: Dialect, credential: &Credential<'_>) -> Judgement {
    Judgement {
        outcome,
        dialect,
        offers_pr: false,
        creates: None,
        unseen: false,
        anonymous: *credential == Credential::Anonymous,
        principal: None,
        view: None,
    }
}

fn refused(denial: Denial) -> Outcome {
    Outcome::Denied {
        denial,
        need: None,
        billed: None,
    }
}

/// What is no credential is no token either: verified, it is refused as one that isn't genuine.
fn text<'a>(credential: &'a Credential<'_>) -> &'a str {
    match credential {
        Credential::Token(token) => token,
        Credential::Anonymous | Credential::Malformed => "",
    }
}

fn question<'a>(need: &'a Need, caller: Caller<'a>, facts: &'a Facts) -> Question<'a> {
    let resource = match (&need.on, facts) {
        (Thing::Repo { kind, owner, name }, _) => Resource::RepoName {
            kind: *kind,
            owner,
            name,
        },
        (Thing::Account(name), _) => Resource::AccountName(name),
        (Thing::Own, Facts::Genuine(genuine)) => Resource::AccountId(&genuine.owner),
        // Refused before its account is looked at.
        (Thing::Own, Facts::Anonymous | Facts::Refused(_)) => Resource::AccountId(""),
    };
    Question {
        caller,
        resource,
        permission: need.permission,
        min_revision: None,
        max_staleness: None,
    }
}
