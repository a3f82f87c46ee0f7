//! Reads the operators' file, which decides who may request explanations.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokenward_common::process::credentials::{Credentials, LiveCredentials};

use super::host::Host;

/// The operators and their file, which is read again while the verifier runs. They never appear in a
/// log.
#[derive(Clone)]
pub struct Operators {
    pub file: PathBuf,
    pub known: Arc<LiveCredentials>,
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(operators)")
    }
}

/// Reads the file, or returns all mistakes in it. No mistake repeats a digest.
pub(super) fn operators(path: &Path, host: &Host<'_>) -> Result<Operators, String> {
    Credentials::parse(&host.text(path)?)
        .map(|credentials| Operators {
            file: path.to_owned(),
            known: Arc::new(LiveCredentials::new(credentials)),
        })
        .map_err(|mistakes| format!("`{}`: {}", path.display(), mistakes.join("; ")))
}
