use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::*;

const MOST: usize = 64 * 1024;
const SHARES: Shares = Shares {
    connection: 100_000,
    address: 150_000,
    process: 200_000,
};

/// A body whose pieces come from a sender, and which ends when the sender is dropped.
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

/// Sends bytes in chunks of this size, and returns the message and its charge.
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
            // A message costs nothing only if it is small and was there at once.
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
        // The refusal doesn't wait for the end of the message.
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
    // Another address still has its place.
    let _other = ask("10.0.0.2:1", 60_000).await.unwrap();
    let full = ask("10.0.0.3:1", 60_000).await;
    assert_eq!(code(full), Code::ResourceExhausted);
    // Small messages are never refused.
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

/// Polls a call until it waits for missing bytes.
async fn waits<F: Future>(mut call: Pin<&mut F>) {
    for _ in 0..10 {
        assert!(futures_util::poll!(call.as_mut()).is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_pays_for_a_place() {
    let place = gather::PLACE;
    for (sent, costs) in [
        (vec![], place),
        (vec![0], place),
        (message(100, 50), place),
        // The message is complete, but the end of the body is missing.
        (message(0, 0), place),
        (message(100, 100), place),
        // The held bytes are charged besides the place.
        (message(5000, 4999), place + 5004),
        (message(5000, 5000), place + 5005),
    ] {
        let bounds = bounds(1);
        let (send, request) = from("10.0.0.1:1");
        if !sent.is_empty() {
            send.send(sent.clone()).unwrap();
        }
        let mut call = Box::pin(bounds.whole(request));
        waits(call.as_mut()).await;
        assert_eq!(bounds.room.taken(), costs, "{} bytes", sent.len());
        drop(call);
        assert_eq!(bounds.room.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_http2_is_still_charged() {
    let bounds = bounds(8);
    let (_, charge) = whole(&bounds, &message(1000, 1000), 9999).await.unwrap();
    let (send, sent) = mpsc::unbounded_channel();
    for piece in [3, 5] {
        send.send(vec![7; piece]).unwrap();
    }
    drop(send);
    let answer = charge.until_taken(Response::new(Body::new(Sent(sent))));
    let mut body = answer.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(pieces, [&[7; 3][..], &[7; 5]]);
    // HTTP/2 has taken all pieces and dropped the body, but no byte was read.
    drop(body);
    assert_eq!(bounds.room.taken(), 8 * 1005);
    let last = pieces.pop();
    drop(pieces);
    assert_eq!(bounds.room.taken(), 8 * 1005);
    drop(last);
    assert_eq!(bounds.room.taken(), 0);
}

/// A service whose answers never end.
#[derive(Clone)]
struct Endless;

impl Service<Request<Body>> for Endless {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let (more, sent) = mpsc::unbounded_channel();
        // The sender is never dropped, so the answer has no end.
        std::mem::forget(more);
        std::future::ready(Ok(Response::new(Body::new(Sent(sent)))))
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_has_a_place_to_its_end() {
    let ask = async |bounds: &Bounds, way: fn(&str) -> Way, sent: Option<Vec<u8>>| {
        let (send, request) = from("10.0.0.1:1");
        if let Some(sent) = sent {
            send.send(sent).unwrap();
            drop(send);
        } else {
            std::mem::forget(send);
        }
        let mut service = Bounded::new(Endless, bounds.clone(), way);
        service.call(request).await.unwrap()
    };
    let place = gather::PLACE;
    for (way, sent, place) in [
        (
            (|_| Way::Follow) as fn(&str) -> Way,
            Some(message(3, 3)),
            place,
        ),
        (|_| Way::Stream, None, place),
        (Way::from_reflection_path, None, gather::REFLECTION),
    ] {
        let bounds = bounds(1);
        let mut open = Vec::new();
        // The connection's share has room for this many places.
        for _ in 0..SHARES.connection / place {
            let answer = ask(&bounds, way, sent.clone()).await;
            assert!(!answer.headers().contains_key("grpc-status"));
            open.push(answer);
        }
        let refused = ask(&bounds, way, sent.clone()).await;
        assert_eq!(refused.headers()["grpc-status"], "8");
        // A free call is still accepted, and a call that ends makes room.
        assert!(whole(&bounds, &message(9, 9), 99).await.is_ok());
        open.pop();
        let answer = ask(&bounds, way, sent).await;
        assert!(!answer.headers().contains_key("grpc-status"));
        drop((open, answer));
        assert_eq!(bounds.room.taken(), 0);
    }
    // A call that doesn't last holds no place.
    let bounds = bounds(1);
    let _answer = ask(&bounds, |_| Way::Call, Some(message(3, 3))).await;
    assert_eq!(bounds.room.taken(), 0);
}
