//! Tests the data plane with a trivial service, over real sockets.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_common::process::{
    DrainTimes, ListenAddress, Shutdown, admin::Readiness, health::Health,
};
use tokenward_proto::v1::{
    BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, CheckStreamResponse,
    Verdict, WhoAmIRequest, WhoAmIResponse,
    verifier_service_client::VerifierServiceClient,
    verifier_service_server::{VerifierService, VerifierServiceServer},
};
use tokio::{
    io::AsyncReadExt as _,
    sync::{Semaphore, mpsc},
};
use tonic::{
    Code, Request, Response, Status, Streaming, async_trait,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb;

use super::{connection::ListenerKind, *};

mod untaken;

/// A time that never passes in a test that goes well.
const NEVER: Duration = Duration::from_secs(60);

struct Trivial {
    worker: usize,
    arrived: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl VerifierService for Trivial {
    /// Answers with the worker's name. The permission `hold` waits for the gate first.
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        assert!(request.extensions().get::<Peer>().is_some());
        self.arrived.fetch_add(1, SeqCst);
        if request.get_ref().permission == "hold" {
            self.gate.acquire().await.unwrap().forget();
        }
        Ok(Response::new(CheckResponse {
            verdict: Verdict::Allow.into(),
            revision: self.worker.to_string(),
            ..Default::default()
        }))
    }

    async fn batch_check(
        &self,
        _: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        Err(Status::unimplemented("only Check"))
    }

    async fn who_am_i(
        &self,
        _: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    type CheckStreamStream = tokio_stream::Empty<Result<CheckStreamResponse, Status>>;

    async fn check_stream(
        &self,
        _: Request<Streaming<CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Err(Status::unimplemented("only Check"))
    }
}

struct Running {
    plane: DataPlane,
    shutdown: Shutdown,
    health: Health,
    arrived: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn start(workers: usize, address: &str, limits: Limits, times: DrainTimes) -> Running {
    let listener = address.parse::<ListenAddress>().unwrap().bind().unwrap();
    let shutdown = Shutdown::start(times);
    let health = Health::new(&SERVICES).await;
    let arrived = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let bounds = limits.bounds();
    let plane = DataPlane::start(vec![listener], workers, limits, &shutdown, |worker| {
        let service = Trivial {
            worker,
            arrived: arrived.clone(),
            gate: gate.clone(),
        };
        let service =
            VerifierServiceServer::new(service).max_decoding_message_size(limits.message_bytes);
        verifier_routes(service, &health, &bounds).map_err(io::Error::other)
    })
    .unwrap();
    Running {
        plane,
        shutdown,
        health,
        arrived,
        gate,
    }
}

fn times(delay: Duration, limit: Duration) -> DrainTimes {
    DrainTimes { delay, limit }
}

impl Running {
    fn url(&self) -> String {
        match &self.plane.addresses()[0] {
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
            tcp => format!("http://{tcp}"),
        }
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url())
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    async fn client(&self) -> VerifierServiceClient<Channel> {
        VerifierServiceClient::new(self.channel().await)
    }
}

fn ask(permission: &str) -> CheckRequest {
    CheckRequest {
        permission: permission.into(),
        ..Default::default()
    }
}

/// Waits for a level, not for a time: it is reached, or the test hangs and is killed.
async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn connections_spread_evenly_and_are_counted_out_again() {
    let running = start(3, "127.0.0.1:0", Limits::DEFAULT, times(NEVER, NEVER)).await;
    let connections = running.plane.connections();
    let mut served = [0; 3];
    let mut clients = Vec::new();
    for _ in 0..9 {
        let mut client = running.client().await;
        let answer = client.check(ask("now")).await.unwrap().into_inner();
        served[answer.revision.parse::<usize>().unwrap()] += 1;
        clients.push(client);
    }
    assert_eq!(served, [3, 3, 3]);
    assert_eq!(connections.of_each_worker().collect::<Vec<_>>(), [3, 3, 3]);
    drop(clients);
    until(|| connections.open() == 0).await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight() {
    let delay = Duration::from_millis(50);
    let mut running = start(2, "127.0.0.1:0", Limits::DEFAULT, times(delay, NEVER)).await;
    let mut client = running.client().await;
    let held = {
        let mut client = client.clone();
        tokio::spawn(async move { client.check(ask("hold")).await })
    };
    until(|| running.arrived.load(SeqCst) == 1).await;

    running.shutdown.drain();
    // The verifier is not ready but still serves old connections and new ones.
    client.check(ask("now")).await.unwrap();
    running.client().await.check(ask("now")).await.unwrap();

    running.shutdown.stopping().await;
    until(|| std::net::TcpStream::connect(running.url().trim_start_matches("http://")).is_err())
        .await;
    assert!(!held.is_finished());
    running.gate.add_permits(1);
    held.await.unwrap().unwrap();
    running.plane.ended().await.unwrap();
}

#[tokio::test]
async fn the_limit_ends_what_does_not_finish() {
    let mut running = start(
        2,
        "127.0.0.1:0",
        Limits::DEFAULT,
        times(Duration::ZERO, Duration::from_millis(100)),
    )
    .await;
    let mut client = running.client().await;
    let held = tokio::spawn(async move { client.check(ask("hold")).await });
    until(|| running.arrived.load(SeqCst) == 1).await;
    running.shutdown.drain();
    running.plane.ended().await.unwrap();
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn a_dead_thread_is_told_at_once() {
    let shutdown = Shutdown::default();
    let (ended, ends) = mpsc::unbounded_channel();
    let (hand_over, accepted) = mpsc::unbounded_channel();
    worker::spawn(
        7,
        accepted,
        tonic::service::Routes::default(),
        Vec::new(),
        Limits::DEFAULT,
        shutdown,
        ended,
    )
    .unwrap();
    let mut plane = DataPlane {
        addresses: Vec::new(),
        http_addresses: Vec::new(),
        connections: Arc::new(Connections::new(1)),
        ends,
        running: 1,
    };
    drop(hand_over);
    let died = plane.ended().await.unwrap_err();
    assert_eq!(
        died.to_string(),
        "tw-data-7 ended: its supply of connections ended"
    );
}

#[tokio::test]
async fn no_connection_goes_to_a_dead_worker() {
    let shutdown = Shutdown::default();
    let (ended, ends) = mpsc::unbounded_channel();
    let listener = "127.0.0.1:0"
        .parse::<ListenAddress>()
        .unwrap()
        .bind()
        .unwrap();
    let address = listener.address().unwrap().to_string();
    let (dead, _) = mpsc::unbounded_channel();
    let connections = Arc::new(Connections::new(1).at(vec![Limits::DEFAULT.admission(1)]));
    acceptor::spawn(
        vec![(ListenerKind::Grpc, listener)],
        vec![dead],
        connections.clone(),
        shutdown,
        ended,
    )
    .unwrap();
    let mut plane = DataPlane {
        addresses: Vec::new(),
        http_addresses: Vec::new(),
        connections: connections.clone(),
        ends,
        running: 1,
    };
    let _client = std::net::TcpStream::connect(address).unwrap();
    let died = plane.ended().await.unwrap_err();
    assert_eq!(
        died.to_string(),
        "tw-accept ended: worker 0 takes no connections"
    );
    assert_eq!(connections.open(), 0);
}

#[tokio::test]
async fn a_unix_socket_serves() {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", dir.path().join("s").display());
    let running = start(1, &address, Limits::DEFAULT, times(NEVER, NEVER)).await;
    let answer = running
        .client()
        .await
        .check(ask("now"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.verdict(), Verdict::Allow);
}

#[tokio::test]
async fn limits_hold() {
    let limits = Limits {
        connections: 2,
        address_connections: Some(2),
        preface_deadline: Duration::from_millis(100),
        message_bytes: 1000,
        ..Limits::DEFAULT
    };
    let running = start(2, "127.0.0.1:0", limits, times(NEVER, NEVER)).await;
    let connections = running.plane.connections();
    let mut client = running.client().await;
    let too_long = client.check(ask(&"x".repeat(1001))).await.unwrap_err();
    assert_eq!(too_long.code(), Code::OutOfRange, "{too_long}");

    // A connection that sends nothing makes room for a new one.
    let address = running.url().trim_start_matches("http://").to_owned();
    let mut bytes = Vec::new();
    let mut silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    until(|| connections.open() == 2).await;
    let mut other = running.client().await;
    other.check(ask("now")).await.unwrap();
    // The server has sent its SETTINGS and then closes.
    let ended = silent.read_to_end(&mut bytes);
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    drop(ended.expect("closed"));
    assert_eq!(connections.refused(), 1);
    // Connections that have sent a request stay, so one more is closed at once.
    let mut one_too_many = tokio::net::TcpStream::connect(&address).await.unwrap();
    assert!(matches!(
        one_too_many.read_to_end(&mut bytes).await,
        Ok(0) | Err(_)
    ));
    assert_eq!(connections.refused(), 2);
    client.check(ask("now")).await.unwrap();
    other.check(ask("now")).await.unwrap();
    // A connection that sends nothing is closed and frees its place.
    drop(other);
    until(|| connections.open() == 1).await;
    let mut silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    until(|| connections.open() == 2).await;
    let _ = silent.read_to_end(&mut bytes).await;
    until(|| connections.open() == 1).await;
    client.check(ask("now")).await.unwrap();
}

#[tokio::test]
async fn health_follows_readiness_and_ends_its_watches() {
    let mut running = start(
        2,
        "127.0.0.1:0",
        Limits::DEFAULT,
        times(Duration::from_millis(20), NEVER),
    )
    .await;
    let mut client = HealthClient::new(running.channel().await);
    let request = || HealthCheckRequest {
        service: SERVICE_NAME_OF_VERIFIER.into(),
    };
    // Health knows each service that reflection lists, and the whole server, and nothing else.
    for service in [
        "",
        "envoy.service.auth.v3.Authorization",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        let asked = HealthCheckRequest {
            service: service.into(),
        };
        let status = client.check(asked).await.unwrap().into_inner().status;
        assert_eq!(status, 2, "{service}");
    }
    let other = HealthCheckRequest {
        service: "tokenward.v1.NoSuchService".into(),
    };
    let refused = client.check(other).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    assert_eq!(
        client.check(request()).await.unwrap().into_inner().status,
        2,
        "not serving"
    );
    let mut watch = client.watch(request()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);

    let ready = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&ready);
    let is_ready = move || asked.load(SeqCst).then_some(()).ok_or_else(String::new);
    tokio::spawn(
        running
            .health
            .clone()
            .follow(Readiness::new(is_ready), running.shutdown.clone()),
    );
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    ready.store(false, SeqCst);
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    ready.store(true, SeqCst);
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);

    running.shutdown.drain();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    // The stream ends by itself, so the drain also ends without its limit.
    assert!(watch.message().await.unwrap().is_none());
    running.plane.ended().await.unwrap();
}

const SERVICE_NAME_OF_VERIFIER: &str = tokenward_proto::v1::verifier_service_server::SERVICE_NAME;

macro_rules! reflects {
    ($name:ident, $version:ident) => {
        #[tokio::test]
        async fn $name() {
            use pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let running = start(1, "127.0.0.1:0", Limits::DEFAULT, times(NEVER, NEVER)).await;
            let mut client = ServerReflectionClient::new(running.channel().await);
            let requests = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol(SERVICE_NAME_OF_VERIFIER.into()),
            ]
            .map(|r| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(r),
            });
            let mut answers = client
                .server_reflection_info(tokio_stream::iter(requests))
                .await
                .unwrap()
                .into_inner();
            let Some(MessageResponse::ListServicesResponse(list)) =
                answers.message().await.unwrap().unwrap().message_response
            else {
                panic!("no list")
            };
            let mut names: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
            names.sort();
            names.retain(|name| !name.starts_with("grpc.reflection."));
            assert_eq!(names, ["grpc.health.v1.Health", SERVICE_NAME_OF_VERIFIER]);
            let answer = answers.message().await.unwrap().unwrap().message_response;
            assert!(matches!(
                answer,
                Some(MessageResponse::FileDescriptorResponse(_))
            ));
        }
    };
}

reflects!(reflection_v1, v1);
reflects!(reflection_v1alpha, v1alpha);
