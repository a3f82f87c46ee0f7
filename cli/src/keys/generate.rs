//! `tokenward keys generate` makes a signing key, and decides how it is named and where it is written. The
//! key itself is the business of `tokenward_common::token`.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    id::KeyId,
    token::{PublicKey, SigningKey},
};
use tokenward_issuer::keys::KeyFile;

use super::parse_kid;
use crate::{
    exit::{Exit, Failure},
    output::Output,
    secret::{SecretFile, random},
    when,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward keys generate --out keys/2027-q1.pem
  tokenward keys generate --kid 2027-q1 --out signing-key.pem --json

The file is an Ed25519 key in PKCS#8 PEM, for the issuer alone. The command prints the issuer's
--signing-key, which gives the key the printed kid. The public JWK may be shown to anyone. Never
give two keys the same kid.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the key to this new file (mode 0600).
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Give the key this name in tokens and in the JWKS. Without this option its name is that of
    /// the file without its ending, as the issuer reads it.
    #[arg(long, value_name = "ID", value_parser = parse_kid)]
    kid: Option<KeyId>,
}

pub(super) fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let named = args.out.display();
    let (kid, setting) = choose_name(args.kid, &args.out)?;
    let key = draw(Some(kid))?;
    write(&key, &args.out)?;
    let jwk = jwk(key.public());
    let text = format!("kid  {}\njwk  {jwk}", key.kid());
    let value = json!({
        "kid": key.kid().as_str(),
        "jwk": jwk,
        "file": named.to_string(),
        "signing_key": setting,
    });
    output.answer(&text, &value)?;
    output.note(&format!(
        "The signing key is in {named}. Give it to the issuer: --signing-key {setting}"
    ));
    Ok(Exit::Ok)
}

/// Returns the key's name, and the issuer's setting that gives it this name.
fn choose_name(kid: Option<KeyId>, out: &Path) -> Result<(KeyId, String), Failure> {
    let named = out.display().to_string();
    // The name that the issuer derives from the file alone.
    let by_file = named
        .parse::<KeyFile>()
        .and_then(|file| match file.path == out {
            true => Ok(file.kid),
            false => Err("a path with = in it names no key".into()),
        });
    match (kid, by_file) {
        (None, Ok(kid)) => Ok((kid, named)),
        (Some(kid), Ok(same)) if kid == same => Ok((kid, named)),
        (Some(kid), _) => Ok((kid.clone(), format!("{kid}={named}"))),
        (None, Err(rule)) => {
            Err(Failure::usage(format!("--out: {rule}")).next("name the key with --kid"))
        }
    }
}

/// Draws a new key, with this name or a generated one.
pub(super) fn draw(kid: Option<KeyId>) -> Result<SigningKey, Failure> {
    let kid = match kid {
        Some(kid) => kid,
        None => dated_kid(SystemClock.unix().seconds(), random()?)?,
    };
    SigningKey::generate(kid).map_err(failed)
}

/// Writes the key into a new file.
pub(super) fn write(key: &SigningKey, out: &Path) -> Result<(), Failure> {
    let pem = key.to_pkcs8_pem().map_err(failed)?;
    SecretFile::create(out)?.write(&pem)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, format!("no key was made: {error}"))
}

/// Returns a name such as `2027-01-31-0a1b2c3d`. Names sort by age, and two keys of one day have different
/// names.
fn dated_kid(now: UnixTime, random: [u8; 4]) -> Result<KeyId, Failure> {
    let day = when::day(now);
    KeyId::parse(&format!("{day}-{}", hex::encode(random))).map_err(failed)
}

/// Returns the JWK of a public key (RFC 8037, section 2), in the form that the issuer publishes.
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

    /// The printed setting gives the issuer the printed kid, whatever the file is called. No key is made
    /// where this is impossible.
    #[test]
    fn the_key_is_named_as_the_issuer_names_it() {
        let dir = tempfile::tempdir().unwrap();
        for (kid, name, expected) in [
            (None, "2026-11.pem", Some("2026-11")),
            (None, "key", Some("key")),
            (Some("k1"), "k1.pem", Some("k1")),
            (Some("k1"), "key.pem", Some("k1")),
            (Some("k1"), "a=b.pem", Some("k1")),
            (Some("k1"), "a b.pem", Some("k1")),
            (None, "a b.pem", None),
            (None, "é.pem", None),
            (None, "a=b=c.pem", None),
        ] {
            let out = dir.path().join(name);
            let args = Args {
                out: out.clone(),
                kid: kid.map(|kid| KeyId::parse(kid).unwrap()),
            };
            let made = run(args, &Output::new(true));
            assert_eq!(made.is_ok(), expected.is_some(), "{name}");
            assert_eq!(out.exists(), expected.is_some(), "{name}");
            if out.exists() {
                std::fs::remove_file(&out).unwrap();
            }
            let (Some(expected), Ok((named, setting))) = (
                expected,
                choose_name(kid.map(|it| KeyId::parse(it).unwrap()), &out),
            ) else {
                continue;
            };
            let read: KeyFile = setting.parse().unwrap();
            assert_eq!((named.as_str(), read.kid.as_str()), (expected, expected));
            assert_eq!(read.path, out);
        }
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
