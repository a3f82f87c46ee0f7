//! Minting, changing, listing and revoking tokens.
//!
//! | module | decides |
//! |---|---|
//! | `create`, `rotate` | when a value may be made; nothing is handed out before it is durable |
//! | `update`, `narrower` | what an amendment says, and whether it only takes away |
//! | `revoke`, `by_value` | what a revocation writes |
//! | `reach` | which orgs a token reaches, and what they ask of it when it is made or changed |
//! | `orgs` | what an org decides of a token |
//! | `list` | what is shown of tokens, and which of them are live |
//! | `named` | what a token's owner and the entities of its scopes are called |
//! | `warnings` | what of a token's scopes grants nothing |
//! | `wire` | messages to and from claims and stored tokens |
//!
//! A secret is stored nowhere; of it only the last four characters.

mod by_value;
mod create;
mod list;
mod named;
mod narrower;
mod orgs;
mod reach;
mod revoke;
mod rotate;
mod update;
mod warnings;
pub mod wire;

use std::sync::Arc;

use prost::Message;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, KeyId, Name, Revision, Serial, TokenId},
    replica::Replica,
    state::{
        State,
        codec::{scopes_from_proto, scopes_to_proto},
        key::Key,
        record::{Amendment, FloorTarget, RecordKey, Settings},
    },
    store::{Committed, Expect, PrivateWrite, Store},
    token::{Claims, EntityKind, Role, Scope, Scopes, SignError},
};
use tokenward_proto::internal::{SerialExpiry, StoredRequest, StoredToken};

use crate::{
    caller::Whose,
    error::{ErrorReason, Problem},
    keys::{Keys, Signing},
    request::{Audited, Request},
    view::catch_up,
};
use wire::AccountRef;

pub use by_value::{Beyond, ByValue, ByValueDone, MAX_VALUE, MAX_VALUES};
pub use create::NewToken;
pub use list::{MAX_PAGE, Shown};
pub use orgs::{Decision, Listing, Order, OrgShown};
pub use rotate::{MAX_OVERLAP, Rotation};
pub use update::Update;
pub use warnings::warnings;

/// For how long a repeat of a mint gives the secret again, in seconds.
const SECRET_REPEATED: u64 = 600;
/// Tries against floors, names and others' changes that move.
const MAX_TRIES: usize = 8;

#[derive(Clone)]
pub struct Tokens {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
    pub keys: Arc<Keys>,
}

/// A new value.
pub struct Minted {
    pub token: StoredToken,
    /// `None`: a repeat that came too late.
    pub secret: Option<String>,
    pub cursor: Cursor,
}

impl Tokens {
    /// A token as it is stored, and since when.
    async fn find(&self, token: TokenId) -> Result<(Revision, StoredToken), Problem> {
        let found = self.store.get(&[Key::token(token)]).await?.pop().flatten();
        match found {
            Some(stored) => Ok((stored.revision, decode(&stored.value)?)),
            None => Err(self.missing(token).await),
        }
    }

    /// In a store that lost what it held nothing is called missing.
    async fn missing(&self, token: TokenId) -> Problem {
        match self.store.able().await {
            Err(reason) if reason.lasts() => Problem::Unfit {
                reason,
                sent: false,
            },
            _ => Problem::NotFound(format!("there is no token {token}")),
        }
    }

    /// A token of somebody else's is answered as one that isn't there. A token's owner never changes,
    /// so what is done after this is done to a token of his.
    pub async fn must_be_of(&self, whose: &Whose, token: TokenId) -> Result<(), Problem> {
        let Whose::Of(owner) = whose else {
            return Ok(());
        };
        let (_, stored) = self.find(token).await?;
        if stored.owner_id == owner.as_str() {
            Ok(())
        } else {
            Err(self.missing(token).await)
        }
    }

    /// A value that was committed; or, of two at once with one request id, what the other committed.
    async fn minted(
        &self,
        request: &Request,
        committed: Committed,
        token: StoredToken,
        secret: String,
    ) -> Result<Minted, Problem> {
        match committed.repeated {
            Some(first) => {
                let first = request.repeat_of(&first)?;
                self.minted_before(request, committed.cursor, &first).await
            }
            None => Ok(Minted {
                token,
                secret: Some(secret),
                cursor: committed.cursor,
            }),
        }
    }

    /// As it was answered the first time, and within ten minutes with the same secret: the same
    /// claims signed by the same key.
    async fn minted_before(
        &self,
        request: &Request,
        cursor: Cursor,
        first: &StoredRequest,
    ) -> Result<Minted, Problem> {
        let (_, token) = self.find(TokenId(first.tid)).await?;
        let fresh = request.now.seconds().0.saturating_sub(first.time) <= SECRET_REPEATED;
        // A value that was replaced since is not given again.
        let same = token.serials.last() == Some(&first.serial);
        let secret = (fresh && same).then(|| self.sign_again(&token)).flatten();
        Ok(Minted {
            token,
            secret,
            cursor,
        })
    }

    fn sign_again(&self, token: &StoredToken) -> Option<String> {
        let signing = self.keys.current();
        let claims = claims(&signing, token)?;
        let secret = signing.sign_with(&token.kid, &claims)?.ok()?;
        // Other settings since could have made another string of it.
        (last_four(&secret) == token.last_four).then_some(secret)
    }

    /// The token's newest value by the key that signs now, and what of it is stored.
    fn sign(&self, signing: &Signing, token: &mut StoredToken) -> Result<String, Problem> {
        let kid = self.signing_key(signing)?;
        let claims = claims(signing, token).ok_or(Problem::Internal)?;
        let secret = signing
            .sign_with(kid.as_str(), &claims)
            .ok_or(Problem::Internal)?
            .map_err(sign_problem)?;
        token.kid = kid.to_string();
        token.last_four = last_four(&secret);
        Ok(secret)
    }

    /// The key that signs, unless it was withdrawn: what it signs is refused everywhere.
    fn signing_key(&self, signing: &Signing) -> Result<KeyId, Problem> {
        let kid = signing.active().ok_or(Problem::Internal)?;
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        if view.state.is_withdrawn(kid.as_str()) {
            return Err(Problem::Precondition(
                ErrorReason::SigningKeyWithdrawn,
                "the signing key was withdrawn and there is no other: rotate the keys".into(),
            ));
        }
        Ok(kid.clone())
    }

    /// What must hold for a value to be handed out: no floor has reached the serial, and its key
    /// stands.
    fn may_live(owner: &AccountId, serial: Serial, kid: &str) -> Result<Vec<Expect>, Problem> {
        let kid = KeyId::parse(kid).map_err(|_| Problem::Internal)?;
        let floor = |target| Expect::FloorBelow { target, serial };
        Ok(vec![
            floor(FloorTarget::Realm),
            floor(FloorTarget::Owner(owner.clone())),
            Expect::Absent(Key::of(&RecordKey::WithdrawnKey(kid))),
        ])
    }

    /// What must hold of the name, unless a live token of the owner has it.
    async fn free_name(&self, request: &Request, name: &Key) -> Result<Expect, Problem> {
        let held = self.store.get(std::slice::from_ref(name)).await?.pop();
        let Some(held) = held.flatten() else {
            return Ok(Expect::Absent(name.clone()));
        };
        let id = held.value.as_slice().try_into().map(u64::from_be_bytes);
        let id = TokenId(id.map_err(|_| Problem::Internal)?);
        for _ in 0..MAX_TRIES {
            let (since, holder) = self.find(id).await?;
            // A floor that another issuer raised a moment ago may not be seen here yet.
            if self.is_live(&holder, request.now.seconds())? {
                catch_up(self.store.as_ref(), &self.replica).await?;
                if self.is_live(&holder, request.now.seconds())? {
                    let text = "name: is a live token's of this owner; names are unique";
                    return Err(Problem::Exists(ErrorReason::NameTaken, text.into()));
                }
            }
            if !self.is_overtaken(since, &holder).await? {
                return Ok(Expect::Unchanged {
                    key: name.clone(),
                    since: held.revision,
                });
            }
        }
        Err(Problem::Contended)
    }

    /// An owner by id or name, as the own view has it.
    fn owner(&self, owner: &AccountRef) -> Result<AccountId, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let found = match owner {
            AccountRef::Id(id) => state.account_by_id(id.as_str()),
            AccountRef::Name(name) => state.account_by_name(name),
        };
        let account = found.and_then(|found| state.account(found));
        match account {
            Some(account) if !account.is_org => Ok(account.id()),
            Some(_) => Err(Problem::invalid(
                "owner",
                "is an org; tokens belong to users",
            )),
            None => Err(Problem::NotFound("owner: there is no such user".into())),
        }
    }

    /// As [`Self::owner`], and what a commit must expect for the name to be still theirs.
    async fn current_owner(
        &self,
        owner: &AccountRef,
    ) -> Result<(AccountId, Option<Expect>), Problem> {
        self.know(owner).await?;
        let since = self.replica.cursor().revision;
        let found = match self.owner(owner) {
            // One who isn't there may have been acknowledged a moment ago, by another issuer.
            Err(_) => {
                catch_up(self.store.as_ref(), &self.replica).await?;
                self.owner(owner)?
            }
            Ok(found) => found,
        };
        Ok((found, still_named(owner, since)))
    }

    /// A name may have gone to another account a moment ago, and the own view not know: it is caught up
    /// with before the name is looked up. An id is the same account's for ever.
    async fn know(&self, account: &AccountRef) -> Result<(), Problem> {
        match account {
            AccountRef::Id(_) => Ok(()),
            AccountRef::Name(_) => catch_up(self.store.as_ref(), &self.replica).await,
        }
    }

    /// The owner, if they may have such a token and all that it is to name is there, and the
    /// expectation that they still are.
    async fn validated(
        &self,
        owner: &AccountRef,
        new: Option<(Role, Option<&Scopes>)>,
    ) -> Result<(AccountId, Vec<Expect>), Problem> {
        self.know(owner).await?;
        let validate = || {
            let since = self.replica.cursor().revision;
            let id = self.owner(owner)?;
            if let Some((role, scopes)) = new {
                self.check_role(&id, role)?;
                self.check_entities(&id, scopes)?;
            }
            let key = Key::of(&RecordKey::User(id.clone()));
            let mut expect = vec![Expect::Unchanged { key, since }];
            expect.extend(still_named(owner, since));
            Ok((id, expect))
        };
        match validate() {
            Ok(valid) => Ok(valid),
            Err(_) => {
                catch_up(self.store.as_ref(), &self.replica).await?;
                validate()
            }
        }
    }

    /// Another token of a service account's would do nothing.
    fn check_role(&self, owner: &AccountId, role: Role) -> Result<(), Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let owner = view.state.account_by_id(owner.as_str());
        let acts_for = owner.and_then(|owner| view.state.service_account_of(owner));
        if acts_for.is_some() && role != Role::FineGrained {
            let rule = "must be fine-grained: the owner is a service account";
            return Err(Problem::invalid("role", rule));
        }
        Ok(())
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

/// The name is still the account's that had it in a view of this revision: a rename, and whoever takes
/// the name after it, write its record.
fn still_named(account: &AccountRef, since: Revision) -> Option<Expect> {
    let AccountRef::Name(name) = account else {
        return None;
    };
    let key = Key::account_name(&Name::parse(name).ok()?.folded());
    Some(Expect::Unchanged { key, since })
}

/// Of the newest value.
fn claims(signing: &Signing, token: &StoredToken) -> Option<Claims> {
    let rotated = token.rotated_at != 0;
    Some(Claims {
        iss: signing.issuer().into(),
        aud: signing.realm().into(),
        sub: AccountId::parse(&token.owner_id).ok()?,
        serial: Serial(*token.serials.last()?),
        tid: TokenId(token.tid),
        name: token.name.as_str().into(),
        iat: UnixTime(if rotated {
            token.rotated_at
        } else {
            token.created_at
        }),
        exp: time(token.expires_at),
        role: Role::from_number(token.role)?,
        scopes: scopes(token)?,
    })
}

/// `None`: not what this version writes.
fn scopes(token: &StoredToken) -> Option<Option<Scopes>> {
    token.scopes.clone().map(scopes_from_proto).transpose().ok()
}

/// What is in force for a token, as verifiers are told.
fn amendment(token: &StoredToken) -> Result<Amendment, Problem> {
    let end = |end: &SerialExpiry| (Serial(end.serial), UnixTime(end.expires_at));
    Ok(Amendment {
        token: TokenId(token.tid),
        owner: owner_of(token)?,
        settings: Settings {
            name: token.name.as_str().into(),
            role: Role::from_number(token.role).ok_or(Problem::Internal)?,
            scopes: scopes(token).ok_or(Problem::Internal)?,
        },
        expiries: token.overlaps.iter().map(end).collect(),
    })
}

fn owner_of(token: &StoredToken) -> Result<AccountId, Problem> {
    AccountId::parse(&token.owner_id).map_err(|_| Problem::Internal)
}

/// The record, and who did what to it.
fn written(request: &Request, owner: &AccountId, token: &StoredToken) -> [PrivateWrite; 2] {
    let audited = Audited {
        owner: Some(owner),
        token: Some(TokenId(token.tid)),
        role: token.role,
        last_four: &token.last_four,
        kid: &token.kid,
        operations: 1,
        ..Audited::default()
    };
    [
        PrivateWrite::Put {
            key: Key::token(TokenId(token.tid)),
            value: token.encode_to_vec(),
        },
        PrivateWrite::Audit(request.audit(&audited)),
    ]
}

/// 0 is no time.
fn time(seconds: u64) -> Option<UnixTime> {
    (seconds != 0).then_some(UnixTime(seconds))
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
                "endpoint" => "there is no endpoint of this id",
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
        EntityKind::Endpoint => repo("endpoint"),
        EntityKind::ResourceGroup => {
            let group = state.group_by_id(&scope.id);
            match group.and_then(|group| state.group(group)) {
                Some(_) => Ok(()),
                None => Err("there is no resource group of this id"),
            }
        }
        // Not in the directory: kept, and granting nothing.
        EntityKind::OauthApp => Ok(()),
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

/// As records keep them.
fn stored_scopes(scopes: Option<&Scopes>) -> Option<tokenward_proto::internal::Scopes> {
    scopes.map(scopes_to_proto)
}
