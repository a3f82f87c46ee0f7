//! The headers by which the server behind a door learns who asks: their names, once. Whoever could
//! send them past the door would be whom he likes, so a door always removes the caller's own.

use std::borrow::Cow;

use tokenward_common::{id::TokenId, token::Role};

/// The owner's id: a user or a service account. Absent: nobody is logged in.
pub const SUBJECT: &str = "x-tokenward-subject";
/// Of the token, through its rotations.
pub const TOKEN_ID: &str = "x-tokenward-token-id";
/// `read`, `write` or `fineGrained`.
pub const ROLE: &str = "x-tokenward-role";
/// The account that was asked to be billed, and may be.
pub const ORG: &str = "x-tokenward-org";
/// The status that a proxy should make of a refusal that it can't take as it is.
pub const STATUS: &str = "x-tokenward-status";
/// In which form it should put one: `json`, `text`, `lfs` or `inference`.
pub const FORM: &str = "x-tokenward-form";
/// Why not, in a word that stays.
pub const REASON: &str = "x-tokenward-reason";

/// What every door removes from a request before it adds its own. Some servers read `_` as `-`.
pub const STRIPPED: [&str; 14] = [
    SUBJECT,
    TOKEN_ID,
    ROLE,
    ORG,
    STATUS,
    FORM,
    REASON,
    "x_tokenward_subject",
    "x_tokenward_token_id",
    "x_tokenward_role",
    "x_tokenward_org",
    "x_tokenward_status",
    "x_tokenward_form",
    "x_tokenward_reason",
];

/// Whether a header is one that only a door may set, however it is spelled.
pub fn is_ours(name: impl AsRef<[u8]>) -> bool {
    let mut name = folded(name.as_ref());
    b"x-tokenward-".iter().all(|b| name.next() == Some(*b))
}

/// A header's name as those read it who make variables of headers: many take all that is no letter and no
/// digit (`_`, `.`, `~`) for the same.
pub fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    let fold = |b: &u8| match b.is_ascii_alphanumeric() {
        true => b.to_ascii_lowercase(),
        false => b'-',
    };
    name.iter().map(fold)
}

/// Who asks, found genuine and live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    pub subject: Box<str>,
    pub token: TokenId,
    pub role: Role,
    pub org: Option<Box<str>>,
}

impl Principal {
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let always = [
            (SUBJECT, Cow::Borrowed(&*self.subject)),
            (TOKEN_ID, self.token.text().into()),
            (ROLE, self.role.word().into()),
        ];
        let org = self.org.iter().map(|org| (ORG, Cow::Borrowed(&**org)));
        always.into_iter().chain(org)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_our_headers_is_ours() {
        for name in STRIPPED {
            assert!(
                is_ours(name) && is_ours(name.to_ascii_uppercase()),
                "{name}"
            );
        }
        assert!(is_ours("X-Tokenward_Subject") && is_ours("x-tokenward-later"));
        for odd in [
            "X.Tokenward.Subject",
            "X~Tokenward~Subject",
            "x-tokenward!role",
        ] {
            assert!(is_ours(odd), "{odd}");
        }
        assert!(!is_ours("x-tokenwar") && !is_ours("authorization") && !is_ours("x-token"));
    }
}
