//! Messages to questions, or the field and the rule that it breaks.

use std::time::Duration;

use tokenward_common::{access::Permission, id::RevisionToken, state::record::RepoKind};
use tokenward_proto::v1 as pb;
use tonic::Status;

use crate::decide::{Caller, Question, Resource};

/// Questions in one batch. Bounds how long its view is held: a few hundred microseconds.
pub(super) const MAX_QUESTIONS: usize = 1000;

pub(super) fn question(request: &pb::CheckRequest) -> Result<Question<'_>, Status> {
    use pb::check_request::Caller as Pb;
    let caller = match &request.caller {
        Some(Pb::Anonymous(_)) => Caller::Anonymous,
        Some(Pb::Token(text)) => token(text)?,
        None => return Err(invalid("caller", "must be a token or anonymous")),
    };
    Ok(Question {
        caller,
        permission: permission(&request.permission)?,
        min_revision: min_revision(&request.min_revision)?,
        max_staleness: max_staleness(request.max_staleness)?,
        resource: resource(request.resource.as_ref())?,
    })
}

/// A batch's questions; each with whether it brought its own caller.
pub(super) fn questions(
    request: &pb::BatchCheckRequest,
) -> Result<Vec<(Question<'_>, bool)>, Status> {
    use pb::batch_check_request::Caller as Pb;
    if !(1..=MAX_QUESTIONS).contains(&request.questions.len()) {
        return Err(invalid("questions", "must be 1 to 1,000"));
    }
    let shared = match &request.caller {
        None => None,
        Some(Pb::Anonymous(_)) => Some(Caller::Anonymous),
        Some(Pb::Token(text)) => Some(token(text)?),
    };
    let min_revision = min_revision(&request.min_revision)?;
    let max_staleness = max_staleness(request.max_staleness)?;
    let parse = |asked| {
        let (caller, own) = caller_in_batch(asked, shared)?;
        let question = Question {
            caller,
            permission: permission(&asked.permission)?,
            min_revision,
            max_staleness,
            resource: resource(asked.resource.as_ref())?,
        };
        Ok((question, own))
    };
    let place = |(at, asked)| {
        parse(asked).map_err(|status: Status| {
            Status::invalid_argument(format!("questions[{at}].{}", status.message()))
        })
    };
    request.questions.iter().enumerate().map(place).collect()
}

fn caller_in_batch<'a>(
    asked: &'a pb::Question,
    shared: Option<Caller<'a>>,
) -> Result<(Caller<'a>, bool), Status> {
    use pb::question::Caller as Pb;
    match &asked.caller {
        Some(Pb::Anonymous(_)) => Ok((Caller::Anonymous, true)),
        Some(Pb::Token(text)) => Ok((token(text)?, true)),
        None => shared
            .map(|caller| (caller, false))
            .ok_or_else(|| invalid("caller", "must be set where the batch has none")),
    }
}

pub(super) fn invalid(field: &str, rule: &str) -> Status {
    Status::invalid_argument(format!("{field}: {rule}"))
}

pub(super) fn token(text: &str) -> Result<Caller<'_>, Status> {
    if text.is_empty() {
        return Err(invalid("token", "must not be empty"));
    }
    Ok(Caller::Token(text))
}

fn permission(name: &str) -> Result<Permission, Status> {
    Permission::parse(name).ok_or_else(|| {
        invalid(
            "permission",
            "must be a permission that this verifier knows",
        )
    })
}

pub(super) fn min_revision(text: &str) -> Result<Option<RevisionToken>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    RevisionToken::parse(text)
        .map(Some)
        .ok_or_else(|| invalid("min_revision", "must be a revision that Tokenward gave"))
}

pub(super) fn max_staleness(
    staleness: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Status> {
    staleness
        .map(Duration::try_from)
        .transpose()
        .map_err(|_| invalid("max_staleness", "must not be negative"))
}

fn resource(resource: Option<&pb::Resource>) -> Result<Resource<'_>, Status> {
    use pb::resource::Resource as Pb;
    match resource.and_then(|resource| resource.resource.as_ref()) {
        None => Err(invalid("resource", "must be a repo or an account")),
        Some(Pb::Repo(repo)) => {
            let kind = u32::try_from(repo.kind)
                .ok()
                .and_then(RepoKind::from_number)
                .ok_or_else(|| invalid("resource.repo.kind", "must be set to a known kind"))?;
            match (repo.name.as_str(), repo.id.as_str()) {
                ("", "") => Err(invalid("resource.repo", "must have a name or an id")),
                ("", id) => Ok(Resource::RepoId { kind, id }),
                (name, "") => {
                    let (owner, name) = name
                        .split_once('/')
                        .filter(|(_, name)| !name.contains('/'))
                        .ok_or_else(|| invalid("resource.repo.name", "must be owner/name"))?;
                    Ok(Resource::RepoName { kind, owner, name })
                }
                _ => Err(invalid(
                    "resource.repo",
                    "must have a name or an id, not both",
                )),
            }
        }
        Some(Pb::Account(account)) => match (account.name.as_str(), account.id.as_str()) {
            ("", "") => Err(invalid("resource.account", "must have a name or an id")),
            ("", id) => Ok(Resource::AccountId(id)),
            (name, "") => Ok(Resource::AccountName(name)),
            _ => Err(invalid(
                "resource.account",
                "must have a name or an id, not both",
            )),
        },
    }
}
