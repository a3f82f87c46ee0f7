//! What an org decides of single tokens that reach it, and which those are.

use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, TokenId},
    state::{
        Account, State,
        codec::join,
        key::Key,
        record::{Approval, Change, OrgTokenView, Record, RecordKey, TokenPolicy},
    },
    store::{Class, Commit, CommitError, Expect, PrivateWrite},
    token::{tokens_in, verify},
};
use tokenward_proto::internal::StoredToken;

use super::{
    MAX_PAGE, MAX_TRIES, MAX_VALUE, Shown, Tokens, owner_of, reach::org_of, scopes, still_named,
    wire::AccountRef,
};
use crate::{
    error::{ErrorReason, Problem},
    request::{Audited, Request},
    view::catch_up,
};

/// What an org's admin wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Approve,
    Deny,
    /// For ever.
    Revoke,
}

impl Decision {
    fn state(self) -> Approval {
        match self {
            Self::Approve => Approval::Approved,
            Self::Deny => Approval::Denied,
            Self::Revoke => Approval::Revoked,
        }
    }
}

/// One decision of an org on one token.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub org: &'a AccountRef,
    pub token: TokenId,
    pub decision: Decision,
    /// Whoever asks holds the token itself: it needn't reach the org.
    pub found: bool,
}

/// Which of the tokens that reach an org.
pub struct Listing<'a> {
    pub org: &'a AccountRef,
    /// All of one member's, read and write tokens too.
    pub owner: Option<&'a AccountRef>,
    pub after: Option<TokenId>,
    pub limit: usize,
    pub ended_too: bool,
}

/// A token as an org sees it.
pub struct OrgShown {
    /// With only the scopes that reach the org.
    pub shown: Shown,
    /// `None`: nothing was decided, nor asked for.
    pub state: Option<Approval>,
}

impl Tokens {
    pub async fn decide(
        &self,
        request: &Request,
        order: Order<'_>,
    ) -> Result<(OrgShown, Cursor), Problem> {
        let Order {
            org,
            token,
            decision,
            found,
        } = order;
        for _ in 0..MAX_TRIES {
            let repeated = request.repeated(self.store.as_ref()).await?;
            catch_up(self.store.as_ref(), &self.replica).await?;
            let still_named = still_named(org, self.replica.cursor().revision);
            let org = &self.org(org)?;
            if let Some((cursor, _)) = repeated {
                return Ok((self.of_org(org, token).await?, cursor));
            }
            let (since, stored) = self.find(token).await?;
            let owner = owner_of(&stored)?;
            let key = Key::of(&RecordKey::OrgTokenView {
                org: org.clone(),
                token,
            });
            let held = self.store.get(std::slice::from_ref(&key)).await?;
            let held = held.into_iter().flatten().next();
            let decided = match &held {
                Some(held) => match join(&key, &held.value) {
                    Ok(Record::OrgTokenView(view)) => Some(view.state),
                    _ => return Err(Problem::Internal),
                },
                None => None,
            };
            if !(self.reaches(org, &stored)? || found || decided.is_some()) {
                return Err(no_token(token));
            }
            if stored.scopes.is_none() && decision != Decision::Revoke {
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
            if decision == Decision::Approve && !self.must_live(since, &stored, request).await? {
                continue;
            }
            // Of a membership that ends meanwhile the approval is void: it was before that.
            let membership = match decision {
                Decision::Approve | Decision::Deny => {
                    let view = self.replica.view().ok_or(Problem::Unavailable)?;
                    view.state.departures_of(org, &owner)
                }
                Decision::Revoke => 0,
            };
            let audited = Audited {
                owner: Some(&owner),
                org: Some(org),
                token: Some(token),
                role: stored.role,
                last_four: &stored.last_four,
                operations: 1,
                ..Audited::default()
            };
            let mut expect = match (decision, held) {
                // Nothing stands against it.
                (Decision::Revoke, _) => Vec::new(),
                (_, held) => vec![
                    match held {
                        Some(held) => Expect::Unchanged {
                            key,
                            since: held.revision,
                        },
                        None => Expect::Absent(key),
                    },
                    Expect::Unchanged {
                        key: Key::token(token),
                        since,
                    },
                ],
            };
            expect.extend(still_named);
            let commit = Commit {
                request: request.id,
                response: request.response(Some(token)),
                class: match decision {
                    Decision::Approve => Class::Ordinary,
                    Decision::Deny | Decision::Revoke => Class::Takeaway,
                },
                changes: vec![Change::Put(Record::OrgTokenView(OrgTokenView {
                    org: org.clone(),
                    token,
                    owner: owner.clone(),
                    state: decision.state(),
                    membership,
                }))],
                private: vec![PrivateWrite::Audit(request.audit(&audited))],
                expect,
            };
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(stored) = committed.repeated {
                        request.repeat_of(&stored)?;
                    }
                    return Ok((self.of_org(org, token).await?, committed.cursor));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }

    /// As the org sees it now.
    async fn of_org(&self, org: &AccountId, token: TokenId) -> Result<OrgShown, Problem> {
        catch_up(self.store.as_ref(), &self.replica).await?;
        self.seen_by(org, self.show(token).await?)
    }

    /// Oldest first, and where to go on.
    pub async fn list_of_org(
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
        catch_up(self.store.as_ref(), &self.replica).await?;
        let org = &self.org(org)?;
        let owner = owner.map(|owner| self.owner(owner)).transpose()?;
        let of = owner.as_ref().unwrap_or(org);
        let (mut tokens, mut after) = (Vec::new(), after);
        loop {
            let ids = self.store.tokens_of(of, after, MAX_PAGE).await?;
            for shown in self.shown(self.stored(&ids).await?).await? {
                after = Some(TokenId(shown.token.tid));
                let wanted = self.reaches(org, &shown.token)?;
                let live = shown.is_live(now);
                let seen = self.seen_by(org, shown)?;
                let revoked = seen.state == Some(Approval::Revoked);
                if wanted && (ended_too || (live && !revoked)) {
                    tokens.push(seen);
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

    /// An org by id or name, as the own view has it.
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

    /// A fine-grained token by its scopes, any other with its owner.
    fn reaches(&self, org: &AccountId, token: &StoredToken) -> Result<bool, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let org = known_org(state, org)?;
        let Some(scopes) = scopes(token).ok_or(Problem::Internal)? else {
            let owner = state.account_by_id(&token.owner_id);
            return Ok(owner.is_some_and(|owner| state.org_role(org, owner).is_some()));
        };
        let mut scoped = scopes.scoped.iter();
        Ok(scoped.any(|scope| org_of(state, scope) == Some(org)))
    }

    /// Whose value this is; what replaced it since doesn't matter.
    pub fn of_value(&self, value: &str) -> Result<TokenId, Problem> {
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
        if let Some(mut all) = scopes(&shown.token).ok_or(Problem::Internal)? {
            let scoped = all.scoped.into_iter();
            all.scoped = scoped
                .filter(|scope| org_of(state, scope) == Some(account))
                .collect();
            all.global = Vec::new();
            all.can_read_gated_repos = false;
            shown.token.scopes = super::stored_scopes(Some(&all));
        }
        let decided = state.org_token_view(account, TokenId(shown.token.tid));
        let asked = state.org_policy(account).policy == TokenPolicy::AdminApproval;
        let pending = asked.then_some(Approval::Pending);
        Ok(OrgShown {
            state: decided.map(|it| it.state).or(pending),
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
