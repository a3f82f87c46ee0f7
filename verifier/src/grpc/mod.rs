//! `VerifierService`: messages to questions, decisions to messages. Decides nothing.
//!
//! | module | |
//! |---|---|
//! | `question` | what a message asks, or which field is wrong |
//! | `answer` | what a decision answers |
//! | `stream` | many questions on one stream, answered in order |

mod answer;
mod question;
mod stream;

use std::{sync::Arc, time::Duration};

use crossbeam_utils::CachePadded;
use tokenward_common::{process::Shutdown, replica::Usage};
use tokenward_proto::v1 as pb;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};

use crate::{
    decide::{Decider, Decision, Question, Undecided},
    metrics::{Counts, Refusal},
};
use question::Wrong;

/// One worker's.
#[derive(Clone)]
pub struct VerifierGrpc {
    pub decider: Arc<Decider>,
    pub counts: Arc<CachePadded<Counts>>,
    /// Tokens that were seen.
    pub usage: Arc<Usage>,
    /// How long before its end a token's caller is warned.
    pub warning: Duration,
    /// Ends the streams.
    pub shutdown: Shutdown,
}

impl VerifierGrpc {
    /// One question, as it is taken.
    fn answer(&self, request: &pb::CheckRequest) -> Result<pb::CheckResponse, Status> {
        let now = self.decider.replica.clock().boot();
        let question = question::of(request).map_err(|wrong| self.refused(&wrong, ""))?;
        let decision = self.decided(self.decider.decide(&question, now, &self.counts))?;
        self.count(&decision);
        Ok(answer::check(decision, self.warning))
    }

    fn batch(&self, request: &pb::BatchCheckRequest) -> Result<pb::BatchCheckResponse, Status> {
        let now = self.decider.replica.clock().boot();
        let batch = question::batch(request)
            .map_err(|(at, wrong)| self.refused(&wrong, &question::place(at)))?;
        let questions: &[(bool, Question<'_>)] = &batch.questions;
        let decided = self
            .decider
            .decide_all(batch.caller, questions, now, &self.counts);
        let decisions = self.decided(decided)?;
        for decision in &decisions {
            self.count(decision);
        }
        let own = questions.iter().map(|(own, _)| *own);
        Ok(answer::batch(decisions, own, self.warning))
    }

    /// What got no verdict, counted.
    fn decided<T>(&self, decided: Result<T, Undecided>) -> Result<T, Status> {
        decided.map_err(|undecided| {
            self.counts.refuse(Refusal::from(&undecided));
            undecided.into()
        })
    }

    fn refused(&self, wrong: &Wrong, place: &str) -> Status {
        self.counts.refuse(Refusal::InvalidRequest);
        let Wrong { field, rule } = wrong;
        Status::invalid_argument(format!("{place}{field}: {rule}"))
    }

    /// The verdict, and that its token was seen.
    fn count(&self, decision: &Decision) {
        match &decision.verdict {
            Ok(()) => self.counts.allow(),
            Err(denial) => self.counts.deny(denial.reason),
        }
        if let Some(genuine) = &decision.principal {
            genuine.used(decision.time, &self.usage);
        }
    }
}

#[async_trait]
impl pb::verifier_service_server::VerifierService for VerifierGrpc {
    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        if request.get_ref().explain {
            return Err(Status::unimplemented("explain: is not built yet"));
        }
        self.answer(request.get_ref()).map(Response::new)
    }

    async fn batch_check(
        &self,
        request: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        self.batch(request.get_ref()).map(Response::new)
    }

    type CheckStreamStream = stream::Answers;

    async fn check_stream(
        &self,
        request: Request<Streaming<pb::CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Ok(Response::new(stream::answers(
            self.clone(),
            request.into_inner(),
        )))
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
