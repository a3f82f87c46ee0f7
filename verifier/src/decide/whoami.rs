//! Finds whose token this is and what its owner belongs to, by the same view and the same rules as a
//! decision. It needs no permission. A refused token gets a reason and nothing else.

use std::time::Duration;

use tokenward_common::{
    access::{NoTrace, Refusal, TokenFacts, org_gate},
    clock::{BootTime, UnixTime},
    id::{Cursor, GroupId, RevisionToken, TokenId},
    state::{
        Account, State,
        record::{GroupRole, Org, OrgRole, Record, RecordKey, User},
    },
    token::{Claims, Role, Scopes, TokenError, peek},
};

use super::{Caller, Decider, Denial, Facts, Live, Moment, Undecided, check_live};
use crate::{genuine::Genuine, strangers::Asker};

pub struct WhoAmI<'a> {
    pub token: &'a str,
    pub min_revision: Option<RevisionToken>,
    pub max_staleness: Option<Duration>,
}

/// The answer to a who-am-I question, and the view that it comes from.
pub struct WhoAmIAnswer {
    pub who: Result<Who, Denial>,
    pub cursor: Cursor,
    pub age: Duration,
    /// How old the view was allowed to be.
    pub bound: Duration,
}

pub struct Who {
    pub owner: User,
    pub orgs: Vec<Membership>,
    pub token: LiveToken,
}

pub struct Membership {
    pub org: Org,
    pub role: OrgRole,
    pub groups: Vec<(GroupId, Box<str>, GroupRole)>,
    /// Why the org's non-public resources are closed to this token, if they are.
    pub closed: Option<Refusal>,
}

/// A token as it is in force now.
pub struct LiveToken {
    pub id: TokenId,
    pub name: Box<str>,
    pub role: Role,
    pub scopes: Option<Scopes>,
    pub made: UnixTime,
    pub ends: Option<UnixTime>,
}

impl Decider {
    pub fn who_am_i(
        &self,
        asked: &WhoAmI<'_>,
        now: BootTime,
        asker: Asker<'_>,
    ) -> Result<WhoAmIAnswer, Undecided> {
        let facts = self.facts(Caller::Token(asked.token), asker);
        let view = self.view()?;
        let own = self.bounds.read;
        let bound = asked.max_staleness.map_or(own, |asked| asked.min(own));
        let moment = self.moment(&view, bound, asked.min_revision, now)?;
        let who = self
            .live_token(asked.token, &facts, &moment)?
            .and_then(|(genuine, live)| {
                // `peek` doesn't verify, but this text was found genuine. The memo keeps no claims.
                let said = peek(asked.token, &self.expected.prefix);
                let claims = said
                    .ok_or_else(|| Denial::from_token_error(TokenError::Malformed))?
                    .claims;
                who(moment.state, genuine, &live, &claims)
            });
        Ok(WhoAmIAnswer {
            who,
            cursor: moment.cursor,
            age: moment.age,
            bound,
        })
    }

    /// Whether a token is live, whatever its permissions are.
    pub fn check_live(
        &self,
        token: &str,
        now: BootTime,
        asker: Asker<'_>,
    ) -> Result<Result<(), Denial>, Undecided> {
        let facts = self.facts(Caller::Token(token), asker);
        let view = self.view()?;
        let moment = self.moment(&view, self.bounds.read, None, now)?;
        Ok(self.live_token(token, &facts, &moment)?.map(drop))
    }

    fn live_token<'f>(
        &self,
        token: &str,
        facts: &'f Facts,
        moment: &Moment<'_>,
    ) -> Result<Result<(&'f Genuine, Live<'f>), Denial>, Undecided> {
        Ok(match facts {
            Facts::Genuine(genuine) => check_live(moment.state, genuine, moment.time, &mut NoTrace)
                .map(|live| (&**genuine, live)),
            Facts::Unverified => return Err(Undecided::Crowded),
            Facts::Refused(error) => Err(self.explain_refusal(token, *error, moment)?),
            Facts::Anonymous => Err(Denial::from_token_error(TokenError::Malformed)),
        })
    }
}

fn who(state: &State, genuine: &Genuine, live: &Live<'_>, claims: &Claims) -> Result<Who, Denial> {
    let Some(Record::User(owner)) = state.record(&RecordKey::User(claims.sub.clone())) else {
        return Err(Denial::owner_unknown());
    };
    // An amendment replaces the claims whole.
    let settings = state.amendment(genuine.tid).map(|it| it.decoded());
    let (name, role, scopes) = match settings {
        None => (claims.name.clone(), claims.role, claims.scopes.clone()),
        Some(Some(settings)) => (settings.name, settings.role, settings.scopes),
        Some(None) => return Err(Denial::amended_settings()),
    };
    let token = TokenFacts {
        id: genuine.tid,
        serial: genuine.serial,
    };
    let acts_for = state.service_account_of(live.owner);
    let closed = |org| org_gate(state, org, live.owner, acts_for, live.ceiling(), token).err();
    // A service account is a member of no org.
    let memberships = match acts_for {
        None => state.memberships(live.owner),
        Some(_) => Vec::new(),
    };
    let orgs = memberships
        .into_iter()
        .filter_map(|(org, role)| membership(state, live.owner, org, role, closed(org)));
    Ok(Who {
        owner,
        orgs: orgs.collect(),
        token: LiveToken {
            id: genuine.tid,
            name,
            role,
            scopes,
            made: claims.iat,
            ends: live.ends,
        },
    })
}

fn membership(
    state: &State,
    user: Account,
    org: Account,
    role: OrgRole,
    closed: Option<Refusal>,
) -> Option<Membership> {
    let groups = state.groups_in(org, user).into_iter();
    let named = groups.filter_map(|(group, role)| {
        let view = state.group(group)?;
        Some((view.id(), view.name.into(), role))
    });
    let id = state.account(org)?.id();
    let Some(Record::Org(org)) = state.record(&RecordKey::Org(id)) else {
        return None;
    };
    Some(Membership {
        groups: named.collect(),
        org,
        role,
        closed,
    })
}
