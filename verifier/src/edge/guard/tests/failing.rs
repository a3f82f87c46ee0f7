//! Tests a server that is away, slow, or breaks off, and a caller that stops.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_off_never_looks_like_one_that_ended() {
    let running = start().await;
    let mut stream = running.sent(&written(&format!("GET {OPEN}?do=stall"), &[], ""));
    assert_eq!(head(&mut stream).status, 200);
    assert_eq!(chunk(&mut stream), "half");
    running.behind.kill();
    assert_eq!(rest(&mut stream), b"");
    running.end().await;

    for length in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        let text = format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n4\r\nhalf\r\n");
        let running = Setup::before(&behind::raw(&text)).start().await;
        let headers = [("Connection", "close")];
        let all = rest(&mut running.sent(&written(&format!("GET {OPEN}"), &headers, "")));
        let all = String::from_utf8(all).unwrap();
        // The half may or may not have been sent by then.
        let body = all.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(!body.ends_with("0\r\n\r\n"), "{all}");
        assert!(
            body.is_empty() || !all.contains(" 200 ") || body.len() < 10,
            "{all}"
        );
        running.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_or_slow_is_told_apart() {
    let soon = Duration::from_millis(50);
    let slow = GuardTimes {
        response: soon,
        ..LONG
    };
    let slow = Setup::timed(slow).start().await;
    let answer = slow.ask(&format!("GET {OPEN}?do=never"), &[], "");
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("\"error\""), "{}", answer.body);
    slow.end().await;

    // When a body stops, either the caller or the server is at fault.
    let stalls = GuardTimes { idle: soon, ..LONG };
    let stalls = Setup::timed(stalls).start().await;
    let headers = [("Content-Length", "4")];
    let mut stream = stalls.sent(&written(&format!("POST {PACK}?do=count"), &headers, ""));
    let answer = told(&mut stream);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
    let mut stream = stalls.sent(&written(&format!("GET {OPEN}?do=stall"), &[], ""));
    assert_eq!(head(&mut stream).status, 200);
    assert_eq!(chunk(&mut stream), "half");
    assert_eq!(rest(&mut stream), b"");
    stalls.end().await;

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = free.local_addr().unwrap().to_string();
    drop(free);
    let away = Setup::before(&nowhere).start().await;
    let answer = away.ask(&format!("GET {OPEN}"), &[], "");
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("can't be reached"), "{}", answer.body);
    // Git shows plain text to its user.
    let refs = "GET /acme/open.git/info/refs?service=git-upload-pack";
    let answer = away.ask(refs, &[], "");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (502, Some("text/plain; charset=utf-8"))
    );
    away.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_could_be_read_in_two_ways_is_not_passed_on() {
    let rows = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nhere",
            502,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhere",
            502,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            502,
        ),
        ("nonsense\r\n\r\n", 502),
        ("", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere", 200),
        // This informational response isn't the answer.
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere",
            200,
        ),
    ];
    for (answer, status) in rows {
        let running = Setup::before(&behind::raw(answer)).start().await;
        let mut stream = running.sent(&written(&format!("GET {OPEN}"), &[], ""));
        assert_eq!(head(&mut stream).status, status, "{answer}");
        running.end().await;
    }
    // If an answer has chunks and a length, the chunks count and the length is removed.
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
                4\r\nhere\r\n0\r\n\r\n";
    let running = Setup::before(&behind::raw(both)).start().await;
    let mut stream = running.sent(&written(&format!("GET {OPEN}"), &[], ""));
    let answer = head(&mut stream);
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, None)
    );
    assert_eq!(chunk(&mut stream), "here");
    running.end().await;
}
