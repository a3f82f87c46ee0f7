//! Writes a small hub and mints a token for ada, through the public calls.

use std::{fs, io::ErrorKind};

use tokenward_common::process::tls::Connector;
use tokenward_proto::v1::{
    CheckRequest, CreateTokenRequest, ListTokensRequest, Role, RotateTokenRequest, WriteRequest,
    check_request::Caller, directory_service_client::DirectoryServiceClient,
    token_service_client::TokenServiceClient, verifier_service_client::VerifierServiceClient,
};
use tonic::{Code, Status, transport::Channel};

use super::{
    failed,
    files::{self, Files},
    parts::{CONNECT, Parts},
    unwritable,
};
use crate::{
    connect::{Bearer, Issuer},
    directory,
    exit::Failure,
    resource,
    secret::{OPERATOR, SecretFile, TOKEN},
};

const HUB: &str = include_str!("sample.jsonl");
/// A private model of the org that ada is a member of.
pub(super) const RESOURCE: &str = "model:acme/secret-70b";
pub(super) const PERMISSION: &str = "repo.content.read";
const OWNER: &str = "ada";
/// The name of the sample token.
const NAME: &str = "dev";

/// Returns the id of a live token of ada's whose value is in the token file: an earlier start's token
/// while it is live, else a new value. The hub is written only into a store that holds nothing yet, so
/// later changes stay.
pub(super) async fn prepare(files: &Files, parts: &Parts) -> Result<String, Failure> {
    parts.issuer_ready().await;
    parts.fresh().await;
    let is_new = parts.is_new();
    let written = fs::read_to_string(files.token_id()).ok();
    if let Some(id) = &written
        && is_live(files, parts).await?
    {
        return Ok(id.trim().to_owned());
    }
    let caller = Bearer::new(&OPERATOR.read(Some(&files.operator()))?)?;
    let channel = connect(parts.issuer_url(), parts).await?;
    if is_new {
        let operations = HUB.lines().map(directory::operation);
        let write = WriteRequest {
            request_id: String::new(),
            operations: operations.collect::<Result<_, _>>().map_err(failed)?,
        };
        DirectoryServiceClient::with_interceptor(channel.clone(), caller.clone())
            .write(write)
            .await
            .map_err(|status| refused(&status))?;
    }
    let mut tokens = TokenServiceClient::with_interceptor(channel, caller);
    // The token's owner is looked up in the issuer's view.
    let create = CreateTokenRequest {
        owner_name: OWNER.into(),
        name: NAME.into(),
        role: Role::Read.into(),
        ..CreateTokenRequest::default()
    };
    let (token, secret) = match tokens.create_token(create).await {
        Ok(made) => {
            let made = made.into_inner();
            (made.token, made.secret)
        }
        // The token is from another start over the same store, whose folder is gone or had another prefix.
        Err(status) if status.code() == Code::AlreadyExists => rotated(&mut tokens).await?,
        Err(status) => return Err(refused(&status)),
    };
    let id = token.map(|token| token.id).unwrap_or_default();
    match fs::remove_file(files.token()) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(unwritable(&files.token(), &error));
        }
        _ => SecretFile::create(&files.token())?.write(&secret)?,
    }
    files::write(&files.token_id(), &format!("{id}\n"))?;
    Ok(id)
}

/// Returns whether the verifier accepts the token: it is not revoked, its prefix and key are right, and
/// its owner exists.
async fn is_live(files: &Files, parts: &Parts) -> Result<bool, Failure> {
    if !files.token().exists() {
        return Ok(false);
    }
    let token = TOKEN.read(Some(&files.token()))?;
    let question = CheckRequest {
        caller: Some(Caller::Token(token.expose().to_owned())),
        resource: Some(resource::parse(RESOURCE).map_err(failed)?),
        permission: PERMISSION.into(),
        ..CheckRequest::default()
    };
    let mut verifier = VerifierServiceClient::new(connect(parts.verifier_url(), parts).await?);
    let answer = verifier.check(question).await;
    let answer = answer.map_err(|status| Failure::status(&status, "the verifier"))?;
    Ok(answer.into_inner().principal.is_some())
}

/// Rotates the live token that has this name.
async fn rotated(
    tokens: &mut TokenServiceClient<Issuer>,
) -> Result<(Option<tokenward_proto::v1::Token>, String), Failure> {
    let mut list = ListTokensRequest {
        owner_name: OWNER.into(),
        ..ListTokensRequest::default()
    };
    loop {
        let page = tokens.list_tokens(list.clone()).await;
        let page = page.map_err(|status| refused(&status))?.into_inner();
        if let Some(token) = page.tokens.into_iter().find(|token| token.name == NAME) {
            let rotate = RotateTokenRequest {
                token_id: token.id,
                ..RotateTokenRequest::default()
            };
            let rotated = tokens.rotate_token(rotate).await;
            let rotated = rotated.map_err(|status| refused(&status))?.into_inner();
            return Ok((rotated.token, rotated.secret));
        }
        if page.next_page_token.is_empty() {
            return Err(failed(format!("{OWNER}'s token {NAME} can't be found")));
        }
        list.page_token = page.next_page_token;
    }
}

fn refused(status: &Status) -> Failure {
    Failure::status(status, "the issuer")
}

async fn connect(url: String, parts: &Parts) -> Result<Channel, Failure> {
    let url = url.parse().map_err(failed)?;
    let (endpoint, connector) = Connector::endpoint(&url, parts.peers(), CONNECT);
    let connected = endpoint.connect_with_connector(connector).await;
    connected.map_err(failed)
}
