//! Decides what lies in the data folder: signing key, credentials, store, the sample token. Secrets have
//! mode 0600.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokenward_common::{
    id::KeyId,
    process::{
        credentials::{CredentialEntry, Role},
        tls::throwaway::Authority,
    },
    token::SigningKey,
};
use tokenward_issuer::keys::KeyFile;

use super::{failed, unwritable};
use crate::{
    credentials,
    exit::Failure,
    secret::{SecretFile, random},
};

const KEY: &str = "dev";
/// The name in the operator's client certificate.
const OPERATOR: &str = "tokenward://dev/operator";
/// The names of this machine in the listeners' certificate.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The certificates are made anew at each start, so they need not last.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);

/// The data folder. A temporary folder is removed when this is dropped, also after a failed start.
pub(super) struct Files {
    dir: PathBuf,
    kept: bool,
}

impl Files {
    /// Opens the folder, and makes the files that don't exist yet.
    pub(super) fn open(data: Option<&Path>) -> Result<Self, Failure> {
        let dir = match data {
            // The path is absolute, because the printed lines may be pasted into a shell in any folder.
            Some(dir) => std::path::absolute(dir).map_err(|error| unwritable(dir, &error))?,
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
        let key = files.signing_key()?;
        if !key.path.exists() {
            // An earlier start made the key first. A folder that holds files but no key is not one of
            // `dev`.
            let mut others =
                fs::read_dir(&files.dir).map_err(|error| unwritable(&files.dir, &error))?;
            if data.is_some() && others.next().is_some() {
                let dir = files.dir.display();
                return Err(Failure::usage(format!(
                    "--data {dir}: holds files that are not of an earlier `tokenward dev`"
                ))
                .next("name a new folder, or an empty one: some of them would be replaced"));
            }
            let drawn = SigningKey::generate(key.kid).map_err(failed)?;
            let pem = drawn.to_pkcs8_pem().map_err(failed)?;
            SecretFile::create(&key.path)?.write(&pem)?;
        }
        if !files.credentials().exists() {
            let mut operator = credential(&files.operator(), "dev", Role::Admin)?;
            operator.certificates = vec![format!("uri:{OPERATOR}")];
            let follower = credential(&files.follower(), "dev-verifier", Role::Feed)?;
            let all = serde_json::json!({ "credentials": [operator, follower] });
            write(&files.credentials(), &format!("{all:#}\n"))?;
        }
        Ok(files)
    }

    /// Makes an authority, a certificate for the listeners and one for the operator. They replace those of
    /// an earlier start, whose authority is gone.
    pub(super) fn make_certificates(&self) -> Result<(), Failure> {
        let authority = Authority::new("tokenward dev").map_err(failed)?;
        for (names, name) in [(&NAMES[..], "server"), (&[OPERATOR], "operator")] {
            let issued = authority.issue(names, VALID).map_err(failed)?;
            let [certificate, key] = [self.certificate(name), self.key(name)];
            let written = issued.write(&certificate, &key);
            written.map_err(|error| unwritable(&certificate, &error))?;
        }
        write(&self.ca(), &authority.pem())
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Returns the file of the certificate of `server` or of `operator`.
    pub(super) fn certificate(&self, of: &str) -> PathBuf {
        self.dir.join(format!("{of}.pem"))
    }

    pub(super) fn key(&self, of: &str) -> PathBuf {
        self.dir.join(format!("{of}.key"))
    }

    pub(super) fn are_kept(&self) -> bool {
        self.kept
    }

    pub(super) fn signing_key(&self) -> Result<KeyFile, Failure> {
        Ok(KeyFile {
            kid: KeyId::parse(KEY).map_err(failed)?,
            path: self.dir.join(format!("{KEY}.pem")),
        })
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

    /// Returns the file that holds the sample token's id.
    pub(super) fn token_id(&self) -> PathBuf {
        self.dir.join("ada.token.id")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("hub.redb")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if !self.kept {
            // An error is ignored: files that are left in a temporary folder are only in the way.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Draws a credential: writes the secret to a file, and returns the entry for the issuer.
fn credential(path: &Path, name: &str, role: Role) -> Result<CredentialEntry, Failure> {
    // An existing file is from a start that ended before it wrote the entries.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(path, &error)),
        _ => {}
    }
    let (secret, entry) = credentials::draw(name.into(), vec![role], None)?;
    SecretFile::create(path)?.write(secret.expose())?;
    Ok(entry)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .map_err(|error| unwritable(path, &error))
}

#[cfg(test)]
mod tests {
    use tokenward_common::process::credentials::Credentials;

    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_its_owner_and_a_kept_one_stays() {
        let files = Files::open(None).unwrap();
        let dir = files.dir.clone();
        assert!(files.operator().exists());
        drop(files);
        assert!(!dir.exists());

        let kept = tempfile::tempdir().unwrap();
        // An equals sign in the path would be read as the separator between a key's name and its path.
        let dir = kept.path().join("a=b, c");
        let files = Files::open(Some(&dir)).unwrap();
        assert!(files.signing_key().unwrap().path.starts_with(&dir));
        drop(files);
        assert!(dir.join("dev.pem").exists());
    }

    #[test]
    fn what_a_broken_start_has_left_is_no_hindrance() {
        let kept = tempfile::tempdir().unwrap();
        let read = || fs::read_to_string(kept.path().join("credentials.json")).unwrap();
        drop(Files::open(Some(kept.path())).unwrap());
        let whole = read();
        fs::remove_file(kept.path().join("credentials.json")).unwrap();
        fs::remove_file(kept.path().join("verifier.credential")).unwrap();
        drop(Files::open(Some(kept.path())).unwrap());
        assert_ne!(read(), whole);
        let known = Credentials::parse(&read()).ok().unwrap();
        for (name, file) in [("dev", "operator"), ("dev-verifier", "verifier")] {
            let secret = fs::read_to_string(kept.path().join(format!("{file}.credential")));
            let shown = format!("Bearer {}", secret.unwrap().trim());
            assert_eq!(known.caller(Some(&shown)).unwrap().name, name);
        }
    }
}
