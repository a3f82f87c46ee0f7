//! HTTP/1.1 for an axum router: public keys, metrics, health.

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

/// For a head, and so for a connection between two. Scrapes come more often, or connect again.
const HEAD: Duration = Duration::from_secs(30);
/// A client that takes nothing of its answer for so long is cut off.
const UNREAD: Duration = Duration::from_secs(60);
/// Of a head.
const HEAD_BYTES: usize = 16 * 1024;

/// Until when a listener answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpEnd {
    /// Accepts until the process stops accepting, then finishes what it began.
    Stopping,
    /// Answers until the hard stop: whoever watches a drain wants to see it to its end.
    Over,
}

/// Returns when the last connection has ended.
pub async fn serve_http(
    listener: Listener,
    admission: Admission,
    router: Router,
    shutdown: Shutdown,
    end: HttpEnd,
) -> io::Result<()> {
    let incoming = incoming(listener, admission, Protocol::Http1)?;
    // Each connection holds one until its end.
    let (unfinished, mut finished) = mpsc::channel::<()>(1);
    // Holds the listener: with its end the socket closes, and who comes then is refused rather than
    // left waiting for an answer.
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
        // Whoever wants to know who calls finds it in the request.
        if let Some(peer) = peer {
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
    // What a client does wrong ends its connection and is nobody else's affair.
    tokio::select! {
        _ = served.as_mut() => return,
        () = ended(&shutdown, end) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// Tells a client that keeps its connection to ask elsewhere next: a connection that closes without a
/// word takes with it the request that was just sent.
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
        // What comes after the drain's beginning comes at once, or never.
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
        // It is told when the listener is closed already.
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
