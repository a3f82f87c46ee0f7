//! Identities: ids, serials, revisions, names. Right by their type once made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest id, in bytes.
pub const MAX_ID: usize = 64;
/// Longest name of an account, a repo or a group, in bytes.
pub const MAX_NAME: usize = 96;

/// Why a text is no id or name; reads as a rule after the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {0} characters")]
    TooLong(usize),
    #[error("may hold only A-Z a-z 0-9 . _ -")]
    BadCharacter,
    #[error("must not begin or end with . or -, nor hold .. or --")]
    BadShape,
}

fn check_characters(text: &str, longest: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > longest {
        return Err(IdError::TooLong(longest));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(IdError::BadCharacter)
    }
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_characters(text, MAX_ID)?;
                Ok(Self(text.into()))
            }

            /// Of a text that was one before.
            pub(crate) fn restored(text: String) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        text!($name);
    };
}

/// A checked text: it is read and shown as it is.
macro_rules! text {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(
    /// A user, a service account or an org. Never used again once deleted.
    AccountId
);
opaque_id!(
    /// A repo of any kind. Never used again once deleted.
    RepoId
);
opaque_id!(
    /// A resource group of an org. Never used again once deleted.
    GroupId
);
opaque_id!(
    /// A signing key: the header's `kid`.
    KeyId
);

/// The name of an account, of a repo (without its owner) or of a resource group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(Box<str>);

impl Name {
    /// 1 to 96 characters of `A-Z a-z 0-9 . _ -`; no `.` or `-` at an end, no `..`, no `--`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_characters(text, MAX_NAME)?;
        let edge = |b: Option<u8>| matches!(b, Some(b'.' | b'-'));
        if edge(text.bytes().next())
            || edge(text.bytes().next_back())
            || text.contains("..")
            || text.contains("--")
        {
            return Err(IdError::BadShape);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As names are compared: without case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The same, still a name.
    #[must_use]
    pub fn to_folded(&self) -> Self {
        Self(self.folded().into())
    }
}

text!(Name);

/// One token value: 1, 2, 3, … per realm. A later serial is a later mint.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
pub struct Serial(pub u64);

/// A token through its rotations: the serial of its first value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TokenId(pub u64);

/// Stores count in doubles (Lua): serials and revisions stay below this.
pub const MAX_NUMBER: u64 = 1 << 53;

/// The decimal form of a serial or token id: no sign, no leading zero, 1 to 2^53 - 1.
pub fn parse_number(text: &str) -> Option<u64> {
    if text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (1..MAX_NUMBER).contains(n))
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TokenId {
    /// As [`fmt::Display`] writes it.
    pub fn text(self) -> String {
        itoa::Buffer::new().format(self.0).to_owned()
    }

    /// Appends it.
    pub fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(itoa::Buffer::new().format(self.0).as_bytes());
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in the log: 0 before the first entry, then 1, 2, 3, … without gaps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! random_16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// `None` unless exactly 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }
    };
}

random_16!(
    /// One history of one realm, drawn at random when the realm is made.
    LogId
);
random_16!(
    /// Names one entry among all that could stand at its revision.
    Fingerprint
);
random_16!(
    /// Names one commit; a repeat of it changes nothing.
    RequestId
);

/// A place in one log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    pub log: LogId,
    pub revision: Revision,
    /// Zero at revision 0.
    pub fingerprint: Fingerprint,
}

impl Cursor {
    /// Before the first entry.
    pub fn start(log: LogId) -> Self {
        Self {
            log,
            revision: Revision(0),
            fingerprint: Fingerprint::default(),
        }
    }

    /// The opaque string that callers see.
    pub fn token(&self) -> String {
        let mut token = Vec::with_capacity(MAX_REVISION_TOKEN);
        self.write_token(&mut token);
        String::from_utf8(token).unwrap_or_default()
    }

    /// Appends it: it is part of every answer.
    pub fn write_token(&self, to: &mut Vec<u8>) {
        let digit = |value: u8| match value {
            0..10 => b'0' + value,
            _ => b'a' - 10 + value,
        };
        let mut log = [[0; 2]; 16];
        for (pair, byte) in log.iter_mut().zip(self.log.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        to.extend_from_slice(log.as_flattened());
        to.push(b'.');
        to.extend_from_slice(itoa::Buffer::new().format(self.revision.0).as_bytes());
    }
}

/// Two digits for each byte of the log's id, a point, and the digits of a `u64`.
const MAX_REVISION_TOKEN: usize = 32 + 1 + 20;

/// A revision as callers hold it: `<log id>.<revision>`, opaque to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevisionToken {
    pub log: LogId,
    pub revision: Revision,
}

impl RevisionToken {
    pub fn parse(text: &str) -> Option<Self> {
        let (log, revision) = text.split_once('.')?;
        let mut bytes = [0; 16];
        hex::decode_to_slice(log, &mut bytes).ok()?;
        let revision = if revision == "0" {
            0
        } else {
            parse_number(revision)?
        };
        Some(Self {
            log: LogId(bytes),
            revision: Revision(revision),
        })
    }
}

impl fmt::Display for RevisionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.log, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_checked() {
        assert!(AccountId::parse("65f0c0ffee0123456789abcd").is_ok());
        assert_eq!(AccountId::parse(""), Err(IdError::Empty));
        assert_eq!(RepoId::parse("a/b"), Err(IdError::BadCharacter));
        assert_eq!(RepoId::parse(&"a".repeat(65)), Err(IdError::TooLong(64)));
        assert!(Name::parse("Llama-3.1_8B").is_ok());
        for bad in ["-a", "a.", "a..b", "a--b"] {
            assert_eq!(Name::parse(bad), Err(IdError::BadShape), "{bad}");
        }
        assert_eq!(Name::parse("Ada").unwrap().folded(), "ada");
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(parse_number("1"), Some(1));
        assert_eq!(parse_number("9007199254740991"), Some(MAX_NUMBER - 1));
        for bad in ["", "0", "01", "+1", " 1", "9007199254740992", "1e3"] {
            assert_eq!(parse_number(bad), None, "{bad}");
        }
    }

    #[test]
    fn revision_tokens_round_trip() {
        let token = RevisionToken {
            log: LogId([7; 16]),
            revision: Revision(42),
        };
        assert_eq!(RevisionToken::parse(&token.to_string()), Some(token));
        for revision in [0, 9, 10, 42, u64::MAX].map(Revision) {
            let cursor = Cursor {
                revision,
                ..Cursor::start(LogId([7; 16]))
            };
            let log = cursor.log;
            assert_eq!(cursor.token(), RevisionToken { log, revision }.to_string());
            assert_eq!(TokenId(revision.0).text(), revision.to_string());
        }
        assert_eq!(RevisionToken::parse("42"), None);
        assert_eq!(RevisionToken::parse("zz.42"), None);
    }
}
