//! Converts records and changes to and from their stored bytes. The codec is strict: anything that it doesn't
//! know is an error. It must not know what the state holds.

mod redirect;
mod retired;
mod scopes;

use std::{str::FromStr, time::Duration};

use prost::Message;
use tokenward_proto::internal as pb;

use crate::{
    clock::UnixTime,
    id::{IdError, Serial, TokenId},
    state::{
        key::{Key, KeyError},
        record::{
            Amendment, Approval, Change, Floor, FloorTarget, GateGrant, GateMode, GrantState,
            Group, GroupMember, GroupRole, Kind, MAX_EXPIRIES, Member, Org, OrgPolicy, OrgRole,
            OrgTokenView, Record, RecordKey, Redirect, Repo, RepoKind, TokenPolicy, User,
            Visibility,
        },
    },
    token::Role,
};

pub use crate::state::record::Settings;
pub use scopes::{scopes_from_proto, scopes_to_proto};

/// Reports bytes that this version doesn't write: corrupt, or written by a later version. A reader must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a protobuf message of the expected type.
    #[error("not the expected message")]
    Wire(#[from] prost::DecodeError),
    /// A kind, a number or a form is unknown to this version; the text names it.
    #[error("{0} is not known to this version")]
    Unknown(&'static str),
    /// An id or a name breaks its rule.
    #[error("{field} {rule}")]
    Id {
        /// States the field's path in `record.proto`.
        field: &'static str,
        /// States the rule that the field breaks.
        rule: IdError,
    },
    /// The bytes of a key are not the canonical encoding for its kind.
    #[error("a record's key is malformed")]
    Key(#[from] KeyError),
    /// A change deletes a record that is kept for ever ([`RecordKey::is_kept`]).
    #[error("what is kept for ever can't be deleted")]
    Undeletable,
}

/// Parses an id or a name of the type that the record needs.
fn id<T: FromStr<Err = IdError>>(field: &'static str, text: &str) -> Result<T, DecodeError> {
    let id = text.parse();
    id.map_err(|rule| DecodeError::Id { field, rule })
}

/// Parses an optional id or name: an empty text stands for `None`.
fn optional<T: FromStr<Err = IdError>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, DecodeError> {
    let some = !text.is_empty();
    some.then(|| id(field, text)).transpose()
}

fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

/// Encodes the whole record as a message, key fields included.
pub fn record_to_proto(record: &Record) -> pb::Record {
    let mut message = value_of(record);
    name_by_key(&mut message, &record.key());
    whole(message)
}

fn whole(message: pb::record::Record) -> pb::Record {
    pb::Record {
        record: Some(message),
        mac: Vec::new(),
    }
}

/// Encodes the record without the fields of its key, which [`name_by_key`] fills in.
fn value_of(record: &Record) -> pb::record::Record {
    use pb::record::Record as Pb;
    match record {
        Record::User(user) => Pb::User(pb::User {
            name: user.name.to_string(),
            disabled: user.disabled,
            service_account_of: text(user.service_account_of.as_ref()),
            display: user.display.to_vec(),
            ..pb::User::default()
        }),
        Record::Org(org) => Pb::Org(pb::Org {
            name: org.name.to_string(),
            display: org.display.to_vec(),
            ..pb::Org::default()
        }),
        Record::Member(member) => Pb::Member(pb::Member {
            role: member.role.number(),
            ..pb::Member::default()
        }),
        Record::Group(group) => Pb::Group(pb::Group {
            org_id: group.org.to_string(),
            name: group.name.to_string(),
            ..pb::Group::default()
        }),
        Record::GroupMember(member) => Pb::GroupMember(pb::GroupMember {
            role: member.role.number(),
            membership: member.membership,
            ..pb::GroupMember::default()
        }),
        Record::Repo(repo) => Pb::Repo(pb::Repo {
            kind: repo.kind.number(),
            owner_id: repo.owner.to_string(),
            name: repo.name.to_string(),
            visibility: repo.visibility.number(),
            gate: repo.gate.number(),
            creator_id: text(repo.creator.as_ref()),
            disabled: repo.disabled,
            group_id: text(repo.group.as_ref()),
            org_members_gated: repo.org_members_gated,
            ..pb::Repo::default()
        }),
        Record::GateGrant(grant) => Pb::GateGrant(pb::GateGrant {
            state: grant.state.number(),
            ..pb::GateGrant::default()
        }),
        Record::OrgPolicy(policy) => Pb::OrgPolicy(pb::OrgPolicy {
            policy: policy.policy.number(),
            max_lifetime_seconds: policy.max_lifetime.map_or(0, |longest| longest.as_secs()),
            ..pb::OrgPolicy::default()
        }),
        Record::Amendment(amendment) => Pb::Amendment(pb::Amendment {
            owner_id: amendment.owner.to_string(),
            expiries: expiries_to_proto(&amendment.expiries),
            ..settings_to_proto(&amendment.settings)
        }),
        // A script compares the last byte of this value: it is 4 for a revoked decision, and for no other.
        Record::OrgTokenView(view) => Pb::OrgTokenView(pb::OrgTokenView {
            owner_id: view.owner.to_string(),
            state: view.state.number(),
            membership: match view.state {
                Approval::Revoked => 0,
                _ => view.membership,
            },
            ..pb::OrgTokenView::default()
        }),
        Record::Floor(floor) => Pb::Floor(pb::Floor {
            serial: floor.serial.0,
            ..pb::Floor::default()
        }),
        Record::WithdrawnKey(_) => Pb::WithdrawnKey(pb::WithdrawnKey::default()),
        Record::Redirect(redirect) => Pb::Redirect(pb::Redirect {
            target_id: match redirect {
                Redirect::Account { to, .. } => to.to_string(),
                Redirect::Repo { to, .. } => to.to_string(),
            },
            ..pb::Redirect::default()
        }),
        Record::Retired(_) => Pb::Retired(pb::Retired::default()),
        Record::Departures(it) => Pb::Departures(pb::Departures {
            count: it.count,
            ..pb::Departures::default()
        }),
    }
}

/// Decodes a message. An unknown kind or number, or a text that isn't a valid id, is an error.
pub fn record_from_proto(record: pb::Record) -> Result<Record, DecodeError> {
    use pb::record::Record as Pb;
    Ok(
        match record.record.ok_or(DecodeError::Unknown("a record"))? {
            Pb::User(user) => Record::User(User {
                id: id("user.id", &user.id)?,
                name: id("user.name", &user.name)?,
                disabled: user.disabled,
                service_account_of: optional("user.service_account_of", &user.service_account_of)?,
                display: user.display.into(),
            }),
            Pb::Org(org) => Record::Org(Org {
                id: id("org.id", &org.id)?,
                name: id("org.name", &org.name)?,
                display: org.display.into(),
            }),
            Pb::Member(member) => Record::Member(Member {
                org: id("member.org_id", &member.org_id)?,
                user: id("member.user_id", &member.user_id)?,
                role: OrgRole::from_number(member.role)
                    .ok_or(DecodeError::Unknown("an org role"))?,
            }),
            Pb::Group(group) => Record::Group(Group {
                id: id("group.id", &group.id)?,
                org: id("group.org_id", &group.org_id)?,
                name: id("group.name", &group.name)?,
            }),
            Pb::GroupMember(member) => Record::GroupMember(GroupMember {
                group: id("group_member.group_id", &member.group_id)?,
                user: id("group_member.user_id", &member.user_id)?,
                role: GroupRole::from_number(member.role)
                    .ok_or(DecodeError::Unknown("a group role"))?,
                membership: retired::membership(member.membership)?,
            }),
            Pb::Repo(repo) => Record::Repo(Repo {
                id: id("repo.id", &repo.id)?,
                kind: RepoKind::from_number(repo.kind)
                    .ok_or(DecodeError::Unknown("a repo kind"))?,
                owner: id("repo.owner_id", &repo.owner_id)?,
                name: id("repo.name", &repo.name)?,
                visibility: Visibility::from_number(repo.visibility)
                    .ok_or(DecodeError::Unknown("a visibility"))?,
                gate: GateMode::from_number(repo.gate)
                    .ok_or(DecodeError::Unknown("a gate mode"))?,
                creator: optional("repo.creator_id", &repo.creator_id)?,
                disabled: repo.disabled,
                group: optional("repo.group_id", &repo.group_id)?,
                org_members_gated: repo.org_members_gated,
            }),
            Pb::GateGrant(grant) => Record::GateGrant(GateGrant {
                repo: id("gate_grant.repo_id", &grant.repo_id)?,
                user: id("gate_grant.user_id", &grant.user_id)?,
                state: GrantState::from_number(grant.state)
                    .ok_or(DecodeError::Unknown("a grant state"))?,
            }),
            Pb::OrgPolicy(policy) => Record::OrgPolicy(OrgPolicy {
                org: id("org_policy.org_id", &policy.org_id)?,
                policy: TokenPolicy::from_number(policy.policy)
                    .ok_or(DecodeError::Unknown("a token policy"))?,
                max_lifetime: match policy.max_lifetime_seconds {
                    0 => None,
                    seconds => Some(Duration::from_secs(seconds)),
                },
            }),
            Pb::Amendment(amendment) => Record::Amendment(Amendment {
                token: TokenId(amendment.tid),
                owner: id("amendment.owner_id", &amendment.owner_id)?,
                expiries: expiries_from_proto(&amendment.expiries)?,
                settings: settings_from_proto(amendment)?,
            }),
            Pb::OrgTokenView(view) => Record::OrgTokenView(OrgTokenView {
                org: id("org_token_view.org_id", &view.org_id)?,
                token: TokenId(view.tid),
                owner: id("org_token_view.owner_id", &view.owner_id)?,
                state: Approval::from_number(view.state)
                    .ok_or(DecodeError::Unknown("a state of a token in an org"))?,
                membership: retired::membership(view.membership)?,
            }),
            Pb::Floor(floor) => Record::Floor(Floor {
                target: target_from_proto(floor.target.unwrap_or_default())?,
                serial: Serial(floor.serial),
            }),
            Pb::WithdrawnKey(key) => Record::WithdrawnKey(id("withdrawn_key.kid", &key.kid)?),
            Pb::Redirect(redirect) => Record::Redirect(redirect::redirect_from_proto(&redirect)?),
            Pb::Retired(it) => Record::Retired(retired::retired_from_proto(&it)?),
            Pb::Departures(it) => Record::Departures(retired::departures_from_proto(&it)?),
            Pb::HistoryOpened(_) => return Err(DecodeError::Unknown("a record's kind")),
        },
    )
}

fn target_to_proto(target: &FloorTarget) -> pb::FloorTarget {
    let (owner_id, org_id) = match target {
        FloorTarget::Realm => (String::new(), String::new()),
        FloorTarget::Owner(owner) => (owner.to_string(), String::new()),
        FloorTarget::OwnerInOrg { owner, org } => (owner.to_string(), org.to_string()),
    };
    pb::FloorTarget { owner_id, org_id }
}

fn target_from_proto(target: pb::FloorTarget) -> Result<FloorTarget, DecodeError> {
    let owner = optional("floor.owner_id", &target.owner_id)?;
    let org = optional("floor.org_id", &target.org_id)?;
    match (owner, org) {
        (None, None) => Ok(FloorTarget::Realm),
        (Some(owner), None) => Ok(FloorTarget::Owner(owner)),
        (Some(owner), Some(org)) => Ok(FloorTarget::OwnerInOrg { owner, org }),
        (None, Some(_)) => Err(DecodeError::Unknown("a floor of a whole org")),
    }
}

/// Encodes only the settings, as an amendment holds them.
fn settings_to_proto(settings: &Settings) -> pb::Amendment {
    pb::Amendment {
        name: settings.name.to_string(),
        role: settings.role.number(),
        scopes: settings.scopes.as_ref().map(scopes_to_proto),
        ..pb::Amendment::default()
    }
}

fn settings_from_proto(amendment: pb::Amendment) -> Result<Settings, DecodeError> {
    let role = Role::from_number(amendment.role).ok_or(DecodeError::Unknown("a token's role"))?;
    let scopes = amendment.scopes.map(scopes_from_proto).transpose()?;
    if scopes.is_some() != (role == Role::FineGrained) {
        return Err(DecodeError::Unknown("scopes of such a role"));
    }
    Ok(Settings {
        name: amendment.name.into(),
        role,
        scopes,
    })
}

pub(super) fn encode_settings(settings: &Settings) -> Vec<u8> {
    settings_to_proto(settings).encode_to_vec()
}

pub(super) fn decode_settings(bytes: &[u8]) -> Result<Settings, DecodeError> {
    settings_from_proto(pb::Amendment::decode(bytes)?)
}

fn expiries_to_proto(expiries: &[(Serial, UnixTime)]) -> Vec<pb::SerialExpiry> {
    let expiry = |(serial, time): &(Serial, UnixTime)| pb::SerialExpiry {
        serial: serial.0,
        expires_at: time.0,
    };
    expiries.iter().map(expiry).collect()
}

/// Decodes value ends. There must be few of them, and each value only once.
fn expiries_from_proto(
    expiries: &[pb::SerialExpiry],
) -> Result<Vec<(Serial, UnixTime)>, DecodeError> {
    let ascending = |pair: &[pb::SerialExpiry]| matches!(pair, [a, b] if a.serial < b.serial);
    if expiries.len() > MAX_EXPIRIES || !expiries.windows(2).all(ascending) {
        return Err(DecodeError::Unknown("ends of values in this form"));
    }
    let pair = |expiry: &pb::SerialExpiry| (Serial(expiry.serial), UnixTime(expiry.expires_at));
    Ok(expiries.iter().map(pair).collect())
}

/// Encodes a record as stores keep it: its key, and the bytes of the fields that aren't in the key.
pub fn split(record: &Record) -> (Key, Vec<u8>) {
    let value = whole(value_of(record)).encode_to_vec();
    (Key::from_record_key(&record.key()), value)
}

/// Decodes what [`split`] encoded.
pub fn join(key: &Key, value: &[u8]) -> Result<Record, DecodeError> {
    let mut message = pb::Record::decode(value)?;
    let key = key.decode()?;
    if !(message.record.as_mut()).is_some_and(|message| name_by_key(message, &key)) {
        return Err(DecodeError::Unknown("a record under another kind's key"));
    }
    record_from_proto(message)
}

/// Fills in the fields of the key; returns `false` if the message is not of the key's kind.
fn name_by_key(message: &mut pb::record::Record, key: &RecordKey) -> bool {
    use pb::record::Record as Pb;
    match (message, key) {
        (Pb::User(it), RecordKey::User(id)) => it.id = id.to_string(),
        (Pb::Org(it), RecordKey::Org(id)) => it.id = id.to_string(),
        (Pb::Member(it), RecordKey::Member { org, user }) => {
            (it.org_id, it.user_id) = (org.to_string(), user.to_string());
        }
        (Pb::Group(it), RecordKey::Group(id)) => it.id = id.to_string(),
        (Pb::GroupMember(it), RecordKey::GroupMember { group, user }) => {
            (it.group_id, it.user_id) = (group.to_string(), user.to_string());
        }
        (Pb::OrgPolicy(it), RecordKey::OrgPolicy(org)) => it.org_id = org.to_string(),
        (Pb::OrgTokenView(it), RecordKey::OrgTokenView { org, token }) => {
            (it.org_id, it.tid) = (org.to_string(), token.0);
        }
        (Pb::Repo(it), RecordKey::Repo(id)) => it.id = id.to_string(),
        (Pb::GateGrant(it), RecordKey::GateGrant { repo, user }) => {
            (it.repo_id, it.user_id) = (repo.to_string(), user.to_string());
        }
        (Pb::Amendment(it), RecordKey::Amendment(token)) => it.tid = token.0,
        (Pb::Floor(it), RecordKey::Floor(target)) => it.target = Some(target_to_proto(target)),
        (Pb::WithdrawnKey(it), RecordKey::WithdrawnKey(kid)) => it.kid = kid.to_string(),
        (Pb::Redirect(it), RecordKey::Redirect(old)) => {
            let target_id = std::mem::take(&mut it.target_id);
            *it = pb::Redirect {
                target_id,
                ..redirect::old_name_to_proto(old)
            };
        }
        (Pb::Retired(it), RecordKey::Retired(id)) => *it = retired::retired_to_proto(id),
        (Pb::Departures(it), RecordKey::Departures { org, user }) => {
            (it.org_id, it.user_id) = (org.to_string(), user.to_string());
        }
        _ => return false,
    }
    true
}

fn key_from_proto(key: pb::RecordKey) -> Result<RecordKey, DecodeError> {
    let kind = Kind::from_number(key.kind).ok_or(DecodeError::Unknown("a kind"))?;
    let bytes = key.key;
    Ok((Key { kind, bytes }).decode()?)
}

/// Encodes the bytes of an entry's `changes`.
pub fn encode_changes(changes: &[Change]) -> Vec<u8> {
    use pb::change::Change as Pb;
    let changes = changes
        .iter()
        .map(|change| pb::Change {
            change: Some(match change {
                Change::Put(record) => Pb::Put(record_to_proto(record)),
                Change::Delete(key) => {
                    let key = Key::from_record_key(key);
                    Pb::Delete(pb::RecordKey {
                        kind: key.kind.number(),
                        key: key.bytes,
                    })
                }
                Change::Retire(key) => {
                    let key = Key::from_record_key(key);
                    Pb::Retire(pb::RecordKey {
                        kind: key.kind.number(),
                        key: key.bytes,
                    })
                }
                Change::Revoke(serials) => Pb::Revoke(pb::RevokedSerials {
                    serials: serials.iter().map(|serial| serial.0).collect(),
                }),
                Change::RaiseFloor(target) => Pb::RaiseFloor(target_to_proto(target)),
            }),
        })
        .collect();
    pb::Changes { changes }.encode_to_vec()
}

/// Decodes the bytes of an entry's `changes`; one unknown change makes all of them an error.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, DecodeError> {
    use pb::change::Change as Pb;
    pb::Changes::decode(bytes)?
        .changes
        .into_iter()
        .map(|change| {
            Ok(
                match change.change.ok_or(DecodeError::Unknown("a change"))? {
                    Pb::Put(record) => Change::Put(record_from_proto(record)?),
                    Pb::Delete(key) => {
                        let key = key_from_proto(key)?;
                        if key.is_kept() {
                            return Err(DecodeError::Undeletable);
                        }
                        Change::Delete(key)
                    }
                    Pb::Retire(key) => {
                        let key = key_from_proto(key)?;
                        if key.retired().is_none() {
                            return Err(DecodeError::Unknown("to retire such a record"));
                        }
                        Change::Retire(key)
                    }
                    Pb::Revoke(revoked) => {
                        Change::Revoke(revoked.serials.into_iter().map(Serial).collect())
                    }
                    Pb::RaiseFloor(target) => Change::RaiseFloor(target_from_proto(target)?),
                },
            )
        })
        .collect()
}
