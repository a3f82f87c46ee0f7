//! Names the headers that tell the server behind a door who the principal is. A caller that could send them
//! past the door could pose as anyone, so every door removes the caller's own.

use std::borrow::Cow;

use tokenward_common::{id::TokenId, token::Role};

/// This is the owner's id: a user or a service account. It is absent if nobody is logged in.
pub const SUBJECT: &str = "x-tokenward-subject";
/// This is the token id, which stays the same through the token's rotations.
pub const TOKEN_ID: &str = "x-tokenward-token-id";
/// This is the role of the token: `read`, `write` or `fineGrained`.
pub const ROLE: &str = "x-tokenward-role";
/// This is the account that is to be billed and may be billed.
pub const ORG: &str = "x-tokenward-org";
/// This is the status that a proxy should give to a refusal that it can't take as it is.
pub const STATUS: &str = "x-tokenward-status";
/// This is the form in which a proxy should write a refusal: `json`, `text`, `lfs` or `inference`.
pub const FORM: &str = "x-tokenward-form";
/// This is the reason of a refusal, as a stable word.
pub const REASON: &str = "x-tokenward-reason";

/// These are the headers that every door removes from a request before it adds its own. Some servers read
/// `_` as `-`.
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

/// Returns whether only a door may set this header, however it is spelled.
pub fn is_ours(name: impl AsRef<[u8]>) -> bool {
    let mut name = folded(name.as_ref());
    b"x-tokenward-".iter().all(|b| name.next() == Some(*b))
}

/// Returns a header's name as servers read it that turn headers into variables. Many of them treat all
/// characters alike that are neither letters nor digits (`_`, `.`, `~`).
pub fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    let fold = |b: &u8| match b.is_ascii_alphanumeric() {
        true => b.to_ascii_lowercase(),
        false => b'-',
    };
    name.iter().map(fold)
}

/// This is the owner of the request's token, which was found genuine and live.
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
