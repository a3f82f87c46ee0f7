use std::io::{BufRead, BufReader, Cursor};

use futures_util::StreamExt;
use tokenward_proto::v1::ImportResponse;

use super::*;
use crate::output::Output;

fn shared() -> Shared {
    Shared::new(Ledger::new(Output::new(true), None, None))
}

fn batches(text: impl BufRead + Send + 'static) -> Batches<Input> {
    Batches::new(Box::new(text))
}

fn lines(count: u64) -> Batches<Input> {
    let text: String = (0..count)
        .map(|n| format!("{{\"delete_user\":\"u{n}\"}}\n"))
        .collect();
    batches(Cursor::new(text.into_bytes()))
}

#[tokio::test]
async fn no_more_than_the_window_is_in_flight() {
    let shared = shared();
    let mut batches = pin!(shared.outgoing(read_ahead(lines(100 * 40)), "f".into()));
    for number in 1..=WINDOW as u64 {
        assert_eq!(batches.next().await.unwrap().batch, number);
    }
    assert!(futures_util::poll!(batches.next()).is_pending());
    let answer = ImportResponse {
        batch: 1,
        revision: "ab.1".into(),
        ..ImportResponse::default()
    };
    shared.ledger().answered(answer).unwrap();
    shared.window.add_permits(1);
    assert_eq!(batches.next().await.unwrap().batch, WINDOW as u64 + 1);
}

#[tokio::test]
async fn a_batch_with_a_mistake_is_not_sent() {
    let shared = shared();
    let mut text = b"{\"delete_user\":7}\n".repeat(100);
    text.extend_from_slice(b"{\"delete_user\":\"u\"}\n");
    let batches = shared.outgoing(read_ahead(self::batches(Cursor::new(text))), "f".into());
    let sent: Vec<_> = batches.collect().await;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].batch, sent[0].operations.len()), (1, 1));
}

#[tokio::test]
async fn an_unreadable_input_ends_the_import_as_a_failure() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let shared = shared();
    let input = self::batches(BufReader::new(Broken));
    let batches = shared.outgoing(read_ahead(input), "f".into());
    assert_eq!(batches.count().await, 0);
    let failure = shared.ledger().complete().unwrap_err();
    assert!(failure.message.contains("disk on fire"), "{failure}");
}
