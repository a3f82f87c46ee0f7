//! `POST /api/credentials/revoke`: finders of leaked tokens get them revoked without a credential.
//!
//! The answer is the same whether any value was a token: 202, once the revocation of genuine ones is durable.
//! The number and length of values are bounded, and so are concurrent calls, in all and per address (`gate`).
//! [`ByValue`] bounds the signatures that are checked, together with operators' calls.

mod gate;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use tokenward_common::process::admission::Peer;
use tokenward_proto::v1::RevokeByValueRequest;
use tracing::warn;

use crate::{
    caller::Caller,
    error::Problem,
    grpc::Authenticator,
    request::Request,
    tokens::{ByValue, MAX_VALUE, MAX_VALUES, Tokens},
};
use gate::{Closed, Gate, PATIENCE, Sizes};

const METHOD: &str = "POST /api/credentials/revoke";
/// The largest body holds all values at their longest, four bytes a character, with quotes and commas.
const MAX_BODY: usize = MAX_VALUES * (MAX_VALUE * 4 + 4) + 1024;
/// A body up to this size counts as small: it holds some hundred tokens, and nearly all finders send less.
const SMALL_BODY: usize = 64 * 1024;

/// Holds what the endpoint works with.
#[derive(Clone)]
pub(crate) struct Leaks {
    pub authenticator: Authenticator,
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
    gate: Arc<Gate>,
}

pub(crate) fn router(leaks: Leaks) -> Router {
    let shared = Shared {
        leaks,
        gate: Gate::new(Sizes {
            small: SMALL_BODY,
            longest: MAX_BODY,
        }),
    };
    Router::new()
        .route("/api/credentials/revoke", post(revoke))
        .with_state(shared)
}

async fn revoke(State(shared): State<Shared>, request: axum::extract::Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(Peer::UNIX, |peer| Peer::at(peer.0));
    let from = peer
        .address()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.ip());
    let now = shared.leaks.authenticator.clock.boot();
    let mut visit = match shared.gate.enter(from, now) {
        Ok(visit) => visit,
        Err(closed) => return kept_out(closed),
    };
    let body = match visit.read(request.into_body()).await {
        Ok(body) => body,
        Err(closed) => return kept_out(closed),
    };
    // The turn begins after the body is read, so a caller that sends only half a body takes no turn.
    let _turn = match visit.turn().await {
        Ok(turn) => turn,
        Err(closed) => return kept_out(closed),
    };
    let result = shared.leaks.revoke(&peer, &body).await;
    let code = result.as_ref().err().map_or(tonic::Code::Ok, Problem::code);
    shared
        .leaks
        .authenticator
        .metrics
        .called("RevokeCredentials", code);
    match result {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({}))).into_response(),
        Err(problem @ Problem::Invalid { .. }) => refused(&problem.to_string()),
        // The answer must not claim a revocation that may not have happened.
        Err(problem) => {
            warn!(%problem, "leaked values could not be revoked");
            later("could not be revoked now: send the same again")
        }
    }
}

impl Leaks {
    async fn revoke(&self, peer: &Peer, body: &[u8]) -> Result<(), Problem> {
        // The parser's error message could repeat a token, so it is not shown.
        let rule = "must be an object with 1 to 1,000 strings";
        let found: Found =
            serde_json::from_slice(body).map_err(|_| Problem::invalid("credentials", rule))?;
        let caller = Caller::anyone(peer);
        let request = Request::new(
            caller,
            METHOD,
            String::new(),
            &RevokeByValueRequest::default(),
            self.authenticator.clock.unix(),
        )?;
        self.tokens
            .revoke_by_value(&request, found.credentials, &self.by_value)
            .await?;
        Ok(())
    }
}

fn kept_out(closed: Closed) -> Response {
    let seconds = PATIENCE.as_secs();
    match closed {
        Closed::Often => {
            let text = "too many calls from this address: send fewer, with more values each";
            let mut response = later(text);
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
        }
        Closed::Full => later("too many calls at once: try again in a second"),
        Closed::Late | Closed::Long => refused(&format!(
            "the body must come within {seconds} s and have at most {MAX_BODY} bytes"
        )),
    }
}

fn refused(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
}

fn later(text: &str) -> Response {
    let body = Json(json!({ "error": text }));
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response()
}
