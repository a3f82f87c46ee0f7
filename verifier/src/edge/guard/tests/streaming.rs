//! Tests bodies that stream piece by piece in both directions, and are never held.

use std::io::BufRead as _;

use super::*;

#[tokio::test(start_paused = true)]
async fn both_bodies_stream() {
    let running = start().await;
    let headers = [("Transfer-Encoding", "chunked")];
    let mut stream = running.sent(&written(&format!("POST {PACK}?do=echo"), &headers, ""));
    // Each piece comes back before the next is sent.
    for piece in ["one", "two"] {
        stream
            .get_mut()
            .write_all(format!("3\r\n{piece}\r\n").as_bytes())
            .unwrap();
        if piece == "one" {
            assert_eq!(head(&mut stream).status, 200);
        }
        assert_eq!(chunk(&mut stream), piece);
    }
    stream.get_mut().write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(chunk(&mut stream), "");
    assert_eq!(
        running.seen()[0].header("transfer-encoding"),
        Some("chunked")
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_wait_for_leave_to_send_its_body() {
    let running = start().await;
    let headers = [("Expect", "100-continue"), ("Content-Length", "4")];
    let mut stream = running.sent(&written(&format!("POST {PACK}?do=echo"), &headers, ""));
    assert_eq!(head(&mut stream).status, 100);
    stream.get_mut().write_all(b"body").unwrap();
    assert_eq!(head(&mut stream).status, 200);
    // A refused caller never gets leave to send.
    let push = "POST /acme/open.git/git-receive-pack";
    assert_eq!(
        told(&mut running.sent(&written(push, &headers, ""))).status,
        401
    );
    running.end().await;
}

/// Returns the most memory that this process ever held, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

#[tokio::test(start_paused = true)]
async fn a_large_body_takes_no_memory() {
    const SIZE: usize = 512 << 20;
    let running = start().await;
    let length = SIZE.to_string();
    let headers = [("Content-Length", &*length)];
    let mut stream = running.sent(&written(&format!("POST {PACK}?do=echo"), &headers, ""));
    let before = peak();
    let mut up = stream.get_ref().try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..SIZE / piece.len() {
            up.write_all(&piece).unwrap();
        }
    });
    assert_eq!(head(&mut stream).status, 200);
    let mut left = SIZE;
    while left > 0 {
        let got = stream.fill_buf().unwrap().len();
        assert!(got > 0, "{left} bytes are missing");
        stream.consume(got);
        left -= got;
    }
    sender.join().unwrap();
    let grown = peak() - before;
    assert!(grown < SIZE as u64 / 4, "{grown} bytes");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_body_is_not_sent_on() {
    let running = start().await;
    let headers = [
        ("Transfer-Encoding", "chunked"),
        ("Trailer", "X-Tokenward-Subject, X-Late"),
        ("TE", "trailers"),
    ];
    let late = "4\r\nbody\r\n0\r\nX-Tokenward-Subject: root\r\nX-Late: 1\r\n\r\n";
    let text = written(&format!("POST {PACK}"), &headers, "") + late;
    // The text is sent twice, so that the next request follows the body.
    let mut stream = running.sent(&(text.clone() + &text));
    for _ in 0..2 {
        assert_eq!(told(&mut stream).status, 200);
    }
    let seen = running.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(&*seen.body, "body");
        assert_eq!(seen.trailers, 0);
        for name in ["x-tokenward-subject", "x-late", "trailer", "te"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
    running.end().await;

    let server = behind::raw(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n\
         4\r\nhere\r\n0\r\nX-Late: 1\r\n\r\n",
    );
    let running = Setup::before(&server).start().await;
    let headers = [("TE", "trailers"), ("Connection", "TE, close")];
    let mut stream = running.sent(&written(&format!("GET {OPEN}"), &headers, ""));
    let answer = head(&mut stream);
    assert_eq!((answer.status, answer.header("trailer")), (200, None));
    assert_eq!(rest(&mut stream), b"4\r\nhere\r\n0\r\n\r\n");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_while_sending_hears_it() {
    let body = "x".repeat(8 << 20);
    let running = start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = free.local_addr().unwrap().to_string();
    drop(free);
    let away = Setup::before(&nowhere).start().await;
    let batch = "POST /acme/open.git/info/lfs/objects/batch";
    let ada = bearer("ada", 7, Role::Read);
    let ada = [("Authorization", &*ada)];
    let rows: [(_, &str, &[_], u16); 5] = [
        (&running, "POST /acme/open.git/git-receive-pack", &[], 401),
        (&running, "POST /nonsense", &[], 403),
        // These bodies are too long to be judged. For a stranger the limit is far lower.
        (&running, batch, &ada, 413),
        (&running, batch, &[], 401),
        (&away, &format!("POST {PACK}"), &[], 502),
    ];
    for (running, request, headers, status) in rows {
        let mut stream = running.sent(&written(request, headers, &body));
        assert_eq!(told(&mut stream).status, status, "{request} {headers:?}");
        // The bytes that the caller sent are not taken for the next request.
        let next = written("GET /nonsense", &[], "");
        stream.get_mut().write_all(next.as_bytes()).unwrap();
        assert_eq!(told(&mut stream).status, 403, "{request}");
    }
    running.end().await;
    away.end().await;
}
