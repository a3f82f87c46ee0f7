//! The feed over gRPC against the suite: a real server on a port of its own, over an embedded store. It runs
//! once without protection, and once with the programs' own TLS, by which both ends show certificates.

mod mutual;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use tokenward_common::{
    clock::UnixMillis,
    id::{AccountId, Cursor, Fingerprint, LogId, Name, Revision, Serial},
    state::{
        Counts, Entry,
        record::{Change, Record, User},
    },
    store::{
        Confirmed, Feed, FeedError, HandedIn, Head, Report, Snapshot, SnapshotPart, Store,
        grpc::{Credential, FeedServer, GrpcFeed, feed_service},
    },
    testing::conformance::{Backend, PATIENCE, soon},
};
use tokenward_proto::internal::feed_service_server::FeedServiceServer;
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    service::interceptor::InterceptedService,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use crate::embedded::Embedded;
use mutual::House;

const SECRET: &str = "tw-feed-credential";

/// A server over a feed; ends when dropped.
struct Serving {
    feed: GrpcFeed,
    stopping: CancellationToken,
    task: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn only_the_secret(request: Request<()>) -> Result<Request<()>, Status> {
    let sent = request.metadata().get("authorization");
    if sent.is_some_and(|sent| sent == format!("Bearer {SECRET}").as_str()) {
        return Ok(request);
    }
    Err(Status::unauthenticated("who are you?"))
}

async fn serve(feed: Arc<dyn Feed>, credential: Credential) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = CancellationToken::new();
    let server = Server::builder()
        .add_service(service(feed, stopping.clone()))
        .serve_with_incoming(TcpIncoming::from(listener));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Serving {
        feed: GrpcFeed::new(endpoint, credential),
        stopping,
        task: tokio::spawn(server).abort_handle(),
    }
}

type Admit = fn(Request<()>) -> Result<Request<()>, Status>;

fn service(
    feed: Arc<dyn Feed>,
    stopping: CancellationToken,
) -> InterceptedService<FeedServiceServer<FeedServer>, Admit> {
    InterceptedService::new(feed_service(feed, stopping), only_the_secret as Admit)
}

fn credential() -> Credential {
    Credential::bearer(SECRET).unwrap()
}

/// A realm whose feed is served; mutually: over TLS with certificates at both ends.
struct Served<const MUTUALLY: bool> {
    under: Embedded,
    house: House,
    serving: Serving,
}

type Grpc = Served<false>;
type Mutual = Served<true>;

impl<const MUTUALLY: bool> Served<MUTUALLY> {
    async fn serving(house: &House, feed: Arc<dyn Feed>) -> Serving {
        if MUTUALLY {
            house.serve(feed, credential())
        } else {
            serve(feed, credential()).await
        }
    }

    async fn serve(&mut self) {
        self.serving = Self::serving(&self.house, self.under.feed()).await;
    }
}

#[async_trait]
impl<const MUTUALLY: bool> Backend for Served<MUTUALLY> {
    async fn fresh() -> Self {
        let under = Embedded::fresh().await;
        let house = House::new();
        let serving = Self::serving(&house, under.feed()).await;
        Self {
            under,
            house,
            serving,
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.under.store()
    }

    fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(self.serving.feed.clone())
    }

    async fn kill(&mut self) {
        self.under.kill().await;
        self.serve().await;
    }

    async fn restart(&mut self) {
        self.under.restart().await;
        self.serve().await;
    }

    async fn wipe(&mut self) {
        self.under.wipe().await;
        self.serve().await;
    }

    async fn back_up(&mut self) {
        self.under.back_up().await;
        self.serve().await;
    }

    async fn roll_back(&mut self) {
        self.under.roll_back().await;
        self.serve().await;
    }
}

tokenward_common::conformance!(feed suite, super::Grpc);
tokenward_common::conformance!(feed mutual_suite, super::Mutual);

/// A feed that answers what it is told to: what no store does by itself.
struct Scripted(Option<FeedError>);

impl Scripted {
    fn head() -> Head {
        Head {
            cursor: Cursor::start(LogId([1; 16])),
            counts: Counts::default(),
            serial: Serial(0),
        }
    }

    fn wide(number: u64) -> Record {
        Record::User(User {
            id: AccountId::parse(&format!("user-{number}")).unwrap(),
            name: Name::parse("wide").unwrap(),
            disabled: false,
            service_account_of: None,
            display: vec![7; 250_000].into(),
        })
    }

    fn fails(&self) -> Result<(), FeedError> {
        self.0.clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Feed for Scripted {
    async fn head(&self) -> Result<Head, FeedError> {
        self.fails().map(|()| Self::head())
    }

    /// A start, 10 MiB of records in one piece; then the error, if any.
    fn snapshot(&self) -> Snapshot<'_> {
        let mut parts = vec![
            Ok(SnapshotPart::Start(Self::head())),
            Ok(SnapshotPart::Records((0..40).map(Self::wide).collect())),
        ];
        parts.extend(self.0.clone().map(Err));
        futures_util::stream::iter(parts).boxed()
    }

    /// 10 MiB of entries.
    async fn read_log(&self, after: &Cursor, _: Duration) -> Result<Vec<Entry>, FeedError> {
        self.fails()?;
        let entry = |number| Entry {
            cursor: Cursor {
                revision: Revision(number),
                ..*after
            },
            predecessor: Fingerprint::default(),
            serial: Serial(0),
            time: UnixMillis(1),
            changes: vec![Change::Put(Self::wide(number))],
        };
        Ok((1..=40).map(entry).collect())
    }

    async fn hand_in(&self, _: &HandedIn) -> Result<bool, FeedError> {
        self.fails().map(|()| true)
    }

    async fn confirm(&self, _: &Report, _: &Cursor) -> Result<Confirmed, FeedError> {
        self.fails().map(|()| Confirmed {
            head: Self::head(),
            time: UnixMillis(1),
        })
    }
}

fn start() -> Cursor {
    Scripted::head().cursor
}

/// Each error arrives as itself, from every call; without the store's own words.
#[tokio::test]
async fn errors_keep_their_meaning() {
    for error in [
        FeedError::Lost("trimmed".into()),
        FeedError::Unavailable("private detail".into()),
        FeedError::Corrupt("private detail".into()),
    ] {
        let serving = serve(Arc::new(Scripted(Some(error.clone()))), credential()).await;
        let feed = &serving.feed;
        let scanned: Vec<_> = feed.snapshot().collect().await;
        let outcomes = [
            feed.head().await.map(drop),
            feed.read_log(&start(), Duration::ZERO).await.map(drop),
            feed.confirm(&"follower-1".into(), &start()).await.map(drop),
            scanned.into_iter().last().unwrap().map(drop),
        ];
        for outcome in outcomes {
            let arrived = outcome.unwrap_err();
            let same = std::mem::discriminant(&arrived) == std::mem::discriminant(&error);
            assert!(same, "{arrived:?} for {error:?}");
            assert!(!arrived.to_string().contains("private detail"));
        }
    }
}

/// However much the store hands over at once, no message passes its limit.
#[tokio::test]
async fn answers_are_cut_by_bytes() {
    let serving = serve(Arc::new(Scripted(None)), credential()).await;
    let read = serving.feed.read_log(&start(), Duration::ZERO).await;
    let read = read.unwrap();
    assert!((1..=14).contains(&read.len()), "{}", read.len());
    assert!(read.iter().zip(1..).all(|(e, n)| e.cursor.revision.0 == n));
    let parts: Vec<_> = serving.feed.snapshot().collect().await;
    let mut records = Vec::new();
    for part in parts {
        if let SnapshotPart::Records(piece) = part.unwrap() {
            assert!(piece.len() <= 14);
            records.extend(piece);
        }
    }
    let all: Vec<_> = (0..40).map(Scripted::wide).collect();
    assert!(records == all);
}

/// The secret goes with every call and is shown nowhere; without it nothing is served.
#[tokio::test]
async fn the_credential_is_sent_and_not_shown() {
    let sent = serve(Arc::new(Scripted(None)), credential()).await;
    sent.feed.head().await.unwrap();
    assert!(!format!("{:?} {:?}", sent.feed, credential()).contains(SECRET));
    for wrong in [Credential::none(), Credential::bearer("other").unwrap()] {
        let refused = serve(Arc::new(Scripted(None)), wrong).await;
        let head = refused.feed.head().await;
        assert!(matches!(head, Err(FeedError::Unavailable(_))), "{head:?}");
        let scanned: Vec<_> = refused.feed.snapshot().collect().await;
        assert!(matches!(scanned[..], [Err(FeedError::Unavailable(_))]));
    }
    assert!(Credential::bearer("line\nbreak").is_err());
}

/// A follower's name that is none is refused before the store is asked.
#[tokio::test]
async fn a_nameless_follower_is_refused() {
    let serving = serve(Arc::new(Scripted(None)), credential()).await;
    for name in ["", "a b", &"a".repeat(65)] {
        let confirmed = serving.feed.confirm(&name.into(), &start()).await;
        assert!(matches!(confirmed, Err(FeedError::Unavailable(_))));
    }
    serving
        .feed
        .confirm(&"follower-1".into(), &start())
        .await
        .unwrap();
}

/// A peer that takes the connection and says nothing is given up, also in a long wait.
#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let feed = GrpcFeed::new(endpoint, credential());
    // Much shorter than the wait that is asked for: the ping tells.
    assert!(PATIENCE < Duration::from_secs(25));
    let read = soon(feed.read_log(&start(), Duration::from_secs(25))).await;
    assert!(matches!(read, Err(FeedError::Unavailable(_))), "{read:?}");
    let confirmed = soon(feed.confirm(&"follower-1".into(), &start())).await;
    assert!(matches!(confirmed, Err(FeedError::Unavailable(_))));
    silent.abort();
    let refused = soon(feed.head()).await;
    assert!(matches!(refused, Err(FeedError::Unavailable(_))));
}

/// A server that stops keeps no reader waiting.
#[tokio::test]
async fn stopping_ends_long_waits() {
    let under = Embedded::fresh().await;
    let serving = serve(under.feed(), credential()).await;
    let at = serving.feed.head().await.unwrap().cursor;
    let read = serving.feed.read_log(&at, Duration::from_secs(25));
    serving.stopping.cancel();
    let read = soon(read).await;
    assert!(matches!(read, Err(FeedError::Unavailable(_))), "{read:?}");
}
