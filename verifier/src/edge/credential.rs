//! Which credential does a request carry: none, a token, or something that is neither? What is there
//! and can't be read is an invalid credential, never nobody. Pure.

use std::{borrow::Cow, fmt};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Basic makes a token of 4 KiB a third longer, and some set long user names.
const MAX_VALUE: usize = 8 * 1024;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A caller, as its request says. Never shown: not even what can't be read, which may be a secret
/// with a typing error.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    Anonymous,
    Token(Cow<'a, str>),
    /// To be refused like a token that isn't genuine.
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
    /// From the values of all `Authorization` headers. Other headers are no credentials.
    pub fn of(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Anonymous,
            (Some(value), None) => parse(value).map_or(Self::Malformed, Self::Token),
            // Which of the two the server behind would look at is anybody's guess.
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
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

/// The user's name is not looked at, unless there is no password: then it is the token, as in
/// `https://TOKEN@host`.
fn basic(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let secret = if password.is_empty() { user } else { password };
    token(secret).map(Into::into)
}

/// Visible ASCII. A comma: two headers that a proxy has joined.
fn token(text: &str) -> Option<&str> {
    let fine = |b: u8| b.is_ascii_graphic() && b != b',';
    // All are looked at, many at once.
    let all_fine = text.bytes().fold(true, |all, b| all & fine(b));
    (!text.is_empty() && all_fine).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(values: &'a [&'a str]) -> Credential<'a> {
        Credential::of(values.iter().map(|value| value.as_bytes()))
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
        assert_eq!(Credential::of(bytes), Credential::Malformed);
        assert_eq!(of(&["Bearer a", "Bearer a"]), Credential::Malformed);
    }

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?}", of(&["Bearer hf_abc"]));
        assert!(!shown.contains("hf_abc"), "{shown}");
    }
}
