//! This file is the issuer's end of the feed over gRPC, for any feed. It must not know who may call:
//! that is checked before.

use std::{sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use prost::Message;
use tokenward_proto::internal::{
    self as pb,
    feed_service_server::{FeedService, FeedServiceServer},
    snapshot_response::Part,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    clock::{Clock, SystemClock},
    id::{AccountId, Cursor, MAX_NUMBER, TokenId},
    state::codec::record_to_proto,
    status::{ErrorReason, invalid},
    store::{
        Feed, FeedError, MAX_CHANGE_BYTES, Report, SnapshotPart, Used,
        grpc::{
            ANSWER_BYTES, MESSAGE_BYTES,
            caps::{self, By, Names},
        },
        wire,
    },
};

/// One request may report at most this many tokens as seen, as the protocol says.
const MOST_USED: usize = 1000;
/// The limit of a request in bytes; the largest holds an entry's changes.
pub const REQUEST_BYTES: usize = MAX_CHANGE_BYTES + 1024;
/// At most this many pieces of a snapshot wait for a slow follower, and at most this long.
const PIECES: usize = 2;
const STALLED: Duration = Duration::from_secs(30);

type Piece = Result<pb::SnapshotResponse, Status>;

/// Serves an issuer's feed to followers over gRPC.
pub struct FeedServer {
    feed: Arc<dyn Feed>,
    stopping: CancellationToken,
    names: Names,
}

/// Makes the service, with its limits set. Once `stopping` is cancelled, waiting readers are answered
/// and snapshots end.
pub fn feed_service(
    feed: Arc<dyn Feed>,
    stopping: CancellationToken,
) -> FeedServiceServer<FeedServer> {
    let names = Names::default();
    FeedServiceServer::new(FeedServer {
        feed,
        stopping,
        names,
    })
    .max_decoding_message_size(REQUEST_BYTES)
    .max_encoding_message_size(MESSAGE_BYTES)
}

/// Converts an error into what a follower sees; a failed store's own text stays in the issuer's traces.
fn status(error: FeedError) -> Status {
    match error {
        FeedError::Lost(why) => ErrorReason::FeedLost.status(why),
        FeedError::Unavailable(why) => {
            tracing::warn!(%why, "a follower was not served");
            ErrorReason::StoreUnreadable.status("the store can't be reached")
        }
        FeedError::Corrupt(why) => {
            tracing::error!(%why, "a follower was not served");
            ErrorReason::StoreCorrupt.status("the store holds what the issuer can't read")
        }
    }
}

fn stopping() -> Status {
    ErrorReason::Stopping.status("the issuer is stopping")
}

fn cursor(field: &str, cursor: Option<pb::Cursor>) -> Result<Cursor, Status> {
    wire::cursor_from_proto(cursor).map_err(|_| invalid(field, "malformed cursor"))
}

#[tonic::async_trait]
impl FeedService for FeedServer {
    async fn head(
        &self,
        _: Request<pb::HeadRequest>,
    ) -> Result<Response<pb::HeadResponse>, Status> {
        let head = self.feed.head().await.map_err(status)?;
        Ok(Response::new(pb::HeadResponse {
            head: Some(wire::head_to_proto(&head)),
        }))
    }

    type SnapshotStream = BoxStream<'static, Piece>;

    async fn snapshot(
        &self,
        _: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let (pieces, sent) = mpsc::channel(PIECES);
        let (feed, ended) = (Arc::clone(&self.feed), self.stopping.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {
                    let _ = pieces.try_send(Err(stopping()));
                }
                () = send_snapshot(&*feed, &pieces) => {}
            }
        });
        let sent = stream::unfold(sent, |mut sent| async {
            sent.recv().await.map(|piece| (piece, sent))
        });
        Ok(Response::new(sent.boxed()))
    }

    async fn read_log(
        &self,
        request: Request<pb::ReadLogRequest>,
    ) -> Result<Response<pb::ReadLogResponse>, Status> {
        let request = request.into_inner();
        let after = cursor("after", request.after)?;
        let wait = Duration::from_millis(request.wait_ms.into());
        let read = tokio::select! {
            read = self.feed.read_log(&after, wait) => read.map_err(status)?,
            () = self.stopping.cancelled() => return Err(stopping()),
        };
        let mut bytes = 0;
        let entries = read
            .iter()
            .map(wire::entry_to_proto)
            .take_while(|entry| {
                let room = bytes < ANSWER_BYTES;
                bytes += entry.encoded_len();
                room
            })
            .collect();
        Ok(Response::new(pb::ReadLogResponse { entries }))
    }

    async fn confirm(
        &self,
        request: Request<pb::ConfirmRequest>,
    ) -> Result<Response<pb::ConfirmResponse>, Status> {
        let by = request.extensions().get::<By>().cloned();
        let request = request.into_inner();
        let applied = cursor("applied", request.applied)?;
        // A follower's name has the characters of an id.
        AccountId::parse(&request.follower)
            .map_err(|rule| invalid("follower", rule.to_string()))?;
        if request.used.len() > MOST_USED {
            return Err(invalid("used", format!("must be at most {MOST_USED}")));
        }
        let bound = caps::bound(request.bound_ms)?;
        let now = SystemClock.unix();
        self.names.admit(
            &by.unwrap_or_default(),
            &request.follower,
            bound,
            SystemClock.boot(),
        )?;
        let report = Report {
            follower: request.follower,
            bound,
            used: request
                .used
                .iter()
                .filter_map(used)
                .filter(|used| caps::can_be(used.hour, now))
                .collect(),
        };
        let confirmed = self.feed.confirm(&report, &applied).await;
        let confirmed = confirmed.map_err(status)?;
        Ok(Response::new(pb::ConfirmResponse {
            head: Some(wire::head_to_proto(&confirmed.head)),
            time: confirmed.time.0,
        }))
    }

    async fn hand_in(
        &self,
        request: Request<pb::HandInRequest>,
    ) -> Result<Response<pb::HandInResponse>, Status> {
        let piece = wire::handed_in_from_proto(request.into_inner());
        let piece = piece.map_err(|rule| invalid("changes", rule.to_string()))?;
        let taken = tokio::select! {
            taken = self.feed.hand_in(&piece) => taken.map_err(status)?,
            () = self.stopping.cancelled() => return Err(stopping()),
        };
        Ok(Response::new(pb::HandInResponse { taken }))
    }
}

/// Decodes a token that was seen; `None` means that no token has such an id.
fn used(used: &pb::UsedToken) -> Option<Used> {
    let token = TokenId(used.tid);
    (1..MAX_NUMBER).contains(&used.tid).then_some(Used {
        token,
        hour: used.hour,
    })
}

/// Sends a snapshot piece by piece: the store is read no faster than the follower takes. It ends when
/// either of them does.
async fn send_snapshot(feed: &dyn Feed, pieces: &mpsc::Sender<Piece>) {
    let mut parts = feed.snapshot();
    while let Some(part) = parts.next().await {
        let cut = match part {
            Ok(part) => cut(part).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(status(error))],
        };
        for piece in cut {
            let last = piece.is_err();
            // A follower that stalls must not keep the store's pages for ever.
            if pieces.send_timeout(piece, STALLED).await.is_err() || last {
                return;
            }
        }
    }
    let done = message(Part::Done(pb::SnapshotDone {}));
    let _ = pieces.send_timeout(Ok(done), STALLED).await;
}

fn message(part: Part) -> pb::SnapshotResponse {
    pb::SnapshotResponse { part: Some(part) }
}

/// Converts a part into one message, or into as many as its records need.
fn cut(part: SnapshotPart) -> Vec<pb::SnapshotResponse> {
    let records = match part {
        SnapshotPart::Start(head) => return vec![message(Part::Start(wire::head_to_proto(&head)))],
        SnapshotPart::Revoked { page, bits } => {
            return vec![message(Part::Revoked(pb::RevokedPage { page, bits }))];
        }
        SnapshotPart::Records(records) => records,
    };
    let mut messages = Vec::with_capacity(1);
    let mut piece = pb::Records::default();
    let mut bytes = 0;
    for record in &records {
        if bytes >= ANSWER_BYTES {
            messages.push(message(Part::Records(std::mem::take(&mut piece))));
            bytes = 0;
        }
        let record = record_to_proto(record);
        bytes += record.encoded_len();
        piece.records.push(record);
    }
    messages.push(message(Part::Records(piece)));
    messages
}
