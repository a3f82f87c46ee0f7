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
    next: Arc<AtomicUsize>,
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
            next: Arc::default(),
        }
    }

    /// A request id that no other call has.
    pub(super) fn request_id(&self) -> String {
        format!("w-{}", self.next.fetch_add(1, SeqCst))
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
        let (outcome, answer) = self.repeat(send).await;
        self.record.ended(begin, told(answer.as_ref()), outcome);
        answer
    }

    /// Sends a call until its outcome is known, or too often.
    async fn repeat<T, F>(&self, send: impl Fn(Client) -> F) -> (Outcome, Option<T>)
    where
        F: Future<Output = Result<T, Status>>,
    {
        let first = self.next.fetch_add(1, SeqCst) % self.issuers.len();
        let mut is_sent = false;
        for issuer in self.issuers.iter().cycle().skip(first).take(TRIES) {
            match tokio::time::timeout(TRY, send(issuer.clone())).await {
                Ok(Ok(answer)) => return (Outcome::Done, Some(answer)),
                Ok(Err(status)) if !is_passing(&status) => {
                    self.record.refused(status.message());
                    // The first try's outcome may not be known, and the refusal be of a repeat alone.
                    let outcome = match is_sent {
                        true => Outcome::Unknown,
                        false => Outcome::Refused,
                    };
                    return (outcome, None);
                }
                Ok(Err(_)) | Err(_) => is_sent = true,
            }
            tokio::time::sleep(PAUSE).await;
        }
        (Outcome::Unknown, None)
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
        let (_, answer) = self.repeat(send).await;
        answer.map(|it| it.revision)
    }
}
