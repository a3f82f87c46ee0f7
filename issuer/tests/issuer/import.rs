//! The stream of batches, over a real connection.

use std::{sync::Arc, time::Duration};

use tokenward_common::clock::SystemClock;
use tokenward_issuer::{
    caller::{Credentials, LiveCredentials, new_credential},
    grpc::{Authenticator, DirectoryGrpc},
    metrics::Metrics,
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

/// An import to a served issuer: what is sent, and what is answered.
async fn import(house: &House) -> (mpsc::Sender<ImportRequest>, Streaming<ImportResponse>) {
    let (secret, digest) = new_credential().unwrap();
    let json = format!(
        r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":["directory"]}}]}}"#
    );
    let service = DirectoryGrpc {
        authenticator: Authenticator {
            credentials: Arc::new(LiveCredentials::new(Credentials::parse(&json).unwrap())),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(&mut prometheus_client::registry::Registry::default()),
        },
        directory: house.issuer().await.directory,
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
