//! The keys that this issuer signs with, and the public set that verifiers load.
//!
//! Keys come from files named one by one, or from a key ring: one file that says which key signs, and that is
//! read again while the issuer runs. A key or ring that can't be used changes nothing. Must not know what is
//! signed.

mod follow;
mod public;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokenward_common::{
    clock::UnixTime,
    id::{KeyId, LogId},
    process::file,
    replica::Replica,
    token::{
        Claims, Expected, KeyDocument, KeyRing, Prefix, RingState, SignError, SigningKey,
        VerifyKeys, sign,
    },
};
use zeroize::Zeroizing;

pub(crate) use public::public_keys;

/// A key's file may have at most this many bytes, many times an Ed25519 key.
const MOST_KEY_BYTES: u64 = 64 * 1024;

/// Names a signing key and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    pub kid: KeyId,
    pub path: PathBuf,
}

impl FromStr for KeyFile {
    type Err = String;

    /// Reads `KID=PATH`, or `PATH` alone; then the file's name without its extension names the key.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kid, path) = match text.split_once('=') {
            Some((kid, path)) => (kid.to_owned(), PathBuf::from(path)),
            None => {
                let path = PathBuf::from(text);
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                (stem.unwrap_or_default().to_owned(), path)
            }
        };
        let kid = KeyId::parse(&kid).map_err(|rule| format!("the key's name {rule}"))?;
        Ok(Self { kid, path })
    }
}

/// Says where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Files, of which the first signs and all are published.
    Files(Vec<KeyFile>),
    Ring(PathBuf),
}

/// Holds what all tokens of the realm have in common.
#[derive(Clone, Debug)]
pub struct Realm {
    /// This is the `iss` of all tokens.
    pub issuer: Box<str>,
    /// This is the `aud` of all tokens.
    pub name: Box<str>,
    pub prefix: Prefix,
}

/// One set of keys: one of them signs, all are published.
pub struct Signing {
    realm: Realm,
    keys: Vec<(SigningKey, RingState)>,
    /// Tells when each key's file was written, where that is known.
    written: Vec<Option<UnixTime>>,
    active: usize,
    published: VerifyKeys,
}

impl Signing {
    /// Loads the keys. The error names every key that can't be used.
    pub fn load(realm: &Realm, source: &KeySource) -> Result<Self, Vec<String>> {
        match source {
            KeySource::Files(files) => {
                let first = std::iter::once(RingState::Active);
                let states = first.chain(std::iter::repeat(RingState::Published));
                let files = files.iter().cloned().zip(states).collect();
                Self::load_files(realm, files, "--signing-key")
            }
            KeySource::Ring(path) => {
                let text = follow::read_ring(path).map_err(|error| vec![error])?;
                Self::from_ring(realm, path, &text)
            }
        }
    }

    fn from_ring(realm: &Realm, path: &Path, text: &str) -> Result<Self, Vec<String>> {
        let ring = KeyRing::parse(text).map_err(|mistakes| {
            mistakes
                .iter()
                .map(|m| name_file(path, m))
                .collect::<Vec<_>>()
        })?;
        let file = |key: &tokenward_common::token::RingKey| {
            let file = KeyFile {
                kid: key.kid.clone(),
                path: key.path(path),
            };
            (file, key.state)
        };
        Self::load_files(realm, ring.keys.iter().map(file).collect(), "--key-ring")
    }

    fn load_files(
        realm: &Realm,
        files: Vec<(KeyFile, RingState)>,
        flag: &str,
    ) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut keys = Vec::new();
        let mut written_at = Vec::new();
        for (file, state) in files {
            match load(&file) {
                Ok(key) => {
                    keys.push((key, state));
                    written_at.push(written(&file.path));
                }
                Err(problem) => {
                    mistakes.push(format!("{flag} {}: {problem}", file.path.display()));
                }
            }
        }
        let published = VerifyKeys::new(keys.iter().map(|(key, _)| key.public().clone()));
        if let Err(error) = &published {
            mistakes.push(format!("{flag}: {error}"));
        }
        let active = keys
            .iter()
            .position(|(_, state)| *state == RingState::Active);
        match (active, published) {
            (Some(active), Ok(published)) if mistakes.is_empty() => Ok(Self {
                realm: realm.clone(),
                keys,
                written: written_at,
                active,
                published,
            }),
            _ => {
                if mistakes.is_empty() {
                    mistakes.push(format!("{flag}: name at least one key that signs"));
                }
                Err(mistakes)
            }
        }
    }

    pub fn issuer(&self) -> &str {
        &self.realm.issuer
    }

    pub fn realm(&self) -> &str {
        &self.realm.name
    }

    /// Returns what a genuine token of this set must contain.
    pub fn expected(&self) -> Expected {
        Expected {
            prefix: self.realm.prefix.clone(),
            issuer: self.realm.issuer.clone(),
            audience: self.realm.name.clone(),
        }
    }

    pub fn published(&self) -> &VerifyKeys {
        &self.published
    }

    /// Returns the keys in the order of the settings.
    pub fn keys(&self) -> impl Iterator<Item = (&SigningKey, RingState)> {
        self.keys.iter().map(|(key, state)| (key, *state))
    }

    /// Returns how long ago each key's file was written.
    pub fn ages(&self, now: UnixTime) -> impl Iterator<Item = (&KeyId, RingState, Duration)> {
        let written = self.keys.iter().zip(&self.written);
        written.filter_map(move |((key, state), written)| {
            let age = now.0.saturating_sub((*written)?.0);
            Some((key.kid(), *state, Duration::from_secs(age)))
        })
    }

    /// Returns the name of the key that signs.
    pub fn active(&self) -> Option<&KeyId> {
        self.keys.get(self.active).map(|(key, _)| key.kid())
    }

    /// Signs with the key of this name, if it is here.
    pub fn sign_with(&self, kid: &str, claims: &Claims) -> Option<Result<String, SignError>> {
        let (key, _) = self
            .keys
            .iter()
            .find(|(key, _)| key.kid().as_str() == kid)?;
        Some(sign(claims, &self.realm.prefix, key))
    }

    /// Returns the JWKS document.
    pub fn document(&self, log: LogId) -> Result<String, serde_json::Error> {
        KeyDocument {
            keys: self.published.clone(),
            realm: Some(self.realm.name.to_string()),
            issuer: Some(self.realm.issuer.to_string()),
            log_id: Some(log),
            ..KeyDocument::default()
        }
        .to_json()
    }
}

fn name_file(path: &Path, problem: &dyn std::fmt::Display) -> String {
    format!("--key-ring {}: {problem}", path.display())
}

fn written(path: &Path) -> Option<UnixTime> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixTime(since.as_secs()))
}

fn load(key: &KeyFile) -> Result<SigningKey, String> {
    // The ring may name any file while the issuer runs, so the size of what is read is bounded.
    let bytes = file::read(&key.path, MOST_KEY_BYTES).map_err(|error| error.to_string())?;
    let bytes = Zeroizing::new(bytes);
    SigningKey::from_pkcs8(key.kid.clone(), &bytes).map_err(|error| error.to_string())
}

/// Holds the present set of keys.
pub struct Keys {
    now: ArcSwap<Signing>,
    /// Set while the key ring can't be used.
    broken: AtomicBool,
}

impl Keys {
    pub fn new(signing: Signing) -> Self {
        Self {
            now: ArcSwap::from_pointee(signing),
            broken: AtomicBool::new(false),
        }
    }

    /// Tells whether the key ring can't be used, so that the keys read before it stay in force.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    pub fn current(&self) -> Arc<Signing> {
        self.now.load_full()
    }

    /// Describes in one line what is wrong with the signing key. Nothing is minted then; all else goes on.
    pub fn note(&self, view: &Replica) -> Option<String> {
        let signing = self.current();
        let kid = signing.active()?;
        let withdrawn = view.view()?.state.is_withdrawn(kid.as_str());
        withdrawn.then(|| {
            format!(
                "signing_key: {kid} was withdrawn: nothing is minted until the keys are rotated"
            )
        })
    }
}

fn renamed(old: &Signing, new: &Signing) -> bool {
    new.keys().any(|(key, _)| {
        old.keys().any(|(known, _)| {
            known.kid() == key.kid() && known.public().as_bytes() != key.public().as_bytes()
        })
    })
}

fn states(signing: &Signing) -> Vec<String> {
    let state = |(key, state): (&SigningKey, RingState)| format!("{}={}", key.kid(), state.word());
    signing.keys().map(state).collect()
}
