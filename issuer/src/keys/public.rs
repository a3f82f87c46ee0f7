//! Serves the public keys to anybody, because they hold nothing secret. It decides nothing.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use tokenward_common::id::LogId;

use super::Keys;

/// Serves the JWKS.
pub(crate) fn public_keys(keys: Arc<Keys>, log: LogId) -> Router {
    let answer = move || {
        let document = keys.current().document(log);
        async move {
            document
                .map(|document| ([(CONTENT_TYPE, "application/jwk-set+json")], document))
                .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    Router::new().route("/.well-known/jwks.json", get(answer))
}
