//! The keys that this issuer signs with, and the public set that verifiers load.

use std::{fs, path::PathBuf, str::FromStr};

use tokenward_common::{
    id::{KeyId, LogId},
    token::{Claims, KeyDocument, Prefix, SignError, SigningKey, VerifyKeys, sign},
};
use zeroize::Zeroizing;

/// A signing key's file, and the key's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    pub kid: KeyId,
    pub path: PathBuf,
}

impl FromStr for KeyFile {
    type Err = String;

    /// `PATH`, the key named by the file's name without its ending, or `KID=PATH`.
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

/// The realm's keys: the first signs, all are published.
pub struct Signing {
    issuer: Box<str>,
    realm: Box<str>,
    prefix: Prefix,
    active: SigningKey,
    others: Vec<SigningKey>,
    published: KeyDocument,
}

impl Signing {
    /// Every key that can't be used is named.
    pub fn load(
        issuer: &str,
        realm: &str,
        prefix: &Prefix,
        files: &[KeyFile],
    ) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut keys = Vec::new();
        for file in files {
            match load(file) {
                Ok(key) => keys.push(key),
                Err(problem) => {
                    mistakes.push(format!("--signing-key {}: {problem}", file.path.display()));
                }
            }
        }
        let published = VerifyKeys::new(keys.iter().map(|key| key.public().clone()));
        if let Err(error) = &published {
            mistakes.push(format!("--signing-key: {error}"));
        }
        let mut keys = keys.into_iter();
        match (keys.next(), published) {
            (Some(active), Ok(published)) if mistakes.is_empty() => Ok(Self {
                issuer: issuer.into(),
                realm: realm.into(),
                prefix: prefix.clone(),
                active,
                others: keys.collect(),
                published: KeyDocument {
                    keys: published,
                    realm: realm.to_owned(),
                    issuer: issuer.to_owned(),
                    log_id: None,
                },
            }),
            _ => {
                if files.is_empty() {
                    mistakes.push("--signing-key: name at least one".into());
                }
                Err(mistakes)
            }
        }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// By the active key.
    pub fn sign(&self, claims: &Claims) -> Result<(KeyId, String), SignError> {
        let token = sign(claims, &self.prefix, &self.active)?;
        Ok((self.active.kid().clone(), token))
    }

    /// By the key of this name, if it is still here.
    pub fn sign_with(&self, kid: &str, claims: &Claims) -> Option<String> {
        let key = std::iter::once(&self.active)
            .chain(&self.others)
            .find(|key| key.kid().as_str() == kid)?;
        sign(claims, &self.prefix, key).ok()
    }

    /// The JWKS document.
    pub fn document(&self, log: LogId) -> Result<String, serde_json::Error> {
        KeyDocument {
            log_id: Some(log),
            ..self.published.clone()
        }
        .to_json()
    }
}

fn load(file: &KeyFile) -> Result<SigningKey, String> {
    let bytes = Zeroizing::new(fs::read(&file.path).map_err(|error| error.to_string())?);
    SigningKey::from_pkcs8(file.kid.clone(), &bytes).map_err(|error| error.to_string())
}
