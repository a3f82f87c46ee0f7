//! Turns a route's needs and a credential into the questions for the decider. It has values only, and must
//! not know the answers.

use tokenward_common::token::TokenError;

use crate::{
    decide::{Caller, Facts, Question, Resource},
    edge::{
        credential::Credential,
        routes::{Access, Need, Route, Thing},
    },
};

/// Holds the questions of one request. One view answers all of them.
pub(super) enum Questions<'a> {
    /// Nothing is asked, since everybody may make the request.
    Open,
    /// The route is about the caller's own account, and nobody is logged in.
    LoginRequired,
    /// The question is whether the credential is live.
    Live,
    /// The question is whether the caller has all of these permissions.
    Needs(CallerNeeds<'a>),
}

/// Holds the needs of a request, and its caller.
pub(super) struct CallerNeeds<'a> {
    pub(super) needs: &'a [Need],
    pub(super) caller: Caller<'a>,
    pub(super) facts: Facts,
}

impl<'a> Questions<'a> {
    /// `facts` returns what is known of a caller's token.
    pub(super) fn from_route(
        route: &'a Route,
        credential: &'a Credential<'_>,
        facts: impl FnOnce(Caller<'_>) -> Facts,
    ) -> Self {
        let anonymous = *credential == Credential::Anonymous;
        let needs = match &route.access {
            Access::Open => return Self::Open,
            Access::Visitor if anonymous => return Self::Open,
            Access::Identity if anonymous => return Self::LoginRequired,
            Access::Visitor | Access::Identity => return Self::Live,
            Access::Needs(needs) => needs,
        };
        if anonymous && needs.iter().any(|need| need.on == Thing::Own) {
            return Self::LoginRequired;
        }
        let caller = match credential {
            Credential::Anonymous => Caller::Anonymous,
            Credential::Token(token) => Caller::Token(token),
            Credential::Malformed => Caller::Token(""),
        };
        let facts = match credential {
            Credential::Malformed => Facts::Refused(TokenError::Malformed),
            _ => facts(caller),
        };
        Self::Needs(CallerNeeds {
            needs,
            caller,
            facts,
        })
    }
}

impl CallerNeeds<'_> {
    /// Returns one question for each need, in the order of the needs.
    pub(super) fn questions(&self) -> Vec<(Question<'_>, &Facts)> {
        let each = |need| (question(need, self.caller, &self.facts), &self.facts);
        self.needs.iter().map(each).collect()
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
        // The decider refuses this caller before it looks the account up.
        (Thing::Own, Facts::Anonymous | Facts::Refused(_) | Facts::Unverified) => {
            Resource::AccountId("")
        }
    };
    Question {
        caller,
        resource,
        permission: need.permission,
        min_revision: None,
        max_staleness: None,
        present_name: true,
    }
}
