//! Changes a token without changing its string: the name, and a fine-grained token's role and scopes.
//!
//! The amendment holds all that is in force afterwards; verifiers apply it over the claims.

use tokenward_common::{
    id::{Cursor, TokenId},
    state::{
        key::Key,
        record::{Approval, Change, Record},
    },
    store::{CommitClass, PrivateWrite},
    token::{Role, Scopes},
};
use tokenward_proto::v1 as pb;

use super::{
    Tokens,
    narrower::takes_away,
    token::Token,
    wire::{self, AccountRef},
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    request::Request,
};

/// Describes a change of a token. What isn't set stays as it is.
pub struct Update {
    pub name: Option<String>,
    pub role: Option<Role>,
    pub scopes: Option<pb::Scopes>,
}

impl Tokens {
    pub async fn update(
        &self,
        request: &Request,
        token: TokenId,
        update: Update,
    ) -> Result<(Token, Cursor), Problem> {
        if update.name.is_none() && update.role.is_none() && update.scopes.is_none() {
            return Err(Problem::invalid(
                "name",
                "set at least one of name, role and scopes",
            ));
        }
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async { self.plan_update(request, token, &update).await };
        let (cursor, answer) = commit(store, replica, request, Effort::Ordinary, plan).await?;
        Ok((self.changed(token, answer).await?, cursor))
    }

    async fn plan_update(
        &self,
        request: &Request,
        token: TokenId,
        update: &Update,
    ) -> Result<Option<Plan<Token>>, Problem> {
        let now = request.now.seconds();
        let (since, old) = self.find(token).await?;
        if !self.must_live(since, &old, request).await? {
            return Ok(None);
        }
        let before = old.scopes()?;
        let settings = settings(&old, update)?;
        if let Some((role, scopes)) = &settings {
            let owner = AccountRef::Id(old.owner.clone());
            self.validated(&owner, Some((*role, scopes.as_ref())))
                .await?;
            self.check_lifetimes(scopes.as_ref(), before.as_ref(), old.expires_at, now)
                .await?;
        }
        let new = old.amend(update.name.as_deref(), settings);
        let mut writes = Writes {
            expect: vec![old.unchanged(since)],
            ..Writes::default()
        };
        if new.name != old.name {
            let key = Key::token_name(&new.owner, &new.name);
            writes.expect.push(self.free_name(request, &key).await?);
            writes.private = vec![
                new.take_name(key),
                // Only a live token holds its name, and this one is live.
                PrivateWrite::Delete(Key::token_name(&old.owner, &old.name)),
            ];
        }
        self.must_fit(&new)?;
        writes.private.push(new.put());
        let amended = Change::Put(Record::Amendment(new.amendment()?));
        writes.changes.push(amended);
        let reach = self.reach(&new, Some(&old), now)?;
        // An owner who is the org's admin by now approves the token at once, and that gives access.
        let approves = reach.changes.iter().any(is_approval);
        writes.extend(reach);
        // A change that takes rights away must not wait behind others.
        let class = match takes_away(Some(before), new.scopes().ok()) && !approves {
            true => CommitClass::Takeaway,
            false => CommitClass::Ordinary,
        };
        let plan = Plan::new(class, writes, vec![new.audited()], new);
        Ok(Some(plan.about(token, None)))
    }

    /// Checks that the settings fit into a value, so that a rotation can write them.
    fn must_fit(&self, token: &Token) -> Result<(), Problem> {
        let signing = self.keys.current();
        let kid = signing.active().ok_or(Problem::Internal)?;
        token.value(&signing, kid).map(drop)
    }
}

fn is_approval(change: &Change) -> bool {
    matches!(change, Change::Put(Record::OrgTokenView(view)) if view.state == Approval::Approved)
}

/// Returns the new role and scopes; `None` means that they stay.
fn settings(token: &Token, update: &Update) -> Result<Option<(Role, Option<Scopes>)>, Problem> {
    let old = token.role()?;
    if update.role.is_none_or(|role| role == old) && update.scopes.is_none() {
        return Ok(None);
    }
    if old != Role::FineGrained {
        let field = if update.scopes.is_some() {
            "scopes"
        } else {
            "role"
        };
        return Err(Problem::invalid(
            field,
            "only a fine-grained token's role and scopes can be changed; make a new token",
        ));
    }
    let role = update.role.unwrap_or(old);
    let new = match &update.scopes {
        None if role == Role::FineGrained => token.scopes()?,
        given => wire::scopes(role, given.clone())?,
    };
    Ok(Some((role, new)))
}
