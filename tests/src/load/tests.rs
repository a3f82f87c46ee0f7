//! Tests the load client against a real gRPC server.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use prost::Message as _;
use tokenward_proto::envoy::service::auth::v3::{
    self as envoy, DeniedHttpResponse, OkHttpResponse, check_response::HttpResponse,
};
use tokenward_proto::google;
use tokenward_proto::v1::{
    BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, CheckStreamResponse,
    Verdict, WhoAmIRequest, WhoAmIResponse,
    check_request::Caller,
    verifier_service_server::{VerifierService, VerifierServiceServer},
};
use tokio::sync::oneshot;
use tonic::{
    Request, Response, Status, Streaming, async_trait,
    transport::{Server, server::TcpIncoming},
};

use super::{Load, Pace, Target, connection::Reply, frames, run};
use crate::bench::echo::Echo;

#[derive(Default)]
struct Judge {
    asked: AtomicUsize,
}

#[async_trait]
impl VerifierService for Judge {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let Some(Caller::Token(token)) = request.into_inner().caller else {
            return Err(Status::invalid_argument("caller: required"));
        };
        let verdict = match token.as_str() {
            "good" => Verdict::Allow,
            "bad" => Verdict::Deny,
            // The message is long and always new, so it enters the header table and is evicted again.
            other => {
                return Err(Status::unavailable(
                    format!("{other} {:?}", self.asked.fetch_add(1, Relaxed)).repeat(9),
                ));
            }
        };
        let revision = "r".repeat(200);
        Ok(Response::new(CheckResponse {
            verdict: verdict.into(),
            revision,
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
        Err(Status::unimplemented("only Check"))
    }

    type CheckStreamStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<CheckStreamResponse, Status>>>;

    async fn check_stream(
        &self,
        _: Request<Streaming<CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Err(Status::unimplemented("only Check"))
    }
}

/// Streams more messages than fit in a window at once, on several connections.
#[test]
fn a_streams_answers_are_counted_one_by_one() {
    let (target, _running) = serve(VerifierServiceServer::new(Echo::new(100)));
    let streamed = Load {
        requests: 30_000,
        in_flight: 64,
        ..streamed_to(target)
    };
    let report = run(&streamed).unwrap();
    assert_eq!(
        (report.allowed, report.answered, report.failed()),
        (30_000, 30_000, 0)
    );
    // The outer message adds a head of two bytes.
    assert_eq!(report.reply_bytes, 102);
    // On a server without this stream, every question gets the error.
    let (target, _running) = server();
    let refused = run(&Load {
        requests: 100,
        warmup: 0,
        connections: 1,
        in_flight: 100,
        ..streamed_to(target)
    });
    let refused = refused.unwrap();
    assert_eq!((refused.answered, refused.errors[12]), (0, 100));
}

fn streamed_to(target: Target) -> Load {
    Load {
        path: "/tokenward.v1.VerifierService/CheckStream".into(),
        streamed: true,
        ..load(target, &["good"])
    }
}

/// Serves until the sender is dropped.
fn server() -> (Target, oneshot::Sender<()>) {
    serve(VerifierServiceServer::new(Judge::default()))
}

fn serve<V: VerifierService>(service: VerifierServiceServer<V>) -> (Target, oneshot::Sender<()>) {
    let (address, bound) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            let serve = Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(listener));
            tokio::select! {
                result = serve => result.unwrap(),
                _ = stopped => {}
            }
        });
    });
    (Target::Tcp(bound.recv().unwrap()), stop)
}

fn load(target: Target, tokens: &[&str]) -> Load {
    let encode = |token: &&str| {
        CheckRequest {
            caller: Some(Caller::Token((*token).into())),
            ..Default::default()
        }
        .encode_to_vec()
    };
    Load {
        target,
        connections: 3,
        in_flight: 7,
        pace: Pace::Closed,
        path: "/tokenward.v1.VerifierService/Check".into(),
        streamed: false,
        http: false,
        messages: tokens.iter().map(encode).collect(),
        varied: Vec::new(),
        warmup: 10,
        requests: 3000,
        limit: Duration::from_secs(60),
        server: Some(std::process::id()),
    }
}

#[test]
fn every_answer_is_counted_by_what_it_says() {
    let (target, _running) = server();
    let report = run(&load(target, &["good", "bad", "neither"])).unwrap();
    assert_eq!(
        (report.allowed, report.denied, report.other),
        (1000, 1000, 0)
    );
    assert_eq!(
        (report.answered, report.errors[14], report.failed()),
        (2000, 1000, 1000)
    );
    assert_eq!(report.reply_bytes, 205);
    assert!(report.latencies.quantile(0.5) > 0.0);
    // The amount is not checked: the server is this process, and the threads of other tests change its CPU
    // time.
    assert!(report.server_cpu_nanos.is_some());
}

#[test]
fn envoys_answers_let_pass_by_what_may_pass_alone() {
    let verdict = |code, http_response| {
        let message = "why".repeat(usize::from(code != 0));
        let response = envoy::CheckResponse {
            status: Some(google::rpc::Status { code, message }),
            http_response,
            ..Default::default()
        };
        let mut reply = Reply::default();
        reply.take(&frames::message(&response.encode_to_vec()));
        reply.answer(0, 0).verdict
    };
    let passes = OkHttpResponse {
        headers_to_remove: vec!["authorization".into()],
        ..Default::default()
    };
    assert_eq!(verdict(0, Some(HttpResponse::OkResponse(passes))), Some(1));
    let refused = DeniedHttpResponse::default();
    let refused = verdict(7, Some(HttpResponse::DeniedResponse(refused)));
    assert_eq!(refused, Some(7));
    assert_eq!(verdict(0, None), None);
}

#[test]
fn the_cpu_time_of_a_process_is_read() {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .unwrap();
    let read = || super::report::cpu_nanos(child.id()).unwrap();
    let first = read();
    let grew = (0..2000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        read() > first
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(grew);
    assert!(super::report::cpu_nanos(child.id()).is_err());
}

#[test]
fn an_open_loop_takes_the_time_it_should() {
    let (target, _running) = server();
    let open = Load {
        pace: Pace::Open { per_second: 3000.0 },
        requests: 300,
        ..load(target, &["good"])
    };
    let report = run(&open).unwrap();
    assert_eq!(report.allowed, 300);
    // 300 requests have 299 gaps. A longer time is caused by the machine and is not checked.
    assert!(report.seconds >= 299.0 / 3000.0, "{}", report.seconds);
}

#[test]
fn an_unknown_method_and_a_closed_port_are_told() {
    let (target, running) = server();
    let report = run(&Load {
        path: "/x.Y/Z".into(),
        ..load(target.clone(), &["good"])
    })
    .unwrap();
    assert_eq!((report.answered, report.errors[12]), (0, 3000));
    drop(running);
    let Target::Tcp(address) = &target else {
        panic!()
    };
    while std::net::TcpStream::connect(address).is_ok() {}
    assert!(run(&load(target, &["good"])).is_err());
}
