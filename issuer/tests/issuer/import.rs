//! The stream of batches, over a real connection.

use std::{sync::Arc, time::Duration};

use tokenward_common::{
    clock::SystemClock,
    id::Cursor,
    store::{Feed, Report, Retention, Store},
};
use tokenward_issuer::{
    caller::{Credentials, LiveCredentials, new_credential},
    grpc::{Authenticator, DirectoryGrpc},
    metrics::Metrics,
    pace::Pace,
    receipts::Receipts,
};
use tokenward_proto::v1::{
    Group, ImportRequest, ImportResponse, directory_service_client::DirectoryServiceClient,
    directory_service_server::DirectoryServiceServer, operation::Operation as Op,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Streaming,
    transport::{Endpoint, Server},
};

use crate::house::{House, model, operation, org, user};

/// As short a log as may be set.
const SHORT: Retention = Retention {
    time: Duration::from_secs(3600),
    entries: 1000,
    bytes: 1024 * 1024,
};

/// An import to a served issuer: what is sent, and what is answered.
async fn import(house: &House) -> (mpsc::Sender<ImportRequest>, Streaming<ImportResponse>) {
    import_paced(house, Duration::from_secs(30)).await
}

/// The same, which waits so long for a verifier that doesn't advance.
async fn import_paced(
    house: &House,
    patience: Duration,
) -> (mpsc::Sender<ImportRequest>, Streaming<ImportResponse>) {
    let (secret, digest) = new_credential().unwrap();
    let json = format!(
        r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":["directory"]}}]}}"#
    );
    let store: Arc<dyn Store> = house.store.clone();
    let receipts = Receipts::new(store.clone(), Arc::new(SystemClock));
    let pace = Pace::new(store, Arc::new(receipts), &SHORT).with_patience(patience);
    let service = DirectoryGrpc {
        authenticator: Authenticator {
            credentials: Arc::new(LiveCredentials::new(Credentials::parse(&json).unwrap())),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(&mut prometheus_client::registry::Registry::default()),
        },
        directory: house.issuer().await.directory,
        pace: Arc::new(pace),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        Server::builder()
            .add_service(DirectoryServiceServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let (send, sent) = mpsc::channel(200);
    let mut call = Request::new(ReceiverStream::new(sent));
    let bearer = format!("Bearer {secret}").parse().unwrap();
    call.metadata_mut().insert("authorization", bearer);
    let answers = DirectoryServiceClient::new(channel)
        .import(call)
        .await
        .unwrap();
    (send, answers.into_inner())
}

fn batch(number: u64) -> ImportRequest {
    let (id, repo) = (format!("u{number}"), format!("m{number}"));
    ImportRequest {
        batch: number,
        operations: vec![operation(user(&id, &id)), operation(model(&repo, &id, "x"))],
    }
}

async fn next(answers: &mut Streaming<ImportResponse>) -> Option<ImportResponse> {
    tokio::time::timeout(Duration::from_secs(20), answers.message())
        .await
        .expect("an answer in time")
        .unwrap()
}

#[tokio::test]
async fn a_caller_may_wait_for_each_answer() {
    let house = House::new();
    let (send, mut answers) = import(&house).await;
    for number in 1..=3 {
        send.send(batch(number)).await.unwrap();
        let answer = next(&mut answers).await.unwrap();
        assert_eq!((answer.batch, answer.error.as_str()), (number, ""));
    }
    drop(send);
    assert_eq!(next(&mut answers).await, None);
}

#[tokio::test]
async fn answers_keep_the_order_and_a_refused_batch_ends_nothing() {
    let house = House::new();
    let (send, mut answers) = import(&house).await;
    for number in 1..=100 {
        let mut batch = batch(number);
        if number == 50 {
            // Builds on what isn't there.
            batch.operations = vec![operation(model("m-lost", "nobody", "x"))];
        }
        if number == 60 {
            // Builds on a batch before it, and changes what that one wrote.
            batch.operations.push(operation(model("m60b", "u59", "y")));
            batch.operations.push(operation(user("u59", "renamed")));
        }
        send.send(batch).await.unwrap();
    }
    drop(send);
    for number in 1..=100 {
        let answer = next(&mut answers).await.unwrap();
        assert_eq!(answer.batch, number);
        let refused = number == 50;
        assert_eq!(answer.revision.is_empty(), refused, "{answer:?}");
        assert_eq!(answer.error.contains("owner_id"), refused, "{answer:?}");
    }
    assert_eq!(next(&mut answers).await, None);
}

/// Puts that come late, or again, after a deletion: each is named, and the rest goes on.
#[tokio::test]
async fn what_was_deleted_is_refused_and_the_rest_goes_on() {
    let house = House::new();
    let (send, mut answers) = import(&house).await;
    let group = |id: &str| {
        Op::PutGroup(Group {
            id: id.into(),
            org_id: "o1".into(),
            name: "Research".into(),
        })
    };
    let made = || {
        vec![
            (user("u1", "ada"), Op::DeleteUser("u1".into())),
            (org("o2", "initech"), Op::DeleteOrg("o2".into())),
            (model("m1", "o1", "x"), Op::DeleteRepo("m1".into())),
            (group("g1"), Op::DeleteGroup("g1".into())),
        ]
    };
    let mut batches: Vec<(Vec<Op>, &str)> = vec![(vec![org("o1", "acme")], "")];
    for (put, delete) in made() {
        batches.push((vec![put], ""));
        batches.push((vec![delete], ""));
    }
    for (number, (put, _)) in made().into_iter().enumerate() {
        batches.push((
            vec![user(&format!("new{number}"), "x"), put],
            "operations[1].put_",
        ));
        let name = format!("other{number}");
        batches.push((vec![user(&format!("other{number}"), &name)], ""));
    }
    let expected: Vec<&str> = batches.iter().map(|(_, error)| *error).collect();
    for (number, (operations, _)) in (1..).zip(batches) {
        let operations = operations.into_iter().map(operation).collect();
        let batch = number;
        send.send(ImportRequest { batch, operations })
            .await
            .unwrap();
    }
    drop(send);
    for (number, expected) in (1..).zip(expected) {
        let answer = next(&mut answers).await.unwrap();
        assert_eq!(answer.batch, number);
        assert_eq!(answer.error.is_empty(), expected.is_empty(), "{answer:?}");
        let says = "id: was deleted, and an id is never used again";
        assert!(
            expected.is_empty() || answer.error.contains(says),
            "{answer:?}"
        );
        assert!(answer.error.contains(expected), "{answer:?}");
    }
    assert_eq!(next(&mut answers).await, None);
}

/// So many that what was sent first is forgotten twice, and changed all the same.
#[tokio::test]
async fn a_long_import_may_change_at_any_time_what_it_wrote() {
    let house = House::new();
    let (send, mut answers) = import(&house).await;
    let last = 1000;
    let sender = tokio::spawn(async move {
        for number in 1..=last {
            let mut batch = batch(number);
            for back in [1, 100, 255, 256, 257, 511, 512, 513, 800] {
                // Its name goes to another, as only those know who know who holds it.
                if number % 97 == 0 && number > back {
                    let (old, to) = (number - back, format!("u{}-{back}", number));
                    let old = format!("u{old}");
                    batch.operations.push(operation(user(&old, &to)));
                    batch.operations.push(operation(user(&to, &old)));
                }
            }
            send.send(batch).await.unwrap();
        }
    });
    let mut revisions = std::collections::HashSet::new();
    for number in 1..=last {
        let answer = next(&mut answers).await.unwrap();
        assert_eq!((answer.batch, answer.error.as_str()), (number, ""));
        revisions.insert(answer.revision);
    }
    assert_eq!(revisions.len() as u64, last);
    assert_eq!(next(&mut answers).await, None);
    sender.await.unwrap();
}

/// How far the log may run ahead of a verifier: two stretches, and what one import has in flight.
const AHEAD: u64 = 2 * SHORT.entries / 8 + 64;

/// A verifier says that it has applied what is before this cursor.
async fn confirm(house: &House, bound: Duration, cursor: &Cursor) {
    let report = Report {
        bound: Some(bound),
        ..Report::from("verifier")
    };
    house.store.confirm(&report, cursor).await.unwrap();
}

/// Sends so many batches, and waits until each was written.
async fn import_all(house: &House, patience: Duration, batches: u64) {
    let (send, mut answers) = import_paced(house, patience).await;
    let sending = tokio::spawn(async move {
        for number in 1..=batches {
            send.send(batch(number)).await.unwrap();
        }
    });
    for number in 1..=batches {
        let answer = next(&mut answers).await.unwrap();
        assert_eq!((answer.batch, answer.error.as_str()), (number, ""));
    }
    sending.await.unwrap();
}

/// A verifier that reads only when nothing is written any more is never pushed off the log.
#[tokio::test]
async fn an_import_waits_before_a_verifier_falls_off_the_log() {
    let house = House::new();
    let bound = Duration::from_secs(60);
    let mut applied = house.store.head().await.unwrap().cursor;
    confirm(&house, bound, &applied).await;
    let import = import_all(&house, Duration::from_secs(60), 900);
    let read = async {
        let (mut last, mut still) = (applied, 0);
        let mut stops = 0;
        while applied.revision.0 < 900 {
            let head = house.store.head().await.unwrap().cursor;
            let ahead = head.revision.0 - applied.revision.0;
            assert!(ahead <= AHEAD, "the log is {ahead} entries ahead");
            still = if head == last { still + 1 } else { 0 };
            last = head;
            // Whenever the import stands still, and also if the machine did, the verifier reads.
            if still == 20 {
                applied = head;
                confirm(&house, bound, &applied).await;
                (still, stops) = (0, stops + 1);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stops
    };
    let ((), stops) = tokio::join!(import, read);
    assert!(stops > 1, "{stops}");
    house.store.trim(&SHORT).await.unwrap();
    house
        .store
        .read_log(&applied, Duration::ZERO)
        .await
        .unwrap();
}

/// A verifier that is gone is not waited for; one that confirms but doesn't advance is waited for once.
#[tokio::test]
async fn no_verifier_stops_an_import_for_ever() {
    let gone = House::new();
    let start = gone.store.head().await.unwrap().cursor;
    confirm(&gone, Duration::from_millis(200), &start).await;
    import_all(&gone, Duration::from_secs(3600), 400).await;

    let stuck = House::new();
    let start = stuck.store.head().await.unwrap().cursor;
    confirm(&stuck, Duration::from_secs(60), &start).await;
    import_all(&stuck, Duration::from_millis(200), 600).await;
}
