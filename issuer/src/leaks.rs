//! `POST /api/credentials/revoke`: whoever finds leaked tokens has them revoked, without a credential.
//!
//! The answer is the same whether any of them was a token: 202, once the revocation of those that were
//! is durable. Bounded: so many values, each so long, so many calls at once; [`ByValue`] bounds the
//! signatures that are checked, with the calls of operators.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use tokenward_proto::v1::RevokeByValueRequest;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::{
    caller::Caller,
    error::Problem,
    grpc::Door,
    request::Request,
    tokens::{ByValue, MAX_VALUE, MAX_VALUES, Tokens},
};

const METHOD: &str = "POST /api/credentials/revoke";
/// All values at their longest, four bytes a character, quoted and comma'd.
const MAX_BODY: usize = MAX_VALUES * (MAX_VALUE * 4 + 4) + 1024;
/// Calls that are read and worked on; one more is asked to come again.
const AT_ONCE: usize = 4;
/// For a body to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the endpoint works with.
#[derive(Clone)]
pub(crate) struct Leaks {
    pub door: Door,
    pub tokens: Tokens,
    pub by_value: ByValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    credentials: Vec<String>,
}

#[derive(Clone)]
struct Shared {
    leaks: Leaks,
    turns: Arc<Semaphore>,
}

pub(crate) fn router(leaks: Leaks) -> Router {
    let shared = Shared {
        leaks,
        turns: Arc::new(Semaphore::new(AT_ONCE)),
    };
    Router::new()
        .route("/api/credentials/revoke", post(revoke))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

async fn revoke(State(shared): State<Shared>, request: axum::extract::Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0);
    // Before the body is read: nobody makes us hold more than so many of them.
    let Ok(_turn) = shared.turns.try_acquire() else {
        return later("too many calls at once: try again in a second");
    };
    let body = tokio::time::timeout(PATIENCE, Bytes::from_request(request, &())).await;
    let Ok(Ok(body)) = body else {
        let seconds = PATIENCE.as_secs();
        return refused(&format!(
            "the body must come within {seconds} s and have at most {MAX_BODY} bytes"
        ));
    };
    let result = shared.leaks.revoke(peer, body).await;
    let code = result.as_ref().err().map_or(tonic::Code::Ok, Problem::code);
    shared.leaks.door.metrics.called("RevokeCredentials", code);
    match result {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({}))).into_response(),
        Err(problem @ Problem::Invalid { .. }) => refused(&problem.to_string()),
        // Nothing is said to be revoked that may not be.
        Err(problem) => {
            warn!(%problem, "leaked values could not be revoked");
            later("could not be revoked now: send the same again")
        }
    }
}

impl Leaks {
    async fn revoke(&self, peer: Option<SocketAddr>, body: Bytes) -> Result<(), Problem> {
        // A library's words could repeat a token.
        let rule = "must be an object with 1 to 1,000 strings";
        let found: Found =
            serde_json::from_slice(&body).map_err(|_| Problem::invalid("credentials", rule))?;
        let caller = Caller::anyone(peer);
        let request = Request::new(
            caller,
            METHOD,
            String::new(),
            &RevokeByValueRequest::default(),
            self.door.clock.unix(),
        )?;
        self.tokens
            .revoke_by_value(&request, found.credentials, &self.by_value)
            .await?;
        Ok(())
    }
}

fn refused(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
}

fn later(text: &str) -> Response {
    let body = Json(json!({ "error": text }));
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response()
}
