//! Finds which credential a request carries: none, a token, or something else. A credential that can't be
//! read is invalid, and never counts as no credential. It is pure, and must not know whether a token is
//! good.

use std::{borrow::Cow, fmt};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};

use super::routes::Dialect;

/// This is the header in which clients of inference servers may send a bare token. Anthropic's Python
/// client does so up to 1.x, and all of Anthropic's clients do so with an API key.
pub const API_KEY: &str = "x-api-key";

/// This is the longest value in bytes. Basic makes a token of 4 KiB a third longer, and some clients send
/// long user names.
const MAX_VALUE: usize = 8 * 1024;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// This is the caller's credential as the request carries it. It is never printed: even an unreadable value
/// may be a secret with a typing error.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    Anonymous,
    Token(Cow<'a, str>),
    /// The credential is refused like a token that isn't genuine.
    Malformed,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Token(_) => "Token(secret)",
            Self::Malformed => "Malformed",
        })
    }
}

impl<'a> Credential<'a> {
    /// Reads the values of all `Authorization` headers.
    pub fn from_values(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Anonymous,
            (Some(value), None) => parse(value).map_or(Self::Malformed, Self::Token),
            // Nobody knows which of two values the server behind would use.
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

/// Holds all credentials in a request's headers. The route decides which of them counts.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    authorization: Credential<'a>,
    /// This is the credential in [`API_KEY`].
    key: Credential<'a>,
}

impl<'a> Shown<'a> {
    /// Reads the values of all `Authorization` headers and of all [`API_KEY`] headers.
    pub fn from_values(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        keys: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut keys = keys.into_iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => Credential::Anonymous,
            (Some(value), None) => key(value).map_or(Credential::Malformed, Credential::Token),
            (Some(_), Some(_)) => Credential::Malformed,
        };
        Self {
            authorization: Credential::from_values(authorization),
            key,
        }
    }

    pub fn from_headers(headers: &'a HeaderMap) -> Self {
        let authorization = headers.get_all(AUTHORIZATION).into_iter();
        let keys = headers.get_all(API_KEY).into_iter();
        Self::from_values(
            authorization.map(HeaderValue::as_bytes),
            keys.map(HeaderValue::as_bytes),
        )
    }

    /// Returns the credential that counts for this dialect. For an inference server a key is a credential
    /// like any other, and two that differ are invalid. A hub knows no keys, so there a key belongs to some
    /// other program.
    pub fn at(&self, dialect: Dialect) -> Cow<'_, Credential<'a>> {
        match (dialect, &self.key, &self.authorization) {
            (Dialect::Hub | Dialect::Git | Dialect::Lfs, _, said)
            | (Dialect::Inference, Credential::Anonymous, said) => Cow::Borrowed(said),
            (Dialect::Inference, key, Credential::Anonymous) => Cow::Borrowed(key),
            // Nobody knows which of two different values the server behind would use.
            (Dialect::Inference, key, said) => match key == said {
                true => Cow::Borrowed(said),
                false => Cow::Owned(Credential::Malformed),
            },
        }
    }
}

impl<'a> From<Credential<'a>> for Shown<'a> {
    fn from(authorization: Credential<'a>) -> Self {
        Self {
            authorization,
            key: Credential::Anonymous,
        }
    }
}

fn key(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|text| text.len() <= MAX_VALUE);
    token(text?).map(Cow::Borrowed)
}

fn parse(value: &[u8]) -> Option<Cow<'_, str>> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        token(rest).map(Cow::Borrowed)
    } else if scheme.eq_ignore_ascii_case("basic") {
        basic(rest).map(Cow::Owned)
    } else {
        None
    }
}

/// Reads a Basic value of `Authorization`.
pub fn user_and_password(value: &[u8]) -> Option<(String, String)> {
    let value = std::str::from_utf8(value).ok();
    let (scheme, rest) = value.filter(|it| it.len() <= MAX_VALUE)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    decoded(rest.trim_matches(' '))
}

fn decoded(encoded: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.into(), password.into()))
}

/// The user's name is ignored unless the password is empty. Then the name is the token, as in
/// `https://TOKEN@host`.
fn basic(encoded: &str) -> Option<String> {
    let (user, password) = decoded(encoded)?;
    let secret = if password.is_empty() { user } else { password };
    token(&secret)?;
    Some(secret)
}

/// Accepts visible ASCII. It refuses a comma, which means that a proxy has joined two headers.
fn token(text: &str) -> Option<&str> {
    let fine = |b: u8| b.is_ascii_graphic() && b != b',';
    // All bytes are checked without an early exit, so that many can be checked at once.
    let all_fine = text.bytes().fold(true, |all, b| all & fine(b));
    (!text.is_empty() && all_fine).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(values: &'a [&'a str]) -> Credential<'a> {
        Credential::from_values(values.iter().map(|value| value.as_bytes()))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair))
    }

    #[test]
    fn no_header_is_nobody() {
        assert_eq!(of(&[]), Credential::Anonymous);
    }

    #[test]
    fn a_token_comes_as_bearer_or_basic() {
        let rows = [
            "Bearer hf_abc.d-e_f".into(),
            "bearer hf_abc.d-e_f".into(),
            "BEARER  hf_abc.d-e_f ".into(),
            basic("ada:hf_abc.d-e_f"),
            basic("hf_user:hf_abc.d-e_f"),
            basic("x-access-token:hf_abc.d-e_f"),
            basic(":hf_abc.d-e_f"),
            // `https://TOKEN@host`
            basic("hf_abc.d-e_f:"),
            basic("ada:hf_abc.d-e_f").replace("Basic", "bAsIc"),
            basic("ada:hf_abc.d-e_f").replace('=', ""),
        ];
        for row in rows {
            assert_eq!(
                of(&[&row]),
                Credential::Token("hf_abc.d-e_f".into()),
                "{row}"
            );
        }
        // Only the first colon divides.
        assert_eq!(of(&[&basic("a:b:c")]), Credential::Token("b:c".into()));
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_not_nobody() {
        let long = format!("Bearer {}", "a".repeat(MAX_VALUE));
        let rows = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer a,b",
            "Bearer\ta",
            "Bearer a\u{e4}",
            "hf_abc",
            "Token hf_abc",
            "Digest username=ada",
            "Basic",
            "Basic !!!",
            "Basic hf_abc:x",
            &basic("no colon"),
            &basic(":"),
            &basic("ada:has space"),
            &basic("ada:\r\nhf_abc"),
            &basic("ada:\u{e4}"),
            "Basic //79/DpY",
            &long,
        ];
        for row in rows {
            assert_eq!(of(&[row]), Credential::Malformed, "{row}");
        }
        let bytes: [&[u8]; 1] = [b"Bearer a\xff"];
        assert_eq!(Credential::from_values(bytes), Credential::Malformed);
        assert_eq!(of(&["Bearer a", "Bearer a"]), Credential::Malformed);
    }

    #[test]
    fn a_key_is_a_credential_before_an_inference_server_alone() {
        let at = |authorization: &[&str], keys: &[&str], dialect| {
            let bytes = |values: &[&str]| -> Vec<Vec<u8>> {
                values.iter().map(|it| it.as_bytes().to_vec()).collect()
            };
            let (said, keys) = (bytes(authorization), bytes(keys));
            let shown = Shown::from_values(
                said.iter().map(Vec::as_slice),
                keys.iter().map(Vec::as_slice),
            );
            match &*shown.at(dialect) {
                Credential::Anonymous => "nobody".to_owned(),
                Credential::Malformed => "bad".to_owned(),
                Credential::Token(token) => token.clone().into_owned(),
            }
        };
        let long = "a".repeat(MAX_VALUE + 1);
        let (one, other) = ("Bearer hf_a", "Bearer hf_b");
        let basic = basic("ada:hf_a");
        let rows: [(&[&str], &[&str], &str); 14] = [
            (&[], &[], "nobody"),
            (&[one], &[], "hf_a"),
            (&[], &["hf_a"], "hf_a"),
            (&[one], &["hf_a"], "hf_a"),
            (&[&basic], &["hf_a"], "hf_a"),
            (&[other], &["hf_a"], "bad"),
            (&[one], &["hf_A"], "bad"),
            (&[one], &[""], "bad"),
            (&["nonsense"], &["hf_a"], "bad"),
            (&[], &["hf_a", "hf_a"], "bad"),
            (&[one], &["hf_a", "hf_a"], "bad"),
            (&[], &["hf_a,hf_a"], "bad"),
            (&[], &["Bearer hf_a"], "bad"),
            (&[], &[&long], "bad"),
        ];
        for (said, keys, expected) in rows {
            assert_eq!(at(said, keys, Dialect::Inference), expected, "{said:?}");
            for dialect in [Dialect::Hub, Dialect::Git, Dialect::Lfs] {
                let alone = at(said, &[], dialect);
                assert_eq!(at(said, keys, dialect), alone, "{said:?}");
            }
        }
    }

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?}", of(&["Bearer hf_abc"]));
        assert!(!shown.contains("hf_abc"), "{shown}");
        let key: &[u8] = b"hf_abc";
        let shown = format!("{:?}", Shown::from_values([], [key]));
        assert!(!shown.contains("hf_abc"), "{shown}");
    }
}
