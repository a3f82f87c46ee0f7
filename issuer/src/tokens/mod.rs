//! Minting, listing and revoking tokens.
//!
//! Decides when a token may be made and what a revocation writes. A mint takes its serial, signs,
//! commits, and hands nothing out before that is durable. The secret is stored nowhere; of it only
//! the last four characters.

pub mod wire;

use std::sync::Arc;

use prost::Message;
use tokenward_common::{clock::UnixTime, state::State, token::EntityKind};
use tokenward_common::{
    id::{AccountId, Cursor, Serial, TokenId},
    replica::Replica,
    state::{
        key::Key,
        record::{Change, FloorTarget, RecordKey},
    },
    store::{Class, Commit, CommitError, Expect, PrivateWrite, Store},
    token::{Claims, Role, Scope, Scopes, SignError},
};
use tokenward_proto::internal::{StoredRequest, StoredToken};

use crate::{
    error::Problem,
    keys::Signing,
    request::{Audited, Request},
    view::catch_up,
};
use wire::OwnerRef;

/// For how long a repeat of a mint gives the secret again.
const SECRET_REPEATED: u64 = 600;
/// Tries against floors and names that move.
const MAX_TRIES: usize = 8;
/// Most tokens that one owner may be listed with in one answer.
pub const MAX_PAGE: usize = 1000;

#[derive(Clone)]
pub struct Tokens {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
    pub signing: Arc<Signing>,
}

/// What a new token shall be.
pub struct NewToken {
    pub owner: OwnerRef,
    pub name: String,
    pub role: Role,
    pub scopes: Option<Scopes>,
    pub expires_at: Option<UnixTime>,
}

pub struct Minted {
    pub token: StoredToken,
    /// `None`: a repeat that came too late.
    pub secret: Option<String>,
    pub cursor: Cursor,
}

impl Tokens {
    pub async fn create(&self, request: &Request, new: NewToken) -> Result<Minted, Problem> {
        if let Some((cursor, stored)) = request.repeated(self.store.as_ref()).await? {
            return self.minted_before(request, cursor, &stored).await;
        }
        for _ in 0..MAX_TRIES {
            let (owner, owner_expected) = self.validated(&new).await?;
            let name = Key::token_name(&owner, &new.name);
            let name_expected = match self.free_name(request, &name).await {
                Ok(expected) => expected,
                // By this very request perhaps, asked twice at once.
                Err(taken) => match request.repeated(self.store.as_ref()).await? {
                    Some((cursor, stored)) => {
                        return self.minted_before(request, cursor, &stored).await;
                    }
                    None => return Err(taken),
                },
            };
            let serial = self.store.take_serial().await?;
            let token = TokenId(serial.0);
            let claims = self.claims(request, &owner, &new, serial);
            let (kid, secret) = self.signing.sign(&claims).map_err(sign_problem)?;
            let stored = StoredToken {
                tid: token.0,
                owner_id: owner.to_string(),
                name: new.name.clone(),
                role: new.role.number(),
                scopes: new.scopes.as_ref().map(wire::scopes_to_stored),
                created_at: claims.iat.0,
                expires_at: claims.exp.map_or(0, |exp| exp.0),
                last_four: last_four(&secret),
                created_by: request.caller.name.clone(),
                kid: kid.to_string(),
                serials: vec![serial.0],
                ..StoredToken::default()
            };
            let commit = Commit {
                request: request.id,
                response: request.response(Some(token)),
                class: Class::Ordinary,
                changes: Vec::new(),
                private: vec![
                    PrivateWrite::Put {
                        key: Key::token(token),
                        value: stored.encode_to_vec(),
                    },
                    PrivateWrite::Put {
                        key: name,
                        value: token.0.to_be_bytes().to_vec(),
                    },
                    PrivateWrite::IndexToken {
                        owner: owner.clone(),
                        token,
                    },
                    PrivateWrite::Audit(request.audit(&audited(&owner, &stored))),
                ],
                expect: vec![
                    Expect::Absent(Key::token(token)),
                    Expect::FloorBelow {
                        target: FloorTarget::Realm,
                        serial,
                    },
                    Expect::FloorBelow {
                        target: FloorTarget::Owner(owner.clone()),
                        serial,
                    },
                    name_expected,
                    // The own view may be behind the owner's deletion, whose floor the serial is above.
                    owner_expected,
                ],
            };
            match self.store.commit(commit).await {
                Ok(committed) => {
                    return match committed.repeated {
                        // Two at once with one request id: the other was first.
                        Some(stored) => {
                            let stored = request.repeat_of(&stored)?;
                            self.minted_before(request, committed.cursor, &stored).await
                        }
                        None => Ok(Minted {
                            token: stored,
                            secret: Some(secret),
                            cursor: committed.cursor,
                        }),
                    };
                }
                Err(CommitError::Conflict(_)) => {
                    catch_up(self.store.as_ref(), &self.replica).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }

    pub async fn show(&self, token: TokenId) -> Result<StoredToken, Problem> {
        let found = self.store.get(&[Key::token(token)]).await?.pop().flatten();
        match found {
            Some(stored) => decode(&stored.value),
            None => Err(Problem::NotFound(format!("there is no token {token}"))),
        }
    }

    /// Oldest first, and where to go on.
    pub async fn list(
        &self,
        owner: &OwnerRef,
        after: Option<TokenId>,
        limit: usize,
        ended_too: bool,
        now: UnixTime,
    ) -> Result<(Vec<StoredToken>, Option<TokenId>), Problem> {
        let owner = self.owner(owner)?;
        let mut tokens = Vec::new();
        let mut after = after;
        loop {
            let ids = self.store.tokens_of(&owner, after, MAX_PAGE).await?;
            let keys: Vec<Key> = ids.iter().map(|id| Key::token(*id)).collect();
            let found = self.store.get(&keys).await?;
            for stored in found.into_iter().flatten() {
                let token = decode(&stored.value)?;
                after = Some(TokenId(token.tid));
                if ended_too || is_live(&token, now) {
                    tokens.push(token);
                }
                if tokens.len() == limit {
                    return Ok((tokens, after));
                }
            }
            if ids.len() < MAX_PAGE {
                return Ok((tokens, None));
            }
        }
    }

    /// Durable when answered. Never fails for a conflict: it expects nothing.
    pub async fn revoke(
        &self,
        request: &Request,
        token: TokenId,
    ) -> Result<(StoredToken, Cursor), Problem> {
        if let Some((cursor, _)) = request.repeated(self.store.as_ref()).await? {
            return Ok((self.show(token).await?, cursor));
        }
        let mut stored = self.show(token).await?;
        if stored.revoked_at == 0 {
            stored.revoked_at = request.now.seconds().0;
            stored.revoked_by = request.caller.name.clone();
        }
        let owner = AccountId::parse(&stored.owner_id).map_err(|_| Problem::Internal)?;
        let serials = stored.serials.iter().copied().map(Serial).collect();
        let commit = Commit {
            request: request.id,
            response: request.response(Some(token)),
            class: Class::Takeaway,
            changes: vec![Change::Revoke(serials)],
            private: vec![
                PrivateWrite::Put {
                    key: Key::token(token),
                    value: stored.encode_to_vec(),
                },
                PrivateWrite::Audit(request.audit(&audited(&owner, &stored))),
            ],
            expect: Vec::new(),
        };
        let committed = self.store.commit(commit).await?;
        if let Some(response) = committed.repeated {
            request.repeat_of(&response)?;
        }
        Ok((stored, committed.cursor))
    }

    /// The same token again, and within ten minutes the same secret: the same claims signed by
    /// the same key.
    async fn minted_before(
        &self,
        request: &Request,
        cursor: Cursor,
        first: &StoredRequest,
    ) -> Result<Minted, Problem> {
        let token = self.show(TokenId(first.tid)).await?;
        let fresh = request.now.seconds().0.saturating_sub(first.time) <= SECRET_REPEATED;
        let secret = if fresh { self.sign_again(&token) } else { None };
        Ok(Minted {
            token,
            secret,
            cursor,
        })
    }

    fn sign_again(&self, token: &StoredToken) -> Option<String> {
        let scopes = match token.scopes.clone() {
            Some(scopes) => Some(wire::scopes_from_stored(scopes)?),
            None => None,
        };
        let claims = Claims {
            iss: self.signing.issuer().into(),
            aud: self.signing.realm().into(),
            sub: AccountId::parse(&token.owner_id).ok()?,
            serial: Serial(*token.serials.first()?),
            tid: TokenId(token.tid),
            name: token.name.as_str().into(),
            iat: UnixTime(token.created_at),
            exp: (token.expires_at != 0).then_some(UnixTime(token.expires_at)),
            role: Role::from_number(token.role)?,
            scopes,
        };
        let secret = self.signing.sign_with(&token.kid, &claims)?;
        // Another issuer's settings could have made another string of it.
        (last_four(&secret) == token.last_four).then_some(secret)
    }

    fn claims(
        &self,
        request: &Request,
        owner: &AccountId,
        new: &NewToken,
        serial: Serial,
    ) -> Claims {
        Claims {
            iss: self.signing.issuer().into(),
            aud: self.signing.realm().into(),
            sub: owner.clone(),
            serial,
            tid: TokenId(serial.0),
            name: new.name.as_str().into(),
            iat: request.now.seconds(),
            exp: new.expires_at,
            role: new.role,
            scopes: new.scopes.clone(),
        }
    }

    /// What must hold of the name, unless a live token of the owner has it.
    async fn free_name(&self, request: &Request, name: &Key) -> Result<Expect, Problem> {
        let held = self.store.get(std::slice::from_ref(name)).await?.pop();
        let Some(held) = held.flatten() else {
            return Ok(Expect::Absent(name.clone()));
        };
        let id = held.value.as_slice().try_into().map(u64::from_be_bytes);
        let holder = self
            .show(TokenId(id.map_err(|_| Problem::Internal)?))
            .await?;
        if is_live(&holder, request.now.seconds()) {
            let text = "name: is a live token's of this owner; names are unique";
            return Err(Problem::Exists(text.into()));
        }
        Ok(Expect::Unchanged {
            key: name.clone(),
            since: held.revision,
        })
    }

    /// The owner, if all that the token is to name is there, and the expectation that it still is.
    /// What isn't there may have been acknowledged a moment ago, by another issuer.
    async fn validated(&self, new: &NewToken) -> Result<(AccountId, Expect), Problem> {
        let validate = || {
            let since = self.replica.cursor().revision;
            let owner = self.owner(&new.owner)?;
            self.check_entities(&owner, new.scopes.as_ref())?;
            let key = Key::of(&RecordKey::User(owner.clone()));
            Ok((owner, Expect::Unchanged { key, since }))
        };
        match validate() {
            Ok(valid) => Ok(valid),
            Err(_) => {
                catch_up(self.store.as_ref(), &self.replica).await?;
                validate()
            }
        }
    }

    fn owner(&self, owner: &OwnerRef) -> Result<AccountId, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let found = match owner {
            OwnerRef::Id(id) => state.account_by_id(id.as_str()),
            OwnerRef::Name(name) => state.account_by_name(name),
        };
        let account = found.and_then(|found| state.account(found));
        match account {
            Some(account) if !account.is_org => {
                AccountId::parse(&account.id()).map_err(|_| Problem::Internal)
            }
            Some(_) => Err(Problem::invalid(
                "owner",
                "is an org; tokens belong to users",
            )),
            None => Err(Problem::NotFound("owner: there is no such user".into())),
        }
    }

    /// A scope on what isn't there would grant nothing, or what comes there later.
    fn check_entities(&self, owner: &AccountId, scopes: Option<&Scopes>) -> Result<(), Problem> {
        let Some(scopes) = scopes else { return Ok(()) };
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        for (index, scope) in scopes.scoped.iter().enumerate() {
            check_entity(&view.state, owner, scope).map_err(|rule| {
                Problem::invalid(format!("scopes.scoped[{index}].entity_id"), rule)
            })?;
        }
        Ok(())
    }
}

fn check_entity(state: &State, owner: &AccountId, scope: &Scope) -> Result<(), &'static str> {
    let repo = |kind: &str| {
        let repo = state
            .repo_by_id(&scope.id)
            .and_then(|repo| state.repo(repo));
        match repo {
            Some(repo) if EntityKind::of_repo(repo.kind) == scope.kind => Ok(()),
            _ => Err(match kind {
                "model" => "there is no model of this id",
                "dataset" => "there is no dataset of this id",
                "space" => "there is no space of this id",
                _ => "there is no repo of this kind and id",
            }),
        }
    };
    match scope.kind {
        EntityKind::User if *scope.id == *owner.as_str() => Ok(()),
        EntityKind::User => Err("must be the owner's own id"),
        EntityKind::Org => {
            let org = state
                .account_by_id(&scope.id)
                .and_then(|org| state.account(org));
            match org {
                Some(org) if org.is_org => Ok(()),
                _ => Err("there is no org of this id"),
            }
        }
        EntityKind::Model => repo("model"),
        EntityKind::Dataset => repo("dataset"),
        EntityKind::Space => repo("space"),
        EntityKind::Bucket | EntityKind::Kernel | EntityKind::Collection => repo("other"),
        // Not in the directory: kept, and granting nothing.
        EntityKind::ResourceGroup | EntityKind::OauthApp | EntityKind::Endpoint => Ok(()),
    }
}

fn is_live(token: &StoredToken, now: UnixTime) -> bool {
    token.revoked_at == 0 && (token.expires_at == 0 || token.expires_at > now.0)
}

fn audited<'a>(owner: &'a AccountId, token: &'a StoredToken) -> Audited<'a> {
    Audited {
        owner: Some(owner),
        token: Some(TokenId(token.tid)),
        role: token.role,
        last_four: &token.last_four,
        operations: 1,
        ..Audited::default()
    }
}

fn decode(bytes: &[u8]) -> Result<StoredToken, Problem> {
    StoredToken::decode(bytes).map_err(|_| Problem::Internal)
}

fn last_four(secret: &str) -> String {
    secret
        .len()
        .checked_sub(4)
        .and_then(|from| secret.get(from..))
        .unwrap_or_default()
        .to_owned()
}

fn sign_problem(error: SignError) -> Problem {
    match error {
        SignError::TooLong => Problem::invalid(
            "scopes",
            "make the token longer than 4,096 characters; use fewer, or scopes on orgs",
        ),
        _ => Problem::Internal,
    }
}
