//! A case without programs: what happens in it as changes of a state, as an issuer writes them; its
//! token judged by plain rules, then by the library's decision.

use tokenward_common::{
    access::{Ceiling, Permission, Principal, Refusal, Target, TokenFacts, evaluate},
    clock::UnixTime,
    id::{AccountId, KeyId, Serial, TokenId},
    state::{
        Account, AccountStatus, Entry, State,
        record::{Amendment, Change, FloorTarget, Record, RecordKey, Settings},
    },
    token::{
        Claims, Expected, Prefix, Role, Scopes, SigningKey, TokenError, Verified, VerifyKeys, sign,
        verify,
    },
};
use tokenward_proto::v1::Reason;

use crate::{
    case_approval::{told, view},
    history::{LOG, cursor},
    table::{
        HUB,
        forge::forge,
        hub::{Deed, Hub, Said},
        row::{Caller, Row, Token},
        words::{KINDS, named},
    },
};

const TID: TokenId = TokenId(1);
const ISSUER: &str = "https://issuer.example";
const NOW: UnixTime = UnixTime(1_800_000_000);

fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::parse("k1").unwrap(), &[1; 32]).unwrap()
}

/// An answer: why not, and in the decision's own words where it has them.
pub type Answer = Result<(), (Reason, Option<String>)>;

pub struct World {
    state: State,
    hub: Hub,
    /// The newest value's; 0: there is no token yet.
    serial: Serial,
}

impl World {
    /// As it is when the row asks.
    pub fn of(row: &Row<'_>) -> Self {
        let (hub, changes) = Hub::read(HUB, "");
        let mut world = Self {
            state: State::new(LOG),
            hub,
            serial: Serial(0),
        };
        for changes in changes.chunks(100) {
            world.apply(changes.to_vec());
        }
        for step in row.steps() {
            match (world.hub.say(step), &row.caller) {
                (Said::Change(change), _) => world.apply(followed(change)),
                (Said::Deed(deed), Caller::Token(token)) => world.happen(token, deed),
                (Said::Deed(_), Caller::Anonymous) => {}
            }
        }
        world
    }

    fn apply(&mut self, changes: Vec<Change>) {
        let at = self.state.cursor();
        let entry = Entry {
            cursor: cursor(at.revision.0 + 1),
            predecessor: at.fingerprint,
            serial: self.serial,
            time: Default::default(),
            changes,
        };
        self.state.apply(&entry).unwrap();
    }

    /// What is done to the token, as its issuer would do it.
    fn happen(&mut self, token: &Token<'_>, deed: Deed) {
        let owner = AccountId::parse(&self.hub.tagged(token.owner)).unwrap();
        let changes = match deed {
            Deed::Mint => {
                self.serial = Serial(TID.0);
                let scopes = token.scopes.as_ref();
                told(&self.state, TID, &owner, [scopes, None])
            }
            Deed::Amend(scopes) => {
                let scopes = self.hub.scopes(&scopes);
                let before = self.in_force(token).1;
                let mut changes = told(&self.state, TID, &owner, [Some(&scopes), before.as_ref()]);
                changes.push(Change::Put(Record::Amendment(Amendment {
                    token: TID,
                    owner,
                    settings: Settings {
                        name: "case".into(),
                        role: Role::FineGrained,
                        scopes: Some(scopes),
                    },
                    expiries: Vec::new(),
                })));
                changes
            }
            Deed::Rotate => {
                let old = self.serial;
                self.serial = Serial(old.0 + 1);
                vec![Change::Revoke(vec![old])]
            }
            Deed::Revoke => vec![Change::Revoke(vec![self.serial])],
            Deed::RevokeAll => vec![Change::RaiseFloor(FloorTarget::Owner(owner))],
            Deed::RevokeAllInOrg(org) => vec![Change::RaiseFloor(FloorTarget::Org(org))],
            Deed::Decide(state, org) => vec![view(org, TID, &owner, state)],
        };
        if !changes.is_empty() {
            self.apply(changes);
        }
    }

    /// Role and scopes: the amendment's over the claims'.
    fn in_force(&self, token: &Token<'_>) -> (Role, Option<Scopes>) {
        match self.state.amendment(TID).and_then(|it| it.decoded()) {
            Some(settings) => (settings.role, settings.scopes),
            None => (token.role, token.scopes.clone()),
        }
    }

    pub fn answer(&self, row: &Row<'_>) -> Answer {
        let refused = |reason| (reason, None);
        let held = match &row.caller {
            Caller::Anonymous => None,
            Caller::Token(token) => {
                let verified = genuine(&self.value(token)).map_err(refused)?;
                let owner = self.live(&verified).map_err(refused)?;
                let (role, scopes) = self.in_force(token);
                let facts = TokenFacts {
                    id: verified.claims().tid,
                    serial: verified.claims().serial,
                };
                Some((owner, Ceiling::compile(role, scopes.as_ref()), facts))
            }
        };
        let principal = match &held {
            Some((owner, ceiling, token)) => Principal::Token {
                owner: *owner,
                ceiling,
                token: *token,
            },
            None => Principal::Anonymous,
        };
        let permission = Permission::parse(row.permission)
            .unwrap_or_else(|| panic!("line {}: {}?", row.number, row.permission));
        let target = self.target(row.resource);
        target
            .ok_or(Refusal::NotFound)
            .and_then(|target| evaluate(&self.state, &principal, target, permission))
            .map_err(|refusal| {
                let reason = Reason::try_from(refusal.number()).unwrap();
                let text = refusal.message(permission, target).into_owned();
                (reason, Some(text))
            })
    }

    /// The string that the row's caller shows.
    fn value(&self, token: &Token<'_>) -> String {
        let serial = if token.old {
            Serial(TID.0)
        } else {
            self.serial
        };
        let claims = Claims {
            iss: ISSUER.into(),
            aud: "hub".into(),
            sub: AccountId::parse(&self.hub.tagged(token.owner)).unwrap(),
            serial,
            tid: TID,
            name: "case".into(),
            iat: UnixTime(1),
            exp: token.expired.then_some(NOW),
            role: token.role,
            scopes: token.scopes.clone(),
        };
        match token.forged {
            None => sign(&claims, &Prefix::default(), &key()).unwrap(),
            Some(how) => forge(how, &claims, &key()),
        }
    }

    /// The owner, if the token is good now.
    fn live(&self, verified: &Verified) -> Result<Account, Reason> {
        let claims = verified.claims();
        if claims.exp.is_some_and(|exp| exp <= NOW) {
            return Err(Reason::TokenExpired);
        }
        if self.state.is_revoked(claims.serial) {
            return Err(Reason::TokenRevoked);
        }
        let owner = self.state.account_by_id(claims.sub.as_str());
        let owner = owner.ok_or(Reason::OwnerUnknown)?;
        if claims.serial <= self.state.refused_up_to(owner) {
            return Err(Reason::TokenRevoked);
        }
        match self.state.standing(owner) {
            Some(AccountStatus::User {
                disabled: false, ..
            }) => Ok(owner),
            Some(AccountStatus::User { disabled: true, .. }) => Err(Reason::OwnerDisabled),
            Some(AccountStatus::Org) | None => Err(Reason::OwnerUnknown),
        }
    }

    fn target(&self, (kind, name): (&str, &str)) -> Option<Target> {
        if kind == "user" || kind == "org" {
            return self.state.account_by_name(name).map(Target::Account);
        }
        let (owner, name) = name.split_once('/')?;
        let kind = named(&KINDS, kind);
        self.state.repo_by_name(kind, owner, name).map(Target::Repo)
    }
}

/// A deleted user's tokens never come back, should the id.
fn followed(change: Change) -> Vec<Change> {
    let floor = match &change {
        Change::Delete(RecordKey::User(id)) => Some(FloorTarget::Owner(id.clone())),
        _ => None,
    };
    let floor = floor.map(Change::RaiseFloor);
    floor.into_iter().chain([change]).collect()
}

fn genuine(text: &str) -> Result<Verified, Reason> {
    let keys = VerifyKeys::new([key().public().clone()]).unwrap();
    let expected = Expected {
        issuer: ISSUER.into(),
        audience: "hub".into(),
        prefix: Prefix::default(),
    };
    verify(text, &expected, &keys).map_err(|error| match error {
        TokenError::Malformed => Reason::TokenMalformed,
        TokenError::KeyUnknown => Reason::TokenKeyUnknown,
        TokenError::Signature => Reason::TokenSignature,
        TokenError::Claims => Reason::TokenClaims,
    })
}
