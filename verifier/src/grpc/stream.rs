//! Answers a stream's questions one after the other, each before the next is read. HTTP/2's flow
//! control holds back the waiting questions, so nothing queues here.

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt as _};
use prost::Message as _;
use tokenward_common::{clock::BootTime, process::Span, status::ErrorReason};
use tokenward_proto::v1::{self as pb, check_stream_response::Result as Answer};
use tonic::Status;

use super::{ANSWER_BYTES, VerifierGrpc, answer};
use crate::{
    decide::Undecided,
    metrics::Entrance,
    protobuf::nested,
    serve::Peer,
    strangers::{self, Asker, Turn},
};

/// A stream of `CheckStreamResponse` messages, by default as their bytes.
pub(super) type Answers<M = Vec<u8>> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

pub(super) fn answers(
    service: VerifierGrpc,
    peer: Peer,
    questions: impl Stream<Item = Result<Vec<u8>, Status>> + Send + Unpin + 'static,
    span: Option<Span>,
) -> Answers {
    let shutdown = service.shutdown.clone();
    Box::pin(Conversation {
        service,
        peer,
        questions,
        stopping: Box::pin(async move { shutdown.stopping().await }),
        ended: false,
        waiting: None,
        asked: 0,
        _span: span,
    })
}

/// The state of one stream. It stays in place between two questions; a combinator would move it each
/// time.
struct Conversation<Q> {
    service: VerifierGrpc,
    peer: Peer,
    questions: Q,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
    /// A question about an unseen token, until it is its turn.
    waiting: Option<Waiting>,
    /// The number of questions so far.
    asked: u64,
    /// The span ends with the stream.
    _span: Option<Span>,
}

impl<Q> Stream for Conversation<Q>
where
    Q: Stream<Item = Result<Vec<u8>, Status>> + Unpin,
{
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.service.shutdown.is_stopping() {
            return self.end(
                ErrorReason::Stopping
                    .status("this verifier is ending: ask another what wasn't answered"),
            );
        }
        if let Some(waiting) = &mut self.waiting {
            let turn = ready!(waiting.turn.as_mut().poll(context));
            if let Some(waiting) = self.waiting.take() {
                let answer = self.measured(&waiting.question, Some(turn.is_some()));
                return self.answered(answer);
            }
        }
        match self.questions.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(question))) => match self.measured(&question, None) {
                Ok(None) => {
                    self.wait(question);
                    self.poll_next(context)
                }
                answer => self.answered(answer),
            },
            // The stream ends with this status.
            Poll::Ready(Some(Err(status))) => self.end(status),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                // This poll only registers the waker, so that a stop wakes the stream.
                ready!(self.stopping.as_mut().poll(context));
                self.poll_next(context)
            }
        }
    }
}

/// A question about an unseen token, which waits for its turn.
struct Waiting {
    question: Vec<u8>,
    turn: Pin<Box<dyn Future<Output = Option<Turn>> + Send>>,
}

/// One question in this many is measured, because reading the clock twice costs too much here.
const MEASURED: u64 = 8;

impl<Q> Conversation<Q> {
    /// Answers a question, whose token may have had its turn. Returns `None` if it is to wait for it.
    fn measured(
        &mut self,
        question: &[u8],
        turn: Option<bool>,
    ) -> Result<Option<Vec<u8>>, prost::DecodeError> {
        // Each question is judged at its own time, not at the stream's.
        let clock = self.service.decider.replica.clock();
        let now = clock.boot();
        let later = AtomicBool::new(false);
        let asker = Asker::of_peer(&self.service.counts, &self.peer);
        let answer = match turn {
            None => one(&self.service, asker.before_its_turn(&later), question, now)?,
            Some(true) => one(&self.service, asker, question, now)?,
            Some(false) => error(&self.service.undecided(Undecided::Crowded)),
        };
        if later.load(Relaxed) {
            return Ok(None);
        }
        self.asked += 1;
        if self.asked.is_multiple_of(MEASURED) {
            let took = clock.boot().since(now);
            let counts = &self.service.counts;
            counts.took_each(Entrance::Stream, took, MEASURED);
        }
        Ok(Some(answer))
    }

    fn wait(&mut self, question: Vec<u8>) {
        let (service, peer) = (self.service.clone(), self.peer.clone());
        let turn = async move {
            let now = service.decider.replica.clock().boot();
            strangers::turn(Asker::of_peer(&service.counts, &peer), now).await
        };
        self.waiting = Some(Waiting {
            question,
            turn: Box::pin(turn),
        });
    }

    fn answered(
        &mut self,
        answer: Result<Option<Vec<u8>>, prost::DecodeError>,
    ) -> Poll<Option<Result<Vec<u8>, Status>>> {
        match answer {
            Ok(answer) => Poll::Ready(Some(Ok(answer.unwrap_or_default()))),
            Err(mistake) => self.end(ErrorReason::MessageMalformed.status(mistake.to_string())),
        }
    }

    fn end<T>(&mut self, status: Status) -> Poll<Option<Result<T, Status>>> {
        self.ended = true;
        Poll::Ready(Some(Err(status)))
    }
}

fn one(
    service: &VerifierGrpc,
    asker: Asker<'_>,
    question: &[u8],
    now: BootTime,
) -> Result<Vec<u8>, prost::DecodeError> {
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    let mut result = Ok(());
    let mut mistake = None;
    nested(&mut answer, 1, |to| {
        match service.read(question, asker, None, now, to) {
            Ok(answered) => result = answered,
            Err(no_message) => mistake = Some(no_message),
        }
    });
    if let Some(mistake) = mistake {
        return Err(mistake);
    }
    Ok(match result {
        Ok(()) => answer,
        Err(status) => error(&status),
    })
}

fn error(status: &Status) -> Vec<u8> {
    let response = pb::CheckStreamResponse {
        result: Some(Answer::Error(answer::make_error(status))),
    };
    response.encode_to_vec()
}
