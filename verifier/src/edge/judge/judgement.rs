//! What came of a request. Values only.

use std::time::Duration;

use tokenward_common::{id::Cursor, state::record::RepoKind};

use crate::{
    decide::{Denial, Undecided},
    edge::{
        principal::Principal,
        routes::{Dialect, Need, Unrouted},
    },
};

/// What was decided of one request, and what its answer is made of.
#[derive(Debug)]
pub struct Judgement {
    pub outcome: Outcome,
    pub dialect: Dialect,
    pub offers_pr: bool,
    pub creates: Option<RepoKind>,
    /// It was judged by the most that its body could ask for, which wasn't shown.
    pub unseen: bool,
    /// No credential was there.
    pub anonymous: bool,
    /// Set where it was found genuine and live.
    pub principal: Option<Principal>,
    /// What it was judged by, if anything was.
    pub view: Option<Seen>,
}

impl Judgement {
    /// A judgement without a route.
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

    /// The judgement of a request that is refused whoever asks.
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

    /// For the count of a door's answers.
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

/// A view: how far it was, and how old.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub cursor: Cursor,
    pub age: Duration,
}

#[derive(Debug)]
pub enum Outcome {
    Allowed,
    /// Nobody is logged in, and this is about the caller itself.
    LoginRequired,
    Denied {
        denial: Denial,
        /// What was refused; `None`: the credential itself.
        need: Option<Need>,
        /// Who would have been billed, for people: `user ada`, `org acme`.
        billed: Option<Box<str>>,
    },
    /// It would be allowed, or is hidden for its name alone: the same is at this target now. To be
    /// answered by no more than that.
    Moved(Box<str>),
    /// No rule fits, or the request can't be read.
    Unrouted(Unrouted),
    /// Nothing was asked: it breaks a rule that holds for all, there is no room, or the server behind fails.
    Refused {
        status: u16,
        rule: Box<str>,
    },
    /// Never ALLOW: try again.
    Undecided(Undecided),
}

impl From<Denial> for Outcome {
    /// A denial of the credential itself.
    fn from(denial: Denial) -> Self {
        Self::Denied {
            denial,
            need: None,
            billed: None,
        }
    }
}
