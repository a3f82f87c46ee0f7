//! Finds the owner of a credential, and whether it is live. It judges no request, so it counts no check,
//! and it must not know what the credential may do.

use tokenward_common::clock::BootTime;

use super::{Found, Judge, Judgement, Outcome, Seen};
use crate::{
    decide::{Undecided, Who, WhoAmI, WhoAmIAnswer},
    edge::{
        credential::{Credential, Shown},
        principal::Principal,
        routes::Dialect,
    },
    strangers::Asker,
};

impl Judge {
    /// Returns the owner of a live credential. Otherwise it returns a judgement, which never allows.
    pub fn who(&self, credential: &Credential<'_>, now: BootTime) -> Result<Who, Box<Judgement>> {
        let live = self.check_live(credential, now);
        live.map_err(|outcome| nobody(self.counted(outcome), Dialect::Hub, credential))
    }

    /// Returns the answer for a stranger in this form, or `None` if the caller is not a stranger. A
    /// stranger shows no live credential in any header that a route may read. While no view is fresh nobody
    /// counts as a stranger. A token with an unknown key does make its caller one, since anybody can invent
    /// a key's name.
    pub fn stranger(
        &self,
        shown: &Shown<'_>,
        dialect: Dialect,
        now: BootTime,
    ) -> Option<Box<Judgement>> {
        let refused = |credential: &Credential<'_>| {
            let outcome = self.outcome_of_stranger(credential, now)?;
            Some(nobody(outcome, dialect, credential))
        };
        let (as_key, otherwise) = (shown.at(Dialect::Inference), shown.at(Dialect::Hub));
        let nobody = refused(&otherwise)?;
        if as_key == otherwise {
            return Some(nobody);
        }
        let by_key = refused(&as_key)?;
        Some(match dialect {
            Dialect::Inference => by_key,
            Dialect::Hub | Dialect::Git | Dialect::Lfs => nobody,
        })
    }

    fn outcome_of_stranger(&self, credential: &Credential<'_>, now: BootTime) -> Option<Outcome> {
        if *credential == Credential::Anonymous {
            return Some(Outcome::LoginRequired);
        }
        match self
            .decider
            .check_live(text(credential), now, Asker::somebody(&self.counts))
        {
            Ok(live) => live.err().map(Outcome::from),
            Err(Undecided::NotYet | Undecided::Stale { .. } | Undecided::Behind { .. }) => None,
            Err(why) => Some(Outcome::Undecided(why)),
        }
    }

    pub(super) fn check_live(
        &self,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Result<Who, Outcome> {
        match credential {
            Credential::Anonymous => Err(Outcome::LoginRequired),
            _ => self.identify(credential, now)?.who.map_err(Outcome::from),
        }
    }

    fn identify(
        &self,
        credential: &Credential<'_>,
        now: BootTime,
    ) -> Result<WhoAmIAnswer, Outcome> {
        let asked = WhoAmI {
            token: text(credential),
            min_revision: None,
            max_staleness: None,
        };
        let told = self
            .decider
            .who_am_i(&asked, now, Asker::somebody(&self.counts));
        told.map_err(Outcome::Undecided)
    }

    /// Allows every live credential, whatever it may do.
    pub(super) fn identified(&self, credential: &Credential<'_>, now: BootTime) -> Found {
        let told = match self.identify(credential, now) {
            Ok(told) => told,
            Err(outcome) => return outcome.into(),
        };
        let (outcome, principal) = match told.who {
            Err(denial) => (denial.into(), None),
            Ok(who) => (Outcome::Allowed, Some(principal(who))),
        };
        Found {
            outcome,
            principal,
            view: Some(Seen {
                cursor: told.cursor,
                age: told.age,
                bound: told.bound,
            }),
            moved: None,
        }
    }
}

fn principal(who: Who) -> Principal {
    Principal {
        subject: who.owner.id.as_str().into(),
        token: who.token.id,
        role: who.token.role,
        org: None,
    }
}

/// Makes the judgement of a credential that is not live.
fn nobody(outcome: Outcome, dialect: Dialect, credential: &Credential<'_>) -> Box<Judgement> {
    Box::new(Judgement {
        anonymous: *credential == Credential::Anonymous,
        ..Judgement::new(outcome, dialect)
    })
}

/// Returns the token to verify. An empty text stands for what is not a token, and is refused as not
/// genuine.
fn text<'a>(credential: &'a Credential<'_>) -> &'a str {
    match credential {
        Credential::Token(token) => token,
        Credential::Anonymous | Credential::Malformed => "",
    }
}
