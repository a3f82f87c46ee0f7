//! What a message asks, or which field of it is wrong.

use std::time::Duration;

use tokenward_common::{access::Permission, id::RevisionToken, state::record::RepoKind};
use tokenward_proto::v1 as pb;

use crate::decide::{Caller, Question, Resource};

/// Questions in one batch.
const MAX_QUESTIONS: usize = 1000;

/// A field, and the rule that it breaks. Holds nothing of what was sent.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) field: &'static str,
    pub(super) rule: &'static str,
}

fn wrong(field: &'static str, rule: &'static str) -> Wrong {
    Wrong { field, rule }
}

/// Many questions, each with whether it brings its own caller.
pub(super) struct Batch<'a> {
    pub(super) caller: Option<Caller<'a>>,
    pub(super) questions: Vec<(bool, Question<'a>)>,
}

/// Before a field of the n-th question; nothing before one of the batch.
pub(super) fn place(question: Option<usize>) -> String {
    question.map_or_else(String::new, |number| format!("questions[{number}]."))
}

pub(super) fn of(request: &pb::CheckRequest) -> Result<Question<'_>, Wrong> {
    use pb::check_request::Caller as Pb;
    let caller = match &request.caller {
        Some(Pb::Anonymous(_)) => Caller::Anonymous,
        Some(Pb::Token(token)) => self::token(token)?,
        None => return Err(wrong("caller", "must be a token or anonymous")),
    };
    Ok(Question {
        caller,
        resource: resource(request.resource.as_ref())?,
        permission: permission(&request.permission)?,
        min_revision: min_revision(&request.min_revision)?,
        max_staleness: max_staleness(request.max_staleness)?,
    })
}

/// Or what is wrong, and with which question.
pub(super) fn batch(request: &pb::BatchCheckRequest) -> Result<Batch<'_>, (Option<usize>, Wrong)> {
    use pb::batch_check_request::Caller as Pb;
    let whole = |wrong| (None, wrong);
    let caller = match &request.caller {
        Some(Pb::Anonymous(_)) => Some(Caller::Anonymous),
        Some(Pb::Token(text)) => Some(token(text).map_err(whole)?),
        None => None,
    };
    if request.questions.is_empty() || request.questions.len() > MAX_QUESTIONS {
        return Err(whole(wrong("questions", "must be 1 to 1000")));
    }
    let min_revision = min_revision(&request.min_revision).map_err(whole)?;
    let max_staleness = max_staleness(request.max_staleness).map_err(whole)?;
    let one = |question| one(question, caller, min_revision, max_staleness);
    let questions = request.questions.iter().enumerate();
    Ok(Batch {
        caller,
        questions: questions
            .map(|(number, question)| one(question).map_err(|wrong| (Some(number), wrong)))
            .collect::<Result<_, _>>()?,
    })
}

fn one<'a>(
    question: &'a pb::Question,
    shared: Option<Caller<'a>>,
    min_revision: Option<RevisionToken>,
    max_staleness: Option<Duration>,
) -> Result<(bool, Question<'a>), Wrong> {
    use pb::question::Caller as Pb;
    let own = match &question.caller {
        Some(Pb::Anonymous(_)) => Some(Caller::Anonymous),
        Some(Pb::Token(text)) => Some(token(text)?),
        None => None,
    };
    let rule = "must be a token or anonymous, here or of the batch";
    let question = Question {
        caller: own.or(shared).ok_or(wrong("caller", rule))?,
        resource: resource(question.resource.as_ref())?,
        permission: permission(&question.permission)?,
        min_revision,
        max_staleness,
    };
    Ok((own.is_some(), question))
}

fn token(text: &str) -> Result<Caller<'_>, Wrong> {
    if text.is_empty() {
        return Err(wrong("token", "must not be empty"));
    }
    Ok(Caller::Token(text))
}

fn permission(text: &str) -> Result<Permission, Wrong> {
    Permission::parse(text).ok_or(wrong(
        "permission",
        "must be a permission that this verifier knows",
    ))
}

fn min_revision(text: &str) -> Result<Option<RevisionToken>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let rule = "must be a revision that Tokenward gave";
    RevisionToken::parse(text)
        .map(Some)
        .ok_or(wrong("min_revision", rule))
}

fn max_staleness(span: Option<prost_types::Duration>) -> Result<Option<Duration>, Wrong> {
    span.map(Duration::try_from)
        .transpose()
        .map_err(|_| wrong("max_staleness", "must not be negative"))
}

fn resource(resource: Option<&pb::Resource>) -> Result<Resource<'_>, Wrong> {
    use pb::resource::Resource as Pb;
    match resource.and_then(|resource| resource.resource.as_ref()) {
        None => Err(wrong("resource", "must be a repo or an account")),
        Some(Pb::Repo(repo)) => {
            let kind = u32::try_from(repo.kind)
                .ok()
                .and_then(RepoKind::from_number)
                .ok_or(wrong("resource.repo.kind", "must be set to a known kind"))?;
            match (repo.name.as_str(), repo.id.as_str()) {
                ("", "") => Err(wrong("resource.repo", "must have a name or an id")),
                ("", id) => Ok(Resource::RepoId { kind, id }),
                (name, "") => {
                    let (owner, name) = name
                        .split_once('/')
                        .filter(|(_, name)| !name.contains('/'))
                        .ok_or(wrong("resource.repo.name", "must be owner/name"))?;
                    Ok(Resource::RepoName { kind, owner, name })
                }
                _ => Err(wrong(
                    "resource.repo",
                    "must have a name or an id, not both",
                )),
            }
        }
        Some(Pb::Account(account)) => match (account.name.as_str(), account.id.as_str()) {
            ("", "") => Err(wrong("resource.account", "must have a name or an id")),
            ("", id) => Ok(Resource::AccountId(id)),
            (name, "") => Ok(Resource::AccountName(name)),
            _ => Err(wrong(
                "resource.account",
                "must have a name or an id, not both",
            )),
        },
    }
}
