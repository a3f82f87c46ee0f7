//! Tests the guard over real sockets, on the data plane's own threads, before a server that records what
//! reaches it.

mod behind;
mod ending;
mod failing;
mod hostile;
mod own;
mod passing;
mod slow;
mod streaming;

use std::{
    io::{BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use tokenward_common::{
    process::{DrainTimes, ListenAddress, Shutdown, TlsConfig, Traces},
    state::record::{Change, GateMode, Record, Repo, Visibility},
    store::guards::Guards,
    token::Role,
};
use tonic::service::Routes;

use super::*;
use crate::{
    decide::tests::{Hub, model, revoke, token},
    edge::{
        bodies::Bodies,
        http::WhoAmILimits,
        judge::Judge,
        routes::{self, Table},
    },
    serve::{DataPlane, HttpDoor, Limits},
};
use behind::{Behind, Seen};

/// This time is so long that it never passes in a test that succeeds.
const NEVER: Duration = Duration::from_secs(3600);
/// This is the patience of a test with a server that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const LONG: GuardTimes = GuardTimes {
    connect: NEVER,
    response: NEVER,
    idle: NEVER,
};
/// This is the longest body in bytes that is scanned.
const LONGEST: usize = 1024 * 1024;
const FILE: &str = "/acme/llm/resolve/main/x";
/// This file belongs to a repo that everybody may read.
const OPEN: &str = "/acme/open/resolve/main/x";
/// This route takes a body that nobody reads, from everybody who may read the repo.
const PACK: &str = "/acme/open.git/git-upload-pack";

struct Running {
    hub: Hub,
    plane: DataPlane,
    shutdown: Shutdown,
    address: String,
    behind: Behind,
}

/// Holds what a test changes in the settings.
struct Setup {
    times: GuardTimes,
    keep_credential: bool,
    /// This is the text of the route table.
    table: &'static str,
    bodies: Bodies,
    limits: Limits,
    drain_limit: Duration,
    /// This server replaces the one that records.
    origin: Option<String>,
    issuer: Option<String>,
    place: routes::Place,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            times: LONG,
            keep_credential: false,
            table: "@include hub",
            bodies: Bodies::new(LONGEST),
            limits: Limits::DEFAULT,
            drain_limit: NEVER,
            origin: None,
            issuer: None,
            place: routes::Place::default(),
        }
    }
}

async fn start() -> Running {
    Setup::default().start().await
}

impl Setup {
    fn timed(times: GuardTimes) -> Self {
        Self {
            times,
            ..Self::default()
        }
    }

    fn before(origin: &str) -> Self {
        Self {
            origin: Some(format!("http://{origin}")),
            ..Self::default()
        }
    }

    async fn start(self) -> Running {
        let behind = Behind::start();
        let origin = self.origin.clone();
        let origin = origin.unwrap_or_else(|| format!("http://{}", behind.address));
        let hub = Hub::followed(Guards::ALL).await;
        let public = Repo {
            visibility: Visibility::Public,
            gate: GateMode::None,
            ..model("open", "acme")
        };
        hub.commit(vec![Change::Put(Record::Repo(public))]).await;
        let tls = TlsConfig::default().read().unwrap();
        let guard = Guard {
            judge: Judge {
                decider: Arc::clone(&hub.decider),
                table: Arc::new(Table::parse(self.table).unwrap().placed(self.place)),
                counts: hub.metrics.worker(0),
                usage: Arc::default(),
            },
            upstream: Upstream::new(origin.parse().unwrap(), self.times, &tls.peers),
            issuer: self.issuer.as_ref().map(|issuer| {
                let origin = format!("http://{issuer}");
                Upstream::new(origin.parse().unwrap(), self.times, &tls.peers)
            }),
            limits: Arc::new(WhoAmILimits::new(2, 2)),
            keep_credential: self.keep_credential,
            bodies: self.bodies.clone(),
            traces: Traces::off(),
        };
        let listener = "127.0.0.1:0".parse::<ListenAddress>().unwrap();
        let shutdown = Shutdown::start(DrainTimes {
            delay: Duration::ZERO,
            limit: self.drain_limit,
        });
        let make = |_| guard.clone().service();
        let http = vec![HttpDoor {
            listeners: vec![listener.bind().unwrap()],
            make: &make,
        }];
        let none = |_: usize| Ok(Routes::default());
        let plane =
            DataPlane::start_with_http(Vec::new(), http, 1, self.limits, &shutdown, none).unwrap();
        let address = plane.http_addresses(0)[0].to_string();
        Running {
            hub,
            plane,
            shutdown,
            address,
            behind,
        }
    }
}

struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn line(stream: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().into()
}

fn head(stream: &mut impl std::io::BufRead) -> Told {
    let status = line(stream);
    let status = status
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status: {status}"));
    let mut told = Told {
        status: status.parse().unwrap(),
        headers: Vec::new(),
        body: String::new(),
    };
    while let Some((name, value)) = line(stream).split_once(':') {
        told.headers.push((name.into(), value.trim().into()));
    }
    told
}

/// Reads an answer with its body, which must have a length.
fn told(stream: &mut impl std::io::BufRead) -> Told {
    let mut told = head(stream);
    let length = told
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    told.body = String::from_utf8(body).unwrap();
    told
}

fn chunk(stream: &mut impl std::io::BufRead) -> String {
    let size = usize::from_str_radix(&line(stream), 16).unwrap();
    let mut data = vec![0; size + 2];
    stream.read_exact(&mut data).unwrap();
    data.truncate(size);
    String::from_utf8(data).unwrap()
}

/// Returns all bytes until the connection ends, however it ends.
fn rest(stream: &mut impl std::io::Read) -> Vec<u8> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("it stays open: {rest:?}"),
        _ => rest,
    }
}

fn written(request: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{request} HTTP/1.1\r\nHost: hub.example\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

fn bearer(owner: &str, serial: u64, role: Role) -> String {
    format!("Bearer {}", token(owner, serial, role))
}

impl Running {
    fn open(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    fn sent(&self, text: &str) -> BufReader<TcpStream> {
        let mut stream = self.open();
        stream.get_mut().write_all(text.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Told {
        told(&mut self.sent(&written(request, headers, body)))
    }

    fn seen(&self) -> Vec<Seen> {
        self.behind.seen()
    }

    async fn end(mut self) -> Hub {
        self.shutdown.drain();
        self.plane.ended().await.unwrap();
        self.hub
    }
}
