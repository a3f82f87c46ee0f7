//! Connections that only sit there, and floods: each listener has its own share, and nobody waits.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use tokenward_proto::v1::Role;
use tokenward_tests::house::{
    Feed, House, Issuer, Store, Verifier, http, hub::Corner, level, word,
};
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Open files of each program.
const FILES: u32 = 160;
/// As many, from one address.
const CROWD: usize = FILES as usize;
/// Far more than may come at once.
const FLOOD: usize = 10_000;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn connected(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    stream
}

/// By a connection of its own.
async fn serves(address: &str, service: &str) {
    level(&format!("{address} serves"), async || {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.map_err(|it| it.to_string())?;
        let service = service.to_owned();
        let mut health = HealthClient::new(channel);
        let answer = health.check(HealthCheckRequest { service }).await;
        let answer = answer.map_err(|it| it.to_string())?;
        match answer.into_inner().status {
            1 => Ok(()),
            other => Err(format!("status {other}")),
        }
    })
    .await;
}

async fn answers(address: &str, path: &str, wanted: u16) {
    level(&format!("{address}{path}"), async || {
        match http::get(address, path) {
            Some((status, _)) if status == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn all_is_well(
    issuer: &Issuer,
    verifier: &Verifier,
    doors: [&str; 2],
    corner: &Corner,
    name: &str,
) {
    let ada = corner.user_id("ada");
    let token = issuer.mint(&ada, name, Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    let answer = verifier.at(&question, &token.revision).await;
    assert_eq!(word(&Ok(answer)), "ALLOW");
    let revision = issuer.revoke(&token.id).await;
    let answer = verifier.at(&question, &revision).await;
    assert_eq!(word(&Ok(answer)), "TOKEN_REVOKED");
    serves(&issuer.address, "tokenward.v1.TokenService").await;
    serves(&verifier.address, "tokenward.v1.VerifierService").await;
    answers(&issuer.http, "/.well-known/jwks.json", 200).await;
    answers(&issuer.admin, "/readyz", 200).await;
    answers(&verifier.admin, "/readyz", 200).await;
    answers(doors[0], "/api/whoami-v2", 401).await;
    answers(doors[1], "/acme/none/resolve/main/x", 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_one_listener_takes_nothing_from_anybody() {
    let house = House::new(Store::Embedded).with_files(FILES);
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
    let corner = Corner::new("crowd");
    issuer.write(corner.operations()).await;
    let crowded = [
        &issuer.address,
        &issuer.http,
        &issuer.admin,
        &verifier.address,
        &http,
        &guard,
        &verifier.admin,
    ];
    for (number, address) in crowded.into_iter().enumerate() {
        let silent: Vec<_> = (0..CROWD).map(|_| connected(address)).collect();
        all_is_well(
            &issuer,
            &verifier,
            [&http, &guard],
            &corner,
            &format!("silent {number}"),
        )
        .await;
        drop(silent);
    }
    // Those who asked once stay, and one address has no more than its share.
    let request = format!(
        "GET /.well-known/jwks.json HTTP/1.1\r\nhost: {}\r\n\r\n",
        issuer.http
    );
    let mut asked: Vec<_> = (0..CROWD).map(|_| connected(&issuer.http)).collect();
    let mut served = 0;
    for stream in &mut asked {
        let mut first = [0; 12];
        let sent = stream.write_all(request.as_bytes());
        if sent.is_ok() && stream.read_exact(&mut first).is_ok() {
            assert_eq!(&first, b"HTTP/1.1 200");
            served += 1;
        }
    }
    assert!((1..CROWD / 4).contains(&served), "{served}");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.9.9.9:0".parse().unwrap()).unwrap();
    let other = socket.connect(issuer.http.parse().unwrap()).await.unwrap();
    let mut other = other.into_std().unwrap();
    other.set_nonblocking(false).unwrap();
    other
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    other.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    other.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(asked);
    all_is_well(&issuer, &verifier, [&http, &guard], &corner, "afterwards").await;
}

/// From this address of loopback.
async fn connected_from(last: u8, address: &str) -> Option<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 9, 9, last], 0).into()).unwrap();
    let stream = socket.connect(address.parse().unwrap()).await.ok()?;
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    Some(stream)
}

/// Two addresses, whose every connection asks one thing and then holds still, keep nobody out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_asked_once_and_hold_still_make_room() {
    let house = House::new(Store::Embedded).with_files(FILES);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let http = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: h\r\n\r\n".to_vec();
    let path = "/grpc.health.v1.Health/Check";
    // POST, http, the path, a host and what gRPC wants, none of it indexed.
    let mut block = vec![0x83, 0x86, 4, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01h\x0f\x10\x10application/grpc\x00\x02te\x08trailers");
    let of_stream = |kind: u8, flags: u8, payload: &[u8]| {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        [&head, payload].concat()
    };
    let grpc = [
        PREFACE.to_vec(),
        frame(4, 0, 0),
        of_stream(1, 4, &block),
        of_stream(0, 1, &[0; 5]),
    ]
    .concat();
    let doors = [
        (&issuer.http, &http),
        (&issuer.address, &grpc),
        (&verifier.address, &grpc),
    ];
    for (address, request) in doors {
        let mut held = Vec::new();
        for number in 0..2 * CROWD {
            let from = 1 + (number % 2) as u8;
            let Some(mut stream) = connected_from(from, address).await else {
                continue;
            };
            if stream.write_all(request).is_ok() && matches!(stream.read(&mut [0; 512]), Ok(1..)) {
                held.push(stream);
            }
        }
        assert!(held.len() > 4, "{address}: {}", held.len());
        let mut other = connected_from(9, address).await.unwrap();
        other.write_all(request).unwrap();
        let got = other.read(&mut [0; 512]);
        assert!(matches!(got, Ok(1..)), "{address}: {got:?}");
        drop(held);
    }
}

/// A frame of this kind on no stream, or on one that is idle.
fn frame(kind: u8, stream: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![0, 0, payload as u8, kind, 0, 0, 0, 0, stream];
    frame.resize(9 + payload, 1);
    frame
}

/// Whether the server ends the connection, and not the test's patience.
fn is_cut_off(address: &str, one: &[u8]) -> bool {
    let mut stream = connected(address);
    let begin = [PREFACE, &frame(4, 0, 0)].concat();
    stream.write_all(&begin).unwrap();
    let mut answers = stream.try_clone().unwrap();
    // Reads what it is answered: a server that can't write takes nothing more.
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            match answers.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    });
    let flood: Vec<u8> = one.repeat(FLOOD);
    let _ = stream.write_all(&flood);
    reader.join().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_ask_for_nothing_end_their_connection() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    for address in [&issuer.address, &verifier.address] {
        for (name, one) in [
            ("SETTINGS", frame(4, 0, 0)),
            ("PING", frame(6, 0, 8)),
            // Of stream 1, depending on another.
            ("PRIORITY", frame(2, 1, 5)),
            ("unknown", frame(0x42, 0, 3)),
        ] {
            let address = address.clone();
            let cut = tokio::task::spawn_blocking(move || is_cut_off(&address, &one));
            assert!(cut.await.unwrap(), "{name}");
        }
    }
    issuer.serving().await;
    verifier.serving().await;
}

/// The head of the answer to one request on a connection that is kept; it has no body, or a short one.
fn asked(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap().to_lowercase();
    let length = head.split_once("content-length: ").unwrap().1;
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    head
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_is_told_that_it_ends() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let any = house.any_port();
    let args = ["--http-listen", &any, "--drain-delay", "3s"];
    let mut verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let serving = verifier.program.event("serving");
    let http = serving["http"].as_str().unwrap();
    let doors = [(http, "/api/whoami-v2"), (&*verifier.admin, "/livez")];
    let mut kept = doors.map(|(address, path)| (connected(address), path));
    for (stream, path) in &mut kept {
        assert!(!asked(stream, path).contains("connection: close"));
    }
    verifier.program.signal("-TERM");
    level("it drains", async || match verifier.ready() {
        Some(503) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    for (stream, path) in &mut kept {
        assert!(asked(stream, path).contains("\r\nconnection: close\r\n"));
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert!(verifier.program.ended().await.success());
}
