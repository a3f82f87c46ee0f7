//! `WhoAmI`: the message to the question, what is told to the message.

use prost::Message;
use tokenward_common::{
    access::Refusal,
    clock::BootTime,
    state::record::{Org, Record, User},
    status::invalid,
    token::Scopes,
};
use tokenward_proto::v1 as pb;
use tonic::Status;

use super::{VerifierGrpc, answer, question};
use crate::decide::{LiveToken, Membership, Who, WhoAmI};
use crate::metrics::Refusal as Counted;

pub(super) fn answer(
    service: &VerifierGrpc,
    request: &pb::WhoAmIRequest,
    now: BootTime,
) -> Result<pb::WhoAmIResponse, Status> {
    let asked = asked(request).inspect_err(|_| service.counts.refuse(Counted::InvalidRequest))?;
    let told = service
        .decider
        .who_am_i(&asked, now, &service.counts)
        .map_err(|undecided| service.undecided(undecided))?;
    let (revision, age) = answer::view_of(&told.cursor, told.age);
    let mut response = pb::WhoAmIResponse {
        revision,
        age,
        ..pb::WhoAmIResponse::default()
    };
    match told.who {
        // No check: it is counted with none.
        Ok(who) => response.identity = Some(identity(who)),
        Err(denial) => {
            response.reason = denial.reason.into();
            response.message = denial.message.into_owned();
        }
    }
    Ok(response)
}

fn asked(request: &pb::WhoAmIRequest) -> Result<WhoAmI<'_>, Status> {
    let crate::decide::Caller::Token(token) = question::token(&request.token)? else {
        return Err(invalid("token", "required"));
    };
    Ok(WhoAmI {
        token,
        min_revision: question::min_revision(&request.min_revision)?,
        max_staleness: question::max_staleness(request.max_staleness)?,
    })
}

pub(crate) fn identity(who: Who) -> pb::Identity {
    pb::Identity {
        owner: match who.owner {
            Record::User(user) => Some(owner(user)),
            _ => None,
        },
        orgs: who.orgs.into_iter().map(membership).collect(),
        token: Some(token(who.token)),
    }
}

fn owner(user: User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        name: user.name.to_string(),
        disabled: user.disabled,
        display: display(&user.display),
        service_account_of: user
            .service_account_of
            .map(|org| org.to_string())
            .unwrap_or_default(),
    }
}

fn membership(of: Membership) -> pb::Membership {
    pb::Membership {
        org: match of.org {
            Record::Org(it) => Some(org(it)),
            _ => None,
        },
        role: number(of.role.number()),
        groups: of
            .groups
            .into_iter()
            .map(|(id, name, role)| pb::GroupMembership {
                group_id: id.to_string(),
                name: name.into(),
                role: number(role.number()),
            })
            .collect(),
        restrictions: of
            .closed
            .map(|refusal| match refusal {
                Refusal::OrgRevoked => pb::SecurityRestriction::TokenRevoked,
                _ => pb::SecurityRestriction::TokenPolicy,
            })
            .into_iter()
            .map(Into::into)
            .collect(),
    }
}

fn org(org: Org) -> pb::Org {
    pb::Org {
        id: org.id.to_string(),
        name: org.name.to_string(),
        display: display(&org.display),
    }
}

fn token(token: LiveToken) -> pb::LiveToken {
    pb::LiveToken {
        id: token.id.to_string(),
        name: token.name.into(),
        role: number(token.role.number()),
        scopes: token.scopes.map(scopes),
        create_time: Some(answer::timestamp(token.made)),
        expire_time: token.ends.map(answer::timestamp),
    }
}

fn scopes(scopes: Scopes) -> pb::Scopes {
    let texts = |texts: Vec<Box<str>>| texts.into_iter().map(String::from).collect();
    pb::Scopes {
        scoped: scopes
            .scoped
            .into_iter()
            .map(|scope| pb::Scope {
                entity_kind: number(scope.kind.number()),
                entity_id: scope.id.into(),
                permissions: texts(scope.permissions),
                endpoint_patterns: texts(scope.patterns),
            })
            .collect(),
        global: texts(scopes.global),
        can_read_gated_repos: scopes.can_read_gated_repos,
    }
}

/// What can't be read is shown as none: no decision looks at it.
fn display<D: Message + Default>(bytes: &[u8]) -> Option<D> {
    let some = !bytes.is_empty();
    some.then(|| D::decode(bytes).ok()).flatten()
}

/// The domain's numbers are the API's.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or_default()
}
