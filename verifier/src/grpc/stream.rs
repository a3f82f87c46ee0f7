//! Many questions on one stream, answered in order. Nothing is queued here: a question is taken when
//! the transport has room for its answer, so HTTP/2's flow control bounds both directions.

use std::pin::Pin;

use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, FutureExt},
    stream,
};
use tokenward_proto::v1 as pb;
use tonic::{Status, Streaming};

use super::VerifierGrpc;

pub(super) type Answers =
    Pin<Box<dyn Stream<Item = Result<pb::CheckStreamResponse, Status>> + Send>>;

struct Open {
    verifier: VerifierGrpc,
    questions: Streaming<pb::CheckRequest>,
    stopping: BoxFuture<'static, ()>,
}

pub(super) fn answers(verifier: VerifierGrpc, questions: Streaming<pb::CheckRequest>) -> Answers {
    let shutdown = verifier.shutdown.clone();
    let open = Open {
        verifier,
        questions,
        stopping: async move { shutdown.stopping().await }.boxed(),
    };
    stream::unfold(Some(open), |open| async {
        let mut open = open?;
        let question = tokio::select! {
            biased;
            () = &mut open.stopping => {
                let text = "this verifier is stopping: ask again elsewhere what wasn't answered";
                return Some((Err(Status::unavailable(text)), None));
            }
            question = open.questions.next() => question?,
        };
        match question {
            Ok(question) => Some((Ok(open.verifier.streamed(&question)), Some(open))),
            // The stream itself is broken.
            Err(status) => Some((Err(status), None)),
        }
    })
    .boxed()
}

impl VerifierGrpc {
    /// A question without a verdict doesn't end the stream.
    fn streamed(&self, question: &pb::CheckRequest) -> pb::CheckStreamResponse {
        use pb::check_stream_response::Result as Pb;
        let answer = if question.explain {
            Err(Status::invalid_argument("explain: is for Check alone"))
        } else {
            self.answer(question)
        };
        let result = match answer {
            Ok(response) => Pb::Response(response),
            Err(status) => Pb::Error(pb::CheckError {
                code: status.code().into(),
                message: status.message().to_owned(),
            }),
        };
        pb::CheckStreamResponse {
            result: Some(result),
        }
    }
}
