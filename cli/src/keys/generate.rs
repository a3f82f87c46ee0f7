//! `tokenward keys generate`: makes a signing key. The key itself is `tokenward_common::token`'s business;
//! here is decided only how it is named and where it goes.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    id::KeyId,
    token::{PublicKey, SigningKey},
};

use super::parse_kid;
use crate::{
    exit::{Exit, Failure},
    output::Output,
    secret::{SecretFile, random},
    when,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward keys generate --out signing-key.pem
  tokenward keys generate --kid 2027-q1 --out signing-key.pem --json

The file is an Ed25519 key in PKCS#8 PEM, for the issuer alone. The public JWK that is printed may
be shown to anyone. Never give two keys one kid.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The new file for the key (mode 0600).
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The key's name in tokens and in the JWKS. The date and 8 random digits if absent.
    #[arg(long, value_name = "ID", value_parser = parse_kid)]
    kid: Option<KeyId>,
}

pub(super) fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let key = draw(args.kid)?;
    write(&key, &args.out)?;
    let jwk = jwk(key.public());
    let text = format!("kid  {}\njwk  {jwk}", key.kid());
    let value = json!({
        "kid": key.kid().as_str(),
        "jwk": jwk,
        "file": args.out.display().to_string(),
    });
    output.answer(&text, &value)?;
    output.note(&format!("The signing key is in {}.", args.out.display()));
    Ok(Exit::Ok)
}

/// A new key, by this name or by one of its own.
pub(super) fn draw(kid: Option<KeyId>) -> Result<SigningKey, Failure> {
    let kid = match kid {
        Some(kid) => kid,
        None => dated_kid(SystemClock.unix().seconds(), random()?)?,
    };
    SigningKey::generate(kid).map_err(failed)
}

/// Into a new file.
pub(super) fn write(key: &SigningKey, out: &Path) -> Result<(), Failure> {
    let pem = key.to_pkcs8_pem().map_err(failed)?;
    SecretFile::create(out)?.write(&pem)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, format!("no key was made: {error}"))
}

/// `2027-01-31-0a1b2c3d`: sorts by age, and two made on one day differ.
fn dated_kid(now: UnixTime, random: [u8; 4]) -> Result<KeyId, Failure> {
    let day = when::day(now);
    KeyId::parse(&format!("{day}-{}", hex::encode(random))).map_err(failed)
}

/// RFC 8037, section 2; as the issuer publishes it.
pub(super) fn jwk(key: &PublicKey) -> Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": key.kid().as_str(),
        "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kids_are_dated() {
        let kid = dated_kid(UnixTime(1_801_396_800), [0, 1, 0xab, 0xff]).unwrap();
        assert_eq!(kid.as_str(), "2027-01-31-0001abff");
    }

    #[test]
    fn the_file_holds_the_key_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("key.pem");
        let command = || Args {
            out: out.clone(),
            kid: Some(KeyId::parse("k1").unwrap()),
        };
        assert_eq!(run(command(), &Output::new(true)).unwrap(), Exit::Ok);
        let pem = std::fs::read(&out).unwrap();
        let key = SigningKey::from_pkcs8(KeyId::parse("k1").unwrap(), &pem).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public().as_bytes());
        assert_eq!(jwk(key.public())["x"], x.as_str());
        assert_eq!(jwk(key.public())["kid"], "k1");

        assert_eq!(
            run(command(), &Output::new(true)).unwrap_err().exit,
            Exit::Conflict
        );
        assert_eq!(std::fs::read(&out).unwrap(), pem);
    }
}
