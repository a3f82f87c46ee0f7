//! Runs an import over a real connection, to an issuer that only counts.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt};
use tokenward_proto::v1::{
    ExportRequest, ExportResponse, GetRequest, GetResponse, ImportRequest, ImportResponse,
    ListResponse, WriteRequest, WriteResponse,
    directory_service_server::{DirectoryService, DirectoryServiceServer},
};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server as Listener, server::TcpIncoming},
};

use super::*;

struct Counting;

fn revision(number: u64) -> String {
    format!("{}.{number}", "ab".repeat(16))
}

fn known<T>(request: &Request<T>) -> Result<(), Status> {
    let given = request.metadata().get("authorization");
    match given.is_some_and(|it| it == "Bearer twc_test") {
        true => Ok(()),
        false => Err(Status::unauthenticated("unknown credential")),
    }
}

#[tonic::async_trait]
impl DirectoryService for Counting {
    async fn write(&self, _: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        Err(Status::unimplemented("only imports"))
    }

    type ImportStream = Pin<Box<dyn Stream<Item = Result<ImportResponse, Status>> + Send>>;

    async fn import(
        &self,
        request: Request<Streaming<ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        known(&request)?;
        let answers = request.into_inner().map(|request| {
            let ImportRequest { batch, operations } = request?;
            assert!(operations.len() <= 100);
            let (revision, error) = match batch {
                2 => (String::new(), "operations[1].name: is taken".to_owned()),
                60 => return Err(Status::unavailable("the store is away")),
                _ => (revision(batch), String::new()),
            };
            Ok(ImportResponse {
                batch,
                revision,
                error,
                ..ImportResponse::default()
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        Err(Status::unimplemented("only imports"))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        known(&request)?;
        Ok(Response::new(ListResponse {
            revision: revision(1000),
            ..ListResponse::default()
        }))
    }

    type ExportStream = Pin<Box<dyn Stream<Item = Result<ExportResponse, Status>> + Send>>;

    async fn export(
        &self,
        _: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        Err(Status::unimplemented("only imports"))
    }
}

/// Imports `count` lines with this credential.
async fn import(count: u64, credential: &str) -> Result<Exit, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        Listener::builder()
            .add_service(DirectoryServiceServer::new(Counting))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.jsonl");
    let text: String = (0..count)
        .map(|n| format!("{{\"delete_user\":\"u{n}\"}}\n"))
        .collect();
    std::fs::write(&file, text).unwrap();
    let credential_file = dir.path().join("credential");
    std::fs::write(&credential_file, credential).unwrap();
    let global = Global {
        issuer,
        verifier: String::new(),
        credential_file: Some(credential_file),
        plaintext: false,
        ca: None,
        client_certificate: None,
        client_key: None,
        timeout: Duration::from_secs(10),
        json: true,
    };
    let progress = dir.path().join("hub.jsonl.progress");
    let import = Import {
        file,
        dry_run: false,
        progress: None,
        restart: false,
    };
    let result = run(import, &global, &Output::new(true)).await;
    // The progress file is kept while there is more to do.
    let unfinished = matches!(&result, Err(failure) if failure.exit == Exit::Unavailable);
    assert_eq!(progress.exists(), unfinished, "{result:?}");
    result
}

#[tokio::test]
async fn refused_batches_are_reported_and_the_rest_is_written() {
    assert_eq!(import(100, "twc_test").await.unwrap(), Exit::Ok);
    assert_eq!(import(0, "twc_test").await.unwrap(), Exit::Ok);
    // This input exceeds the window, and its second batch is refused.
    let failure = import(5_900, "twc_test").await.unwrap_err();
    assert_eq!(failure.exit, Exit::Conflict);
    assert!(
        failure.message.starts_with("1 batch was refused"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_store_that_goes_away_ends_the_import_and_says_how_far_it_came() {
    let failure = import(7_000, "twc_test").await.unwrap_err();
    assert_eq!(failure.exit, Exit::Unavailable);
    let settled = "5800 operations are written, all up to line 5900 is settled";
    assert!(failure.next.contains(settled), "{}", failure.next);
}

#[tokio::test]
async fn an_unknown_credential_is_refused_and_not_repeated() {
    let failure = import(100, "twc_wrong").await.unwrap_err();
    assert_eq!(failure.exit, Exit::Credential);
    assert!(!format!("{failure:?}").contains("twc_wrong"));
}
