//! Who may call an issuer, and for what.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokenward_proto::{
    DESCRIPTORS,
    internal::{HeadRequest, feed_service_client::FeedServiceClient},
    v1::{
        CreateTokenRequest, GetTokenRequest, ListTokensRequest, RevokeTokenRequest, Role,
        WriteRequest,
    },
};
use tokenward_tests::house::{Issuer, hub::Corner};
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    every_call_needs_its_role,
    a_token_is_no_credential,
    no_call_takes_a_token_or_two_credentials
);

const CALLS: [&str; 7] = ["create", "get", "list", "revoke", "write", "import", "feed"];

/// One call, which with the right role succeeds.
async fn call(
    name: &str,
    site: &Site,
    issuer: &Issuer,
    corner: &Corner,
    secret: Option<&str>,
    victim: &str,
) -> Result<(), Status> {
    let mut caller = issuer.caller(secret);
    let owner_id = corner.user_id("ada");
    let answer = match name {
        "create" => {
            let request = CreateTokenRequest {
                name: format!(
                    "by {}",
                    secret.map_or("none", |it| &it[it.len().saturating_sub(6)..])
                ),
                owner_id,
                role: Role::Read.into(),
                ..CreateTokenRequest::default()
            };
            return caller.create(request).await.map(drop);
        }
        "get" => {
            let token_id = victim.to_owned();
            caller
                .tokens
                .get_token(GetTokenRequest { token_id })
                .await
                .map(drop)
        }
        "list" => {
            let request = ListTokensRequest {
                owner_id,
                ..ListTokensRequest::default()
            };
            return caller.list(request).await.map(drop);
        }
        "revoke" => {
            let request = RevokeTokenRequest {
                request_id: String::new(),
                token_id: victim.to_owned(),
                ..Default::default()
            };
            return caller.revoke(request).await.map(drop);
        }
        "write" => {
            let request = WriteRequest {
                request_id: String::new(),
                operations: vec![corner.no_member("linus")],
            };
            return caller.write(request).await.map(drop);
        }
        "import" => {
            let none = tokio_stream::iter([]);
            caller.directory.import(none).await.map(drop)
        }
        _ => {
            let mut request = Request::new(HeadRequest {});
            if let Some(secret) = secret {
                let bearer = format!("Bearer {secret}").parse().unwrap();
                request.metadata_mut().insert("authorization", bearer);
            }
            FeedServiceClient::new(issuer.channel())
                .head(request)
                .await
                .map(drop)
        }
    };
    answer.map_err(|status| site.house.kept().status("an issuer's error", status))
}

async fn every_call_needs_its_role(site: Site) {
    let corner = site.corner("c1").await;
    let victim = site
        .issuer()
        .mint(&corner.user_id("ada"), "victim", Role::Read)
        .await;
    let allowed = |who: &str, what: &str| match who {
        "hub" => true,
        "minter" => ["create", "get", "list"].contains(&what),
        "revoker" => ["get", "list", "revoke"].contains(&what),
        "feeder" => ["write", "import"].contains(&what),
        _ => what == "feed",
    };
    for issuer in &site.issuers {
        for who in ["minter", "feeder", "followers", "revoker", "hub"] {
            let secret = site.house.credential(who);
            for what in CALLS {
                if what == "create" && !std::ptr::eq(issuer, site.issuer()) {
                    continue;
                }
                let answer = call(what, &site, issuer, &corner, Some(&secret), &victim.id).await;
                if allowed(who, what) {
                    answer.unwrap_or_else(|status| panic!("{who} {what}: {status:?}"));
                    continue;
                }
                let status = answer.expect_err("refused");
                assert_eq!(
                    status.code(),
                    Code::PermissionDenied,
                    "{who} {what}: {status:?}"
                );
                let says = format!("credential {who} lacks the role ");
                assert!(status.message().starts_with(&says), "{status:?}");
            }
        }
    }
}

async fn a_token_is_no_credential(site: Site) {
    let corner = site.corner("c2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Write).await;
    let hub = site.house.credential("hub");
    let other = format!("twc_{}", "0".repeat(64));
    let cut = &hub[..hub.len() - 1];
    for (what, secret, says) in [
        ("a token", Some(token.secret.as_str()), "a token can't mint"),
        ("nothing", None, "an operator credential is needed"),
        ("an empty one", Some(""), "an operator credential is needed"),
        ("an unknown one", Some(&other), "none that is known here"),
        ("a cut one", Some(cut), "none that is known here"),
        (
            "another case",
            Some(&hub.to_uppercase()),
            "none that is known here",
        ),
    ] {
        for name in CALLS {
            let answer = call(name, &site, site.issuer(), &corner, secret, &token.id).await;
            let status = answer.expect_err("refused");
            assert_eq!(
                status.code(),
                Code::Unauthenticated,
                "{what} {name}: {status:?}"
            );
            assert!(status.message().contains(says), "{what} {name}: {status:?}");
        }
    }
    assert_eq!(site.issuer().tokens(&ada).await.len(), 1);
    site.all(
        &corner.read(&token.secret, "secret"),
        &token.revision,
        "ALLOW",
    )
    .await;
}

/// `/package.Service/Method`, of all services that an issuer has.
fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let mut methods = Vec::new();
    for file in &files {
        for service in &file.service {
            // The verifier's.
            if ["VerifierService", "Authorization"].contains(&service.name()) {
                continue;
            }
            let place = format!("/{}.{}", file.package(), service.name());
            let all = service.method.iter();
            methods.extend(all.map(|method| format!("{place}/{}", method.name())));
        }
    }
    methods
}

/// Not even a token of an admin's, on any method, whatever is asked there; nor a good credential beside
/// another.
async fn no_call_takes_a_token_or_two_credentials(site: Site) {
    let corner = site.corner("c3").await;
    let grace = corner.user_id("grace");
    let token = site.issuer().mint(&grace, "t", Role::Write).await;
    let methods = methods();
    assert!(methods.len() >= 25, "{methods:?}");
    let hub = format!("Bearer {}", site.house.credential("hub"));
    let token = format!("Bearer {}", token.secret);
    let shown = [
        (vec![&*token], "a token can't mint"),
        (vec![&*hub, &*hub], "there more than once"),
        (vec![&*hub, "Basic eDp5"], "there more than once"),
        (vec!["Basic eDp5", &*hub], "there more than once"),
    ];
    let cases = methods
        .iter()
        .flat_map(|method| shown.iter().map(move |shown| (method, shown)));
    for (method, (shown, says)) in cases {
        let mut grpc = Grpc::new(site.issuer().channel());
        grpc.ready().await.unwrap();
        let mut call = Request::new(tokio_stream::iter([()]));
        for value in shown {
            let value = value.parse().unwrap();
            call.metadata_mut().append("authorization", value);
        }
        let path: PathAndQuery = method.parse().unwrap();
        let codec = ProstCodec::<(), ()>::default();
        // As bytes a stream of one message is that message.
        let answer = grpc.streaming(call, path, codec).await;
        let status = answer.expect_err(method);
        let status = site.house.kept().status("an issuer's error", status);
        assert_eq!(status.code(), Code::Unauthenticated, "{method}: {status:?}");
        assert!(status.message().contains(says), "{method}: {status:?}");
    }
    assert_eq!(site.issuer().tokens(&grace).await.len(), 1);
}
