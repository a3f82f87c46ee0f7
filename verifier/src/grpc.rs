//! `VerifierService`: messages to questions, decisions to messages. Decides nothing.

use std::{sync::Arc, time::Duration};

use crossbeam_utils::CachePadded;
use tokenward_common::{
    access::Permission,
    id::{Cursor, RevisionToken},
    state::record::RepoKind,
};
use tokenward_proto::v1 as pb;
use tonic::{Code, Request, Response, Status, async_trait};

use crate::{
    decide::{Caller, Decider, Decision, Question, Resource, Undecided},
    metrics::{Counts, Refusal},
};

/// One worker's.
#[derive(Clone)]
pub struct VerifierGrpc {
    pub decider: Arc<Decider>,
    pub counts: Arc<CachePadded<Counts>>,
}

#[async_trait]
impl pb::verifier_service_server::VerifierService for VerifierGrpc {
    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let now = self.decider.replica.clock().boot();
        let question = question(request.get_ref())
            .inspect_err(|_| self.counts.refuse(Refusal::InvalidRequest))?;
        match self.decider.decide(&question, now, &self.counts) {
            Ok(decision) => {
                match &decision.verdict {
                    Ok(()) => self.counts.allow(),
                    Err(denial) => self.counts.deny(denial.reason),
                }
                Ok(Response::new(response(decision)))
            }
            Err(undecided) => {
                self.counts.refuse(Refusal::from(&undecided));
                Err(undecided.into())
            }
        }
    }

    async fn batch_check(
        &self,
        _: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    type CheckStreamStream = tokio_stream::Empty<Result<pb::CheckStreamResponse, Status>>;

    async fn check_stream(
        &self,
        _: Request<tonic::Streaming<pb::CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}

impl From<&Undecided> for Refusal {
    fn from(undecided: &Undecided) -> Self {
        match undecided {
            Undecided::NotYet | Undecided::Stale { .. } => Self::ViewStale,
            Undecided::Behind { .. } => Self::RevisionAhead,
            Undecided::ForeignRevision => Self::InvalidRequest,
        }
    }
}

impl From<Undecided> for Status {
    fn from(undecided: Undecided) -> Self {
        let code = match undecided {
            Undecided::NotYet | Undecided::Stale { .. } | Undecided::Behind { .. } => {
                Code::Unavailable
            }
            Undecided::ForeignRevision => Code::InvalidArgument,
        };
        Self::new(code, undecided.to_string())
    }
}

fn invalid(field: &str, rule: &str) -> Status {
    Status::invalid_argument(format!("{field}: {rule}"))
}

fn question(request: &pb::CheckRequest) -> Result<Question<'_>, Status> {
    use pb::check_request::Caller as Pb;
    let caller = match &request.caller {
        Some(Pb::Anonymous(_)) => Caller::Anonymous,
        Some(Pb::Token(token)) if !token.is_empty() => Caller::Token(token),
        Some(Pb::Token(_)) => return Err(invalid("token", "must not be empty")),
        None => return Err(invalid("caller", "must be a token or anonymous")),
    };
    let permission = Permission::parse(&request.permission).ok_or_else(|| {
        invalid(
            "permission",
            "must be a permission that this verifier knows",
        )
    })?;
    let min_revision = match request.min_revision.as_str() {
        "" => None,
        text => Some(
            RevisionToken::parse(text)
                .ok_or_else(|| invalid("min_revision", "must be a revision that Tokenward gave"))?,
        ),
    };
    let max_staleness = match &request.max_staleness {
        None => None,
        Some(staleness) => Some(
            Duration::try_from(*staleness)
                .map_err(|_| invalid("max_staleness", "must not be negative"))?,
        ),
    };
    Ok(Question {
        caller,
        resource: resource(request.resource.as_ref())?,
        permission,
        min_revision,
        max_staleness,
    })
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

fn response(decision: Decision) -> pb::CheckResponse {
    let Decision {
        verdict,
        cursor,
        age,
        principal,
        ..
    } = decision;
    let (verdict, reason, message) = match verdict {
        Ok(()) => (pb::Verdict::Allow, pb::Reason::Unspecified, String::new()),
        Err(denial) => (
            pb::Verdict::Deny,
            denial.reason,
            denial.message.into_owned(),
        ),
    };
    pb::CheckResponse {
        verdict: verdict.into(),
        reason: reason.into(),
        message,
        revision: Cursor::token(&cursor),
        age: prost_types::Duration::try_from(age).ok(),
        principal: principal.map(|genuine| pb::Principal {
            owner_id: genuine.owner.to_string(),
            token_id: genuine.tid.to_string(),
            expire_time: None,
        }),
        warning: String::new(),
        explanation: Vec::new(),
    }
}
