//! Decides who may request an explanation of a decision.

use std::sync::Arc;

use tokenward_common::{
    process::credentials::{CallerError, LiveCredentials, Role},
    status::ErrorReason,
};
use tonic::{Request, Status};

use crate::serve::Peer;

/// Requires an operator credential with the role `explain`, because an explanation shows private
/// records.
pub(super) fn permitted<M>(
    operators: Option<&Arc<LiveCredentials>>,
    call: &Request<M>,
) -> Result<(), Status> {
    let operators = operators.ok_or_else(|| {
        ErrorReason::OperatorsUnknown
            .status("explain: this verifier knows no operators; start it with --operators")
    })?;
    let peer = call.extensions().get().unwrap_or(&Peer::UNKNOWN);
    let shown = call.metadata().get_all("authorization");
    let shown = shown.iter().map(|value| value.as_encoded_bytes());
    operators
        .caller(shown, peer)
        .and_then(|caller| caller.require(&[Role::Explain]))
        .map_err(|error| {
            let text = format!("explain: {error}");
            match error {
                CallerError::Forbidden { role, .. } => error.reason().with(text, [("role", role)]),
                _ => error.reason().status(text),
            }
        })
}
