//! The data folder: signing key, credentials, store, the token to try. Secrets have mode 0600.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tokenward_common::{id::KeyId, token::SigningKey};

use super::{failed, unwritable};
use crate::{
    exit::Failure,
    secret::{Secret, SecretFile, random},
};

const KEY: &str = "dev";

pub(super) struct Files {
    dir: PathBuf,
    kept: bool,
}

impl Files {
    /// Makes what isn't there yet.
    pub(super) fn open(data: Option<&Path>) -> Result<Self, Failure> {
        let dir = match data {
            Some(dir) => dir.to_owned(),
            None => {
                let random: [u8; 8] = random()?;
                let name = format!("tokenward-dev-{}", hex::encode(random));
                std::env::temp_dir().join(name)
            }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| unwritable(&dir, &error))?;
        let files = Self {
            dir,
            kept: data.is_some(),
        };
        if !files.signing_key().exists() {
            let kid = KeyId::parse(KEY).map_err(failed)?;
            let key = SigningKey::generate(kid).map_err(failed)?;
            let pem = key.to_pkcs8_pem().map_err(failed)?;
            SecretFile::create(&files.signing_key())?.write(&pem)?;
        }
        if !files.credentials().exists() {
            let operator = credential(&files.operator(), "dev", "admin")?;
            let follower = credential(&files.follower(), "dev-verifier", "feed")?;
            let all = serde_json::json!({ "credentials": [operator, follower] });
            write(&files.credentials(), &format!("{all:#}\n"))?;
        }
        Ok(files)
    }

    pub(super) fn are_kept(&self) -> bool {
        self.kept
    }

    pub(super) fn signing_key(&self) -> PathBuf {
        self.dir.join(format!("{KEY}.pem"))
    }

    pub(super) fn credentials(&self) -> PathBuf {
        self.dir.join("credentials.json")
    }

    pub(super) fn operator(&self) -> PathBuf {
        self.dir.join("operator.credential")
    }

    pub(super) fn follower(&self) -> PathBuf {
        self.dir.join("verifier.credential")
    }

    pub(super) fn token(&self) -> PathBuf {
        self.dir.join("ada.token")
    }

    /// The id of the token in that file.
    pub(super) fn token_id(&self) -> PathBuf {
        self.dir.join("ada.token.id")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("hub.redb")
    }

    /// Temporary ones are removed.
    pub(super) fn close(self) {
        if !self.kept {
            // What is left is only in the way.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A new secret in a file, and its entry for the issuer.
fn credential(path: &Path, name: &str, role: &str) -> Result<serde_json::Value, Failure> {
    let bytes: [u8; 32] = random()?;
    let secret = Secret::new(format!("twc_{}", hex::encode(bytes)));
    let digest = hex::encode(Sha256::digest(secret.reveal().as_bytes()));
    SecretFile::create(path)?.write(secret.reveal())?;
    Ok(serde_json::json!({ "name": name, "sha256": [digest], "roles": [role] }))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .map_err(|error| unwritable(path, &error))
}
