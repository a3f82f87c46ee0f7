//! Serves the public keys to anybody, because they hold nothing secret. It decides nothing.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use tokenward_common::{id::LogId, replica::Replica};

use super::Keys;

/// Serves the JWKS, with the log that is followed; until there is a view, with the log that the store had.
pub(crate) fn public_keys(keys: Arc<Keys>, replica: Arc<Replica>, opened: LogId) -> Router {
    let answer = move || {
        let followed = replica.age().map(|_| replica.cursor().log);
        let document = keys.current().document(followed.unwrap_or(opened));
        async move {
            document
                .map(|document| ([(CONTENT_TYPE, "application/jwk-set+json")], document))
                .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    Router::new().route("/.well-known/jwks.json", get(answer))
}
