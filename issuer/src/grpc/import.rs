//! One import's stream of batches, which are planned in order, committed concurrently and answered in order.
//! It must not know what a batch contains.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokenward_common::id::Cursor;
use tokenward_proto::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::authenticator::{AdmittedCall, Authenticator};
use crate::{
    directory::{Directory, Session},
    error::Problem,
    pace::Pace,
};

/// At most this many batches of one import are in flight to the store.
const IMPORT_WINDOW: usize = 64;
/// After how many batches an import forgets the batches before the last so many, which bounds its memory.
/// This is more than can be in flight, so all forgotten batches are answered.
const IMPORT_TURN: usize = 256;
const _: () = assert!(IMPORT_TURN > IMPORT_WINDOW);

/// Imports on its own task until the caller has sent all batches, or is gone.
pub(super) fn start(
    authenticator: Authenticator,
    directory: Directory,
    pace: Arc<Pace>,
    call: AdmittedCall,
    batches: Streaming<pb::ImportRequest>,
) -> ReceiverStream<Result<pb::ImportResponse, Status>> {
    let (answers, stream) = mpsc::channel(IMPORT_WINDOW);
    let import = Import {
        authenticator,
        directory,
        pace,
        call,
        session: Session::default(),
        on_their_way: FuturesOrdered::new(),
        newest: None,
        unsure: false,
        answers,
    };
    tokio::spawn(import.run(batches));
    ReceiverStream::new(stream)
}

type Answered = (u64, Result<Cursor, Problem>);

struct Import {
    authenticator: Authenticator,
    directory: Directory,
    pace: Arc<Pace>,
    call: AdmittedCall,
    session: Session,
    on_their_way: FuturesOrdered<BoxFuture<'static, Answered>>,
    /// This is the newest cursor that was acknowledged.
    newest: Option<Cursor>,
    /// Set if a batch since the last turn was not acknowledged.
    unsure: bool,
    answers: mpsc::Sender<Result<pb::ImportResponse, Status>>,
}

/// The caller is gone, or has been answered why no more batches are taken.
struct Gone;

impl Import {
    async fn run(mut self, mut batches: Streaming<pb::ImportRequest>) {
        let mut planned = 0_usize;
        loop {
            let room = self.on_their_way.len() < IMPORT_WINDOW;
            let step = tokio::select! {
                // Answers are sent while batches arrive, because a caller may wait for one before it sends
                // on.
                Some(answered) = self.on_their_way.next() => self.answer(answered).await,
                batch = batches.next(), if room => match batch {
                    Some(Ok(batch)) => {
                        planned += 1;
                        self.take(batch, planned.is_multiple_of(IMPORT_TURN)).await
                    }
                    Some(Err(_)) => Err(Gone),
                    None => break,
                },
            };
            if step.is_err() {
                return;
            }
        }
        let _ = self.drain().await;
    }

    /// Starts a batch's commit, or answers the batch if it is refused.
    async fn take(&mut self, batch: pb::ImportRequest, turn: bool) -> Result<(), Gone> {
        if turn {
            self.turn().await?;
        }
        if self.pace.is_full() {
            self.keep_pace().await?;
        }
        match self.plan(batch).await? {
            Ok(commit) => {
                self.on_their_way.push_back(commit);
                Ok(())
            }
            Err(answer) => {
                // Answers must keep the order of the batches.
                self.drain().await?;
                self.answer(answer).await
            }
        }
    }

    /// Returns a commit to wait for, or the answer to a batch that was refused.
    async fn plan(
        &mut self,
        batch: pb::ImportRequest,
    ) -> Result<Result<BoxFuture<'static, Answered>, Answered>, Gone> {
        let number = batch.batch;
        let request = match self
            .authenticator
            .request(&self.call, String::new(), &batch)
        {
            Ok(request) => request,
            Err(problem) => return Ok(Err((number, Err(problem)))),
        };
        let operations = match Directory::parse(batch.operations) {
            Ok(operations) => operations,
            Err(problem) => return Ok(Err((number, Err(problem)))),
        };
        let mut planned = self.directory.plan_import(&mut self.session, &operations);
        // The view may be behind what this stream or another caller wrote a moment ago, so plan again after
        // catching up.
        if !matches!(planned, Ok(Some(_))) {
            self.breathe().await?;
            planned = self.directory.plan_import(&mut self.session, &operations);
        }
        Ok(match planned {
            Ok(Some(plan)) => {
                self.pace.count(plan.bytes());
                let directory = self.directory.clone();
                Ok(async move {
                    let written = directory.commit_import(&request, plan, &operations);
                    (number, written.await)
                }
                .boxed())
            }
            Ok(None) => Err((number, Err(Problem::Contended))),
            Err(problem) => Err((number, Err(problem))),
        })
    }

    /// Forgets drafts that the own view shows, while the batches in flight go on.
    async fn turn(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.unsure) {
            return self.breathe().await;
        }
        let turned = self.directory.turn(&mut self.session, self.newest).await;
        self.or_end(turned).await
    }

    /// Lets the verifiers catch up; the caller is answered first what it may wait for.
    async fn keep_pace(&mut self) -> Result<(), Gone> {
        self.drain().await?;
        let pace = Arc::clone(&self.pace);
        let waited = tokio::select! {
            waited = pace.wait() => waited,
            () = self.answers.closed() => return Err(Gone),
        };
        self.or_end(waited).await
    }

    /// Waits until all batches in flight are answered and show in the own view.
    async fn breathe(&mut self) -> Result<(), Gone> {
        self.drain().await?;
        let caught_up = self.directory.caught_up(&mut self.session).await;
        self.or_end(caught_up).await
    }

    /// Ends the stream if the view doesn't advance. The future holds no reference to `self` across its wait.
    fn or_end(
        &self,
        result: Result<(), Problem>,
    ) -> impl Future<Output = Result<(), Gone>> + use<> {
        let answers = self.answers.clone();
        async move {
            if result.is_ok() {
                return Ok(());
            }
            let status = Status::from(Problem::Unavailable);
            let _ = answers.send(Err(status)).await;
            Err(Gone)
        }
    }

    /// Answers all batches in flight.
    async fn drain(&mut self) -> Result<(), Gone> {
        while let Some(answered) = self.on_their_way.next().await {
            self.answer(answered).await?;
        }
        Ok(())
    }

    /// Answers a batch. The future holds no reference to `self`, because the commits in flight aren't `Sync`.
    fn answer(
        &mut self,
        (batch, result): Answered,
    ) -> impl Future<Output = Result<(), Gone>> + use<> {
        self.authenticator.metrics.imported(result.is_ok());
        match &result {
            Ok(cursor) if self.newest.is_some_and(|it| it.revision > cursor.revision) => {}
            Ok(cursor) => self.newest = Some(*cursor),
            Err(_) => self.unsure = true,
        }
        let answer = match result {
            Ok(cursor) => Ok(pb::ImportResponse {
                batch,
                revision: cursor.token(),
                ..pb::ImportResponse::default()
            }),
            // A caller that continues the import later sends this batch again.
            Err(problem) if problem.passes() => Err(Status::from(problem)),
            Err(problem) => Ok(pb::ImportResponse {
                batch,
                revision: String::new(),
                error: problem.to_string(),
                error_reason: problem.reason().as_str().into(),
                error_field: problem.field().into(),
            }),
        };
        let ended = answer.is_err();
        let answers = self.answers.clone();
        async move {
            let sent = answers.send(answer).await.map_err(|_| Gone);
            if ended { Err(Gone) } else { sent }
        }
    }
}
