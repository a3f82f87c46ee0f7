//! Reads the files that the settings name for the first time. It decides only whether they can be used.

use std::sync::Arc;

use tokenward_common::process::credentials;

use super::Config;
use crate::{
    caller::{Credentials, LiveCredentials},
    keys::{Keys, Realm, Signing},
};

/// Returns the keys and the callers, or all mistakes in both.
pub(crate) fn load_files(
    config: &Config,
) -> Result<(Arc<Keys>, Arc<LiveCredentials>), Vec<String>> {
    let realm = Realm {
        issuer: config.issuer.as_str().into(),
        name: config.realm.as_str().into(),
        prefix: config.prefix.clone(),
    };
    let signing = Signing::load(&realm, &config.keys);
    let path = config.credentials.display();
    let credentials = credentials::read(&config.credentials)
        .map_err(|error| vec![error])
        .and_then(|json| Credentials::parse(&json))
        .map_err(|mistakes| {
            let named = |mistake: String| format!("--credentials {path}: {mistake}");
            mistakes.into_iter().map(named).collect::<Vec<_>>()
        });
    match (signing, credentials) {
        (Ok(signing), Ok(credentials)) => {
            let credentials = LiveCredentials::new(credentials);
            Ok((Arc::new(Keys::new(signing)), Arc::new(credentials)))
        }
        (signing, credentials) => {
            let mistakes = [signing.err(), credentials.err()];
            Err(mistakes.into_iter().flatten().flatten().collect())
        }
    }
}
