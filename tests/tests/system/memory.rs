//! What a stranger can make the programs hold: messages that are announced and never come, and answers
//! that are never taken.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use tokenward_proto::v1::{
    BatchCheckRequest, BatchCheckResponse, Question, RepoKind, RepoRef, Resource,
    batch_check_request::Caller, resource,
};
use tokenward_tests::{
    house::{Feed, House, Store, http, level},
    load::frames::{DATA, END_HEADERS, HEADERS, HeaderBlocks, PING, frame, hello},
};
use tonic::{
    Code, Request, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// The bound that the design sets: MiB over what the program held before.
const BOUND: u64 = 64;
const CONNECTIONS: usize = 8;
const HTTP_CONNECTIONS: usize = 500;
/// As many as a connection may have.
const STREAMS: u32 = 250;
const LENGTHS: [u32; 7] = [1, 1024, 1025, 256 * 1024, 1 << 20, 4 << 20, u32::MAX];

const HEALTH: [&str; 4] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
const VERIFIER: [&str; 5] = [
    "/tokenward.v1.VerifierService/Check",
    "/tokenward.v1.VerifierService/BatchCheck",
    "/tokenward.v1.VerifierService/CheckStream",
    "/tokenward.v1.VerifierService/WhoAmI",
    "/envoy.service.auth.v3.Authorization/Check",
];
const ISSUER: [&str; 5] = [
    "/tokenward.v1.TokenService/CreateToken",
    "/tokenward.v1.TokenService/RevokeByValue",
    "/tokenward.v1.DirectoryService/Import",
    "/tokenward.v1.KeyService/WithdrawKey",
    "/tokenward.internal.v1.FeedService/Confirm",
];

/// The most that a process held since it began, in MiB. Linux counts it per CPU and adds up late: it may seem
/// to shrink a little.
pub(super) fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// A connection with a call on each stream, whose message is announced and doesn't come. Returns when
/// the server has read all of it, or has closed the connection.
fn announced(address: &str, path: &str, compressed: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    let blocks = HeaderBlocks::new(path, address);
    let mut bytes = hello();
    for (number, length) in (0..STREAMS).zip(LENGTHS.into_iter().cycle()) {
        let id = 2 * number + 1;
        let block = if number == 0 {
            &blocks.first
        } else {
            &blocks.further
        };
        frame(&mut bytes, HEADERS, END_HEADERS, id, block);
        let [a, b, c, d] = length.to_be_bytes();
        frame(&mut bytes, DATA, 0, id, &[compressed, a, b, c, d]);
    }
    let mark = *b"all read";
    frame(&mut bytes, PING, 0, 0, &mark);
    if stream.write_all(&bytes).is_err() {
        return stream;
    }
    let (mut seen, mut part) = (Vec::new(), [0; 4096]);
    while !seen.windows(mark.len()).any(|it| it == mark) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => seen.extend_from_slice(&part[..read]),
        }
    }
    stream
}

async fn all_announced(address: &str, path: &'static str) {
    let address = address.to_owned();
    let crowd = move || -> Vec<TcpStream> {
        (0..CONNECTIONS)
            .map(|number| announced(&address, path, u8::from(number % 4 == 3)))
            .collect()
    };
    drop(tokio::task::spawn_blocking(crowd).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_announced_takes_no_room() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let of_verifier = (&verifier.address, verifier.program.id(), &VERIFIER[..]);
    let of_issuer = (&issuer.address, issuer.program.id(), &ISSUER[..]);
    for (address, process, paths) in [of_verifier, of_issuer] {
        let before = peak(process);
        for path in HEALTH.into_iter().chain(paths.iter().copied()) {
            all_announced(address, path).await;
            issuer.serving().await;
            verifier.serving().await;
            let grown = peak(process).saturating_sub(before);
            assert!(grown <= BOUND, "{path}: {grown} MiB");
        }
    }
}

/// Requests over HTTP/1 of which the rest doesn't come: announced bodies of all lengths, a part of one, a
/// chunk that never ends, a head that doesn't.
fn begun_over_http(address: &str, path: &str) -> Vec<TcpStream> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    let mut requests: Vec<String> = LENGTHS
        .iter()
        .map(|length| format!("{head}content-length: {length}\r\n\r\n"))
        .collect();
    let part = format!("{{\"model\": \"{}", "x".repeat(60 * 1024));
    requests.push(format!("{head}content-length: 65536\r\n\r\n{part}"));
    requests.push(format!(
        "{head}transfer-encoding: chunked\r\n\r\nffffffff\r\n{part}"
    ));
    requests.push(format!("{head}x-long: {}", "x".repeat(30 * 1024)));
    let all = requests.iter().cycle().take(HTTP_CONNECTIONS);
    all.map(|request| {
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_write_timeout(patience).unwrap();
        // It may be refused before all of it is there.
        let _ = stream.write_all(request.as_bytes());
        stream
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_announced_over_http_takes_no_room() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let any = house.any_port();
    let args = [
        "--http-listen",
        &any,
        "--guard",
        "http://127.0.0.1:9",
        "--guard-listen",
        &any,
    ];
    let verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let serving = verifier.program.event("serving");
    let at = |name: &str| serving[name].as_str().unwrap().to_owned();
    let (http, guard) = (at("http"), at("guard"));
    let (of_issuer, of_verifier) = (issuer.program.id(), verifier.program.id());
    for (address, path, process) in [
        (&issuer.http, "/api/credentials/revoke", of_issuer),
        (&issuer.http, "/.well-known/jwks.json", of_issuer),
        (&issuer.admin, "/metrics", of_issuer),
        (&http, "/auth", of_verifier),
        (&http, "/oauth/introspect", of_verifier),
        (&http, "/api/whoami-v2", of_verifier),
        (&guard, "/v1/chat/completions", of_verifier),
        (&guard, "/api/repos/create", of_verifier),
        (&verifier.admin, "/metrics", of_verifier),
    ] {
        let before = peak(process);
        let held = begun_over_http(address, path);
        issuer.serving().await;
        verifier.serving().await;
        // What was sent is read by now, or will be while others are answered.
        level(path, async || match http::get(address, path) {
            Some(_) => Ok(()),
            None => Err("no answer".into()),
        })
        .await;
        drop(held);
        let grown = peak(process).saturating_sub(before);
        assert!(grown <= BOUND, "{path}: {grown} MiB");
    }
}

/// A batch whose answer isn't read: as if it were a stream.
async fn unread(channel: &Channel) -> Result<Streaming<BatchCheckResponse>, Status> {
    let question = Question {
        resource: Some(Resource {
            resource: Some(resource::Resource::Repo(RepoRef {
                kind: RepoKind::Model.into(),
                name: "nobodys/nothing".into(),
                ..RepoRef::default()
            })),
        }),
        permission: "repo.content.read".into(),
        ..Question::default()
    };
    let batch = BatchCheckRequest {
        caller: Some(Caller::Token("tw_eyJnobodys".into())),
        questions: vec![question; 1000],
        ..BatchCheckRequest::default()
    };
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static(VERIFIER[1]);
    let codec: ProstCodec<BatchCheckRequest, BatchCheckResponse> = ProstCodec::default();
    let answer = grpc.server_streaming(Request::new(batch), path, codec);
    answer.await.map(tonic::Response::into_inner)
}

/// HTTP/2 lets go of an answer as soon as one byte of it may go out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_few() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", verifier.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(1);
    let before = peak(verifier.program.id());
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..CONNECTIONS / 2 {
        let channel = endpoint.connect().await.unwrap();
        for _ in 0..STREAMS {
            match unread(&channel).await {
                Ok(answer) => held.push(answer),
                Err(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                    refused += 1;
                }
            }
        }
    }
    let grown = peak(verifier.program.id()).saturating_sub(before);
    assert!(grown <= BOUND, "{grown} MiB in {} answers", held.len());
    assert!(!held.is_empty() && refused > held.len(), "{}", held.len());
    // Small questions of the same address are answered, and large ones when there is room again.
    verifier.serving().await;
    drop(held);
    let channel = endpoint.connect().await.unwrap();
    level("a batch is answered", async || {
        unread(&channel).await.map_err(|status| status.to_string())
    })
    .await;
}
