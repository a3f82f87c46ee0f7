use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;
use tonic::{Code, Status, body::Body};

use super::*;

const MOST: usize = 64 * 1024;
const SHARES: Shares = Shares {
    connection: 100_000,
    address: 150_000,
    process: 200_000,
};

/// As its sender says; it ends when that is dropped.
struct Sent(mpsc::UnboundedReceiver<Vec<u8>>);

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}

fn bounds(weight: usize) -> Bounds {
    Bounds {
        room: Room::new(SHARES),
        most_bytes: MOST,
        weight,
        deadline: Bounds::DEADLINE,
        caller: |extensions: &Extensions| extensions.get::<SocketAddr>().copied(),
    }
}

fn from(caller: &str) -> (mpsc::UnboundedSender<Vec<u8>>, Request<Body>) {
    let (send, sent) = mpsc::unbounded_channel();
    let mut request = Request::new(Body::new(Sent(sent)));
    let caller: SocketAddr = caller.parse().unwrap();
    request.extensions_mut().insert(caller);
    (send, request)
}

fn message(declared: usize, there: usize) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(u32::try_from(declared).unwrap().to_be_bytes());
    out.resize(5 + there, 7);
    out
}

async fn read(request: Request<Body>) -> Vec<u8> {
    let mut body = request.into_body();
    let mut out = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        out.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    out
}

/// Sends it in chunks of the size, and what becomes of it.
async fn whole(bounds: &Bounds, bytes: &[u8], chunk: usize) -> Result<(Vec<u8>, Charge), Status> {
    let (send, request) = from("10.0.0.1:1");
    for part in bytes.chunks(chunk) {
        send.send(part.to_vec()).unwrap();
    }
    drop(send);
    let (request, charge) = bounds.whole(request).await?;
    Ok((read(request).await, charge))
}

#[tokio::test(start_paused = true)]
async fn a_message_is_what_was_sent_however_it_was_cut() {
    let bounds = bounds(1);
    for length in [0, 1, 4000, 5000, MOST] {
        for chunk in [1, 3, 5, 1000, 16_384, 1 << 20] {
            let sent = message(length, length);
            let (arrived, charge) = whole(&bounds, &sent, chunk).await.unwrap();
            assert_eq!(arrived, sent, "{length} in {chunk}");
            let held = bounds.room.taken();
            // Only what was there at once, and is small, costs nothing.
            let free = sent.len() <= 4096 && chunk >= sent.len();
            assert_eq!(held == 0, free, "{length} in {chunk}: {held}");
            drop(charge);
            assert_eq!(bounds.room.taken(), 0);
        }
    }
    let mut two = message(3, 3);
    two.extend(message(60_000, 60_000));
    let (first, _charge) = whole(&bounds, &two, 4).await.unwrap();
    assert_eq!(first, message(3, 3));
    assert!(whole(&bounds, &[], 1).await.unwrap().0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn too_large_a_message_is_passed_on_as_its_beginning() {
    let bounds = bounds(1);
    let mut compressed = message(3, 3);
    compressed[0] = 1;
    for sent in [
        message(MOST + 1, 0),
        message(4 << 20, 9),
        message(u32::MAX as usize, 0),
        compressed,
    ] {
        // It doesn't wait for the end.
        let (send, request) = from("10.0.0.1:1");
        send.send(sent.clone()).unwrap();
        let (request, _charge) = bounds.whole(request).await.unwrap();
        assert_eq!(read(request).await, sent);
    }
    let cut = whole(&bounds, &message(9, 8), 99).await.unwrap_err();
    assert_eq!(cut.code(), Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_arrive_in_time_is_given_up() {
    let bounds = bounds(1);
    for sent in [vec![], vec![0], message(MOST, 9), message(3, 3)] {
        let (send, request) = from("10.0.0.1:1");
        if !sent.is_empty() {
            send.send(sent).unwrap();
        }
        let status = bounds.whole(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        drop(send);
        assert_eq!(bounds.room.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_an_address_and_the_process_have_their_shares() {
    let bounds = Arc::new(bounds(1));
    let ask = async |caller: &str, length: usize| {
        let (send, request) = from(caller);
        send.send(message(length, length)).unwrap();
        drop(send);
        bounds.whole(request).await.map(|(_, charge)| charge)
    };
    let code = |it: Result<Charge, Status>| it.unwrap_err().code();
    let _one = ask("10.0.0.1:1", 60_000).await.unwrap();
    let full = ask("10.0.0.1:1", 60_000).await;
    assert_eq!(code(full), Code::ResourceExhausted);
    let two = ask("10.0.0.1:2", 60_000).await.unwrap();
    let full = ask("10.0.0.1:3", 60_000).await;
    assert_eq!(code(full), Code::ResourceExhausted);
    // Another's place is left.
    let _other = ask("10.0.0.2:1", 60_000).await.unwrap();
    let full = ask("10.0.0.3:1", 60_000).await;
    assert_eq!(code(full), Code::ResourceExhausted);
    // Small ones are never refused.
    ask("10.0.0.1:1", 1000).await.unwrap();
    drop(two);
    let _three = ask("10.0.0.3:1", 60_000).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_its_room_until_it_is_taken() {
    let bounds = bounds(8);
    let (_, charge) = whole(&bounds, &message(10_000, 10_000), 99_999)
        .await
        .unwrap();
    assert_eq!(bounds.room.taken(), 8 * 10_005);
    let (_more, sent) = mpsc::unbounded_channel();
    let body = Body::new(Sent(sent));
    let answer = charge.until_taken(Response::new(body));
    assert_eq!(bounds.room.taken(), 8 * 10_005);
    let full = whole(&bounds, &message(10_000, 10_000), 99_999).await;
    assert_eq!(full.unwrap_err().code(), Code::ResourceExhausted);
    drop(answer);
    assert_eq!(bounds.room.taken(), 0);
    whole(&bounds, &message(10_000, 10_000), 99_999)
        .await
        .unwrap();
}
