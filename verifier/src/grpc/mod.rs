//! `VerifierService`: messages to questions, decisions to messages. Decides nothing.

mod answer;
mod batch;
mod explain;
mod question;
mod span;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod whoami;

use std::{borrow::Borrow, sync::Arc, time::Duration};

use crossbeam_utils::CachePadded;
use tokenward_common::{
    access::{NoTrace, Steps, Trace},
    clock::BootTime,
    process::{Shutdown, Traces, credentials::Credentials},
    replica::Usage,
};
use tokenward_proto::v1 as pb;
use tonic::{Code, Request, Response, Status, async_trait};

use crate::{
    decide::{Decider, Decision, Undecided},
    genuine::Genuine,
    metrics::{Counts, Refusal},
};

/// One worker's.
#[derive(Clone)]
pub struct VerifierGrpc {
    pub decider: Arc<Decider>,
    pub counts: Arc<CachePadded<Counts>>,
    /// Told which tokens are in use.
    pub usage: Arc<Usage>,
    /// How long before its end a token's holder is warned; zero: never.
    pub expiry_warning: Duration,
    /// Who may ask for explanations. `None`: nobody.
    pub operators: Option<Arc<Credentials>>,
    /// Ends streams.
    pub shutdown: Shutdown,
    pub traces: Traces,
}

#[async_trait]
impl pb::verifier_service_server::VerifierService for VerifierGrpc {
    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let now = self.decider.replica.clock().boot();
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, "VerifierService/Check");
        let result = if request.get_ref().explain {
            self.explain(&request, now)
        } else {
            self.answer(request.get_ref(), now)
        };
        if let Some(span) = span {
            span::tell(&span, &result);
        }
        result.map(Response::new)
    }

    async fn batch_check(
        &self,
        request: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, "VerifierService/BatchCheck");
        let result = batch::batch(self, request.get_ref()).await;
        if let Some(span) = span {
            span::tell_batch(&span, &result);
        }
        result.map(Response::new)
    }

    async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let now = self.decider.replica.clock().boot();
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, "VerifierService/WhoAmI");
        let result = whoami::answer(self, request.get_ref(), now);
        drop(span);
        result.map(Response::new)
    }

    type CheckStreamStream = stream::Answers;

    async fn check_stream(
        &self,
        request: Request<tonic::Streaming<pb::CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, "VerifierService/CheckStream");
        let answers = stream::answers(self.clone(), request.into_inner(), span);
        Ok(Response::new(answers))
    }
}

impl VerifierGrpc {
    fn explain(
        &self,
        request: &Request<pb::CheckRequest>,
        now: BootTime,
    ) -> Result<pb::CheckResponse, Status> {
        explain::permitted(self.operators.as_ref(), request.metadata())
            .inspect_err(|_| self.counts.refuse(Refusal::ExplainRefused))?;
        let mut steps = Steps::default();
        let mut response = self.answer_traced(request.get_ref(), now, &mut steps)?;
        response.explanation = answer::explanation(steps, response.reason());
        Ok(response)
    }

    fn answer(
        &self,
        request: &pb::CheckRequest,
        now: BootTime,
    ) -> Result<pb::CheckResponse, Status> {
        self.answer_traced(request, now, &mut NoTrace)
    }

    fn answer_traced(
        &self,
        request: &pb::CheckRequest,
        now: BootTime,
        trace: &mut impl Trace,
    ) -> Result<pb::CheckResponse, Status> {
        let question = question::question(request)
            .inspect_err(|_| self.counts.refuse(Refusal::InvalidRequest))?;
        let decision = self
            .decider
            .decide_traced(&question, now, &self.counts, trace)
            .map_err(|undecided| self.undecided(undecided))?;
        self.decided(&decision);
        Ok(answer::response(decision, self.expiry_warning))
    }

    /// Counted, and its token's use noted.
    fn decided(&self, decision: &Decision<impl Borrow<Genuine>>) {
        match &decision.verdict {
            Ok(()) => self.counts.allow(),
            Err(denial) => self.counts.deny(denial.reason),
        }
        if let Some(genuine) = &decision.principal {
            genuine.borrow().note(&self.usage, decision.time);
        }
    }

    fn undecided(&self, undecided: Undecided) -> Status {
        self.counts.refuse(Refusal::from(&undecided));
        undecided.into()
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
