//! This file decides what a key ring must be: one file that names a realm's signing keys and declares
//! which of them signs.
//!
//! ```json
//! {"keys": [
//!   {"kid": "2026-11", "file": "2026-11.pem", "state": "active"},
//!   {"kid": "2027-01", "file": "2027-01.pem", "state": "published"}
//! ]}
//! ```
//!
//! The issuer, which reads a ring, and the command that writes it share these rules. This file knows
//! nothing of reading or writing the ring, nor what the key files hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_KEYS;
use crate::id::KeyId;

/// The states of a key. A key passes through them in this order and never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RingState {
    /// The key is in the key set but doesn't sign yet, because verifiers must know it first.
    Published,
    /// The key signs new tokens.
    Active,
    /// The key is in the key set only for the tokens that it signed.
    Retired,
}

impl RingState {
    /// Reads the word of the file; `None` for any other word, capitals included.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "published" => Some(Self::Published),
            "active" => Some(Self::Active),
            "retired" => Some(Self::Retired),
            _ => None,
        }
    }

    /// Returns the word that the file uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// One signing key of the realm, as the ring names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RingKey {
    /// The key's name, as in the headers of its tokens and in the key set.
    pub kid: KeyId,
    /// The PKCS#8 file, relative to the ring's folder and within it.
    pub file: String,
    /// What the key does now.
    pub state: RingState,
}

impl RingKey {
    /// Returns the path of the key's file, given the path of the ring.
    pub fn path(&self, ring: &Path) -> PathBuf {
        ring.parent().unwrap_or(Path::new("")).join(&self.file)
    }
}

/// A realm's key ring. It has each `kid` and each file once, exactly one active key, and at most
/// [`MAX_KEYS`] keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KeyRing {
    /// The keys in the order of the file. The order means nothing.
    pub keys: Vec<RingKey>,
}

impl KeyRing {
    /// Reads a ring, or returns every mistake; each names the field and the rule.
    pub fn parse(json: &str) -> Result<Self, Vec<String>> {
        let ring: RingIn =
            serde_json::from_str(json).map_err(|error| vec![format!("not a key ring: {error}")])?;
        let mut mistakes = unknown("", &ring.other);
        let Some(entries) = ring.keys else {
            mistakes.push("keys: is missing".into());
            return Err(mistakes);
        };
        let mut keys = Vec::new();
        for (at, entry) in entries.into_iter().enumerate() {
            keys.extend(entry.check(&format!("keys[{at}]"), &mut mistakes));
        }
        let ring = Self { keys };
        // The active keys of a ring with refused keys can't be counted reliably.
        if mistakes.is_empty() {
            mistakes = ring.mistakes();
        } else {
            mistakes.extend(ring.twice());
        }
        if mistakes.is_empty() {
            Ok(ring)
        } else {
            Err(mistakes)
        }
    }

    /// Returns the broken rules that hold between keys. A ring must also keep them before it is
    /// written.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.twice();
        let active = self.in_state(RingState::Active).count();
        if active != 1 {
            mistakes.push(format!(
                "keys: exactly one must be active, and {active} are"
            ));
        }
        if self.keys.len() > MAX_KEYS {
            mistakes.push(format!("keys: at most {MAX_KEYS}"));
        }
        mistakes
    }

    fn twice(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let (mut kids, mut files) = (BTreeSet::new(), BTreeSet::new());
        for key in &self.keys {
            if !kids.insert(&key.kid) {
                mistakes.push(format!("keys: the kid {} stands twice", key.kid));
            }
            if !files.insert(&key.file) {
                mistakes.push(format!("keys: the file {:?} stands twice", key.file));
            }
        }
        mistakes
    }

    /// Returns the key that signs; `None` only in a ring that wasn't parsed.
    pub fn active(&self) -> Option<&RingKey> {
        self.in_state(RingState::Active).next()
    }

    /// Returns the keys that are in this state, in the order of the file.
    pub fn in_state(&self, state: RingState) -> impl Iterator<Item = &RingKey> {
        self.keys.iter().filter(move |key| key.state == state)
    }

    /// Returns the key of this name; `None` if the ring has none.
    pub fn key(&self, kid: &KeyId) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.kid == *kid)
    }

    /// Writes the ring as indented JSON, because people read it too. The text ends with a line break.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

// Takes any member and any value, so that one reading finds all mistakes. Serde refuses a member that
// occurs twice.
#[derive(Deserialize)]
struct RingIn {
    keys: Option<Vec<KeyIn>>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct KeyIn {
    kid: Option<Value>,
    file: Option<Value>,
    state: Option<Value>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl KeyIn {
    fn check(self, place: &str, mistakes: &mut Vec<String>) -> Option<RingKey> {
        mistakes.extend(unknown(&format!("{place}."), &self.other));
        let mut field = |name: &str, value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                mistakes.push(format!("{place}.{name}: must be a string"));
                None
            }
            None => {
                mistakes.push(format!("{place}.{name}: is missing"));
                None
            }
        };
        let kid = field("kid", self.kid);
        let file = field("file", self.file);
        let state = field("state", self.state);
        let mut rule = |name: &str, rule: &dyn std::fmt::Display| {
            mistakes.push(format!("{place}.{name}: {rule}"));
        };
        let kid = kid.and_then(|kid| KeyId::parse(&kid).map_err(|it| rule("kid", &it)).ok());
        let file = file.filter(|file| {
            let fits = within(Path::new(file));
            if !fits {
                rule("file", &"must be a path within the ring's own folder");
            }
            fits
        });
        let state = state.and_then(|word| {
            let state = RingState::from_word(&word);
            if state.is_none() {
                rule("state", &"must be published, active or retired");
            }
            state
        });
        Some(RingKey {
            kid: kid?,
            file: file?,
            state: state?,
        })
    }
}

fn unknown(place: &str, other: &BTreeMap<String, Value>) -> Vec<String> {
    let mistake = |name: &String| format!("{place}{name}: there is no such field");
    other.keys().map(mistake).collect()
}

/// Whether the path has only plain names: it isn't absolute, doesn't go up and isn't empty.
fn within(file: &Path) -> bool {
    let mut parts = file.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: &str = r#"{"keys":[
        {"kid":"2026-11","file":"2026-11.pem","state":"active"},
        {"kid":"2027-01","file":"new/2027-01.pem","state":"published"},
        {"kid":"old","file":"old.pem","state":"retired"}]}"#;

    #[test]
    fn a_ring_is_read_and_written() {
        let ring = KeyRing::parse(RING).unwrap();
        assert_eq!(ring.active().unwrap().kid.as_str(), "2026-11");
        let states: Vec<RingState> = ring.keys.iter().map(|key| key.state).collect();
        let [published, active, retired] =
            [RingState::Published, RingState::Active, RingState::Retired];
        assert_eq!(states, [active, published, retired]);
        let next = ring.key(&KeyId::parse("2027-01").unwrap()).unwrap();
        assert_eq!(
            next.path(Path::new("/etc/tokenward/ring.json")),
            Path::new("/etc/tokenward/new/2027-01.pem")
        );
        assert_eq!(
            next.path(Path::new("ring.json")),
            Path::new("new/2027-01.pem")
        );
        let again = ring.to_json().unwrap();
        assert_eq!(KeyRing::parse(&again).unwrap(), ring);
        for state in states {
            assert_eq!(RingState::from_word(state.word()), Some(state));
            assert!(again.contains(&format!("\"state\": \"{}\"", state.word())));
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let mistakes = KeyRing::parse(
            r#"{"key":1,"keys":[
                {"kid":"a/b","file":"/etc/a.pem","state":"Active","extra":null},
                {"kid":"","state":7},
                {"kid":"k","file":"k.pem","state":"active"},
                {"kid":"k","file":"k.pem","state":"active"}]}"#,
        )
        .unwrap_err();
        assert_eq!(
            mistakes,
            [
                "key: there is no such field",
                "keys[0].extra: there is no such field",
                "keys[0].kid: may hold only A-Z a-z 0-9 . _ -",
                "keys[0].file: must be a path within the ring's own folder",
                "keys[0].state: must be published, active or retired",
                "keys[1].file: is missing",
                "keys[1].state: must be a string",
                "keys[1].kid: must not be empty",
                "keys: the kid k stands twice",
                "keys: the file \"k.pem\" stands twice",
            ]
        );
    }

    #[test]
    fn exactly_one_key_signs() {
        for (text, rule) in [
            (RING.replace("active", "retired"), "and 0 are"),
            (RING.replace("published", "active"), "and 2 are"),
            (r#"{"keys":[]}"#.to_owned(), "and 0 are"),
        ] {
            let mistakes = KeyRing::parse(&text).unwrap_err();
            assert_eq!(
                mistakes,
                [format!("keys: exactly one must be active, {rule}")]
            );
        }
    }

    #[test]
    fn what_is_no_ring_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"keys":{}}"#,
            r#"{"keys":["k"]}"#,
            r#"{"keys":[{"kid":"a","kid":"b","file":"a.pem","state":"active"}]}"#,
            r#"{"keys":[{"kid":"a","file":"a.pem","state":"active"}],"keys":[]}"#,
        ] {
            assert_eq!(KeyRing::parse(bad).unwrap_err().len(), 1, "{bad}");
        }
        for file in [
            "",
            ".",
            "..",
            "../a.pem",
            "a/../../b.pem",
            "/a.pem",
            "./../a",
        ] {
            let text = RING.replace("2026-11.pem", file);
            let mistakes = KeyRing::parse(&text).unwrap_err();
            assert!(mistakes[0].starts_with("keys[0].file: "), "{mistakes:?}");
        }
        let key = |n: usize| {
            let state = if n == 0 { "active" } else { "retired" };
            format!(r#"{{"kid":"k{n}","file":"k{n}.pem","state":"{state}"}}"#)
        };
        let ring = |count| {
            let keys: Vec<String> = (0..count).map(key).collect();
            KeyRing::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
        };
        assert!(ring(MAX_KEYS).is_ok());
        assert_eq!(ring(MAX_KEYS + 1), Err(vec!["keys: at most 256".into()]));
    }
}
