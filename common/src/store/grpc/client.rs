//! This file is the follower's end of the feed over gRPC. It decides how long a call may take, and
//! which error of the feed a status means. It must not know which store the issuer has.

use std::{fmt, future::Future, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokenward_proto::internal::{
    self as pb, feed_service_client::FeedServiceClient, snapshot_response::Part,
};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    clock::UnixMillis,
    id::Cursor,
    state::{Entry, codec::DecodeError, codec::record_from_proto},
    store::{
        Confirmed, Feed, FeedError, HandedIn, Head, MAX_USED, MAX_WAIT, Report, Snapshot,
        SnapshotPart, Used, grpc::MESSAGE_BYTES, wire,
    },
};

const CONNECT: Duration = Duration::from_secs(1);
/// An answer takes at most this much longer than the requested wait.
const MARGIN: Duration = Duration::from_secs(2);
/// An issuer answers once it has committed what was handed in.
const HAND_IN: Duration = Duration::from_secs(10);
/// At most this much time passes between two pieces of a snapshot.
const PIECE: Duration = Duration::from_secs(10);
/// A peer that is gone is noticed within the sum of both times.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_ANSWER: Duration = Duration::from_secs(1);

/// The credential by which the issuer knows this follower. It is sent with every call and shown
/// nowhere.
#[derive(Clone)]
pub struct Credential(Option<MetadataValue<Ascii>>);

/// A credential that no header can carry. The error doesn't hold the credential's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a credential holds characters that no header can carry")]
pub struct BadCredential;

impl Credential {
    /// Sends no credential; an issuer that requires one refuses every call.
    pub fn none() -> Self {
        Self(None)
    }

    /// An operator's credential, sent as `authorization: Bearer` (RFC 6750, section 2.1).
    pub fn bearer(secret: &str) -> Result<Self, BadCredential> {
        let header = format!("Bearer {secret}");
        let mut value: MetadataValue<Ascii> = header.parse().map_err(|_| BadCredential)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

type Client = FeedServiceClient<InterceptedService<Channel, Credential>>;

/// A feed that an issuer serves.
#[derive(Clone, Debug)]
pub struct GrpcFeed {
    client: Client,
}

impl GrpcFeed {
    /// Makes the feed, which connects when it is first used, and again whenever that is needed. The
    /// endpoint holds its address; all other settings are made here.
    pub fn new(endpoint: Endpoint, credential: Credential) -> Self {
        Self::over(Self::settings(endpoint).connect_lazy(), credential)
    }

    /// Makes the feed as [`Self::new`] does. `connect` decides how connections are made, such as over TLS.
    pub fn connected(
        endpoint: Endpoint,
        credential: Credential,
        connect: impl FnOnce(Endpoint) -> Channel,
    ) -> Self {
        Self::over(connect(Self::settings(endpoint)), credential)
    }

    fn settings(endpoint: Endpoint) -> Endpoint {
        endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
    }

    fn over(channel: Channel, credential: Credential) -> Self {
        let client = FeedServiceClient::with_interceptor(channel, credential)
            .max_decoding_message_size(MESSAGE_BYTES);
        Self { client }
    }

    fn client(&self) -> Client {
        self.client.clone()
    }
}

/// Sets the deadline of a call. Both ends keep it: the issuer stops working, and this end stops
/// waiting.
fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

async fn answer<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, FeedError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(meaning(&status)),
        Err(_) => Err(FeedError::Unavailable("no answer in time".into())),
    }
}

/// Converts a status back into the error that `server::status` made it of.
fn meaning(status: &Status) -> FeedError {
    match status.code() {
        Code::DataLoss => FeedError::Lost(status.message().into()),
        Code::FailedPrecondition => FeedError::Corrupt(status.message().into()),
        code => FeedError::Unavailable(format!("{code:?}: {}", words(status))),
    }
}

/// Returns the issuer's words, or what kept a call from reaching it: tonic's own words name no cause.
fn words(status: &Status) -> String {
    let mut cause = std::error::Error::source(status);
    let mut words = status.message().to_owned();
    while let Some(deeper) = cause {
        words = deeper.to_string();
        cause = deeper.source();
    }
    words
}

#[async_trait]
impl Feed for GrpcFeed {
    async fn head(&self) -> Result<Head, FeedError> {
        let mut client = self.client();
        let head = answer(MARGIN, client.head(within(MARGIN, pb::HeadRequest {}))).await?;
        Ok(wire::head_from_proto(head.head)?)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        stream::unfold(Scan::Begin(self.client()), |scan| async {
            match scan.next().await {
                Ok(None) => None,
                Ok(Some((part, scan))) => Some((Ok(part), scan)),
                Err(error) => Some((Err(error), Scan::End)),
            }
        })
        .boxed()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        let wait = wait.min(MAX_WAIT);
        let limit = wait + MARGIN;
        let request = pb::ReadLogRequest {
            after: Some(wire::cursor_to_proto(after)),
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
        };
        let mut client = self.client();
        let batch = answer(limit, client.read_log(within(limit, request))).await?;
        let entries = batch.entries.iter();
        Ok(entries
            .map(|entry| wire::entry_from_proto(after.log, entry))
            .collect::<Result<_, DecodeError>>()?)
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        let request = wire::handed_in_to_proto(piece);
        let mut client = self.client();
        let told = answer(HAND_IN, client.hand_in(within(HAND_IN, request))).await?;
        Ok(told.taken)
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        let used = |used: &Used| pb::UsedToken {
            tid: used.token.0,
            hour: used.hour,
        };
        let bound = report
            .bound
            .map_or(0, |bound| bound.as_nanos().div_ceil(1_000_000));
        let request = pb::ConfirmRequest {
            follower: report.follower.clone(),
            applied: Some(wire::cursor_to_proto(applied)),
            bound_ms: u64::try_from(bound).unwrap_or(u64::MAX),
            used: report.used.iter().take(MAX_USED).map(used).collect(),
        };
        let mut client = self.client();
        let confirmed = answer(MARGIN, client.confirm(within(MARGIN, request))).await?;
        Ok(Confirmed {
            head: wire::head_from_proto(confirmed.head)?,
            time: UnixMillis(confirmed.time),
        })
    }
}

/// A snapshot that is being read. It has no deadline as a whole, only from piece to piece.
enum Scan {
    Begin(Client),
    Parts(Box<Streaming<pb::SnapshotResponse>>),
    End,
}

impl Scan {
    async fn next(self) -> Result<Option<(SnapshotPart, Self)>, FeedError> {
        let (mut parts, begun) = match self {
            Self::Begin(mut client) => {
                let call = client.snapshot(pb::SnapshotRequest {});
                (Box::new(answer(PIECE, call).await?), false)
            }
            Self::Parts(parts) => (parts, true),
            Self::End => return Ok(None),
        };
        let part = match tokio::time::timeout(PIECE, parts.message()).await {
            Ok(Ok(Some(message))) => message.part,
            // Only `done` ends a complete snapshot.
            Ok(Ok(None)) => return Err(FeedError::Unavailable("the snapshot was cut".into())),
            Ok(Err(status)) => return Err(meaning(&status)),
            Err(_) => return Err(FeedError::Unavailable("the snapshot stalled".into())),
        };
        let part = match part.ok_or(DecodeError::Unknown("a piece of a snapshot"))? {
            Part::Start(head) if !begun => SnapshotPart::Start(wire::head_from_proto(Some(head))?),
            Part::Records(records) if begun => {
                let records = records.records.into_iter().map(record_from_proto);
                SnapshotPart::Records(records.collect::<Result<_, _>>()?)
            }
            Part::Revoked(page) if begun => SnapshotPart::Revoked {
                page: page.page,
                bits: page.bits,
            },
            Part::Done(_) if begun => return Ok(None),
            _ => return Err(DecodeError::Unknown("the order of a snapshot").into()),
        };
        Ok(Some((part, Self::Parts(parts))))
    }
}
