//! The keys that this issuer signs with, and the public set that verifiers load.

use std::{fs, path::PathBuf, str::FromStr};

use tokenward_common::{
    id::{KeyId, LogId},
    token::{Claims, Jwks, Minter, Prefix, SignError, SigningKey},
};

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
    issuer: String,
    realm: String,
    active: Minter,
    others: Vec<Minter>,
    published: Jwks,
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
        let mut minters = Vec::new();
        let mut public = Vec::new();
        for file in files {
            let named = |problem: String| format!("--signing-key {}: {problem}", file.path.display());
            let key = fs::read(&file.path)
                .map_err(|error| named(error.to_string()))
                .and_then(|bytes| {
                    SigningKey::from_pkcs8(file.kid.clone(), &bytes)
                        .map_err(|error| named(error.to_string()))
                });
            match key {
                Ok(key) => match key.public() {
                    Ok(of) => {
                        public.push(of);
                        minters.push(Minter::new(&key, prefix.clone()));
                    }
                    Err(error) => mistakes.push(format!("--signing-key {}: {error}", key.kid())),
                },
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let published = Jwks {
            keys: public,
            issuer: Some(issuer.to_owned()),
            realm: Some(realm.to_owned()),
            log_id: None,
        };
        if let Err(error) = tokenward_common::token::VerifyKeys::from_jwks(&published) {
            mistakes.push(format!("--signing-key: {error}"));
        }
        let mut minters = minters.into_iter();
        match minters.next() {
            Some(active) if mistakes.is_empty() => Ok(Self {
                issuer: issuer.to_owned(),
                realm: realm.to_owned(),
                active,
                others: minters.collect(),
                published,
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
        Ok((self.active.kid().clone(), self.active.sign(claims)?))
    }

    /// By the key of this name, if it is still here.
    pub fn sign_with(&self, kid: &str, claims: &Claims) -> Option<String> {
        std::iter::once(&self.active)
            .chain(&self.others)
            .find(|minter| minter.kid().as_str() == kid)?
            .sign(claims)
            .ok()
    }

    /// The JWKS document.
    pub fn document(&self, log: LogId) -> String {
        let mut jwks = self.published.clone();
        jwks.log_id = Some(log.to_string());
        jwks.to_json()
    }
}
