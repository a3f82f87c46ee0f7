//! Tests callers and servers that don't keep up. What they can make a guard hold is bounded, in bytes and
//! in time.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::*;

/// This many bytes are more than the sockets on the way hold, and far less than what would be sent.
const HELD: u64 = 64 << 20;

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_cut_off() {
    let limits = Limits {
        http_unread: Duration::from_millis(200),
        ..Limits::DEFAULT
    };
    let running = Setup {
        limits,
        ..Setup::default()
    };
    let running = running.start().await;
    let mut stream = running.sent(&written(&format!("GET {OPEN}?do=flood"), &[], ""));
    assert_eq!(head(&mut stream).status, 200);
    let flood = running.behind.flood.clone();
    until("it is given up", || flood.given_up.load(SeqCst) == 1).await;
    let taken = flood.bytes.load(SeqCst);
    assert!(taken < HELD, "{taken} bytes");
    // The bytes that were on their way arrive, without an end of the body.
    let rest = rest(&mut stream);
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"));
    until("it is closed", || running.plane.connections().open() == 0).await;
    running.end().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_its_request() {
    let running = start().await;
    let mut stream = running.sent(&written(&format!("GET {OPEN}?do=flood"), &[], ""));
    assert_eq!(head(&mut stream).status, 200);
    drop(stream);
    let flood = running.behind.flood.clone();
    until("it is given up", || flood.given_up.load(SeqCst) == 1).await;
    running.end().await;
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_the_caller_back() {
    let soon = Duration::from_millis(200);
    let times = GuardTimes {
        response: soon,
        idle: soon,
        ..LONG
    };
    let running = Setup::timed(times).start().await;
    let headers = [("Transfer-Encoding", "chunked")];
    let mut stream = running.sent(&written(&format!("POST {PACK}?do=never"), &headers, ""));
    let mut up = stream.get_ref().try_clone().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let sending = Arc::clone(&sent);
    let sender = std::thread::spawn(move || {
        let piece = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
        let mut failed = false;
        while !failed {
            failed = up.write_all(piece.as_bytes()).is_err();
            sending.fetch_add(piece.len() as u64, SeqCst);
        }
    });
    assert_eq!(head(&mut stream).status, 504);
    let sent = sent.load(SeqCst);
    assert!(sent < HELD, "{sent} bytes");
    // From now on the body is discarded, for a while.
    let all = stream.get_ref().shutdown(std::net::Shutdown::Both);
    all.unwrap();
    sender.join().unwrap();
    until("it is closed", || running.plane.connections().open() == 0).await;
    running.end().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let limits = Limits {
        http_idle: Duration::from_millis(100),
        ..Limits::DEFAULT
    };
    let running = Setup {
        limits,
        ..Setup::default()
    };
    let running = running.start().await;
    let mut stream = running.sent("GET /acme/open/resolve/main/x HTTP/1.1\r\nHost: h");
    rest(&mut stream);
    assert!(running.seen().is_empty());
    running.end().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let limits = Limits {
        connections: 2,
        address_connections: Some(2),
        ..Limits::DEFAULT
    };
    let running = Setup {
        limits,
        ..Setup::default()
    };
    let running = running.start().await;
    let text = written(&format!("GET {OPEN}"), &[], "");
    let mut held = [running.sent(&text), running.sent(&text)];
    for stream in &mut held {
        assert_eq!(told(stream).status, 200);
    }
    assert_eq!(rest(&mut running.open()), b"");
    assert_eq!(running.plane.connections().refused(), 1);
    drop(held);
    until("there is room", || running.plane.connections().open() == 0).await;
    assert_eq!(told(&mut running.sent(&text)).status, 200);
    running.end().await;
}
