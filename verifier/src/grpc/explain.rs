//! Who may ask how it was decided.

use std::sync::Arc;

use tokenward_common::process::credentials::{CallerError, Credentials, Role};
use tonic::{Status, metadata::MetadataMap};

/// An operator credential with the role `explain`: an explanation shows private records.
pub(super) fn permitted(
    operators: Option<&Arc<Credentials>>,
    metadata: &MetadataMap,
) -> Result<(), Status> {
    let operators = operators.ok_or_else(|| {
        Status::unauthenticated(
            "explain: this verifier knows no operators; start it with --operators",
        )
    })?;
    let shown = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    operators
        .caller(shown)
        .and_then(|caller| caller.require(&[Role::Explain]))
        .map_err(|error| {
            let text = format!("explain: {error}");
            match error {
                CallerError::Unauthenticated | CallerError::TokenAsCaller => {
                    Status::unauthenticated(text)
                }
                CallerError::Forbidden { .. } => Status::permission_denied(text),
            }
        })
}
