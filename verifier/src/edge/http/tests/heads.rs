//! How long a head may be.

use super::*;

#[tokio::test]
async fn a_head_is_read_up_to_its_bound() {
    let running = hub().await;
    let (token, others) = ("A".repeat(5462), "x".repeat(16 * 1024));
    let basic = format!("Basic {token}");
    let told = running.get(
        "/api/whoami-v2",
        &[("Authorization", &basic), ("X-A", &others)],
    );
    assert_eq!(told.status, 401);
    let mut stream = TcpStream::connect(&running.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // Without an end: it isn't waited for.
    let half = format!("GET / HTTP/1.1\r\nX-A: {}", "x".repeat(40 * 1024));
    let _ = stream.write_all(half.as_bytes());
    let read = stream.read(&mut [0; 64]).map_err(|error| error.kind());
    assert_ne!(read, Err(std::io::ErrorKind::WouldBlock));
    running.end().await;
}
