//! The two halves of an import's stream: it sends batches, receives answers, and keeps a window between
//! them.

use std::{
    io,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, stream};
use tokenward_proto::v1::{ImportRequest, directory_service_client::DirectoryServiceClient};
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;

use super::{
    batch::{Batch, Batches},
    import::{Input, unreadable},
    ledger::Ledger,
};
use crate::{
    connect::{Issuer, Server},
    exit::Failure,
};

/// The most batches that are sent and not yet answered.
const WINDOW: usize = 32;
/// The most batches that are read and not yet sent.
const READ_AHEAD: usize = 4;

/// Reads batches on a thread of its own, because reading a pipe may block for ever. The process can end
/// without waiting for this thread.
pub(super) fn read_ahead(batches: Batches<Input>) -> mpsc::Receiver<io::Result<Batch>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        for batch in batches {
            if sender.blocking_send(batch).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The state that the sending and the receiving half of an import share.
#[derive(Clone)]
pub(super) struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    window: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(ledger)),
            window: Arc::new(Semaphore::new(WINDOW)),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outgoing(
        &self,
        batches: mpsc::Receiver<io::Result<Batch>>,
        path: PathBuf,
    ) -> impl Stream<Item = ImportRequest> + Send + 'static {
        let state = (self.clone(), batches, path);
        stream::unfold(state, |(shared, mut batches, path)| async move {
            // The permit is returned when the batch is answered.
            shared.window.acquire().await.ok()?.forget();
            loop {
                match batches.recv().await? {
                    Ok(batch) if batch.mistakes.is_empty() => {
                        let request = ImportRequest {
                            batch: shared.ledger().sent(&batch),
                            operations: batch.operations,
                        };
                        return Some((request, (shared, batches, path)));
                    }
                    Ok(batch) => {
                        let noted = shared.ledger().mistaken(&batch);
                        if let Err(failure) = noted {
                            shared.ledger().broken = Some(failure);
                            return None;
                        }
                    }
                    Err(error) => {
                        shared.ledger().broken = Some(unreadable(&path, &error));
                        return None;
                    }
                }
            }
        })
    }

    pub(super) async fn send(
        &self,
        mut directory: DirectoryServiceClient<Issuer>,
        batches: impl Stream<Item = ImportRequest> + Send + 'static,
        server: &Server,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let call = self.patient(directory.import(batches), server, timeout);
        let mut answers = call.await?.into_inner();
        while let Some(answer) = self.patient(answers.message(), server, timeout).await? {
            self.ledger().answered(answer)?;
            self.window.add_permits(1);
        }
        Ok(())
    }

    /// Waits for an answer. The timeout applies only while a batch is unanswered: a slow pipe is allowed,
    /// a slow answer is not.
    async fn patient<A>(
        &self,
        answer: impl Future<Output = Result<A, Status>>,
        server: &Server,
        timeout: Duration,
    ) -> Result<A, Failure> {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(timeout, answer.as_mut()).await {
                Ok(answer) => return answer.map_err(|status| server.failure(&status)),
                Err(_) if self.ledger().overdue(timeout) => return Err(server.late()),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
