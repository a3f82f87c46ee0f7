//! The canonical bytes of a record's key: what stores index by. One key, one encoding.
//!
//! A key is its components in order. A component is one byte `n` and `n` bytes of text; or, when
//! the text is an even number of lowercase hex digits (as most hubs' ids are), one byte
//! `0x80 + n` and the `n` bytes that the digits spell.

use crate::{
    id::{AccountId, GroupId, KeyId, Name, RepoId, TokenId},
    state::record::{FloorTarget, Kind, OldName, RecordKey, RepoKind, RetiredId},
};

/// Spaces of ids, as retired ones are kept.
pub(super) const ACCOUNTS: u8 = 1;
pub(super) const GROUPS: u8 = 2;
pub(super) const REPOS: u8 = 3;

/// A kind and its key's canonical bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    /// What kind of record it names, public or issuer-only.
    pub kind: Kind,
    /// The encoding that the module's text describes; [`Key::decode`] refuses any other.
    pub bytes: Vec<u8>,
}

/// The bytes are no key of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical key")]
pub struct KeyError;

impl Key {
    /// Of a public record.
    pub fn of(key: &RecordKey) -> Self {
        let mut bytes = Vec::with_capacity(32);
        match key {
            RecordKey::User(id) | RecordKey::Org(id) | RecordKey::OrgPolicy(id) => {
                push(&mut bytes, id.as_str());
            }
            RecordKey::Member { org, user } | RecordKey::Departures { org, user } => {
                push(&mut bytes, org.as_str());
                push(&mut bytes, user.as_str());
            }
            RecordKey::Group(id) => push(&mut bytes, id.as_str()),
            RecordKey::GroupMember { group, user } => {
                push(&mut bytes, group.as_str());
                push(&mut bytes, user.as_str());
            }
            RecordKey::Repo(id) => push(&mut bytes, id.as_str()),
            RecordKey::GateGrant { repo, user } => {
                push(&mut bytes, repo.as_str());
                push(&mut bytes, user.as_str());
            }
            RecordKey::Amendment(token) => bytes.extend_from_slice(&token.0.to_be_bytes()),
            RecordKey::OrgTokenView { org, token } => {
                push(&mut bytes, org.as_str());
                bytes.extend_from_slice(&token.0.to_be_bytes());
            }
            RecordKey::Floor(target) => match target {
                FloorTarget::Realm => {}
                FloorTarget::Owner(owner) => push(&mut bytes, owner.as_str()),
                FloorTarget::OwnerInOrg { owner, org } => {
                    push(&mut bytes, owner.as_str());
                    push(&mut bytes, org.as_str());
                }
            },
            RecordKey::WithdrawnKey(kid) => push(&mut bytes, kid.as_str()),
            RecordKey::Retired(id) => {
                let (space, id) = match id {
                    RetiredId::Account(id) => (ACCOUNTS, id.as_str()),
                    RetiredId::Group(id) => (GROUPS, id.as_str()),
                    RetiredId::Repo(id) => (REPOS, id.as_str()),
                };
                bytes.push(space);
                push(&mut bytes, id);
            }
            RecordKey::Redirect(OldName::Account(name)) => {
                bytes.push(0);
                push(&mut bytes, name.as_str());
            }
            RecordKey::Redirect(OldName::Repo { kind, owner, name }) => {
                bytes.push(*kind as u8);
                push(&mut bytes, owner.as_str());
                push(&mut bytes, name.as_str());
            }
        }
        Self {
            kind: key.kind(),
            bytes,
        }
    }

    /// Of what says that an id is retired.
    pub fn retired(id: RetiredId) -> Self {
        Self::of(&RecordKey::Retired(id))
    }

    /// The name of an account; issuer-only.
    pub fn account_name(folded: &str) -> Self {
        let mut bytes = vec![0];
        push(&mut bytes, folded);
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// The name of a repo; issuer-only.
    pub fn repo_name(kind: RepoKind, owner: &AccountId, folded: &str) -> Self {
        let mut bytes = vec![1, kind as u8];
        push(&mut bytes, owner.as_str());
        push(&mut bytes, folded);
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// The name of a token among its owner's live ones; issuer-only.
    pub fn token_name(owner: &AccountId, name: &str) -> Self {
        let mut bytes = vec![2];
        push(&mut bytes, owner.as_str());
        bytes.extend_from_slice(name.as_bytes());
        Self {
            kind: Kind::Name,
            bytes,
        }
    }

    /// What is known of a token; issuer-only.
    pub fn token(id: TokenId) -> Self {
        Self {
            kind: Kind::Token,
            bytes: id.0.to_be_bytes().to_vec(),
        }
    }

    /// What is known of an owner's tokens as a whole; issuer-only.
    pub fn owner(owner: &AccountId) -> Self {
        let mut bytes = Vec::with_capacity(32);
        push(&mut bytes, owner.as_str());
        Self {
            kind: Kind::Owner,
            bytes,
        }
    }

    /// Back to the public record's key.
    pub fn decode(&self) -> Result<RecordKey, KeyError> {
        let mut rest = self.bytes.as_slice();
        let account = |rest: &mut &[u8]| AccountId::parse(&pull(rest)?).map_err(|_| KeyError);
        let key = match self.kind {
            Kind::User => RecordKey::User(account(&mut rest)?),
            Kind::Org => RecordKey::Org(account(&mut rest)?),
            Kind::Member => RecordKey::Member {
                org: account(&mut rest)?,
                user: account(&mut rest)?,
            },
            Kind::Group => RecordKey::Group(group(&mut rest)?),
            Kind::GroupMember => RecordKey::GroupMember {
                group: group(&mut rest)?,
                user: account(&mut rest)?,
            },
            Kind::OrgPolicy => RecordKey::OrgPolicy(account(&mut rest)?),
            Kind::OrgTokenView => RecordKey::OrgTokenView {
                org: account(&mut rest)?,
                token: token(&mut rest)?,
            },
            Kind::Repo => RecordKey::Repo(repo(&mut rest)?),
            Kind::GateGrant => RecordKey::GateGrant {
                repo: repo(&mut rest)?,
                user: account(&mut rest)?,
            },
            Kind::Amendment => RecordKey::Amendment(token(&mut rest)?),
            Kind::Floor if rest.is_empty() => RecordKey::Floor(FloorTarget::Realm),
            Kind::Floor => {
                let owner = account(&mut rest)?;
                RecordKey::Floor(if rest.is_empty() {
                    FloorTarget::Owner(owner)
                } else {
                    let org = account(&mut rest)?;
                    FloorTarget::OwnerInOrg { owner, org }
                })
            }
            Kind::WithdrawnKey => {
                RecordKey::WithdrawnKey(KeyId::parse(&pull(&mut rest)?).map_err(|_| KeyError)?)
            }
            Kind::Redirect => RecordKey::Redirect(old_name(&mut rest)?),
            Kind::Retired => {
                let (&space, after) = rest.split_first().ok_or(KeyError)?;
                rest = after;
                RecordKey::Retired(match space {
                    ACCOUNTS => RetiredId::Account(account(&mut rest)?),
                    GROUPS => RetiredId::Group(group(&mut rest)?),
                    REPOS => RetiredId::Repo(repo(&mut rest)?),
                    _ => return Err(KeyError),
                })
            }
            Kind::Departures => RecordKey::Departures {
                org: account(&mut rest)?,
                user: account(&mut rest)?,
            },
            _ => return Err(KeyError),
        };
        if rest.is_empty() {
            Ok(key)
        } else {
            Err(KeyError)
        }
    }
}

/// 0 and an account's name; or a kind, an owner and a repo's name.
fn old_name(rest: &mut &[u8]) -> Result<OldName, KeyError> {
    let (&kind, after) = rest.split_first().ok_or(KeyError)?;
    *rest = after;
    if kind == 0 {
        return folded_name(rest).map(OldName::Account);
    }
    Ok(OldName::Repo {
        kind: RepoKind::from_number(kind.into()).ok_or(KeyError)?,
        owner: AccountId::parse(&pull(rest)?).map_err(|_| KeyError)?,
        name: folded_name(rest)?,
    })
}

fn folded_name(rest: &mut &[u8]) -> Result<Name, KeyError> {
    let name = Name::parse(&pull(rest)?).map_err(|_| KeyError)?;
    if name.to_folded() == name {
        Ok(name)
    } else {
        Err(KeyError)
    }
}

fn group(rest: &mut &[u8]) -> Result<GroupId, KeyError> {
    GroupId::parse(&pull(rest)?).map_err(|_| KeyError)
}

fn repo(rest: &mut &[u8]) -> Result<RepoId, KeyError> {
    RepoId::parse(&pull(rest)?).map_err(|_| KeyError)
}

fn token(rest: &mut &[u8]) -> Result<TokenId, KeyError> {
    let (number, after) = rest.split_first_chunk::<8>().ok_or(KeyError)?;
    *rest = after;
    Ok(TokenId(u64::from_be_bytes(*number)))
}

/// Whether the text is what bytes spell.
fn is_spelled(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(digit)
}

/// Components are at most 96 bytes: ids and names.
fn push(out: &mut Vec<u8>, text: &str) {
    let begin = out.len();
    if is_spelled(text) {
        let bytes = text.len() / 2;
        out.push(0x80 | (bytes as u8 & 0x7f));
        out.resize(begin + 1 + bytes, 0);
        let place = out.get_mut(begin + 1..).unwrap_or_default();
        if hex::decode_to_slice(text, place).is_ok() {
            return;
        }
        out.truncate(begin);
    }
    out.push(text.len() as u8 & 0x7f);
    out.extend_from_slice(text.as_bytes());
}

fn pull(rest: &mut &[u8]) -> Result<String, KeyError> {
    let (&tag, after) = rest.split_first().ok_or(KeyError)?;
    let (bytes, after) = after
        .split_at_checked(usize::from(tag & 0x7f))
        .ok_or(KeyError)?;
    *rest = after;
    if tag & 0x80 != 0 {
        return Ok(hex::encode(bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyError)?;
    if is_spelled(text) {
        return Err(KeyError);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Key::of(&key).decode(), Ok(key));
        }
        let packed = Key::of(&RecordKey::User(account(hex_id)));
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
