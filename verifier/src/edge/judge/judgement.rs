//! Holds the values that describe what came of a request. They decide nothing, and must not know how an
//! answer is written.

use std::time::Duration;

use tokenward_common::{id::Cursor, state::record::RepoKind};

use crate::{
    decide::{Denial, Undecided},
    edge::{
        principal::Principal,
        routes::{Dialect, Need, Unrouted},
    },
};

/// Holds the judgement of one request, with all that its answer is made of.
#[derive(Debug)]
pub struct Judgement {
    pub outcome: Outcome,
    pub dialect: Dialect,
    pub offers_pr: bool,
    pub creates: Option<RepoKind>,
    /// The request was judged by the most that its unseen body could ask for.
    pub unseen: bool,
    /// The request carried no credential.
    pub anonymous: bool,
    /// This is the principal, if the credential was found genuine and live.
    pub principal: Option<Principal>,
    /// This is the view that judged the request, if one did.
    pub view: Option<Seen>,
}

impl Judgement {
    /// Makes a judgement without a route.
    pub(in crate::edge) fn new(outcome: Outcome, dialect: Dialect) -> Self {
        Self {
            outcome,
            dialect,
            offers_pr: false,
            creates: None,
            unseen: false,
            anonymous: false,
            principal: None,
            view: None,
        }
    }

    /// Makes the judgement of a request that is refused for every caller.
    pub(in crate::edge) fn refused(
        dialect: Dialect,
        status: u16,
        rule: impl Into<Box<str>>,
    ) -> Self {
        let rule = rule.into();
        Self::new(Outcome::Refused { status, rule }, dialect)
    }

    pub(in crate::edge) fn allows(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed)
    }

    /// Returns the outcome's name as Envoy's dynamic metadata names it.
    pub fn outcome_name(&self) -> &'static str {
        match &self.outcome {
            Outcome::Allowed => "allowed",
            Outcome::LoginRequired | Outcome::Denied { .. } => "denied",
            Outcome::Moved(_) => "moved",
            Outcome::Unrouted(_) | Outcome::Refused { .. } => "unrouted",
            Outcome::Undecided(_) => "undecided",
        }
    }
}

/// Holds the position and the age of a view.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub cursor: Cursor,
    pub age: Duration,
    /// How old the view was allowed to be: the least bound of the questions.
    pub bound: Duration,
}

#[derive(Debug)]
pub enum Outcome {
    Allowed,
    /// Nobody is logged in, and the request is about the caller itself.
    LoginRequired,
    Denied {
        denial: Denial,
        /// This is the need that was refused. `None` means that the credential itself was refused.
        need: Option<Need>,
        /// This is the account that would have been billed, as people read it: `user ada`, `org acme`.
        billed: Option<Box<str>>,
    },
    /// The same thing has this target now. The request would be allowed, or the thing is hidden only
    /// because of the name in the request. The answer must contain no more than the target.
    Moved(Box<str>),
    /// No rule fits, or the request can't be read.
    Unrouted(Unrouted),
    /// No question was put: the request breaks a rule that holds for all callers, there is no room, or the
    /// server behind fails.
    Refused {
        status: u16,
        rule: Box<str>,
    },
    /// The request could not be judged. It must never be allowed, and the caller should try again.
    Undecided(Undecided),
}

impl From<Denial> for Outcome {
    /// Makes a denial of the credential itself.
    fn from(denial: Denial) -> Self {
        Self::Denied {
            denial,
            need: None,
            billed: None,
        }
    }
}
