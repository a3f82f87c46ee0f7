//! The public keys that tokens are verified by: loaded from a JWKS, polled, swapped whole.
//!
//! A set that can't be read or isn't this realm's changes nothing: the last good one stands, and a
//! key withdrawn in the log is refused whatever a file says.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokenward_common::token::{Jwks, VerifyKeys};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::decide::Decider;

/// How often the source is asked again.
pub const POLL: Duration = Duration::from_secs(30);
/// While there are no keys at all.
const FIRST_POLL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);
/// A JWKS is a few hundred bytes a key.
const MAX_BYTES: usize = 1024 * 1024;

/// Where the JWKS is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    Http(http::Uri),
}

/// Loads and polls until stopped. `loaded` is told after each good load.
pub async fn follow(
    source: KeySource,
    decider: Arc<Decider>,
    loaded: impl Fn(usize),
    stop: CancellationToken,
) {
    loop {
        match load(&source, &decider).await {
            Ok(keys) => {
                loaded(keys.len());
                swap(&decider, keys);
            }
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

fn swap(decider: &Decider, keys: VerifyKeys) {
    let old = decider.keys.load_full();
    if *old == keys {
        return;
    }
    info!(keys = ?keys.kids(), "signing keys changed");
    let rewritten = old.rewritten_in(&keys);
    decider.keys.store(Arc::new(keys));
    // After the swap: a token verified by the old key can't come back in. The memo's own
    // entries name a kid, and here the same kid names another key.
    if rewritten {
        decider.memo.clear();
    }
}

async fn load(source: &KeySource, decider: &Decider) -> Result<VerifyKeys, String> {
    let bytes = match source {
        KeySource::File(path) => tokio::fs::read(path)
            .await
            .map_err(|error| format!("{}: {error}", path.display()))?,
        KeySource::Http(uri) => tokio::time::timeout(TIMEOUT, fetch(uri.clone()))
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

async fn fetch(uri: http::Uri) -> Result<Vec<u8>, String> {
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
