//! This file serves HTTP/1.1 for an axum router (public keys, metrics, health), and decides the time
//! limits of its connections. It must not know what the router answers.

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, header::CONNECTION},
};
use futures_util::StreamExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::{
    answering::Answering,
    guarded::{Guarded, Protocol},
    incoming::incoming,
    register::Admission,
    unread::Unread,
};
use crate::process::{listen::Listener, shutdown::Shutdown};

/// The time for a request head, and so for the pause between two requests. Scrapes come more often or
/// connect again.
const HEAD: Duration = Duration::from_secs(30);
/// A client that takes nothing of its answer for this long is cut off.
const UNREAD: Duration = Duration::from_secs(60);
/// The longest request head, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// The stage of the shutdown until which a listener answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpEnd {
    /// The listener accepts until the process stops accepting, and then finishes what it began.
    Stopping,
    /// The listener answers until the hard stop, so that a drain can be watched to its end.
    Over,
}

/// Serves a router, and returns when the last connection has ended.
pub async fn serve_http(
    listener: Listener,
    admission: Admission,
    router: Router,
    shutdown: Shutdown,
    end: HttpEnd,
) -> io::Result<()> {
    let incoming = incoming(listener, admission, Protocol::Http1)?;
    // Each connection holds a clone of this until its end.
    let (unfinished, mut finished) = mpsc::channel::<()>(1);
    // This future owns the listener. Its end closes the socket, so that a new client is refused instead
    // of left waiting for an answer.
    let accepting = unfinished.clone();
    let over = shutdown.clone();
    let accepted = async move {
        let mut incoming = pin!(incoming);
        while let Some(Ok(connection)) = incoming.next().await {
            let served = serve(connection, router.clone(), over.clone(), end);
            let unfinished = accepting.clone();
            let over = over.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = served => {}
                    () = over.over() => {}
                }
                drop(unfinished);
            });
        }
    };
    tokio::select! {
        () = accepted => {}
        () = ended(&shutdown, end) => {}
    }
    drop(unfinished);
    finished.recv().await;
    Ok(())
}

async fn ended(shutdown: &Shutdown, end: HttpEnd) {
    match end {
        HttpEnd::Stopping => shutdown.stopping().await,
        HttpEnd::Over => shutdown.over().await,
    }
}

async fn serve(connection: Guarded, router: Router, shutdown: Shutdown, end: HttpEnd) {
    let (peer, asked) = (connection.stream().peer(), connection.asked());
    let draining = shutdown.clone();
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let call = asked.now();
        // A handler that needs the client's address finds it in the request.
        if let Some(peer) = peer.known_address() {
            let peer: ConnectInfo<SocketAddr> = ConnectInfo(peer);
            request.extensions_mut().insert(peer);
        }
        let (router, draining) = (router.clone(), draining.clone());
        async move {
            let mut answer: Response<Body> = router.oneshot(request.map(Body::new)).await?;
            close_if(draining.is_draining(), &mut answer);
            Ok::<_, std::convert::Infallible>(answer.map(|body| Answering::new(body, call)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Unread::new(connection, UNREAD)), answer);
    let mut served = pin!(served);
    // A client's error ends its own connection and concerns no other.
    tokio::select! {
        _ = served.as_mut() => return,
        () = ended(&shutdown, end) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// Asks a client that keeps its connection to send its next request elsewhere. A connection that closes
/// without notice loses the request that was just sent.
fn close_if<B>(draining: bool, answer: &mut Response<B>) {
    if draining {
        let close = axum::http::HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::Semaphore,
        task::JoinHandle,
    };

    use super::*;
    use crate::process::{DrainTimes, ListenAddress};

    static ARRIVED: Semaphore = Semaphore::const_new(0);
    static HELD: Semaphore = Semaphore::const_new(0);

    fn started(most: usize, end: HttpEnd) -> (String, Shutdown, JoinHandle<io::Result<()>>) {
        let any: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let listener = any.bind().unwrap();
        let address = listener.address().unwrap().to_string();
        let held = || async {
            ARRIVED.add_permits(1);
            HELD.acquire().await.unwrap().forget();
            "ok"
        };
        let router = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/held", get(held));
        // A request after the drain's beginning is answered at once or never.
        let shutdown = match end {
            HttpEnd::Stopping => Shutdown::start(DrainTimes {
                delay: Duration::ZERO,
                limit: Duration::from_secs(3600),
            }),
            HttpEnd::Over => Shutdown::default(),
        };
        let admission = Admission::new(most, Some(most));
        let served = serve_http(listener, admission, router, shutdown.clone(), end);
        (address, shutdown, tokio::spawn(served))
    }

    async fn ask(stream: &mut TcpStream) -> String {
        let request = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            answer.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn who_keeps_a_connection_is_told_that_it_ends() {
        let (address, shutdown, served) = started(8, HttpEnd::Over);
        let mut kept = TcpStream::connect(&address).await.unwrap();
        for _ in 0..2 {
            assert!(!ask(&mut kept).await.contains("connection"));
        }
        shutdown.drain();
        let answer = ask(&mut kept).await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(kept.read(&mut [0]).await.unwrap(), 0);
        assert!(!served.is_finished());
    }

    #[tokio::test]
    async fn who_has_asked_stays_and_who_says_nothing_makes_room() {
        let (address, _shutdown, _served) = started(2, HttpEnd::Over);
        let mut asked = TcpStream::connect(&address).await.unwrap();
        ask(&mut asked).await;
        let mut silent = TcpStream::connect(&address).await.unwrap();
        let mut other = TcpStream::connect(&address).await.unwrap();
        ask(&mut other).await;
        assert!(matches!(silent.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut too_many = TcpStream::connect(&address).await.unwrap();
        assert!(matches!(too_many.read(&mut [0]).await, Ok(0) | Err(_)));
        ask(&mut asked).await;
        ask(&mut other).await;
    }

    #[tokio::test]
    async fn while_it_finishes_who_comes_is_refused() {
        let (address, shutdown, served) = started(8, HttpEnd::Stopping);
        let mut unfinished = TcpStream::connect(&address).await.unwrap();
        let request = b"GET /held HTTP/1.1\r\nhost: h\r\n\r\n";
        unfinished.write_all(request).await.unwrap();
        ARRIVED.acquire().await.unwrap().forget();
        let mut silent = TcpStream::connect(&address).await.unwrap();
        shutdown.drain();
        // The client sees this only after the listener is closed.
        assert_eq!(silent.read(&mut [0]).await.unwrap_or_default(), 0);
        assert!(TcpStream::connect(&address).await.is_err());
        assert!(!served.is_finished());
        HELD.add_permits(1);
        let mut answer = String::new();
        unfinished.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("ok"), "{answer}");
        served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn it_finishes_and_returns() {
        let (address, shutdown, served) = started(8, HttpEnd::Stopping);
        let mut kept = TcpStream::connect(&address).await.unwrap();
        ask(&mut kept).await;
        assert!(!served.is_finished());
        shutdown.drain();
        assert_eq!(kept.read(&mut [0]).await.unwrap_or_default(), 0);
        served.await.unwrap().unwrap();
        assert!(TcpStream::connect(&address).await.is_err());
    }
}
