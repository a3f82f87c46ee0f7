//! Changing a token without changing its string: name, and of a fine-grained one role and scopes.
//!
//! What is then in force is an amendment, whole; verifiers put it over the claims.

use tokenward_common::{
    id::{Cursor, TokenId},
    state::{
        key::Key,
        record::{Approval, Change, Record},
    },
    store::{Class, Expect, PrivateWrite},
    token::{Role, Scopes},
};
use tokenward_proto::{internal::StoredToken, v1 as pb};

use super::{
    Tokens, amendment, audited, claims, narrower::takes_away, owner_of, put, scopes, sign_problem,
    stored_scopes, time, wire, wire::AccountRef,
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    request::Request,
};

/// What isn't set stays as it is.
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
    ) -> Result<(StoredToken, Cursor), Problem> {
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
    ) -> Result<Option<Plan<StoredToken>>, Problem> {
        let now = request.now.seconds();
        let (since, old) = self.find(token).await?;
        if !self.must_live(since, &old, request).await? {
            return Ok(None);
        }
        let owner = owner_of(&old)?;
        let mut new = old.clone();
        if let Some((role, scopes)) = settings(&old, update)? {
            let owner = AccountRef::Id(owner.clone());
            self.validated(&owner, Some((role, scopes.as_ref())))
                .await?;
            let before = self::scopes(&old).ok_or(Problem::Internal)?;
            let end = time(old.expires_at);
            self.check_lifetimes(scopes.as_ref(), before.as_ref(), end, now)
                .await?;
            new.role = role.number();
            new.scopes = stored_scopes(scopes.as_ref());
        }
        let mut writes = Writes {
            expect: vec![Expect::Unchanged {
                key: Key::token(token),
                since,
            }],
            ..Writes::default()
        };
        if let Some(name) = update.name.as_ref().filter(|name| **name != old.name) {
            let key = Key::token_name(&owner, name);
            writes.expect.push(self.free_name(request, &key).await?);
            new.name.clone_from(name);
            writes.private = vec![
                PrivateWrite::Put {
                    key,
                    value: token.0.to_be_bytes().to_vec(),
                },
                // A live token holds its own name.
                PrivateWrite::Delete(Key::token_name(&owner, &old.name)),
            ];
        }
        self.must_fit(&new)?;
        writes.private.push(put(&new));
        let amended = Change::Put(Record::Amendment(amendment(&new)?));
        writes.changes.push(amended);
        let reach = self.reach(&new, Some(&old), now)?;
        // An owner who is the org's admin by now approves it at once: that gives.
        let approves = reach.changes.iter().any(is_approval);
        writes.extend(reach);
        Ok(Some(Plan {
            // What takes rights away waits behind nothing.
            class: if takes_away(self::scopes(&old), self::scopes(&new)) && !approves {
                Class::Takeaway
            } else {
                Class::Ordinary
            },
            writes,
            audited: vec![audited(&owner, &new)],
            token: Some(token),
            serial: None,
            answer: new,
        }))
    }

    /// A rotation must be able to write the settings into a value.
    fn must_fit(&self, token: &StoredToken) -> Result<(), Problem> {
        let signing = self.keys.current();
        let kid = signing.active().ok_or(Problem::Internal)?.clone();
        let claims = claims(&signing, token).ok_or(Problem::Internal)?;
        signing
            .sign_with(kid.as_str(), &claims)
            .ok_or(Problem::Internal)?
            .map(drop)
            .map_err(sign_problem)
    }
}

fn is_approval(change: &Change) -> bool {
    matches!(change, Change::Put(Record::OrgTokenView(view)) if view.state == Approval::Approved)
}

/// The role and scopes to come; `None`: they stay.
fn settings(
    token: &StoredToken,
    update: &Update,
) -> Result<Option<(Role, Option<Scopes>)>, Problem> {
    let old = Role::from_number(token.role).ok_or(Problem::Internal)?;
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
        None if role == Role::FineGrained => scopes(token).ok_or(Problem::Internal)?,
        given => wire::scopes(role, given.clone())?,
    };
    Ok(Some((role, new)))
}
