//! The public keys that tokens are verified by: loaded from a JWKS, polled, swapped whole.
//!
//! A set that can't be read or isn't this realm's changes nothing: the last good one stands, and a
//! key withdrawn in the log is refused whatever a file says.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokenward_common::token::{Jwks, VerifyKeys};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{config::JwksSource, decide::Decider};

/// How often the source is asked again.
pub const POLL: Duration = Duration::from_secs(30);
/// While there are no keys at all.
const FIRST_POLL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);
/// A JWKS is a few hundred bytes a key.
const MAX_BYTES: usize = 1024 * 1024;

/// Loads and polls until stopped.
pub async fn follow(
    source: JwksSource,
    decider: Arc<Decider>,
    stop: CancellationToken,
) {
    loop {
        match load(&source, &decider).await {
            Ok(keys) => swap(&decider, keys),
            Err(problem) => warn!(problem, "the signing keys can't be read"),
        }
        let empty = decider.keys.load().is_empty();
        let pause = if empty { FIRST_POLL } else { POLL };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// A kid names one key for ever: a set that gives it another is refused, so that no memoised fact
/// can outlive the key that it was found by.
fn swap(decider: &Decider, keys: VerifyKeys) {
    let old = decider.keys.load_full();
    if *old == keys {
        return;
    }
    if old.rewritten_in(&keys) {
        error!("refused a key set that gives a known kid another key");
        return;
    }
    info!(keys = ?keys.kids(), "signing keys changed");
    decider.keys.store(Arc::new(keys));
}

async fn load(source: &JwksSource, decider: &Decider) -> Result<VerifyKeys, String> {
    let bytes = match source {
        JwksSource::File(path) => tokio::fs::read(path)
            .await
            .map_err(|error| format!("{}: {error}", path.display()))?,
        JwksSource::Url(uri) => tokio::time::timeout(TIMEOUT, fetch(uri.clone()))
            .await
            .map_err(|_| format!("{uri}: no answer in {TIMEOUT:?}"))??,
    };
    let jwks = Jwks::parse(&bytes).map_err(|error| error.to_string())?;
    let expected = &decider.expected;
    if jwks.issuer.as_deref().is_some_and(|i| i != expected.issuer) {
        return Err("the key set is another issuer's".into());
    }
    if jwks.realm.as_deref().is_some_and(|r| r != expected.audience) {
        return Err("the key set is another realm's".into());
    }
    VerifyKeys::from_jwks(&jwks).map_err(|error| error.to_string())
}

async fn fetch(uri: hyper::Uri) -> Result<Vec<u8>, String> {
    let client: Client<_, Empty<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .get(uri.clone())
        .await
        .map_err(|error| format!("{uri}: {error}"))?;
    if !response.status().is_success() {
        return Err(format!("{uri}: {}", response.status()));
    }
    Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .map_err(|error| format!("{uri}: {error}"))
}
