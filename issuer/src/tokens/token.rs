//! A token as its record keeps it. Only this file reads and writes the record, and only its four transitions
//! change a token. It does not decide when a transition may happen.

use std::ops::Deref;

use prost::Message;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, KeyId, Revision, Serial, TokenId},
    state::{
        MAX_EXPIRIES,
        codec::{scopes_from_proto, scopes_to_proto},
        key::Key,
        record::{Amendment, Settings},
    },
    store::{Expect, PrivateWrite},
    token::{Claims, Role, Scopes, SignError},
};
use tokenward_proto::internal::{self as stored, SerialExpiry, StoredToken};

use super::{NewToken, Rotation};
use crate::{
    error::{ErrorReason, Problem, Unreadable},
    keys::Signing,
    request::{Audited, Request},
};

/// This many seconds after its end an overlap has ended by every clock; its value is then revoked for good.
const LONG_OVER: u64 = 3600;

/// A token's fields are read through [`Deref`]; nothing outside this file can set one.
#[derive(Clone, PartialEq, Debug)]
pub struct Token(Facts);

/// What is kept of a token. Of its values, only the last four characters of the newest one are kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    pub id: TokenId,
    pub owner: AccountId,
    pub name: String,
    /// The role number as it was stored: a token with a newer version's role must still be shown and revoked.
    /// Everything else uses [`Token::role`].
    pub stored_role: u32,
    /// The scopes as they were stored, so that a newer version's can still be shown; see [`Token::scopes`].
    pub stored_scopes: Option<stored::Scopes>,
    pub created_at: UnixTime,
    pub created_by: String,
    pub expires_at: Option<UnixTime>,
    /// These are the last four characters of the newest value.
    pub last_four: String,
    /// This key signed the newest value.
    pub kid: KeyId,
    /// This is the serial of the newest value.
    pub serial: Serial,
    /// These older values were revoked by no rotation; the oldest is first.
    pub replaced: Vec<Serial>,
    /// Replaced values end at these nearer times.
    pub overlaps: Vec<(Serial, UnixTime)>,
    /// The newest value was made at this time, if it is not the first.
    pub rotated_at: Option<UnixTime>,
    pub revoked: Option<Revoked>,
}

/// Describes the first revocation of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revoked {
    pub at: UnixTime,
    pub by: String,
}

/// Holds a token with a new value, and that value.
pub(super) type Signed = (Token, String);

/// Holds what a rotation makes of a token.
pub(super) struct Rotated {
    pub(super) new: Signed,
    /// These values are refused from then on.
    pub(super) revoked: Vec<Serial>,
}

impl Deref for Token {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl Token {
    pub(super) fn mint(
        request: &Request,
        owner: AccountId,
        new: &NewToken,
        serial: Serial,
        (signing, kid): (&Signing, KeyId),
    ) -> Result<Signed, Problem> {
        Self(Facts {
            id: TokenId(serial.0),
            owner,
            name: new.name.clone(),
            stored_role: new.role.number(),
            stored_scopes: new.scopes.as_ref().map(scopes_to_proto),
            created_at: request.now.seconds(),
            created_by: request.caller.name.clone(),
            expires_at: new.expires_at,
            last_four: String::new(),
            kid,
            serial,
            replaced: Vec::new(),
            overlaps: Vec::new(),
            rotated_at: None,
            revoked: None,
        })
        .signed(signing)
    }

    /// Replaces the newest value by the next one. The old value is refused at once or after the overlap.
    pub(super) fn rotate(
        &self,
        request: &Request,
        rotation: &Rotation,
        serial: Serial,
        (signing, kid): (&Signing, KeyId),
    ) -> Result<Rotated, Problem> {
        let now = request.now.seconds();
        // A value whose overlap is long over must be revoked for good before its end in the state is
        // forgotten.
        let over = |end: &UnixTime| end.0.saturating_add(LONG_OVER) <= now.0;
        // A rotation without overlap, as after a leak, ends every older value too.
        let all = rotation.overlap.is_zero();
        let ended = self.overlaps.iter().filter(|(_, end)| all || over(end));
        let mut revoked: Vec<Serial> = ended.map(|(serial, _)| *serial).collect();
        let mut new = self.0.clone();
        new.overlaps.retain(|(serial, _)| !revoked.contains(serial));
        if all {
            revoked.push(self.serial);
        } else {
            let end = UnixTime(now.0.saturating_add(rotation.overlap.as_secs()));
            let end = self.expires_at.map_or(end, |own| end.min(own));
            new.overlaps.push((self.serial, end));
        }
        if new.overlaps.len() > MAX_EXPIRIES {
            return Err(Problem::Precondition(
                ErrorReason::TooManyOverlaps,
                format!(
                    "overlap: {MAX_EXPIRIES} replaced values are still in their overlap; wait for one to end, or revoke the token"
                ),
            ));
        }
        new.replaced.push(self.serial);
        new.replaced.retain(|serial| !revoked.contains(serial));
        new.serial = serial;
        new.kid = kid;
        new.rotated_at = Some(now);
        new.expires_at = rotation.expires_at.or(self.expires_at);
        let new = Self(new).signed(signing)?;
        Ok(Rotated { new, revoked })
    }

    /// Changes the name, or the role and scopes; `None` leaves them as they are.
    pub(super) fn amend(
        &self,
        name: Option<&str>,
        settings: Option<(Role, Option<Scopes>)>,
    ) -> Self {
        let mut new = self.0.clone();
        if let Some(name) = name {
            new.name = name.to_owned();
        }
        if let Some((role, scopes)) = settings {
            new.stored_role = role.number();
            new.stored_scopes = scopes.as_ref().map(scopes_to_proto);
        }
        Self(new)
    }

    /// Revokes the token with all its values. The time and the caller of the first revocation stay.
    pub(super) fn revoke(&self, request: &Request) -> Self {
        let mut new = self.0.clone();
        new.revoked.get_or_insert_with(|| Revoked {
            at: request.now.seconds(),
            by: request.caller.name.clone(),
        });
        Self(new)
    }

    fn signed(mut self, signing: &Signing) -> Result<Signed, Problem> {
        let value = self.value(signing, &self.kid)?;
        self.0.last_four = last_four(&value);
        Ok((self, value))
    }

    /// Signs the token's newest value with this key.
    pub(super) fn value(&self, signing: &Signing, kid: &KeyId) -> Result<String, Problem> {
        let signed = signing.sign_with(kid.as_str(), &self.claims(signing)?);
        signed
            .ok_or(Problem::Internal)?
            .map_err(|error| match error {
                SignError::TooLong => Problem::invalid(
                    "scopes",
                    "make the token longer than 4,096 characters; use fewer, or scopes on orgs",
                ),
                _ => Problem::Internal,
            })
    }

    /// Returns the newest value as it was handed out, if its key is still here.
    pub(super) fn value_again(&self, signing: &Signing) -> Option<String> {
        let value = self.value(signing, &self.kid).ok()?;
        // Later changes of the settings could have made another string of it.
        (last_four(&value) == self.last_four).then_some(value)
    }

    fn claims(&self, signing: &Signing) -> Result<Claims, Unreadable> {
        Ok(Claims {
            iss: signing.issuer().into(),
            aud: signing.realm().into(),
            sub: self.owner.clone(),
            serial: self.serial,
            tid: self.id,
            name: self.name.as_str().into(),
            iat: self.rotated_at.unwrap_or(self.created_at),
            exp: self.expires_at,
            role: self.role()?,
            scopes: self.scopes()?,
        })
    }

    /// Returns the settings that are in force for the token, as verifiers receive them.
    pub(super) fn amendment(&self) -> Result<Amendment, Unreadable> {
        Ok(Amendment {
            token: self.id,
            owner: self.owner.clone(),
            settings: Settings {
                name: self.name.as_str().into(),
                role: self.role()?,
                scopes: self.scopes()?,
            },
            expiries: self.overlaps.clone(),
        })
    }

    pub(super) fn role(&self) -> Result<Role, Unreadable> {
        Role::from_number(self.stored_role).ok_or(Unreadable("a token's role"))
    }

    /// Returns the scopes; `None` if the role has none.
    pub(super) fn scopes(&self) -> Result<Option<Scopes>, Unreadable> {
        let scopes = self
            .stored_scopes
            .clone()
            .map(scopes_from_proto)
            .transpose();
        scopes.map_err(|_| Unreadable("a token's scopes"))
    }

    /// Returns the serials of all values that may still be good, oldest first.
    pub fn serials(&self) -> Vec<Serial> {
        let newest = std::iter::once(&self.serial);
        self.replaced.iter().chain(newest).copied().collect()
    }

    pub(crate) fn has_ended(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns what the audit trail keeps of a change of the token.
    pub(super) fn audited(&self) -> Audited {
        Audited {
            owner: Some(self.owner.clone()),
            token: Some(self.id),
            role: self.stored_role,
            last_four: self.last_four.clone(),
            kid: self.kid.to_string(),
            operations: 1,
            ..Audited::default()
        }
    }

    /// Expects that the token's record was not written since that revision.
    pub(super) fn unchanged(&self, since: Revision) -> Expect {
        let key = Key::token(self.id);
        Expect::Unchanged { key, since }
    }

    /// Writes that the token holds this name from now on.
    pub(crate) fn take_name(&self, key: Key) -> PrivateWrite {
        let value = self.id.0.to_be_bytes().to_vec();
        PrivateWrite::Put { key, value }
    }

    /// Moves the token in the index of expiries from its old end to its present one. A revoked token leaves
    /// it.
    pub(crate) fn forecast(&self, was: Option<UnixTime>) -> PrivateWrite {
        PrivateWrite::IndexExpiry {
            token: self.id,
            was,
            at: self.expires_at.filter(|_| self.revoked.is_none()),
        }
    }

    /// Writes that the token is on its owner's list.
    pub(crate) fn listed(&self) -> PrivateWrite {
        PrivateWrite::IndexToken {
            owner: self.owner.clone(),
            token: self.id,
        }
    }

    /// Writes the token's record.
    pub(super) fn put(&self) -> PrivateWrite {
        let seconds = |time: Option<UnixTime>| time.map_or(0, |time| time.0);
        let end = |(serial, end): &(Serial, UnixTime)| SerialExpiry {
            serial: serial.0,
            expires_at: end.0,
        };
        let revoked = self.revoked.as_ref();
        let record = StoredToken {
            tid: self.id.0,
            owner_id: self.owner.to_string(),
            name: self.name.clone(),
            role: self.stored_role,
            scopes: self.stored_scopes.clone(),
            created_at: self.created_at.0,
            expires_at: seconds(self.expires_at),
            last_four: self.last_four.clone(),
            created_by: self.created_by.clone(),
            kid: self.kid.to_string(),
            serials: self.serials().into_iter().map(|it| it.0).collect(),
            revoked_at: seconds(revoked.map(|it| it.at)),
            revoked_by: revoked.map(|it| it.by.clone()).unwrap_or_default(),
            mac: Vec::new(),
            rotated_at: seconds(self.rotated_at),
            overlaps: self.overlaps.iter().map(end).collect(),
        };
        PrivateWrite::Put {
            key: Key::token(self.id),
            value: record.encode_to_vec(),
        }
    }

    /// Reads the token from its record.
    pub(crate) fn read(record: &[u8]) -> Result<Self, Unreadable> {
        // In the record 0 means that there is no time.
        let time = |seconds: u64| (seconds != 0).then_some(UnixTime(seconds));
        let token = StoredToken::decode(record).map_err(|_| Unreadable("a token"))?;
        let mut serials = token.serials.into_iter().map(Serial);
        let serial = serials.next_back().ok_or(Unreadable("a token's values"))?;
        let end = |end: SerialExpiry| (Serial(end.serial), UnixTime(end.expires_at));
        Ok(Self(Facts {
            id: TokenId(token.tid),
            owner: AccountId::parse(&token.owner_id).map_err(|_| Unreadable("a token's owner"))?,
            name: token.name,
            stored_role: token.role,
            stored_scopes: token.scopes,
            created_at: UnixTime(token.created_at),
            created_by: token.created_by,
            expires_at: time(token.expires_at),
            last_four: token.last_four,
            kid: KeyId::parse(&token.kid).map_err(|_| Unreadable("a token's key"))?,
            serial,
            replaced: serials.collect(),
            overlaps: token.overlaps.into_iter().map(end).collect(),
            rotated_at: time(token.rotated_at),
            revoked: time(token.revoked_at).map(|at| Revoked {
                at,
                by: token.revoked_by,
            }),
        }))
    }
}

fn last_four(value: &str) -> String {
    let from = value.len().checked_sub(4);
    let last = from.and_then(|from| value.get(from..));
    last.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> StoredToken {
        StoredToken {
            tid: 3,
            owner_id: "ada".into(),
            name: "laptop".into(),
            role: 3,
            scopes: Some(stored::Scopes::default()),
            created_at: 10,
            expires_at: 90,
            last_four: "wxyz".into(),
            created_by: "hub".into(),
            kid: "k1".into(),
            serials: vec![5, 7, 9],
            revoked_at: 50,
            revoked_by: "revoker".into(),
            mac: Vec::new(),
            rotated_at: 40,
            overlaps: vec![SerialExpiry {
                serial: 7,
                expires_at: 60,
            }],
        }
    }

    fn read(record: &StoredToken) -> Result<Token, Unreadable> {
        Token::read(&record.encode_to_vec())
    }

    #[test]
    fn what_is_read_is_what_was_put() {
        let least = StoredToken {
            tid: 1,
            owner_id: "ada".into(),
            kid: "k1".into(),
            serials: vec![1],
            ..StoredToken::default()
        };
        for record in [record(), least] {
            let PrivateWrite::Put { key, value } = read(&record).unwrap().put() else {
                panic!("a record is put");
            };
            assert_eq!(key, Key::token(TokenId(record.tid)));
            assert_eq!(StoredToken::decode(value.as_slice()), Ok(record));
        }
    }

    /// Such a token must still be shown and revoked, and no value may be made of it.
    #[test]
    fn a_newer_versions_role_and_scopes_are_kept_and_not_used() {
        let newer = stored::Scope {
            entity_kind: 999,
            ..stored::Scope::default()
        };
        let mut record = record();
        record.role = 999;
        record.scopes = Some(stored::Scopes {
            scoped: vec![newer],
            ..stored::Scopes::default()
        });
        let token = read(&record).unwrap();
        assert_eq!(token.stored_role, 999);
        assert_eq!(token.stored_scopes, record.scopes);
        assert_eq!(token.serials(), [Serial(5), Serial(7), Serial(9)]);
        assert!(token.role().is_err() && token.scopes().is_err());
        assert!(token.amendment().is_err());
    }

    #[test]
    fn a_record_that_lacks_what_all_have_is_unreadable() {
        let lacks: [fn(&mut StoredToken); 3] = [
            |it| it.serials.clear(),
            |it| it.owner_id.clear(),
            |it| it.kid.clear(),
        ];
        for lack in lacks {
            let mut record = record();
            lack(&mut record);
            assert!(read(&record).is_err());
        }
    }
}
