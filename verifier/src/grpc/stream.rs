//! Questions one after the other, each answered before the next is taken: what waits is held back by
//! HTTP/2's flow control, and nothing queues here.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use tokenward_common::process::Span;
use tokenward_proto::v1::{self as pb, check_stream_response::Result as Answer};
use tonic::Status;

use super::VerifierGrpc;
use crate::metrics::Refusal;

pub(super) type Answers =
    Pin<Box<dyn Stream<Item = Result<pb::CheckStreamResponse, Status>> + Send>>;

pub(super) fn answers(
    service: VerifierGrpc,
    questions: impl Stream<Item = Result<pb::CheckRequest, Status>> + Send + Unpin + 'static,
    span: Option<Span>,
) -> Answers {
    let shutdown = service.shutdown.clone();
    let stopping = Box::pin(async move { shutdown.stopping().await });
    // The span ends with the stream.
    let open = Some((service, questions, stopping, span));
    Box::pin(stream::unfold(open, async |open| {
        let (service, mut questions, mut stopping, span) = open?;
        let taken = tokio::select! {
            biased;
            () = &mut stopping => Some(Err(Status::unavailable(
                "this verifier is ending: ask another what wasn't answered",
            ))),
            taken = questions.next() => taken,
        };
        match taken {
            None => None,
            Some(Ok(request)) => {
                let answer = one(&service, &request);
                Some((Ok(answer), Some((service, questions, stopping, span))))
            }
            // It ends with this status.
            Some(Err(status)) => Some((Err(status), None)),
        }
    }))
}

fn one(service: &VerifierGrpc, request: &pb::CheckRequest) -> pb::CheckStreamResponse {
    let answer = if request.explain {
        service.counts.refuse(Refusal::InvalidRequest);
        Err(Status::invalid_argument("explain: is for Check alone"))
    } else {
        // The time is that of this question.
        service.answer(request, service.decider.replica.clock().boot())
    };
    let result = match answer {
        Ok(response) => Answer::Response(response),
        Err(status) => Answer::Error(pb::CheckError {
            code: status.code().into(),
            message: status.message().into(),
        }),
    };
    pb::CheckStreamResponse {
        result: Some(result),
    }
}
