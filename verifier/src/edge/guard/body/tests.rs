use std::{convert::Infallible, sync::Mutex};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use super::*;

/// This is the default of a guard.
const IDLE: Duration = Duration::from_secs(60);

/// Returns how and when a body of 64 KiB ends that comes in pieces of `piece` bytes, one per `every`, and
/// whether its connection was closed by then.
async fn sent(piece: usize, every: Duration, stranger: bool) -> (&'static str, Duration, bool) {
    const LENGTH: usize = 64 * 1024;
    let (client, server) = tokio::io::duplex(4 * 1024);
    let ended = Arc::new(Mutex::new(None));
    let told = Arc::clone(&ended);
    let begun = Instant::now();
    let serving = http1::Builder::new().serve_connection(
        TokioIo::new(server),
        service_fn(move |request: Request<Incoming>| {
            let told = Arc::clone(&told);
            async move {
                let mut body = TimedBody::request(request.into_body(), IDLE, false);
                if stranger {
                    body.keep_pace();
                }
                let how = match body.collect().await {
                    Ok(_) => "whole",
                    Err(error) if error.get_ref().is_some_and(|it| it.is::<Stalled>()) => "stalled",
                    Err(_) => "broken",
                };
                *told.lock().unwrap() = Some((how, begun.elapsed()));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        }),
    );
    let serving = tokio::spawn(serving);
    let (mut reads, mut writes) = tokio::io::split(client);
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n");
    writes.write_all(head.as_bytes()).await.unwrap();
    let mut left = LENGTH;
    while left > 0 && ended.lock().unwrap().is_none() {
        sleep(every).await;
        let next = vec![b'x'; piece.min(left)];
        left -= next.len();
        if writes.write_all(&next).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    reads.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let (how, after) = ended.lock().unwrap().take().unwrap();
    sleep(Duration::from_secs(1)).await;
    (how, after, serving.is_finished())
}

#[tokio::test(start_paused = true)]
async fn a_stranger_s_body_must_keep_a_rate() {
    let second = Duration::from_secs(1);
    // A byte a second lasts no longer than the grace, and then the connection is closed too.
    let (how, after, closed) = sent(1, second, true).await;
    assert_eq!((how, closed), ("stalled", true));
    assert!(after >= GRACE && after < GRACE + 2 * second, "{after:?}");
    // Half of the least rate lasts for twice the grace.
    let (how, after, closed) = sent(512, second, true).await;
    assert_eq!((how, closed), ("stalled", true));
    assert!(after > GRACE && after < 2 * GRACE + 2 * second, "{after:?}");
    let (how, after, _) = sent(1024, second, true).await;
    assert_eq!((how, after.as_secs()), ("whole", 64));
    // The whole body arrives at once, after less than the grace.
    assert_eq!(sent(64 * 1024, GRACE - second, true).await.0, "whole");
    // A caller with a live credential may be slow.
    let (how, after, _) = sent(512, second, false).await;
    assert_eq!((how, after.as_secs()), ("whole", 128));
    let (how, after, _) = sent(1, 2 * IDLE, false).await;
    assert_eq!((how, after), ("stalled", IDLE));
}

#[test]
fn what_came_is_time_to_wait() {
    let pace = |waited, came| Pace {
        waited: Duration::from_secs(waited),
        came,
    };
    for (pace, left) in [
        (pace(0, 0), 15),
        (pace(15, 0), 0),
        (pace(16, 1024), 0),
        (pace(16, 10 * 1024), 9),
        (pace(99, 0), 0),
    ] {
        assert_eq!(pace.left(), Duration::from_secs(left), "{pace:?}");
    }
    assert!(pace(1, u64::MAX).left() > IDLE);
}
