//! Measures minting and checking a token, compared with the bare signature.

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use tokenward_common::{
    id::KeyId,
    token::{SigningKey, VerifyKeys, sign, verify},
};

use super::{
    Row,
    hub::{self, Hub},
    ratio,
};

/// Signatures alone, without parsing and claims.
pub(super) struct Bare {
    key: VerifyingKey,
    signed: Vec<(Vec<u8>, Signature)>,
}

impl Bare {
    pub(super) fn new<'a>(key: &SigningKey, tokens: impl Iterator<Item = &'a str>) -> Result<Self> {
        let signed = tokens
            .map(|token| {
                let jwt = token.strip_prefix("tw_").context("the prefix")?;
                let (signed, signature) = jwt.rsplit_once('.').context("a signature")?;
                let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature)?)?;
                Ok((signed.as_bytes().to_vec(), signature))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            key: VerifyingKey::from_bytes(key.public().as_bytes())?,
            signed,
        })
    }

    pub(super) fn verify(&self, index: usize) -> bool {
        self.signed
            .get(index)
            .is_some_and(|(message, signature)| self.key.verify_strict(message, signature).is_ok())
    }
}

pub fn token() -> Result<Vec<Row>> {
    const ROUNDS: usize = 1000;
    const COUNT: usize = 8;
    let seed = [5; 32];
    let key = SigningKey::from_seed(KeyId::parse("bench")?, &seed)?;
    let keys = VerifyKeys::new([key.public().clone()])?;
    let expected = hub::expected()?;
    let hub = Hub::of(100_000);
    let total = (ROUNDS * COUNT) as u64;
    let claims = (1..=total)
        .map(|serial| hub.claims(serial))
        .collect::<Result<Vec<_>>>()?;
    let tokens = claims
        .iter()
        .map(|claims| Ok(sign(claims, &expected.prefix, &key)?))
        .collect::<Result<Vec<_>>>()?;
    let bare = Bare::new(&key, tokens.iter().map(String::as_str))?;
    let dalek = ed25519_dalek::SigningKey::from_bytes(&seed);

    let (mint, signature, minting) = ratio(
        ROUNDS,
        COUNT,
        |index| {
            claims
                .get(index)
                .map(|claims| sign(claims, &expected.prefix, &key))
        },
        |index| {
            bare.signed
                .get(index)
                .map(|(message, _)| dalek.sign(message))
        },
    );
    let (verified, strict, verifying) = ratio(
        ROUNDS,
        COUNT,
        |index| {
            tokens
                .get(index)
                .map(|token| verify(token, &expected, &keys))
        },
        |index| bare.verify(index),
    );
    let bytes = tokens.iter().map(String::len).sum::<usize>() / tokens.len().max(1);
    Ok(vec![
        Row::new(
            "mint, claims to string, over the bare signature",
            "1.1",
            format!("{minting:.3} ({mint} over {signature})"),
        ),
        Row::new(
            format!("verify a token of {bytes} bytes, over verify_strict"),
            "",
            format!("{verifying:.3} ({verified} over {strict})"),
        ),
    ])
}
