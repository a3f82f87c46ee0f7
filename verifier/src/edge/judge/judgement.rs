//! What came of a request. Values only.

use std::time::Duration;

use tokenward_common::{id::Cursor, state::record::RepoKind};

use super::moved::Moved;
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
    /// As its client sees where it is sent to.
    #[must_use]
    pub fn moved_by(mut self, seen: impl FnOnce(&str) -> Box<str>) -> Self {
        if let Outcome::Moved(location) = &mut self.outcome {
            *location = seen(location);
        }
        self
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
    /// Never ALLOW: try again.
    Undecided(Undecided),
}

/// What is known once the outcome is.
pub(super) struct Found {
    pub(super) outcome: Outcome,
    pub(super) principal: Option<Principal>,
    pub(super) view: Option<Seen>,
    pub(super) moved: Option<Moved>,
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
