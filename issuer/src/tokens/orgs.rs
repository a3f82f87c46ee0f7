//! What an org decides about single tokens that reach it, and which tokens those are.

use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, TokenId},
    state::{
        Account, State,
        codec::{join, scopes_to_proto},
        key::Key,
        record::{Approval, Change, FloorTarget, OrgTokenView, Record, RecordKey, TokenPolicy},
    },
    store::{CommitClass, Expect},
    token::{tokens_in, verify},
};

use super::{
    MAX_VALUE, Shown, Tokens, owner::still_named, reach::org_of, token::Token, wire::AccountRef,
};
use crate::{
    commit::{Answer, Effort, Plan, Writes, commit},
    error::{ErrorReason, Problem, Unreadable},
    request::{Audited, Request},
};

/// An org's admin requests this decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Approve,
    Deny,
    /// The token is revoked in this org for ever.
    Revoke,
}

impl Decision {
    pub fn state(self) -> Approval {
        match self {
            Self::Approve => Approval::Approved,
            Self::Deny => Approval::Denied,
            Self::Revoke => Approval::Revoked,
        }
    }
}

/// Requests one decision of an org on one token.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub org: &'a AccountRef,
    pub token: TokenId,
    pub decision: Decision,
    /// The caller showed the token itself, so the token needn't reach the org.
    pub found: bool,
}

/// Selects which of the tokens that reach an org are listed.
pub struct Listing<'a> {
    pub org: &'a AccountRef,
    /// Lists only this member's tokens, `read` and `write` tokens too.
    pub owner: Option<&'a AccountRef>,
    pub after: Option<TokenId>,
    pub limit: usize,
    pub ended_too: bool,
}

/// Shows a token as an org sees it.
pub struct OrgShown {
    /// The token is shown with only the scopes that reach the org.
    pub shown: Shown,
    /// This is the decision; `None` means that nothing was decided or requested. A token whose newest value
    /// the org's floor refuses is shown as revoked, whatever was decided on it.
    pub state: Option<Approval>,
}

impl Tokens {
    pub async fn decide(
        &self,
        request: &Request,
        order: Order<'_>,
    ) -> Result<(OrgShown, Cursor), Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        self.catch_up().await?;
        let plan = || async { self.plan_decision(request, order).await };
        let (cursor, answer) = commit(store, replica, request, Effort::Ordinary, plan).await?;
        let org = match answer {
            Answer::New(org) => org,
            Answer::First(_) => self.org(order.org)?,
        };
        Ok((self.show_for_org(&org, order.token).await?, cursor))
    }

    async fn plan_decision(
        &self,
        request: &Request,
        order: Order<'_>,
    ) -> Result<Option<Plan<AccountId>>, Problem> {
        let Order {
            token,
            decision,
            found,
            ..
        } = order;
        let still_named = still_named(order.org, self.replica.cursor().revision);
        let org = self.org(order.org)?;
        let (since, stored) = self.find(token).await?;
        let owner = stored.owner.clone();
        let key = Key::from_record_key(&RecordKey::OrgTokenView {
            org: org.clone(),
            token,
        });
        let held = self.store.get(std::slice::from_ref(&key)).await?;
        let held = held.into_iter().flatten().next();
        let decided = match &held {
            Some(held) => match join(&key, &held.value) {
                Ok(Record::OrgTokenView(view)) => Some(view.state),
                _ => return Err(Unreadable("an org's decision").into()),
            },
            None => None,
        };
        if !(self.reaches(&org, &stored)? || found || decided.is_some()) {
            return Err(no_token(token));
        }
        if stored.stored_scopes.is_none() && decision != Decision::Revoke {
            let text = "token_id: only fine-grained tokens are approved or denied; a read or \
                        write token can be revoked for the org";
            return Err(Problem::Precondition(
                ErrorReason::TokenNotFineGrained,
                text.into(),
            ));
        }
        if decided == Some(Approval::Revoked) && decision != Decision::Revoke {
            let text = "token_id: the org has revoked this token, and that is final; its owner \
                        can make a new one";
            return Err(Problem::Precondition(
                ErrorReason::DecisionFinal,
                text.into(),
            ));
        }
        if decision == Decision::Approve {
            if !self.must_live(since, &stored, request).await? {
                return Ok(None);
            }
            self.is_above_floor(&org, &stored)?;
        }
        // If the membership ends meanwhile, the approval is void, because it belongs to the membership
        // before.
        let membership = match decision {
            Decision::Approve | Decision::Deny => {
                let view = self.replica.view().ok_or(Problem::Unavailable)?;
                view.state.departures_of(&org, &owner)
            }
            Decision::Revoke => 0,
        };
        let mut expect = match (decision, held) {
            // A revocation expects nothing of the decision or the token.
            (Decision::Revoke, _) => Vec::new(),
            (_, held) => vec![
                match held {
                    Some(held) => Expect::Unchanged {
                        key,
                        since: held.revision,
                    },
                    None => Expect::Absent(key),
                },
                stored.unchanged(since),
            ],
        };
        if decision == Decision::Approve {
            expect.push(Expect::FloorBelow {
                target: FloorTarget::Org(org.clone()),
                serial: stored.serial,
            });
        }
        expect.extend(still_named);
        let audited = Audited {
            org: Some(org.clone()),
            kid: String::new(),
            ..stored.audited()
        };
        let view = Record::OrgTokenView(OrgTokenView {
            org: org.clone(),
            token,
            owner,
            state: decision.state(),
            membership,
        });
        let class = match decision {
            Decision::Approve => CommitClass::Ordinary,
            Decision::Deny | Decision::Revoke => CommitClass::Takeaway,
        };
        let writes = Writes {
            changes: vec![Change::Put(view)],
            private: Vec::new(),
            expect,
        };
        let plan = Plan::new(class, writes, vec![audited], org);
        Ok(Some(plan.about(token, None)))
    }

    /// Shows the token as the org sees it now.
    async fn show_for_org(&self, org: &AccountId, token: TokenId) -> Result<OrgShown, Problem> {
        self.catch_up().await?;
        self.seen_by(org, self.show(token).await?)
    }

    /// Lists the tokens that reach an org, oldest first, and returns where to go on.
    pub async fn list_for_org(
        &self,
        listing: Listing<'_>,
        now: UnixTime,
    ) -> Result<(Vec<OrgShown>, Option<TokenId>), Problem> {
        let Listing {
            org,
            owner,
            after,
            limit,
            ended_too,
        } = listing;
        self.catch_up().await?;
        let org = &self.org(org)?;
        let owner = owner.map(|owner| self.owner(owner)).transpose()?;
        let of = owner.as_ref().unwrap_or(org);
        let wanted = |shown: Shown| {
            let reaches = self.reaches(org, &shown.token)?;
            let live = shown.is_live(now);
            let seen = self.seen_by(org, shown)?;
            let revoked = seen.state == Some(Approval::Revoked);
            Ok((reaches && (ended_too || (live && !revoked))).then_some(seen))
        };
        self.pages(of, after, limit, wanted).await
    }

    /// Checks that the org didn't revoke all values up to the token's newest one. An approval would say yes
    /// to a value that stays refused.
    fn is_above_floor(&self, org: &AccountId, token: &Token) -> Result<(), Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        if token.serial > view.state.floor(&FloorTarget::Org(org.clone())) {
            return Ok(());
        }
        let text = "token_id: the org has revoked all tokens as they were, this one among them; \
                    approve it when it has been rotated, or have its owner make a new one";
        Err(Problem::Precondition(
            ErrorReason::TokenRevoked,
            text.into(),
        ))
    }

    /// Looks up an org by id or name, and returns what a commit must expect for the name to be still its own.
    pub(super) async fn current_org(
        &self,
        org: &AccountRef,
    ) -> Result<(AccountId, Option<Expect>), Problem> {
        self.know(org).await?;
        let since = self.replica.cursor().revision;
        let found = match self.org(org) {
            // Another issuer may have acknowledged an org a moment ago that the view doesn't show yet.
            Err(_) => {
                self.catch_up().await?;
                self.org(org)?
            }
            Ok(found) => found,
        };
        Ok((found, still_named(org, since)))
    }

    /// Looks up an org by id or name in the own view.
    fn org(&self, org: &AccountRef) -> Result<AccountId, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let (field, found) = match org {
            AccountRef::Id(id) => ("org_id", state.account_by_id(id.as_str())),
            AccountRef::Name(name) => ("org_name", state.account_by_name(name)),
        };
        let found = found.and_then(|found| state.account(found));
        match found.filter(|it| it.is_org) {
            Some(org) => Ok(org.id()),
            None => Err(Problem::NotFound(format!("{field}: there is no such org"))),
        }
    }

    /// A fine-grained token reaches an org by its scopes, any other token by its owner's membership.
    fn reaches(&self, org: &AccountId, token: &Token) -> Result<bool, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let org = known_org(state, org)?;
        let Some(scopes) = token.scopes()? else {
            let owner = state.account_by_id(token.owner.as_str());
            return Ok(owner.is_some_and(|owner| state.org_role(org, owner).is_some()));
        };
        let mut scoped = scopes.scoped.iter();
        Ok(scoped.any(|scope| org_of(state, scope) == Some(org)))
    }

    /// Returns the token of this value, even if the value was replaced since.
    pub fn parse_value(&self, value: &str) -> Result<TokenId, Problem> {
        if !(1..=MAX_VALUE).contains(&value.chars().count()) {
            let rule = format!("must be 1 to {MAX_VALUE} characters");
            return Err(Problem::invalid("value", rule));
        }
        let keys = self.keys.current();
        let expected = keys.expected();
        let mut found = tokens_in(value, &expected.prefix);
        let genuine = found.find_map(|token| verify(token, &expected, keys.published()).ok());
        match genuine {
            Some(verified) => Ok(verified.claims().tid),
            None => Err(Problem::NotFound(
                "value: holds no token of this realm".into(),
            )),
        }
    }

    fn seen_by(&self, org: &AccountId, mut shown: Shown) -> Result<OrgShown, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let account = known_org(state, org)?;
        if let Some(mut all) = shown.token.scopes()? {
            let scoped = all.scoped.into_iter();
            all.scoped = scoped
                .filter(|scope| org_of(state, scope) == Some(account))
                .collect();
            all.global = Vec::new();
            all.can_read_gated_repos = false;
            shown.scopes = Some(scopes_to_proto(&all));
        }
        let decided = state.org_token_view(account, shown.token.id);
        let asked = state.org_policy(account).policy == TokenPolicy::AdminApproval;
        let pending = asked.then_some(Approval::Pending);
        let revoked = shown.token.serial <= state.floor(&FloorTarget::Org(org.clone()));
        let revoked = revoked.then_some(Approval::Revoked);
        Ok(OrgShown {
            state: revoked.or(decided.map(|it| it.state)).or(pending),
            shown,
        })
    }
}

fn known_org(state: &State, org: &AccountId) -> Result<Account, Problem> {
    let account = state.account_by_id(org.as_str());
    let is_org = |account: &Account| state.account(*account).is_some_and(|it| it.is_org);
    let missing = || Problem::NotFound("org_id: there is no such org".into());
    account.filter(is_org).ok_or_else(missing)
}

fn no_token(token: TokenId) -> Problem {
    Problem::NotFound(format!("token_id: no token {token} reaches the org"))
}
