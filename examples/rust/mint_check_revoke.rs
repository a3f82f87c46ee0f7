//! Mint a token, check it, revoke it, check it again: by gRPC, with the generated client alone.
//!
//! Needs a running `tokenward dev`. Settings come from the environment: `TOKENWARD_CREDENTIAL_FILE`
//! (required), `TOKENWARD_ISSUER`, `TOKENWARD_VERIFIER`.

#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{env, fs, time::Duration};

use anyhow::{Context as _, Result};
use tokenward_proto::v1::{
    CheckRequest, CreateTokenRequest, Reason, RepoKind, RepoRef, Resource, RevokeTokenRequest,
    Role, Verdict, check_request::Caller, resource, token_service_client::TokenServiceClient,
    verifier_service_client::VerifierServiceClient,
};
use tonic::{Code, Request, metadata::MetadataValue, transport::Channel};

type Verifier = VerifierServiceClient<Channel>;

#[tokio::main]
async fn main() -> Result<()> {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let path = env::var("TOKENWARD_CREDENTIAL_FILE").context("TOKENWARD_CREDENTIAL_FILE")?;
    let credential = fs::read_to_string(path)?;
    let bearer: MetadataValue<_> = format!("Bearer {}", credential.trim()).parse()?;
    // The operator's credential goes into the metadata of every call to the issuer.
    let as_operator = move |mut request: Request<()>| {
        request
            .metadata_mut()
            .insert("authorization", bearer.clone());
        Ok(request)
    };
    let issuer = Channel::from_shared(setting("TOKENWARD_ISSUER", "http://127.0.0.1:8470"))?;
    let mut tokens = TokenServiceClient::with_interceptor(issuer.connect().await?, as_operator);
    let verifier = setting("TOKENWARD_VERIFIER", "http://127.0.0.1:8480");
    let mut verifier = Verifier::connect(verifier).await?;

    let unique = std::process::id();
    let minted = tokens
        .create_token(CreateTokenRequest {
            // A repeat of this call within ten minutes gives the same token, not a second one.
            request_id: format!("example-{unique}"),
            owner_name: "ada".into(),
            name: format!("example {unique}"),
            role: Role::Read.into(),
            ..CreateTokenRequest::default()
        })
        .await?
        .into_inner();
    let id = minted.token.context("the answer has a token")?.id;
    println!("minted   token {id}");
    check(&mut verifier, &minted.secret, minted.revision).await?;

    let revoked = tokens
        .revoke_token(RevokeTokenRequest {
            token_id: id.clone(),
            wait: Some(Duration::from_secs(10).try_into()?),
            ..RevokeTokenRequest::default()
        })
        .await?
        .into_inner();
    let everywhere = match revoked.receipt {
        Some(receipt) if receipt.complete => "yes",
        _ => "not yet",
    };
    println!("revoked  token {id}, refused by all verifiers: {everywhere}");
    check(&mut verifier, &minted.secret, revoked.revision).await
}

async fn check(verifier: &mut Verifier, token: &str, revision: String) -> Result<()> {
    let model = RepoRef {
        kind: RepoKind::Model.into(),
        name: "acme/secret-70b".into(),
        ..RepoRef::default()
    };
    let question = CheckRequest {
        caller: Some(Caller::Token(token.to_owned())),
        resource: Some(Resource {
            resource: Some(resource::Resource::Repo(model)),
        }),
        permission: "repo.content.read".into(),
        // Judged by a view that knows at least this revision.
        min_revision: revision,
        ..CheckRequest::default()
    };
    for left in (0..50).rev() {
        let answer = match verifier.check(question.clone()).await {
            Ok(answer) => answer.into_inner(),
            // No answer: the verifier's view is behind, or too old.
            Err(status) if status.code() == Code::Unavailable && left > 0 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(status) => return Err(status.into()),
        };
        match answer.verdict() {
            Verdict::Allow => println!("check    ALLOW"),
            _ => println!("check    DENY {}", word(answer.reason())),
        }
        return Ok(());
    }
    Ok(())
}

fn word(reason: Reason) -> String {
    let name = reason.as_str_name();
    name.trim_start_matches("REASON_").to_lowercase()
}
