//! Tests answers that their client doesn't read. The client writes frames itself, because libraries
//! read all that they receive.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut out = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    out.extend_from_slice(payload);
    out
}

/// The preface, with an initial window of 0: no stream gets data before its window is opened.
fn hello() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    out
}

/// Requests the health of the whole server.
fn health(method: &str, stream: u8) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let path = format!("/grpc.health.v1.Health/{method}");
    // The names are 4, 1 and 31 of the static table, and one literal.
    for (name, value) in [
        (&[0x04][..], path.as_str()),
        (&[0x01], "h"),
        (&[0x0f, 0x10], "application/grpc"),
        (b"\0\x02te", "trailers"),
    ] {
        block.extend_from_slice(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    let mut out = frame(HEADERS, 4, stream, &block);
    out.extend(frame(DATA, 1, stream, &[0; 5]));
    out
}

async fn next(stream: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let [l0, l1, l2, kind, .., id] = head;
    let mut payload = vec![0; usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2)];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, id, payload)
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_reset_and_its_connection_goes_on() {
    let limits = Limits {
        grpc_untaken: Duration::from_millis(100),
        ..Limits::DEFAULT
    };
    let running = start(1, "127.0.0.1:0", limits, times(Duration::ZERO, NEVER)).await;
    let address = running.plane.addresses()[0].to_string();
    let mut client = TcpStream::connect(address).await.unwrap();
    let asked = [hello(), health("Check", 1), health("Watch", 3)].concat();
    client.write_all(&asked).await.unwrap();
    let mut reset = Vec::new();
    while reset.len() < 2 {
        let (kind, stream, payload) = tokio::time::timeout(NEVER, next(&mut client))
            .await
            .unwrap();
        assert_ne!(kind, DATA);
        if kind == RST_STREAM {
            assert_eq!(payload, ENHANCE_YOUR_CALM);
            reset.push(stream);
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3]);
    // A client that reads is answered, on the same connection.
    let asked = [
        health("Check", 5),
        frame(WINDOW_UPDATE, 0, 5, &[0, 0, 16, 0]),
    ];
    client.write_all(&asked.concat()).await.unwrap();
    loop {
        let (kind, stream, _) = tokio::time::timeout(NEVER, next(&mut client))
            .await
            .unwrap();
        if kind == DATA {
            assert_eq!(stream, 5);
            break;
        }
    }
}
