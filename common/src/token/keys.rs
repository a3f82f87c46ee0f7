//! This file decides which public keys are trusted.
//!
//! It knows neither where keys come from (a file, a URL) nor which key was withdrawn: the caller swaps
//! the whole set.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;

use crate::id::KeyId;

/// The header's JSON around the `kid`, byte for byte as the minter's encoder writes it. No character of
/// a `kid` needs an escape in JSON.
const HEADER_START: &str = r#"{"typ":"uat+jwt","alg":"EdDSA","kid":""#;
const HEADER_END: &str = r#""}"#;

/// Why a public key, or a set of them, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve, or not its canonical encoding (RFC 8032, section 5.1.3).
    #[error("not an Ed25519 public key in its canonical form")]
    Invalid,
    /// Signatures under this key prove nothing, so it is never trusted.
    #[error("an Ed25519 public key of small order, under which anyone can sign")]
    Weak,
    /// Two keys have one `kid`, so it is unclear which of them a token means.
    #[error("two keys of one kid")]
    DuplicateKid,
}

/// An Ed25519 key that may be trusted, and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The name, shared by all verified tokens of this key.
    kid: Arc<KeyId>,
    key: VerifyingKey,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032, section 5.1.5. It refuses weak keys and non-canonical encodings.
    pub fn new(kid: KeyId, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if !canonical(bytes) {
            return Err(KeyError::Invalid);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Invalid)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self {
            kid: Arc::new(kid),
            key,
        })
    }

    /// Returns the key's name, as it stands in the headers of the tokens that it signed.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    pub(super) fn shared_kid(&self) -> &Arc<KeyId> {
        &self.kid
    }

    /// Returns the key's 32 bytes, as they were given to [`PublicKey::new`].
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(super) fn dalek(&self) -> &VerifyingKey {
        &self.key
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kid, hex::encode(self.key))
    }
}

/// An immutable set of trusted keys, with one key per `kid`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerifyKeys(Box<[Entry]>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    /// The only header segment that is accepted for this key.
    header: Box<str>,
    key: PublicKey,
}

impl VerifyKeys {
    /// Keeps the keys in this order. It refuses two keys of one `kid`, even if they are equal.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, KeyError> {
        let mut entries: Vec<Entry> = Vec::new();
        for key in keys {
            if entries.iter().any(|entry| entry.key.kid == key.kid) {
                return Err(KeyError::DuplicateKid);
            }
            entries.push(Entry {
                header: header_segment(&key.kid).into(),
                key,
            });
        }
        Ok(Self(entries.into()))
    }

    /// Whether the set has no key, so that no token can be genuine.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many keys are trusted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the key of this name; `None` if it isn't trusted here.
    pub fn get(&self, kid: &KeyId) -> Option<&PublicKey> {
        self.iter().find(|key| *key.kid == *kid)
    }

    /// Returns all keys, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().map(|entry| &entry.key)
    }

    /// Finds the key with this header segment. A realm has few keys, so a scan is faster than a table.
    pub(super) fn by_header(&self, segment: &str) -> Option<&PublicKey> {
        let entry = self.0.iter().find(|entry| *entry.header == *segment)?;
        Some(&entry.key)
    }
}

fn header_segment(kid: &KeyId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{HEADER_START}{kid}{HEADER_END}"))
}

/// Returns the `kid` of a header in exactly our form, whether the key is known or not.
pub(super) fn header_kid(segment: &str) -> Option<KeyId> {
    let json = URL_SAFE_NO_PAD.decode(segment).ok()?;
    let kid = json
        .strip_prefix(HEADER_START.as_bytes())?
        .strip_suffix(HEADER_END.as_bytes())?;
    KeyId::parse(std::str::from_utf8(kid).ok()?).ok()
}

/// Whether the y coordinate is below 2^255 - 19 (RFC 8032, section 5.1.3, step 1). dalek doesn't check
/// it.
fn canonical(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    last & 0x7f != 0x7f || middle.iter().any(|b| *b != 0xff) || *first < 0xed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every canonical encoding of a point of small order, and two with a sign bit although x = 0.
    const SMALL_ORDER: [&str; 8] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    fn bytes(hex_text: &str) -> [u8; 32] {
        hex::decode(hex_text).unwrap().try_into().unwrap()
    }

    fn kid(text: &str) -> KeyId {
        KeyId::parse(text).unwrap()
    }

    /// The public key of RFC 8032, section 7.1, test 1.
    fn good() -> [u8; 32] {
        bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    }

    #[test]
    fn weak_and_odd_keys_are_refused() {
        for weak in SMALL_ORDER {
            let refused = PublicKey::new(kid("k"), &bytes(weak));
            assert_eq!(refused, Err(KeyError::Weak), "{weak}");
        }
        // These are y = 2^255 - 19 to 2^255 - 1, with either sign.
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let mut odd = [0xff; 32];
                (odd[0], odd[31]) = (first, last);
                assert_eq!(PublicKey::new(kid("k"), &odd), Err(KeyError::Invalid));
            }
        }
        let mut off_the_curve = [0; 32];
        off_the_curve[0] = 2;
        assert_eq!(
            PublicKey::new(kid("k"), &off_the_curve),
            Err(KeyError::Invalid)
        );
        assert!(PublicKey::new(kid("k"), &good()).is_ok());
    }

    #[test]
    fn one_key_per_kid() {
        let key = |name| PublicKey::new(kid(name), &good()).unwrap();
        assert_eq!(
            VerifyKeys::new([key("a"), key("a")]),
            Err(KeyError::DuplicateKid)
        );
        let keys = VerifyKeys::new([key("a"), key("b")]).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys.get(&kid("b")), Some(&key("b")));
        assert_eq!(keys.get(&kid("c")), None);
        assert_eq!(keys.by_header(&header_segment(&kid("a"))), Some(&key("a")));
        assert_eq!(keys.by_header(&header_segment(&kid("c"))), None);
    }

    #[test]
    fn a_header_has_one_form() {
        let b64 = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let name = kid("2026-11.a_B");
        assert_eq!(header_kid(&header_segment(&name)), Some(name));
        for bad in [
            r#"{"alg":"EdDSA","typ":"uat+jwt","kid":"k"}"#,
            r#"{"typ":"uat+jwt","alg":"EdDSA","kid":""}"#,
            r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"k","crit":["x"]}"#,
            r#"{"typ":"uat+jwt","alg":"none","kid":"k"}"#,
            r#"{"typ":"uat+jwt", "alg":"EdDSA","kid":"k"}"#,
            r#"{"typ":"JWT","alg":"EdDSA","kid":"k"}"#,
        ] {
            assert_eq!(header_kid(&b64(bad)), None, "{bad}");
        }
        let padded = format!("{}=", header_segment(&kid("k")));
        for bad in ["%%%", "", &padded] {
            assert_eq!(header_kid(bad), None, "{bad}");
        }
    }
}
