//! Encodes a record's key as stores index by it: its kind, and the canonical bytes of its parts
//! (`record/part.rs`). This file must not know what a record holds.

use crate::{
    id::{AccountId, TokenId},
    state::record::{
        Kind, RecordKey, RepoKind, RetiredId,
        part::{Part, write_text},
    },
};

pub use crate::state::record::part::KeyError;

/// Holds a kind and the canonical bytes of a key of that kind.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    /// States the kind of the record that the key names, public or issuer-only.
    pub kind: Kind,
    /// Holds the encoding that `part` describes; [`Key::decode`] refuses any other.
    pub bytes: Vec<u8>,
}

impl Key {
    /// Makes the key of a public record.
    pub fn from_record_key(key: &RecordKey) -> Self {
        let mut bytes = Vec::with_capacity(32);
        key.write(&mut bytes);
        Self {
            kind: key.kind(),
            bytes,
        }
    }

    /// Makes the key of the record which states that an id is retired.
    pub fn retired(id: RetiredId) -> Self {
        Self::from_record_key(&RecordKey::Retired(id))
    }

    /// Makes the key of an account's name, which is issuer-only.
    pub fn account_name(folded: &str) -> Self {
        let mut bytes = vec![0];
        write_text(&mut bytes, folded);
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// Makes the key of a repo's name, which is issuer-only.
    pub fn repo_name(kind: RepoKind, owner: &AccountId, folded: &str) -> Self {
        let mut bytes = vec![1, kind as u8];
        owner.write(&mut bytes);
        write_text(&mut bytes, folded);
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// Makes the key of a token's name among its owner's live tokens, which is issuer-only.
    pub fn token_name(owner: &AccountId, name: &str) -> Self {
        let mut bytes = vec![2];
        owner.write(&mut bytes);
        bytes.extend_from_slice(name.as_bytes());
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// Makes the key of what is known of a token, which is issuer-only.
    pub fn token(id: TokenId) -> Self {
        Self {
            kind: Kind::Token,
            bytes: id.0.to_be_bytes().to_vec(),
        }
    }

    /// Makes the key of what is known of all tokens of an owner, which is issuer-only.
    pub fn owner(owner: &AccountId) -> Self {
        let mut bytes = Vec::with_capacity(32);
        owner.write(&mut bytes);
        Self {
            kind: Kind::Owner,
            bytes,
        }
    }

    /// Decodes the key of a public record.
    pub fn decode(&self) -> Result<RecordKey, KeyError> {
        let mut rest = self.bytes.as_slice();
        let key = RecordKey::read(self.kind, &mut rest)?;
        if rest.is_empty() {
            Ok(key)
        } else {
            Err(KeyError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{GroupId, KeyId, Name, RepoId},
        state::record::{FloorTarget, OldName},
    };

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    #[test]
    fn keys_round_trip_and_hex_ids_are_packed() {
        let hex_id = "65f0c0ffee0123456789abcd";
        let keys = [
            RecordKey::User(account("ada")),
            RecordKey::Org(account(hex_id)),
            RecordKey::Member {
                org: account("abc"),
                user: account("ABCD"),
            },
            RecordKey::GateGrant {
                repo: RepoId::parse(hex_id).unwrap(),
                user: account(hex_id),
            },
            RecordKey::Floor(FloorTarget::Realm),
            RecordKey::Floor(FloorTarget::Owner(account("00"))),
            RecordKey::Floor(FloorTarget::OwnerInOrg {
                owner: account("a"),
                org: account("b"),
            }),
            RecordKey::Floor(FloorTarget::Org(account(hex_id))),
            RecordKey::WithdrawnKey(KeyId::parse("2026-11").unwrap()),
            RecordKey::Amendment(TokenId(1 << 40)),
            RecordKey::Group(GroupId::parse(hex_id).unwrap()),
            RecordKey::GroupMember {
                group: GroupId::parse("g-1").unwrap(),
                user: account("ab"),
            },
            RecordKey::OrgPolicy(account("acme")),
            RecordKey::OrgTokenView {
                org: account(hex_id),
                token: TokenId(1 << 40),
            },
            RecordKey::Retired(RetiredId::Account(account(hex_id))),
            RecordKey::Retired(RetiredId::Group(GroupId::parse("g-1").unwrap())),
            RecordKey::Retired(RetiredId::Repo(RepoId::parse("ab").unwrap())),
            RecordKey::Departures {
                org: account("acme"),
                user: account(hex_id),
            },
            RecordKey::Redirect(OldName::Account(Name::parse("acme").unwrap())),
            RecordKey::Redirect(OldName::Repo {
                kind: RepoKind::Dataset,
                owner: account(hex_id),
                name: Name::parse("cafe").unwrap(),
            }),
        ];
        for key in keys {
            assert_eq!(Key::from_record_key(&key).decode(), Ok(key));
        }
        let packed = Key::from_record_key(&RecordKey::User(account(hex_id)));
        assert_eq!(packed.bytes.len(), 13);
    }

    #[test]
    fn a_second_encoding_is_refused() {
        let plain = Key {
            kind: Kind::User,
            bytes: b"\x02ab".to_vec(),
        };
        assert_eq!(plain.decode(), Err(KeyError));
        let long = Key {
            kind: Kind::User,
            bytes: b"\x01xy".to_vec(),
        };
        assert_eq!(long.decode(), Err(KeyError));
        let capital = Key {
            kind: Kind::Redirect,
            bytes: b"\x00\x04Acme".to_vec(),
        };
        assert_eq!(capital.decode(), Err(KeyError));
    }
}
