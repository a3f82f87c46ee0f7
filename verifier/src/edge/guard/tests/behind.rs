//! Provides a server that records what reaches it, and misbehaves on request.

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

type Answer = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    /// The body is empty if it streams.
    pub(super) body: String,
    pub(super) trailers: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }
}

pub(super) struct Behind {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) flood: Flood,
    kill: Arc<Notify>,
}

/// Records of an endless answer how much of it was taken, and whether it was given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Flood {
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) given_up: Arc<AtomicU64>,
}

impl Drop for Flooding {
    fn drop(&mut self) {
        self.0.given_up.fetch_add(1, SeqCst);
    }
}

struct Flooding(Flood);

impl Behind {
    /// Starts the server on a thread of its own, where it runs until the test ends.
    pub(super) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let kill = Arc::new(Notify::new());
        let killed = Arc::clone(&kill);
        let flood = Flood::default();
        let flooding = flood.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let serving = serve(listener, recorded, flooding);
            // Every connection is closed when the server ends.
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = serving => {}
                    () = killed.notified() => {}
                }
            });
        });
        Self {
            address,
            seen,
            flood,
            kill,
        }
    }

    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: std::net::TcpListener, seen: Arc<Mutex<Vec<Seen>>>, flood: Flood) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let seen = Arc::clone(&seen);
        let flood = flood.clone();
        let answer = service_fn(move |request| answer(request, Arc::clone(&seen), flood.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    flood: Flood,
) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into(),
        )
    });
    let mut record = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: headers.collect(),
        body: String::new(),
        trailers: 0,
    };
    let told = head.uri.query().and_then(|query| query.strip_prefix("do="));
    if let Some(told) = told {
        seen.lock().unwrap().push(record);
        return Ok(misbehave(told, body, flood).await);
    }
    let Ok(whole) = body.collect().await else {
        seen.lock().unwrap().push(record);
        return Ok(Response::new(full("broken")));
    };
    record.trailers = whole.trailers().map_or(0, HeaderMap::len);
    record.body = String::from_utf8_lossy(&whole.to_bytes()).into();
    seen.lock().unwrap().push(record);
    let mut response = Response::new(full("here"));
    response
        .headers_mut()
        .insert("keep-alive", "timeout=5".parse().unwrap());
    Ok(response)
}

async fn misbehave(told: &str, body: Incoming, flood: Flood) -> Response<Answer> {
    match told {
        "echo" => Response::new(body.map_err(Into::into).boxed_unsync()),
        "count" => match body.collect().await {
            Ok(whole) => Response::new(full(&whole.to_bytes().len().to_string())),
            Err(_) => Response::new(full("broken")),
        },
        "moved" => {
            let mut response = Response::new(full("elsewhere"));
            *response.status_mut() = hyper::StatusCode::TEMPORARY_REDIRECT;
            let place = "http://cdn.example/acme/llm/x?signed=%2F".parse().unwrap();
            response.headers_mut().insert("location", place);
            response
        }
        "flood" => {
            let flooding = Flooding(flood);
            half(
                stream::repeat_with(move || {
                    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
                    flooding.0.bytes.fetch_add(piece.len() as u64, SeqCst);
                    Ok(Frame::data(piece))
                })
                .boxed(),
            )
        }
        "stall" => half(stream::pending().boxed()),
        _ => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Response::new(full("late"))
        }
    }
}

type Rest =
    stream::BoxStream<'static, Result<Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>>;

fn half(rest: Rest) -> Response<Answer> {
    let first = stream::once(async { Ok(Frame::data(Bytes::from_static(b"half"))) });
    Response::new(StreamBody::new(first.chain(rest)).boxed_unsync())
}

fn full(text: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    body.map_err(|never| match never {}).boxed_unsync()
}

/// Starts a server that answers each request's head with these bytes, and closes the connection.
pub(super) fn raw(answer: &str) -> String {
    let answer = answer.to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}
