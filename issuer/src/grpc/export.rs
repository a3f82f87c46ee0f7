//! One export, read a little at a time, as fast as the caller takes it. It decides nothing.

use tokenward_common::state::public::record_to_put;
use tokenward_proto::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::directory::Export;

/// At most this many answers wait for the caller.
const AHEAD: usize = 4;

/// Exports on its own task until all records are sent, or the caller is gone.
pub(super) fn start(export: Export) -> ReceiverStream<Result<pb::ExportResponse, Status>> {
    let (answers, stream) = mpsc::channel(AHEAD);
    tokio::spawn(run(export, answers));
    ReceiverStream::new(stream)
}

async fn run(mut export: Export, answers: mpsc::Sender<Result<pb::ExportResponse, Status>>) {
    loop {
        let answer = match export.more() {
            Ok(Some(records)) => pb::ExportResponse {
                operations: records.into_iter().filter_map(record_to_put).collect(),
                revision: String::new(),
            },
            Ok(None) => {
                let last = pb::ExportResponse {
                    operations: Vec::new(),
                    revision: export.cursor.token(),
                };
                // The export is over, whether the caller still listens or not.
                let _ = answers.send(Ok(last)).await;
                return;
            }
            Err(problem) => {
                let _ = answers.send(Err(problem.into())).await;
                return;
            }
        };
        if answer.operations.is_empty() {
            tokio::task::yield_now().await;
        } else if answers.send(Ok(answer)).await.is_err() {
            return;
        }
    }
}
