//! `tokenward keys`: makes signing keys. The key itself is `tokenward_common::token`'s business;
//! here is decided only how it is named and where it goes.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    id::KeyId,
    token::{PublicKey, SigningKey},
};

use crate::{
    exit::{Exit, Failure},
    output::Output,
    secret::{SecretFile, random},
    when,
};

const EXAMPLES: &str = "\
Examples:
  tokenward keys generate --out signing-key.pem
  tokenward keys generate --kid 2027-q1 --out signing-key.pem --json

The file is an Ed25519 key in PKCS#8 PEM, for the issuer alone. The public JWK that is printed may
be shown to anyone. Never give two keys one kid.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draw a new Ed25519 signing key.
    #[command(after_help = EXAMPLES)]
    Generate(Generate),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The new file for the key (mode 0600).
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The key's name in tokens and in the JWKS. The date and 8 random digits if absent.
    #[arg(long, value_name = "ID", value_parser = parse_kid)]
    kid: Option<KeyId>,
}

fn parse_kid(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|rule| rule.to_string())
}

pub(crate) fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    let Command::Generate(args) = command;
    let kid = match args.kid {
        Some(kid) => kid,
        None => dated_kid(SystemClock.unix().seconds(), random()?)?,
    };
    let key = SigningKey::generate(kid).map_err(failed)?;
    let pem = key.to_pkcs8_pem().map_err(failed)?;
    SecretFile::create(&args.out)?.write(&pem)?;

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

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, format!("no key was made: {error}"))
}

/// `2027-01-31-0a1b2c3d`: sorts by age, and two made on one day differ.
fn dated_kid(now: UnixTime, random: [u8; 4]) -> Result<KeyId, Failure> {
    let day = when::day(now);
    KeyId::parse(&format!("{day}-{}", hex::encode(random))).map_err(failed)
}

/// RFC 8037, section 2; as the issuer publishes it.
fn jwk(key: &PublicKey) -> Value {
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
        let command = || {
            Command::Generate(Generate {
                out: out.clone(),
                kid: Some(KeyId::parse("k1").unwrap()),
            })
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
