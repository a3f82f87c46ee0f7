//! Serves `WhoAmI`: the message becomes a question, the answer becomes a message. It decides nothing.

use tokenward_common::{access::Refusal, clock::BootTime, status::invalid};
use tokenward_proto::v1 as pb;
use tonic::{Extensions, Status};

use super::{VerifierGrpc, answer, question};
use crate::decide::{Caller, LiveToken, Membership, Who, WhoAmI};
use crate::metrics::Unanswered;
use crate::strangers::Asker;

pub(super) async fn answer(
    service: &VerifierGrpc,
    request: &pb::WhoAmIRequest,
    call: &Extensions,
    now: BootTime,
) -> Result<pb::WhoAmIResponse, Status> {
    let asked =
        read_request(request).inspect_err(|_| service.counts.refuse(Unanswered::InvalidRequest))?;
    let asker = Asker::of_call(&service.counts, call);
    let turn = service
        .decider
        .turn(Caller::Token(asked.token), asker)
        .await;
    let told = turn.and_then(|_turn| service.decider.who_am_i(&asked, now, asker));
    let told = told.map_err(|undecided| service.undecided(undecided))?;
    let (revision, age) = answer::describe_view(&told.cursor, told.age);
    let mut response = pb::WhoAmIResponse {
        revision,
        age,
        bound: answer::to_proto(told.bound),
        ..pb::WhoAmIResponse::default()
    };
    match told.who {
        // `WhoAmI` is no Check, so no verdict is counted.
        Ok(who) => response.identity = Some(identity(who)),
        Err(denial) => {
            response.reason = denial.reason.into();
            response.message = denial.message.into_owned();
        }
    }
    Ok(response)
}

fn read_request(request: &pb::WhoAmIRequest) -> Result<WhoAmI<'_>, Status> {
    let Caller::Token(token) = question::token(&request.token)? else {
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
        owner: Some(who.owner.into()),
        orgs: who.orgs.into_iter().map(membership).collect(),
        token: Some(token(who.token)),
    }
}

fn membership(of: Membership) -> pb::Membership {
    pb::Membership {
        org: Some(of.org.into()),
        role: of.role.into(),
        groups: of
            .groups
            .into_iter()
            .map(|(id, name, role)| pb::GroupMembership {
                group_id: id.to_string(),
                name: name.into(),
                role: role.into(),
            })
            .collect(),
        restrictions: of
            .closed
            .map(|refusal| match refusal {
                Refusal::OrgRevoked | Refusal::OrgFloor => pb::SecurityRestriction::TokenRevoked,
                _ => pb::SecurityRestriction::TokenPolicy,
            })
            .into_iter()
            .map(Into::into)
            .collect(),
    }
}

fn token(token: LiveToken) -> pb::LiveToken {
    pb::LiveToken {
        id: token.id.to_string(),
        name: token.name.into(),
        role: token.role.into(),
        scopes: token.scopes.map(Into::into),
        create_time: Some(answer::timestamp(token.made)),
        expire_time: token.ends.map(answer::timestamp),
    }
}
