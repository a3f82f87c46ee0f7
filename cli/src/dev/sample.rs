//! A small hub, and a token of ada's, through the same calls as anybody's.

use std::fs;

use tokenward_proto::v1::{
    CreateTokenRequest, Role, WriteRequest, directory_service_client::DirectoryServiceClient,
    token_service_client::TokenServiceClient,
};
use tonic::{Request, metadata::AsciiMetadataValue, transport::Endpoint};

use super::{
    failed,
    files::{self, Files},
    parts::Parts,
};
use crate::{directory, exit::Failure, secret::SecretFile};

const HUB: &str = include_str!("sample.jsonl");
/// A private model of the org that ada is a member of.
pub(super) const RESOURCE: &str = "model:acme/secret-70b";

pub(super) struct Sample {
    pub(super) token_id: String,
}

/// Once per data folder: a second start finds both.
pub(super) async fn prepare(files: &Files, parts: &Parts) -> Result<Sample, Failure> {
    parts.issuer_ready().await;
    if let Ok(id) = fs::read_to_string(files.token_id()) {
        return Ok(Sample {
            token_id: id.trim().to_owned(),
        });
    }
    let secret = fs::read_to_string(files.operator()).map_err(failed)?;
    let mut bearer: AsciiMetadataValue = format!("Bearer {}", secret.trim())
        .parse()
        .map_err(failed)?;
    bearer.set_sensitive(true);
    let authorize = move |mut call: Request<()>| {
        call.metadata_mut().insert("authorization", bearer.clone());
        Ok(call)
    };
    let channel = Endpoint::from_shared(parts.issuer_url())
        .map_err(failed)?
        .connect()
        .await
        .map_err(failed)?;

    let operations = HUB
        .lines()
        .map(directory::operation)
        .collect::<Result<_, _>>();
    let write = WriteRequest {
        request_id: String::new(),
        operations: operations.map_err(failed)?,
    };
    DirectoryServiceClient::with_interceptor(channel.clone(), authorize.clone())
        .write(write)
        .await
        .map_err(failed)?;
    // The token's owner is looked up in the issuer's view.
    let create = CreateTokenRequest {
        owner_name: "ada".into(),
        name: "dev".into(),
        role: Role::Read.into(),
        ..CreateTokenRequest::default()
    };
    let created = TokenServiceClient::with_interceptor(channel, authorize)
        .create_token(create)
        .await
        .map_err(failed)?
        .into_inner();
    let token_id = created.token.map(|token| token.id).unwrap_or_default();
    SecretFile::create(&files.token())?.write(&created.secret)?;
    files::write(&files.token_id(), &format!("{token_id}\n"))?;
    Ok(Sample { token_id })
}
