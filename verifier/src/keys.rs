//! Loads the public keys that tokens are verified by. They come from a JWKS, are polled, and are
//! replaced as a whole set. This module must not know what is signed with them.
//!
//! A set that can't be read or isn't this realm's changes nothing: the last good set stays in force. A
//! key withdrawn in the log is refused whatever a file contains.

mod cache;
mod source;
#[cfg(test)]
mod tests;
mod trusted;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokenward_common::{
    id::{KeyId, LogId},
    process::{
        file,
        tls::{Alpn, ClientTls, Connector},
    },
    token::{KeyDocument, MAX_DOCUMENT, PublicKey, Unusable, VerifyKeys},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::decide::Decider;

use cache::Cache;
pub use source::JwksSource;
pub use trusted::{Fetched, Shown, TrustedKeys};

/// How often the sources are polled while there are no keys at all.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// The least time between two fetches that unknown keys cause, however many there are.
const WANTED: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);

/// The sources of keys and how they are polled.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The sources in the order in which they are tried. The first that has keys is used.
    pub sources: Vec<JwksSource>,
    pub poll: Duration,
    /// The file that keeps the last good set.
    pub cache: Option<PathBuf>,
    /// The TLS by which `https` sources are called.
    pub tls: Arc<ClientTls>,
}

/// Loads the keys, and again every `poll` or when an unknown key is requested, until stopped.
///
/// Each change of `hurry`, which an operator causes, loads them at once.
pub async fn follow(
    from: Sources,
    decider: Arc<Decider>,
    mut hurry: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    let following = async {
        let mut known = Known::default();
        let mut cache = from.cache.clone().map(Cache::new);
        let mut restored = false;
        loop {
            let began = Instant::now();
            fetch_once(&from, &decider, &mut known, cache.as_mut()).await;
            let empty = decider.keys.load().is_empty();
            if let (Some(cache), Some(log)) = (&mut cache, log(&decider))
                && empty
                && !restored
            {
                restored = true;
                if let Some(document) = cache.restore(&decider, log).await {
                    known.swap(&decider, document.keys);
                }
            }
            let pause = if empty { FIRST_POLL } else { from.poll };
            let wanted = async {
                sleep_until(began + WANTED).await;
                decider.keys.wanted().await;
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = wanted => {}
                Ok(()) = hurry.changed() => {}
            }
        }
    };
    stop.run_until_cancelled(following).await;
}

/// The log that is followed, once a view of it was proved fresh.
fn log(decider: &Decider) -> Option<LogId> {
    decider.replica.age().map(|_| decider.replica.cursor().log)
}

async fn fetch_once(
    from: &Sources,
    decider: &Decider,
    known: &mut Known,
    cache: Option<&mut Cache>,
) {
    decider.keys.begin();
    let began = decider.replica.clock().boot();
    let at = decider.replica.cursor();
    let Some((document, whole)) = load_first(from, decider).await else {
        return;
    };
    let keys = with_standing(&document, whole, &decider.keys.load());
    if !known.swap(decider, keys) {
        return;
    }
    known.tell_unusable(decider, &document.unusable);
    if whole {
        let unusable = document.unusable.iter().filter_map(|it| it.kid.clone());
        decider.keys.fetched(Fetched {
            began,
            at,
            lasts: from.poll.saturating_mul(2),
            unusable: unusable.collect(),
        });
    }
    if let (Some(cache), Some(log)) = (cache, log(decider))
        && document.log_id.is_none_or(|said| said == log)
    {
        // A set that names another log is not kept. Under this log's id it would lead a later start to
        // foreign keys.
        let in_force = KeyDocument {
            keys: (**decider.keys.load()).clone(),
            unusable: Vec::new(),
            log_id: Some(log),
            ..document
        };
        cache.keep(in_force).await;
    }
}

/// Loads the first good document. The flag is whether it may be grounds to refuse a token: a file that
/// replaces an unavailable source may be an old copy.
async fn load_first(from: &Sources, decider: &Decider) -> Option<(KeyDocument, bool)> {
    let mut failed = false;
    for source in &from.sources {
        match load(source, &from.tls, decider).await {
            Ok(document) => {
                let whole = !failed || matches!(source, JwksSource::Url(_));
                return Some((document, whole));
            }
            Err(problem) => warn!(problem, "the signing keys can't be read"),
        }
        failed = true;
    }
    None
}

/// The most kids that are remembered. Keys are rotated by hand, a few times a year.
const MOST_KIDS: usize = 64 * 1024;

/// Every kid that this process has ever trusted, with its key.
#[derive(Default)]
struct Known {
    keys: HashMap<KeyId, [u8; 32]>,
    /// The unusable entries that were already logged.
    unusable: Vec<Unusable>,
}

impl Known {
    /// Puts a set in force, and returns whether it is. A kid names one key for ever, even after it was
    /// gone for a while. A set that gives it another key is refused, so that no memoised fact outlives
    /// the key by which it was found.
    fn swap(&mut self, decider: &Decider, keys: VerifyKeys) -> bool {
        if **decider.keys.load() == keys {
            return true;
        }
        if keys.iter().any(|key| self.rewritten(key)) {
            error!("refused a key set that gives a known kid another key");
            return false;
        }
        let new = keys.iter().map(|key| (key.kid().clone(), *key.as_bytes()));
        let new: Vec<_> = new
            .filter(|(kid, _)| !self.keys.contains_key(kid))
            .collect();
        if self.keys.len() + new.len() > MOST_KIDS {
            error!("refused a key set: more kids than a process remembers");
            return false;
        }
        self.keys.extend(new);
        let keys = Arc::new(keys);
        // The set is in force before it is logged, so that no trouble with logging can delay a key.
        decider.keys.store(Arc::clone(&keys));
        let kids: Vec<_> = keys.iter().map(|key| key.kid().as_str()).collect();
        info!(kids = kids.join(", "), "signing keys changed");
        true
    }

    fn rewritten(&self, key: &PublicKey) -> bool {
        let old = self.keys.get(key.kid());
        old.is_some_and(|old| old != key.as_bytes())
    }

    /// Logs unusable entries, once for each set of them.
    fn tell_unusable(&mut self, decider: &Decider, unusable: &[Unusable]) {
        decider.keys.note_unusable(unusable.len());
        if self.unusable == unusable {
            return;
        }
        self.unusable = unusable.to_vec();
        for Unusable { kid, why } in unusable {
            let kid = kid.as_ref().map_or("?", KeyId::as_str);
            warn!(kid, problem = %why, "skipped an unusable entry of the key set");
        }
    }
}

/// Adds the old keys that stay in force: an entry that can't be read doesn't remove its kid's key. A
/// file that replaces an unavailable source (not `whole`) removes none, because it may be older than a
/// key.
fn with_standing(document: &KeyDocument, whole: bool, old: &VerifyKeys) -> VerifyKeys {
    let unusable = |kid: &KeyId| {
        let mut unusable = document.unusable.iter();
        unusable.any(|it| it.kid.as_ref() == Some(kid))
    };
    let missing = |key: &&PublicKey| document.keys.get(key.kid()).is_none();
    let stands = |key: &&PublicKey| !whole || unusable(key.kid());
    let standing = old.iter().filter(missing).filter(stands);
    let all = document.keys.iter().chain(standing).cloned();
    VerifyKeys::new(all).unwrap_or_else(|_| document.keys.clone())
}

async fn load(
    source: &JwksSource,
    tls: &Arc<ClientTls>,
    decider: &Decider,
) -> Result<KeyDocument, String> {
    let bytes = match source {
        JwksSource::File(path) => {
            let (asked, shown) = (path.clone(), path.display());
            tokio::task::spawn_blocking(move || file::read(&asked, MAX_DOCUMENT as u64))
                .await
                .map_err(|error| format!("{shown}: {error}"))?
                .map_err(|error| format!("{shown}: {error}"))?
        }
        JwksSource::Url(uri) => tokio::time::timeout(TIMEOUT, fetch(uri.clone(), tls))
            .await
            .map_err(|_| format!("{uri}: no answer in {TIMEOUT:?}"))??,
    };
    understood(&bytes, decider)
}

/// Parses a key set. It must be this issuer's and realm's, as far as it names them.
fn understood(bytes: &[u8], decider: &Decider) -> Result<KeyDocument, String> {
    let document = KeyDocument::parse(bytes).map_err(|error| error.to_string())?;
    let expected = &decider.expected;
    // A standard set names neither. Then only the settings decide.
    let other = |said: &Option<String>, expected: &str| {
        said.as_ref().is_some_and(|said| **said != *expected)
    };
    if other(&document.issuer, &expected.issuer) {
        return Err("the key set is another issuer's".into());
    }
    if other(&document.realm, &expected.audience) {
        return Err("the key set is another realm's".into());
    }
    Ok(document)
}

/// Fetches at most [`MAX_DOCUMENT`] bytes over HTTP/1.1.
pub async fn fetch(uri: hyper::Uri, tls: &Arc<ClientTls>) -> Result<Vec<u8>, String> {
    let connector = Connector::new(Arc::clone(tls), Alpn::Http1, TIMEOUT);
    let client: Client<_, Empty<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build(connector);
    let response = client
        .get(uri.clone())
        .await
        .map_err(|error| format!("{uri}: {}", cause(&error)))?;
    if !response.status().is_success() {
        return Err(format!("{uri}: {}", response.status()));
    }
    Limited::new(response.into_body(), MAX_DOCUMENT)
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .map_err(|error| format!("{uri}: {error}"))
}

/// Returns what an error was caused by at last: the client's own words name no cause.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}
