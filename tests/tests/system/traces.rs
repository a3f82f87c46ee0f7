//! Operators find what happened: spans under the caller's own trace, the audit trail in the log.

use serde_json::Value;
use tokenward_proto::v1::{
    BatchCheckRequest, CheckRequest, Question, RevokeTokenRequest, Role, batch_check_request,
    check_request::Caller, verifier_service_client::VerifierServiceClient,
};
use tokenward_tests::house::{Traced, level};
use tonic::Request;

use crate::site::Site;

/// A request of a caller whose own span is `parent` in this trace.
fn traced<T>(body: T, trace: &str, parent: &str, sampled: bool) -> Request<T> {
    let mut request = Request::new(body);
    let flags = if sampled { "01" } else { "00" };
    let header = format!("00-{trace}-{parent}-{flags}");
    request
        .metadata_mut()
        .insert("traceparent", header.parse().unwrap());
    request
}

async fn spans(site: &Site, trace: &str, count: usize) -> Vec<Traced> {
    level("the spans arrive", async || {
        match site.house.sink().of(trace) {
            spans if spans.len() >= count => Ok(spans),
            spans => Err(format!("{spans:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traced_caller_finds_its_checks() {
    let site = Site::embedded().await;
    let corner = site.corner("x1").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;

    let channel = site.verifiers[0].channel();
    let mut verifier = VerifierServiceClient::new(channel);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    verifier
        .check(traced(question.clone(), trace, parent, true))
        .await
        .unwrap();
    let denied = corner.read(&token.secret, "missing");
    verifier
        .check(traced(denied, trace, parent, true))
        .await
        .unwrap();
    let wrong = CheckRequest {
        permission: String::new(),
        ..question.clone()
    };
    verifier
        .check(traced(wrong, trace, parent, true))
        .await
        .unwrap_err();
    let Some(Caller::Token(secret)) = question.caller.clone() else {
        panic!()
    };
    let batch = BatchCheckRequest {
        caller: Some(batch_check_request::Caller::Token(secret)),
        questions: vec![
            Question {
                resource: question.resource.clone(),
                permission: question.permission.clone(),
                ..Question::default()
            };
            3
        ],
        ..BatchCheckRequest::default()
    };
    verifier
        .batch_check(traced(batch, trace, parent, true))
        .await
        .unwrap();
    let asked = tokio_stream::iter([question.clone()]);
    let mut stream = verifier
        .check_stream(traced(asked, trace, parent, true))
        .await
        .unwrap()
        .into_inner();
    while stream.message().await.unwrap().is_some() {}
    // A caller that isn't sampled decides that for us too.
    let quiet = "5bf92f3577b34da6a3ce929d0e0e4736";
    verifier
        .check(traced(question.clone(), quiet, parent, false))
        .await
        .unwrap();

    let spans = spans(&site, trace, 5).await;
    assert_eq!(spans.len(), 5, "{spans:?}");
    for span in &spans {
        assert_eq!(
            (span.service.as_str(), span.parent.as_str()),
            ("tokenward-verifier", parent)
        );
    }
    let checks: Vec<_> = spans
        .iter()
        .filter(|it| it.name == "VerifierService/Check")
        .collect();
    let verdicts: Vec<_> = checks
        .iter()
        .map(|it| it.attribute("tokenward.verdict"))
        .collect();
    assert_eq!(
        verdicts,
        [Some("VERDICT_ALLOW"), Some("VERDICT_DENY"), None]
    );
    assert_eq!(
        checks[1].attribute("tokenward.reason"),
        Some("REASON_NOT_FOUND")
    );
    assert_eq!(
        checks[0].attribute("tokenward.revision").map(str::is_empty),
        Some(false)
    );
    assert!(checks[2].failed && checks[2].attribute("rpc.grpc.status_code") == Some("3"));
    let batch = spans
        .iter()
        .find(|it| it.name == "VerifierService/BatchCheck")
        .unwrap();
    assert_eq!(batch.attribute("tokenward.questions"), Some("3"));
    assert_eq!(batch.attribute("tokenward.allowed"), Some("3"));
    assert!(
        spans
            .iter()
            .any(|it| it.name == "VerifierService/CheckStream")
    );
    assert!(site.house.sink().of(quiet).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traced_caller_finds_its_commits_and_the_log_its_audit() {
    let site = Site::embedded().await;
    let corner = site.corner("x2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let (trace, parent) = ("6bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut operator = site.issuer().operator();
    let request = RevokeTokenRequest {
        token_id: token.id.clone(),
        ..RevokeTokenRequest::default()
    };
    operator
        .tokens
        .revoke_token(traced(request, trace, parent, true))
        .await
        .unwrap();
    let unknown = RevokeTokenRequest {
        token_id: "999999".into(),
        ..RevokeTokenRequest::default()
    };
    operator
        .tokens
        .revoke_token(traced(unknown, trace, parent, true))
        .await
        .unwrap_err();

    let spans = spans(&site, trace, 3).await;
    let calls: Vec<_> = spans.iter().filter(|it| it.parent == parent).collect();
    let [revoked, unknown] = calls[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(
        (revoked.service.as_str(), revoked.name.as_str()),
        ("tokenward-issuer", "RevokeToken")
    );
    assert!(!revoked.failed && unknown.failed, "{spans:?}");
    assert_eq!(unknown.attribute("rpc.grpc.status_code"), Some("5"));
    let commit = spans.iter().find(|it| it.parent == revoked.id).unwrap();
    assert_eq!(
        (commit.name.as_str(), commit.attribute("tokenward.outcome")),
        ("store.commit", Some("written"))
    );

    // Who did it stands in the log, with what and from where.
    let log = site.issuer().program.log();
    let audit: Vec<Value> = log
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|event: &Value| event["target"] == "tokenward::audit")
        .collect();
    let methods: Vec<_> = audit
        .iter()
        .filter_map(|event| event["method"].as_str())
        .collect();
    assert_eq!(
        methods,
        [
            "DirectoryService/Write",
            "TokenService/CreateToken",
            "TokenService/RevokeToken"
        ]
    );
    assert_eq!(audit[2]["caller"], "hub");
    assert_eq!(audit[2]["owner"], ada);
    assert_eq!(audit[2]["outcome"], "written");
    assert!(audit[2]["peer"].as_str().unwrap().starts_with("127."));
}
