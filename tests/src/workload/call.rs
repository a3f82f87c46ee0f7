//! One change, as a good client makes it: repeated with the same request id, at one issuer and then at the
//! next, until somebody knows its outcome.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_common::status::reason_of;
use tokenward_proto::v1::{Operation, WriteRequest};
use tonic::{Code, Status};

use super::record::Record;
use crate::{
    history::{Outcome, What},
    house::Client,
};

/// A try that has no answer by then is given up; its repeat tells.
const TRY: Duration = Duration::from_secs(3);
/// How often a call is repeated, and the time between two tries.
const TRIES: usize = 400;
const PAUSE: Duration = Duration::from_millis(50);

/// Callers of all issuers, who share a record.
#[derive(Clone)]
pub(super) struct Callers {
    pub(super) record: Arc<Record>,
    issuers: Vec<Client>,
    calls: Arc<AtomicUsize>,
    ids: Arc<AtomicUsize>,
}

/// Whether the same call may succeed later. The programs' own refusals have a reason; without one the
/// connection broke.
fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded => {
            true
        }
        _ => reason_of(status).is_empty(),
    }
}

impl Callers {
    pub(super) fn new(record: Arc<Record>, issuers: Vec<Client>) -> Self {
        Self {
            record,
            issuers,
            calls: Arc::default(),
            ids: Arc::default(),
        }
    }

    /// A request id that no other call has.
    pub(super) fn request_id(&self) -> String {
        format!("w-{}", self.ids.fetch_add(1, SeqCst))
    }

    /// Makes one change, and records it as what `told` makes of its answer.
    pub(super) async fn change<T, F>(
        &self,
        send: impl Fn(Client) -> F,
        told: impl FnOnce(Option<&T>) -> What,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let begin = self.record.now();
        let (outcome, answer, refusal) = self.repeat(send).await;
        let what = told(answer.as_ref());
        self.record.ended(begin, what, outcome, refusal);
        answer
    }

    /// Sends a call until its outcome is known, or too often. Returns the text of a refusal too.
    async fn repeat<T, F>(&self, send: impl Fn(Client) -> F) -> (Outcome, Option<T>, Option<String>)
    where
        F: Future<Output = Result<T, Status>>,
    {
        let first = self.calls.fetch_add(1, SeqCst) % self.issuers.len();
        let mut tries = Vec::new();
        let issuers = self.issuers.iter().zip(1..).cycle();
        for (issuer, number) in issuers.skip(first).take(TRIES) {
            match tokio::time::timeout(TRY, send(issuer.clone())).await {
                Ok(Ok(answer)) => return (Outcome::Done, Some(answer), None),
                Ok(Err(status)) if !is_passing(&status) => {
                    // The outcome of a try before may not be known, and the refusal be of a repeat alone.
                    let outcome = match tries.is_empty() {
                        true => Outcome::Refused,
                        false => Outcome::Unknown,
                    };
                    let message = status.message();
                    let text =
                        format!("issuer {number} said \"{message}\", after tries: {tries:?}");
                    return (outcome, None, Some(text));
                }
                Ok(Err(status)) => tries.push(format!("issuer {number}: {}", status.message())),
                Err(_) => tries.push(format!("issuer {number}: nothing")),
            }
            self.record.failed(tries.last().map_or("", String::as_str));
            tokio::time::sleep(PAUSE).await;
        }
        (Outcome::Unknown, None, None)
    }

    /// Writes something that no Check needs, and returns its revision.
    pub(super) async fn mark(&self, operations: Vec<Operation>) -> Option<String> {
        let request = WriteRequest {
            request_id: self.request_id(),
            operations,
        };
        let send = |mut issuer: Client| {
            let request = request.clone();
            async move { issuer.write(request).await }
        };
        let (_, answer, _) = self.repeat(send).await;
        answer.map(|it| it.revision)
    }
}
