//! Decides who may own a token, what the token may be scoped on, and which names are free for it.

use tokenward_common::{
    id::{AccountId, Name, Revision, TokenId},
    state::{State, key::Key, record::RecordKey},
    store::Expect,
    token::{EntityKind, Role, Scope, Scopes},
};

use super::{Tokens, wire::AccountRef};
use crate::{
    error::{ErrorReason, Problem, Unreadable},
    request::Request,
};

/// How often a name's holder is read while other writers change it.
const MAX_READS: usize = 8;

impl Tokens {
    /// Looks up an owner by id or name in the own view.
    pub(super) fn owner(&self, owner: &AccountRef) -> Result<AccountId, Problem> {
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

    /// Looks up an owner by id or name, and returns what a commit must expect for the name to be still
    /// theirs.
    pub(super) async fn current_owner(
        &self,
        owner: &AccountRef,
    ) -> Result<(AccountId, Option<Expect>), Problem> {
        self.know(owner).await?;
        let since = self.replica.cursor().revision;
        let found = match self.owner(owner) {
            // Another issuer may have acknowledged an owner a moment ago whom the view doesn't show yet.
            Err(_) => {
                self.catch_up().await?;
                self.owner(owner)?
            }
            Ok(found) => found,
        };
        Ok((found, still_named(owner, since)))
    }

    /// Catches the own view up before an account is looked up by name, because the name may have gone to
    /// another account a moment ago. An id belongs to the same account for ever.
    pub(super) async fn know(&self, account: &AccountRef) -> Result<(), Problem> {
        match account {
            AccountRef::Id(_) => Ok(()),
            AccountRef::Name(_) => self.catch_up().await,
        }
    }

    /// Returns the owner, if they may have such a token and all entities of its scopes exist, with the
    /// expectation that the owner stays unchanged.
    pub(super) async fn validated(
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
            let key = Key::from_record_key(&RecordKey::User(id.clone()));
            let mut expect = vec![Expect::Unchanged { key, since }];
            expect.extend(still_named(owner, since));
            Ok((id, expect))
        };
        match validate() {
            Ok(valid) => Ok(valid),
            Err(_) => {
                self.catch_up().await?;
                validate()
            }
        }
    }

    /// Checks the role: a token of a service account that is not fine-grained would do nothing.
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

    /// Checks that the scoped entities exist. A scope on a missing one would grant nothing, or access to an
    /// entity that appears later.
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

    /// Returns what a commit must expect of the name, unless a live token of the owner has it.
    pub(super) async fn free_name(&self, request: &Request, name: &Key) -> Result<Expect, Problem> {
        let held = self.store.get(std::slice::from_ref(name)).await?.pop();
        let Some(held) = held.flatten() else {
            return Ok(Expect::Absent(name.clone()));
        };
        let id = held.value.as_slice().try_into().map(u64::from_be_bytes);
        let id = TokenId(id.map_err(|_| Unreadable("a name's holder"))?);
        for _ in 0..MAX_READS {
            let (since, holder) = self.find(id).await?;
            // The own view may not show a floor yet that another issuer raised a moment ago.
            if self.is_live(&holder, request.now.seconds())? {
                self.catch_up().await?;
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
}

/// Expects that the name still belongs to the account that had it in a view of this revision: a rename, or
/// another account that takes the name, writes the name's record.
pub(super) fn still_named(account: &AccountRef, since: Revision) -> Option<Expect> {
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
        // OAuth apps are not in the directory; such a scope is kept and grants nothing.
        EntityKind::OauthApp => Ok(()),
    }
}
