//! Tests the end of the process: begun requests are finished, within the limit.

use super::*;

/// Begins an upload of which one piece came back and more is to come.
async fn begun(setup: Setup) -> (Running, BufReader<TcpStream>) {
    let running = setup.start().await;
    let headers = [("Transfer-Encoding", "chunked")];
    let mut stream = running.sent(&written(&format!("POST {PACK}?do=echo"), &headers, ""));
    stream.get_mut().write_all(b"3\r\none\r\n").unwrap();
    assert_eq!(head(&mut stream).status, 200);
    assert_eq!(chunk(&mut stream), "one");
    running.shutdown.drain();
    running.shutdown.stopping().await;
    (running, stream)
}

#[tokio::test]
async fn a_drain_lets_what_was_begun_end() {
    let (mut running, mut stream) = begun(Setup::default()).await;
    let refused = async {
        while TcpStream::connect(&running.address).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await;
    refused.expect("nothing new is taken");
    let more = b"3\r\ntwo\r\n0\r\n\r\n";
    stream.get_mut().write_all(more).unwrap();
    assert_eq!(chunk(&mut stream), "two");
    assert_eq!(chunk(&mut stream), "");
    // The connection takes no other request.
    assert_eq!(rest(&mut stream), b"");
    let ended = tokio::time::timeout(PATIENCE, running.plane.ended()).await;
    ended.expect("it ends").unwrap();
}

#[tokio::test]
async fn a_drain_does_not_wait_for_unused_connections() {
    let mut running = start().await;
    let text = written(&format!("GET {OPEN}"), &[], "");
    let mut used = running.sent(&text);
    assert_eq!(told(&mut used).status, 200);
    running.shutdown.drain();
    let ended = tokio::time::timeout(PATIENCE, running.plane.ended()).await;
    ended.expect("it ends").unwrap();
    assert_eq!(rest(&mut used), b"");
}

#[tokio::test]
async fn the_limit_of_a_drain_cuts_off_what_is_left() {
    let setup = Setup {
        drain_limit: Duration::from_millis(200),
        ..Setup::default()
    };
    let (mut running, mut stream) = begun(setup).await;
    let ended = tokio::time::timeout(PATIENCE, running.plane.ended()).await;
    ended.expect("it ends").unwrap();
    // The last chunk is missing, so the answer is never taken for whole.
    assert_eq!(rest(&mut stream), b"");
}
