//! This file decides the forms of ids, serials, revisions and names. A value of these types has been
//! checked when it was made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest id, in bytes.
pub const MAX_ID: usize = 64;
/// The longest name of an account, a repo or a group, in bytes.
pub const MAX_NAME: usize = 96;

/// Why a text is no id or name. The message is a rule that follows the field's name.
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
            /// Accepts 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_characters(text, MAX_ID)?;
                Ok(Self(text.into()))
            }

            /// Makes an id from a text that was checked before, without checking it again.
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

/// Implements reading and display for a checked text, which is shown as it was read.
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
    /// The id of a user, a service account or an org. A deleted account's id is never used again.
    AccountId
);
opaque_id!(
    /// The id of a repo of any kind. A deleted repo's id is never used again.
    RepoId
);
opaque_id!(
    /// The id of a resource group of an org. A deleted group's id is never used again.
    GroupId
);
opaque_id!(
    /// The name of a signing key: the header's `kid`.
    KeyId
);

/// The name of an account, of a repo (without its owner) or of a resource group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(Box<str>);

impl Name {
    /// Accepts 1 to 96 characters of `A-Z a-z 0-9 . _ -`; no `.` or `-` at an end, no `..`, no `--`.
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

    /// Returns the name in lower case, because names are compared without case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Returns the name in lower case, as a [`Name`].
    #[must_use]
    pub fn to_folded(&self) -> Self {
        Self(self.folded().into())
    }
}

text!(Name);

/// The number of one token value: 1, 2, 3, … per realm. A later serial is a later mint.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
pub struct Serial(pub u64);

/// The id of a token, which stays the same through rotations: the serial of its first value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TokenId(pub u64);

/// Stores count in doubles (Lua), so serials and revisions stay below this number.
pub const MAX_NUMBER: u64 = 1 << 53;

/// Reads the decimal form of a serial or token id: no sign, no leading zero, 1 to 2^53 - 1.
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
    /// Returns the decimal text that [`fmt::Display`] writes.
    pub fn text(self) -> String {
        itoa::Buffer::new().format(self.0).to_owned()
    }

    /// Appends the decimal text to a buffer.
    pub fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(itoa::Buffer::new().format(self.0).as_bytes());
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a log entry: 0 before the first entry, then 1, 2, 3, … without gaps.
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
            /// Returns `None` unless the slice has exactly 16 bytes.
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
    /// The id of one history of one realm, drawn at random when the realm is made.
    LogId
);
random_16!(
    /// Distinguishes an entry from every other entry that could have its revision.
    Fingerprint
);
random_16!(
    /// The id of one commit. A repeated commit with the same id changes nothing.
    RequestId
);

/// A position in one log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    pub log: LogId,
    pub revision: Revision,
    /// The fingerprint of the entry with this revision; zero at revision 0.
    pub fingerprint: Fingerprint,
}

impl Cursor {
    /// Returns the cursor before the first entry.
    pub fn start(log: LogId) -> Self {
        Self {
            log,
            revision: Revision(0),
            fingerprint: Fingerprint::default(),
        }
    }

    /// Returns the opaque revision string that callers see.
    pub fn token(&self) -> String {
        let mut token = Vec::with_capacity(MAX_REVISION_TOKEN);
        self.write_token(&mut token);
        String::from_utf8(token).unwrap_or_default()
    }

    /// Appends the opaque string to a buffer. Every answer holds it.
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

/// The longest revision string: two digits for each byte of the log id, a point, and the digits of a
/// `u64`.
const MAX_REVISION_TOKEN: usize = 32 + 1 + 20;

/// A revision as callers hold it: `<log id>.<revision>`. Callers must treat it as opaque.
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
