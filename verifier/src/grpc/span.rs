//! Writes to a span an answer's verdict and its view, but never whose token it was.

use prost::Message as _;
use tokenward_common::process::Span;
use tokenward_proto::v1 as pb;
use tonic::{Code, Status};

pub(super) fn tell(span: &Span, result: &Result<Vec<u8>, Status>) {
    match result {
        Ok(answer) => {
            // These bytes are our own encoding, so they decode.
            let answer = pb::CheckResponse::decode(&**answer).unwrap_or_default();
            span.set("tokenward.verdict", answer.verdict().as_str_name());
            if answer.verdict() == pb::Verdict::Deny {
                span.set("tokenward.reason", answer.reason().as_str_name());
            }
            judged(span, &answer.revision, answer.age);
        }
        Err(status) => failed(span, status),
    }
}

pub(super) fn tell_batch(span: &Span, result: &Result<pb::BatchCheckResponse, Status>) {
    match result {
        Ok(batch) => {
            let allowed = batch.answers.iter();
            let allowed = allowed.filter(|one| one.verdict() == pb::Verdict::Allow);
            // Any other error is the question's own mistake.
            let unavailable = |error: &pb::CheckError| error.code == Code::Unavailable as i32;
            let undecided = batch.answers.iter();
            let undecided = undecided.filter(|one| one.error.as_ref().is_some_and(unavailable));
            span.set("tokenward.allowed", count(allowed.count()));
            span.set("tokenward.undecided", count(undecided.count()));
            span.set("tokenward.questions", count(batch.answers.len()));
            judged(span, &batch.revision, batch.age);
        }
        Err(status) => failed(span, status),
    }
}

/// Converts a count of questions, which is at most 1,000.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn judged(span: &Span, revision: &str, age: Option<prost_types::Duration>) {
    span.set("rpc.grpc.status_code", i64::from(Code::Ok as i32));
    span.set("tokenward.revision", revision.to_owned());
    if let Some(age) = age.and_then(|age| std::time::Duration::try_from(age).ok()) {
        span.set("tokenward.view_age_seconds", age.as_secs_f64());
    }
}

fn failed(span: &Span, status: &Status) {
    span.set("rpc.grpc.status_code", i64::from(status.code() as i32));
    span.failed(status.code().description());
}
