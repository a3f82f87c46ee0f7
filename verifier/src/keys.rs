//! The public keys that tokens are verified by: loaded from a JWKS, polled, swapped whole.
//!
//! A set that can't be read or isn't this realm's changes nothing: the last good one stands, and a
//! key withdrawn in the log is refused whatever a file says.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokenward_common::{
    id::KeyId,
    token::{KeyDocument, MAX_DOCUMENT, PublicKey, VerifyKeys},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{config::JwksSource, decide::Decider};

#[cfg(test)]
mod tests;

/// How often the source is asked while there are no keys at all.
const FIRST_POLL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Loads, and again every `poll`, until stopped.
pub async fn follow(
    source: JwksSource,
    poll: Duration,
    decider: Arc<Decider>,
    stop: CancellationToken,
) {
    let mut known = Known::default();
    loop {
        match load(&source, &decider).await {
            Ok(keys) => known.swap(&decider, keys),
            Err(problem) => warn!(problem, "the signing keys can't be read"),
        }
        let empty = decider.keys.load().is_empty();
        let pause = if empty { FIRST_POLL } else { poll };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Most kids that are remembered: keys are rotated by hand, a few in a year.
const MOST_KIDS: usize = 64 * 1024;

/// Every kid that this process has ever trusted, and the key that it named.
#[derive(Default)]
struct Known(HashMap<KeyId, [u8; 32]>);

impl Known {
    /// A kid names one key for ever, also when it was gone for a while: a set that gives it another
    /// is refused, so that no memoised fact can outlive the key that it was found by.
    fn swap(&mut self, decider: &Decider, keys: VerifyKeys) {
        if **decider.keys.load() == keys {
            return;
        }
        if keys.iter().any(|key| self.rewritten(key)) {
            error!("refused a key set that gives a known kid another key");
            return;
        }
        let new = keys.iter().map(|key| (key.kid().clone(), *key.as_bytes()));
        let new: Vec<_> = new.filter(|(kid, _)| !self.0.contains_key(kid)).collect();
        if self.0.len() + new.len() > MOST_KIDS {
            error!("refused a key set: more kids than a process remembers");
            return;
        }
        self.0.extend(new);
        let kids: Vec<_> = keys.iter().map(|key| key.kid().as_str()).collect();
        info!(?kids, "signing keys changed");
        decider.keys.store(Arc::new(keys));
    }

    fn rewritten(&self, key: &PublicKey) -> bool {
        let old = self.0.get(key.kid());
        old.is_some_and(|old| old != key.as_bytes())
    }
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

/// At most [`MAX_DOCUMENT`] bytes, over `http://`.
pub async fn fetch(uri: hyper::Uri) -> Result<Vec<u8>, String> {
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
