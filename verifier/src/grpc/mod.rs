//! Serves `VerifierService`: messages become questions, decisions become messages. It decides nothing.

mod answer;
mod batch;
mod explain;
mod method;
mod question;
mod server;
mod span;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod whoami;
mod wire;

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crossbeam_utils::CachePadded;
use futures_util::{
    FutureExt as _, Stream,
    future::{BoxFuture, Either},
};
use prost::Message as _;
use tokenward_common::{
    access::{NoTrace, Steps, Trace},
    clock::BootTime,
    process::{Shutdown, Span, Traces, credentials::LiveCredentials},
    replica::Usage,
    status::{ErrorReason, invalid},
};
use tokenward_proto::v1 as pb;
use tonic::{Request, Response, Status};

use crate::{
    decide::{Decider, Decision, FOREIGN, Undecided},
    metrics::{Counts, Entrance, Unanswered},
    serve::Peer,
    strangers::{self, Asker},
};
use method::Method;
use question::RawQuestion;

pub use server::VerifierServer;

/// The capacity reserved for an ordinary answer, in bytes.
const ANSWER_BYTES: usize = 160;

type Checked = Result<Vec<u8>, Status>;
/// The answer to a `Check`: there at once, unless its token is to be verified.
type Checking = Either<Ready<Checked>, BoxFuture<'static, Checked>>;

/// The gRPC service of one worker.
#[derive(Clone)]
pub struct VerifierGrpc {
    pub decider: Arc<Decider>,
    pub counts: Arc<CachePadded<Counts>>,
    /// Receives which tokens are in use.
    pub usage: Arc<Usage>,
    /// How long before its end a token's holder is warned. Zero means never.
    pub expiry_warning: Duration,
    /// Which operators may request explanations. `None` means nobody may.
    pub operators: Option<Arc<LiveCredentials>>,
    /// Ends streams when the process stops.
    pub shutdown: Shutdown,
    pub traces: Traces,
}

impl VerifierGrpc {
    /// Answers the bytes of a `CheckRequest` with the bytes of a `CheckResponse`: at once, or when it is the
    /// turn of its unseen token.
    fn check(self: &Arc<Self>, call: Request<Vec<u8>>) -> Checking {
        let now = self.decider.replica.clock().boot();
        let headers = call.metadata().as_ref();
        let span = self.traces.received(headers, Method::Check.path());
        let asker = Asker::of_call(&self.counts, call.extensions());
        let later = AtomicBool::new(false);
        let answer = self.checked(&call, asker.before_its_turn(&later), now);
        if !later.load(Relaxed) {
            return Either::Left(ready(self.told(answer, span, now)));
        }
        let service = Arc::clone(self);
        let checked = async move {
            let asker = Asker::of_call(&service.counts, call.extensions());
            let answer = match strangers::turn(asker, now).await {
                Some(_turn) => service.checked(&call, asker, now),
                None => Err(service.undecided(Undecided::Crowded)),
            };
            service.told(answer, span, now)
        };
        Either::Right(checked.boxed())
    }

    fn checked(&self, call: &Request<Vec<u8>>, asker: Asker<'_>, now: BootTime) -> Checked {
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        match self.read(call.get_ref(), asker, Some(call), now, &mut answer) {
            Ok(result) => result.map(|()| answer),
            Err(mistake) => Err(ErrorReason::MessageMalformed.status(mistake.to_string())),
        }
    }

    /// Measures an answer, and tells its span of it.
    fn told(&self, answer: Checked, span: Option<Span>, now: BootTime) -> Checked {
        let took = self.decider.replica.clock().boot().since(now);
        self.counts.took(Entrance::Grpc, took);
        if let Some(span) = span {
            span::tell(&span, &answer);
        }
        answer
    }

    async fn batch_check(
        &self,
        request: Request<pb::BatchCheckRequest>,
    ) -> Result<Response<pb::BatchCheckResponse>, Status> {
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, Method::BatchCheck.path());
        let result = batch::batch(self, request.get_ref(), request.extensions()).await;
        if let Some(span) = span {
            span::tell_batch(&span, &result);
        }
        result.map(Response::new)
    }

    async fn who_am_i(
        &self,
        request: &Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let now = self.decider.replica.clock().boot();
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, Method::WhoAmI.path());
        let result = whoami::answer(self, request.get_ref(), request.extensions(), now).await;
        drop(span);
        result.map(Response::new)
    }

    fn check_stream<Q>(&self, request: Request<Q>) -> Response<stream::Answers>
    where
        Q: Stream<Item = Result<Vec<u8>, Status>> + Send + Unpin + 'static,
    {
        let headers = request.metadata().as_ref();
        let span = self.traces.received(headers, Method::CheckStream.path());
        let peer = request.extensions().get().unwrap_or(&Peer::UNKNOWN).clone();
        Response::new(stream::answers(
            self.clone(),
            peer,
            request.into_inner(),
            span,
        ))
    }

    /// Reads a question and appends the answer. The outer error means that the bytes are no message. An
    /// explanation needs the call, to know who requests it.
    fn read(
        &self,
        message: &[u8],
        asker: Asker<'_>,
        call: Option<&Request<Vec<u8>>>,
        now: BootTime,
        to: &mut Vec<u8>,
    ) -> Result<Result<(), Status>, prost::DecodeError> {
        if let Some(asked) = wire::read(message) {
            return Ok(self.answer(&asked, asker, now, &mut NoTrace, to).map(drop));
        }
        let request = pb::CheckRequest::decode(message)?;
        let asked = RawQuestion::from(&request);
        Ok(match (request.explain, call) {
            (false, _) => self.answer(&asked, asker, now, &mut NoTrace, to).map(drop),
            (true, Some(call)) => self.explain(&asked, call, now, to),
            (true, None) => {
                self.counts.refuse(Unanswered::InvalidRequest);
                Err(invalid("explain", "is for Check alone"))
            }
        })
    }

    fn explain(
        &self,
        asked: &RawQuestion<'_>,
        call: &Request<Vec<u8>>,
        now: BootTime,
        to: &mut Vec<u8>,
    ) -> Result<(), Status> {
        explain::permitted(self.operators.as_ref(), call)
            .inspect_err(|_| self.counts.refuse(Unanswered::ExplainRefused))?;
        let mut steps = Steps::default();
        let asker = Asker::of_call(&self.counts, call.extensions());
        let refused = self.answer(asked, asker, now, &mut steps, to)?;
        // Fields may come in any order, so this one can be appended.
        let explanation = pb::CheckResponse {
            explanation: answer::explanation(steps, refused),
            ..pb::CheckResponse::default()
        };
        to.extend(explanation.encode_to_vec());
        Ok(())
    }

    /// Decides and appends the answer. Returns the reason of a denial, or `Unspecified`.
    fn answer(
        &self,
        asked: &RawQuestion<'_>,
        asker: Asker<'_>,
        now: BootTime,
        trace: &mut impl Trace,
        to: &mut Vec<u8>,
    ) -> Result<pb::Reason, Status> {
        let question = question::question(asked)
            .inspect_err(|_| self.counts.refuse(Unanswered::InvalidRequest))?;
        let decision = self
            .decider
            .decide_traced(&question, now, asker, trace)
            .map_err(|undecided| match asker.is_put_off() {
                true => undecided.into(),
                false => self.undecided(undecided),
            })?;
        self.decided(&decision);
        answer::write(&decision, self.expiry_warning, to);
        Ok(match decision.verdict {
            Ok(()) => pb::Reason::Unspecified,
            Err(denial) => denial.reason,
        })
    }

    /// Counts the decision and notes the use of its token.
    fn decided(&self, decision: &Decision) {
        match &decision.verdict {
            Ok(()) => self.counts.allow(),
            Err(denial) => self.counts.deny(denial.reason),
        }
        if let Some(genuine) = &decision.principal {
            genuine.note(&self.usage, decision.time);
        }
    }

    fn undecided(&self, undecided: Undecided) -> Status {
        self.counts.refuse(Unanswered::from(&undecided));
        undecided.into()
    }
}

impl From<&Undecided> for Unanswered {
    fn from(undecided: &Undecided) -> Self {
        match undecided {
            Undecided::NotYet | Undecided::Stale { .. } => Self::ViewStale,
            Undecided::NoKeys | Undecided::KeyUnknown => Self::KeyUnsettled,
            Undecided::Behind { .. } | Undecided::Changing => Self::RevisionAhead,
            Undecided::Crowded => Self::Crowded,
            Undecided::ForeignRevision => Self::InvalidRequest,
        }
    }
}

/// The reason that a program gets for an undecided question.
fn reason_of(undecided: &Undecided) -> ErrorReason {
    match undecided {
        Undecided::NotYet => ErrorReason::ViewNotReady,
        Undecided::NoKeys => ErrorReason::KeysNotReady,
        Undecided::KeyUnknown => ErrorReason::KeyUnsettled,
        Undecided::Stale { .. } => ErrorReason::ViewStale,
        Undecided::Behind { .. } | Undecided::Changing => ErrorReason::RevisionAhead,
        Undecided::Crowded => ErrorReason::StrangersTooMany,
        Undecided::ForeignRevision => ErrorReason::RevisionForeign,
    }
}

impl From<Undecided> for Status {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::ForeignRevision => {
                ErrorReason::RevisionForeign.status_for_field("min_revision", FOREIGN)
            }
            _ => reason_of(&undecided).status(undecided.to_string()),
        }
    }
}
