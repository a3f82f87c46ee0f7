//! Tests who may call what: every method of every service, in every role. A new method must be added here.

use std::collections::BTreeSet;

use axum::body::{Body as Web, Bytes};
use prost::Message as _;
use tokenward_common::process::credentials::new_credential;
use tokenward_proto::DESCRIPTORS;
use tonic::body::Body;

use super::*;

const ROLES: [&str; 9] = [
    "mint",
    "directory",
    "revoke",
    "orgs",
    "feed",
    "audit",
    "explain",
    "own",
    "admin",
];
/// The roles that may call each method, besides `admin`, which may call all.
const METHODS: [(&str, &[&str]); 30] = [
    ("tokenward.v1.TokenService/CreateToken", &["mint"]),
    ("tokenward.v1.TokenService/UpdateToken", &["mint"]),
    ("tokenward.v1.TokenService/RotateToken", &["mint", "own"]),
    (
        "tokenward.v1.TokenService/GetToken",
        &["mint", "revoke", "own"],
    ),
    (
        "tokenward.v1.TokenService/ListTokens",
        &["mint", "revoke", "own"],
    ),
    (
        "tokenward.v1.TokenService/ListExpiringTokens",
        &["mint", "revoke"],
    ),
    ("tokenward.v1.TokenService/RevokeToken", &["revoke", "own"]),
    ("tokenward.v1.TokenService/RevokeUserTokens", &["revoke"]),
    // It stops everybody, so it is for `admin` alone.
    ("tokenward.v1.TokenService/RevokeAllTokens", &[]),
    ("tokenward.v1.TokenService/RevokeByValue", &["revoke"]),
    (
        "tokenward.v1.TokenService/WaitApplied",
        &["mint", "directory", "revoke", "orgs", "own"],
    ),
    ("tokenward.v1.DirectoryService/Write", &["directory"]),
    ("tokenward.v1.DirectoryService/Import", &["directory"]),
    (
        "tokenward.v1.DirectoryService/Get",
        &["directory", "mint", "revoke"],
    ),
    ("tokenward.v1.DirectoryService/List", &["directory"]),
    ("tokenward.v1.DirectoryService/Export", &["directory"]),
    ("tokenward.v1.KeyService/ListKeys", &["mint", "revoke"]),
    ("tokenward.v1.KeyService/WithdrawKey", &["revoke"]),
    ("tokenward.v1.OrgTokenService/ListOrgTokens", &["orgs"]),
    ("tokenward.v1.OrgTokenService/ApproveOrgToken", &["orgs"]),
    ("tokenward.v1.OrgTokenService/DenyOrgToken", &["orgs"]),
    ("tokenward.v1.OrgTokenService/RevokeOrgToken", &["orgs"]),
    (
        "tokenward.v1.OrgTokenService/RevokeAllOrgTokens",
        &["orgs", "revoke"],
    ),
    ("tokenward.v1.AuditService/ListAuditEvents", &["audit"]),
    ("tokenward.internal.v1.FeedService/Head", &["feed"]),
    ("tokenward.internal.v1.FeedService/Snapshot", &["feed"]),
    ("tokenward.internal.v1.FeedService/ReadLog", &["feed"]),
    ("tokenward.internal.v1.FeedService/Confirm", &["feed"]),
    ("tokenward.internal.v1.FeedService/HandIn", &["feed"]),
    // This issuer has no such service, so no role may call it.
    ("tokenward.v1.VerifierService/Check", &[]),
];

/// Returns the methods of the issuer's services, as the `.proto` files have them.
fn methods() -> BTreeSet<String> {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let mut methods = BTreeSet::new();
    for file in files.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            if SERVICES.contains(&name.as_str()) {
                let all = service.method.iter().map(|it| it.name());
                methods.extend(all.map(|method| format!("{name}/{method}")));
            }
        }
    }
    methods
}

#[tokio::test]
async fn every_method_is_for_the_roles_that_it_is_for() {
    let asked: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).into()).collect();
    let foreign = "tokenward.v1.VerifierService/Check".to_owned();
    let served: BTreeSet<String> = methods().into_iter().chain([foreign.clone()]).collect();
    assert_eq!(asked, served, "say here who may call a new method");

    let mut entries = Vec::new();
    let mut secrets = Vec::new();
    for role in ROLES {
        let (secret, digest) = new_credential().unwrap();
        let owner = if role == "own" {
            r#","owner":"ada""#
        } else {
            ""
        };
        entries.push(format!(
            r#"{{"name":"{role}","sha256":["{digest}"],"roles":["{role}"]{owner}}}"#
        ));
        secrets.push((role, secret));
    }
    let file = format!(r#"{{"credentials":[{}]}}"#, entries.join(","));
    let issuer = Issuer::new();
    let parts = issuer.parts(Credentials::parse(&file).unwrap());
    let stop = issuer.follow();
    let routes = routes(
        &parts,
        ByValue::default(),
        &Health::new(&SERVICES).await,
        CancellationToken::new(),
    );
    let routes = routes.unwrap().prepare();
    for (method, roles) in METHODS {
        for (role, secret) in &secrets {
            // The body is one empty message.
            let message = Body::new(Web::from(Bytes::from_static(&[0; 5])));
            let call = http::Request::post(format!("/{method}"))
                .header("content-type", "application/grpc")
                .header("authorization", format!("Bearer {secret}"))
                .body(message);
            let answer = routes.clone().call(call.unwrap()).await.unwrap();
            // An answer without a status in its head has begun, so the caller was admitted.
            let status = answer.headers().get("grpc-status");
            let status = status.map_or("", |it| it.to_str().unwrap());
            let may = *role == "admin" || roles.contains(role);
            if method == foreign {
                assert_eq!(status, "12", "{method} {role}");
            } else {
                assert_ne!(status, "16", "{method} {role}");
                assert_eq!(status != "7", may, "{method} {role}: {status}");
            }
        }
    }
    stop.cancel();
}
