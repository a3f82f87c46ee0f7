//! The public keys that tokens are verified by: loaded from a JWKS, polled, swapped whole.
//!
//! A set that can't be read or isn't this realm's changes nothing: the last good one stands, and a
//! key withdrawn in the log is refused whatever a file says.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokenward_common::token::{KeyDocument, MAX_DOCUMENT, PublicKey, VerifyKeys};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{config::JwksSource, decide::Decider};

/// How often the source is asked again.
pub const POLL: Duration = Duration::from_secs(30);
/// While there are no keys at all.
const FIRST_POLL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Loads and polls until stopped.
pub async fn follow(source: JwksSource, decider: Arc<Decider>, stop: CancellationToken) {
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
    if old.iter().any(|key| rewritten(key, &keys)) {
        error!("refused a key set that gives a known kid another key");
        return;
    }
    let kids: Vec<_> = keys.iter().map(|key| key.kid().as_str()).collect();
    info!(?kids, "signing keys changed");
    decider.keys.store(Arc::new(keys));
}

fn rewritten(old: &PublicKey, keys: &VerifyKeys) -> bool {
    keys.get(old.kid())
        .is_some_and(|new| new.as_bytes() != old.as_bytes())
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
    let document = KeyDocument::parse(&bytes).map_err(|error| error.to_string())?;
    let expected = &decider.expected;
    if *document.issuer != *expected.issuer {
        return Err("the key set is another issuer's".into());
    }
    if *document.realm != *expected.audience {
        return Err("the key set is another realm's".into());
    }
    Ok(document.keys)
}

async fn fetch(uri: hyper::Uri) -> Result<Vec<u8>, String> {
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .get(uri.clone())
        .await
        .map_err(|error| format!("{uri}: {error}"))?;
    if !response.status().is_success() {
        return Err(format!("{uri}: {}", response.status()));
    }
    Limited::new(response.into_body(), MAX_DOCUMENT)
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .map_err(|error| format!("{uri}: {error}"))
}
