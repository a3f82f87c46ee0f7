//! This file decides what a prefix is: the beginning of every token string of a realm. It knows nothing
//! of what follows the prefix.

use std::fmt;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 16;

/// A realm's prefix: 1 to 16 characters of `A-Z a-z 0-9 _`, of which the last is `_`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prefix(Box<str>);

/// The text is not a valid prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 16 characters of A-Z a-z 0-9 _ and end in _")]
pub struct PrefixError;

impl Prefix {
    /// Refuses a text that is empty, too long, holds another character, or doesn't end in `_`.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if text.len() <= MAX_PREFIX && text.ends_with('_') && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(PrefixError)
        }
    }

    /// Returns the prefix as it stands in front of every token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("tw_".into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_checked() {
        for good in ["tw_", "hf_", "_", "A9_b_", "abcdefghijklmno_"] {
            assert_eq!(Prefix::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "tw", "tw-", "tw_.", "t w_", "é_", "abcdefghijklmnop_"] {
            assert_eq!(Prefix::parse(bad), Err(PrefixError), "{bad}");
        }
        assert_eq!(Prefix::parse("tw_").unwrap(), Prefix::default());
    }
}
