//! Turns messages into questions, or names the field and the rule that it breaks. It must not know any
//! state.

use std::time::Duration;

use tokenward_common::{
    access::Permission,
    id::RevisionToken,
    state::record::RepoKind,
    status::{fields_of, invalid},
};
use tokenward_proto::v1 as pb;
use tonic::Status;

use crate::decide::{Caller, Question, Resource};

/// The most questions in one batch. This bounds how long a batch holds its view: a few hundred
/// microseconds.
pub(super) const MAX_QUESTIONS: usize = 1000;

/// What a message asks, before any rule is checked. It borrows from the message or from its bytes.
#[derive(Default, Clone, Copy, PartialEq, Debug)]
pub(super) struct RawQuestion<'a> {
    pub(super) caller: Option<RawCaller<'a>>,
    pub(super) resource: Option<RawResource<'a>>,
    pub(super) permission: &'a str,
    pub(super) min_revision: &'a str,
    pub(super) max_staleness: Option<prost_types::Duration>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum RawCaller<'a> {
    Token(&'a str),
    Anonymous,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum RawResource<'a> {
    Repo {
        kind: i32,
        name: &'a str,
        id: &'a str,
    },
    Account {
        name: &'a str,
        id: &'a str,
    },
}

impl<'a> From<&'a pb::CheckRequest> for RawQuestion<'a> {
    fn from(request: &'a pb::CheckRequest) -> Self {
        use pb::check_request::Caller as Pb;
        Self {
            caller: request.caller.as_ref().map(|caller| match caller {
                Pb::Token(token) => RawCaller::Token(token),
                Pb::Anonymous(_) => RawCaller::Anonymous,
            }),
            resource: read_resource(request.resource.as_ref()),
            permission: &request.permission,
            min_revision: &request.min_revision,
            max_staleness: request.max_staleness,
        }
    }
}

fn read_resource(resource: Option<&pb::Resource>) -> Option<RawResource<'_>> {
    use pb::resource::Resource as Pb;
    Some(match resource?.resource.as_ref()? {
        Pb::Repo(repo) => RawResource::Repo {
            kind: repo.kind,
            name: &repo.name,
            id: &repo.id,
        },
        Pb::Account(account) => RawResource::Account {
            name: &account.name,
            id: &account.id,
        },
    })
}

pub(super) fn question<'a>(asked: &RawQuestion<'a>) -> Result<Question<'a>, Status> {
    let caller = match asked.caller {
        Some(RawCaller::Anonymous) => Caller::Anonymous,
        Some(RawCaller::Token(text)) => token(text)?,
        None => return Err(invalid("caller", "must be a token or anonymous")),
    };
    let question = Question {
        caller,
        permission: permission(asked.permission)?,
        min_revision: min_revision(asked.min_revision)?,
        max_staleness: max_staleness(asked.max_staleness)?,
        present_name: false,
        resource: resource(asked.resource)?,
    };
    match misplaced(&question) {
        Some(why) => Err(invalid("permission", why)),
        None => Ok(question),
    }
}

/// Why a question makes no sense, if its permission means nothing on such a resource. Only kinds are
/// compared, so the answer doesn't reveal whether the resource exists.
pub(super) fn misplaced(question: &Question<'_>) -> Option<String> {
    let permission = question.permission;
    match question.resource {
        Resource::RepoName { kind, .. } | Resource::RepoId { kind, .. } => {
            permission.misplaced_on_repo(kind)
        }
        Resource::AccountName(_) | Resource::AccountId(_) => permission.misplaced_on_account(),
    }
}

/// Reads a batch's questions, each with whether it brought its own caller. A question may be
/// [`misplaced`].
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
            present_name: false,
            resource: resource(read_resource(asked.resource.as_ref()))?,
        };
        Ok((question, own))
    };
    let place = |(at, asked)| {
        parse(asked).map_err(|status: Status| {
            let mistakes = fields_of(&status).into_iter();
            mistakes
                .map(|(field, rule)| invalid(format!("questions[{at}].{field}"), rule))
                .next()
                .unwrap_or(status)
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

pub(super) fn token(text: &str) -> Result<Caller<'_>, Status> {
    if text.is_empty() {
        return Err(invalid("token", "must not be empty"));
    }
    Ok(Caller::Token(text))
}

fn permission(name: &str) -> Result<Permission, Status> {
    Permission::parse(name).ok_or_else(|| {
        let rule = "must be a permission that this verifier knows";
        invalid("permission", format!("{rule}{}", Permission::hint(name)))
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

fn resource(resource: Option<RawResource<'_>>) -> Result<Resource<'_>, Status> {
    match resource {
        None => Err(invalid("resource", "must be a repo or an account")),
        Some(RawResource::Repo { kind, name, id }) => {
            let kind = u32::try_from(kind)
                .ok()
                .and_then(RepoKind::from_number)
                .ok_or_else(|| invalid("resource.repo.kind", "must be set to a known kind"))?;
            match (name, id) {
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
        Some(RawResource::Account { name, id }) => match (name, id) {
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
