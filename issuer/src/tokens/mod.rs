//! Minting, changing, listing and revoking tokens.
//!
//! | module | decides |
//! |---|---|
//! | `create`, `rotate` | when a value may be made; nothing is handed out before it is durable |
//! | `update`, `narrower` | what an amendment says, and whether it only takes away |
//! | `revoke`, `by_value` | what a revocation writes |
//! | `reach` | which orgs a token reaches, and what they ask of it when it is made or changed |
//! | `orgs` | what an org decides of a token |
//! | `token` | what of a token is kept, and what its life's steps make of it |
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
mod token;
mod update;
mod warnings;
pub mod wire;

use std::sync::Arc;

use tokenward_common::{
    id::{AccountId, Cursor, KeyId, Name, Revision, Serial, TokenId},
    replica::Replica,
    state::{
        State,
        key::Key,
        record::{FloorTarget, RecordKey},
    },
    store::{Expect, Store},
    token::{EntityKind, Role, Scope, Scopes},
};
use tokenward_proto::internal::StoredRequest;

use crate::{
    caller::Whose,
    commit::Answer,
    error::{ErrorReason, Problem, Unreadable},
    keys::{Keys, Signing},
    request::Request,
    view::catch_up,
};
use token::Signed;
use wire::AccountRef;

pub use by_value::{Beyond, ByValue, ByValueDone, MAX_VALUE, MAX_VALUES};
pub use create::NewToken;
pub use list::{MAX_PAGE, Shown};
pub use orgs::{Decision, Listing, Order, OrgShown};
pub use rotate::{MAX_OVERLAP, Rotation};
pub use token::{Facts, Revoked, Token};
pub use update::Update;
pub use warnings::warnings;

/// For how long a repeat of a mint gives the secret again, in seconds.
const SECRET_REPEATED: u64 = 600;
/// Times that a name's holder is read while others change it.
const MAX_READS: usize = 8;

#[derive(Clone)]
pub struct Tokens {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
    pub keys: Arc<Keys>,
}

/// A new value.
pub struct Minted {
    pub token: Token,
    /// `None`: a repeat that came too late.
    pub secret: Option<String>,
    pub cursor: Cursor,
}

impl Tokens {
    /// A token as it is stored, and since when.
    async fn find(&self, token: TokenId) -> Result<(Revision, Token), Problem> {
        let found = self.store.get(&[Key::token(token)]).await?.pop().flatten();
        match found {
            Some(stored) => Ok((stored.revision, Token::read(&stored.value)?)),
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
        if stored.owner == *owner {
            Ok(())
        } else {
            Err(self.missing(token).await)
        }
    }

    /// A value that was committed, by this call or by an earlier one.
    async fn minted(
        &self,
        request: &Request,
        (cursor, answer): (Cursor, Answer<Signed>),
    ) -> Result<Minted, Problem> {
        match answer {
            Answer::First(first) => self.minted_before(request, cursor, &first).await,
            Answer::New((token, secret)) => Ok(Minted {
                token,
                secret: Some(secret),
                cursor,
            }),
        }
    }

    /// A token that was changed, by this call or by an earlier one: then as it is now.
    async fn changed(&self, token: TokenId, answer: Answer<Token>) -> Result<Token, Problem> {
        match answer {
            Answer::First(_) => Ok(self.find(token).await?.1),
            Answer::New(changed) => Ok(changed),
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
        let same = token.serial.0 == first.serial;
        let again = || token.value_again(&self.keys.current());
        let secret = (fresh && same).then(again).flatten();
        Ok(Minted {
            token,
            secret,
            cursor,
        })
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
    fn may_live(owner: &AccountId, serial: Serial, kid: &KeyId) -> Vec<Expect> {
        let floor = |target| Expect::FloorBelow { target, serial };
        vec![
            floor(FloorTarget::Realm),
            floor(FloorTarget::Owner(owner.clone())),
            Expect::Absent(Key::of(&RecordKey::WithdrawnKey(kid.clone()))),
        ]
    }

    /// What must hold of the name, unless a live token of the owner has it.
    async fn free_name(&self, request: &Request, name: &Key) -> Result<Expect, Problem> {
        let held = self.store.get(std::slice::from_ref(name)).await?.pop();
        let Some(held) = held.flatten() else {
            return Ok(Expect::Absent(name.clone()));
        };
        let id = held.value.as_slice().try_into().map(u64::from_be_bytes);
        let id = TokenId(id.map_err(|_| Unreadable("a name's holder"))?);
        for _ in 0..MAX_READS {
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
