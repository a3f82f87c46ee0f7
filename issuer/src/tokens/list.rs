//! Decides what is shown of tokens, and which of them are live. It must not know the wire.

use std::time::Duration;

use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Revision, Serial, TokenId},
    state::{
        State,
        key::Key,
        record::{FloorTarget, Record, RetiredId},
    },
};
use tokenward_proto::internal as stored;

use super::{Tokens, token::Token, wire::AccountRef};
use crate::{
    error::{ErrorReason, Problem},
    request::Request,
};

/// An answer has at most this many tokens.
pub const MAX_PAGE: usize = 1000;
/// A forecast covers at most this time.
const MAX_FORECAST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Holds a token, and what else is known of it.
pub struct Shown {
    pub token: Token,
    /// These scopes are shown: all of the token's, but to an org only those that reach it.
    pub scopes: Option<stored::Scopes>,
    /// Set if a revocation, its owner's or the realm's floor, or a withdrawn key refuses it for ever.
    pub revoked: bool,
    /// It was revoked at this time, where that is known.
    pub revoked_at: Option<UnixTime>,
    /// It was last used in this hour, counted since 1970.
    pub last_used: Option<u32>,
}

/// Tells whether the owner was deleted, or is the service account of a deleted org.
fn ended(state: &State, owner: &AccountId) -> bool {
    let retired = |id: &AccountId| state.is_retired(&RetiredId::Account(id.clone()));
    retired(owner)
        || match state.account_record(owner.as_str()) {
            Some(Record::User(user)) => user.service_account_of.as_ref().is_some_and(retired),
            _ => false,
        }
}

/// Tells whether a revocation, a floor or the owner's end refuses the newest value for ever. A withdrawn key
/// refuses a value too, but does not end its token.
fn is_over(state: &State, token: &Token) -> bool {
    let floor = |target| token.serial <= state.floor(&target);
    token.revoked.is_some()
        || state.is_revoked(token.serial)
        || floor(FloorTarget::Owner(token.owner.clone()))
        || floor(FloorTarget::Realm)
        || ended(state, &token.owner)
}

impl Shown {
    pub(super) fn is_live(&self, now: UnixTime) -> bool {
        !self.revoked && !self.token.has_ended(now)
    }
}

impl Tokens {
    /// Tells whether the token's newest value is refused for ever, by the own view.
    fn is_revoked(&self, token: &Token) -> Result<bool, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        Ok(view.state.is_withdrawn(token.kid.as_str()) || is_over(&view.state, token))
    }

    /// Returns the id of an account that has or had tokens.
    pub async fn owner_id(&self, owner: &AccountRef) -> Result<AccountId, Problem> {
        self.know(owner).await?;
        self.listed_owner(owner)
    }

    /// Returns the owner whose tokens are listed. By id that may be a deleted owner, whose tokens have all
    /// ended.
    fn listed_owner(&self, owner: &AccountRef) -> Result<AccountId, Problem> {
        let refused = match self.owner(owner) {
            Err(refused @ Problem::NotFound(_)) => refused,
            answer => return answer,
        };
        let AccountRef::Id(id) = owner else {
            return Err(refused);
        };
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        // In data from before deleted ids were kept, a deleted user left only a floor.
        let floor = view.state.floor(&FloorTarget::Owner(id.clone()));
        if ended(&view.state, id) || floor > Serial::default() {
            return Ok(id.clone());
        }
        Err(refused)
    }

    pub(super) fn is_live(&self, token: &Token, now: UnixTime) -> Result<bool, Problem> {
        Ok(!token.has_ended(now) && !self.is_revoked(token)?)
    }

    /// Checks that the token is live: only a live token can be changed or rotated. A withdrawn key ends a
    /// value, not the token, and a rotation repairs that. `false`: the record changed meanwhile, so read it
    /// again.
    pub(super) async fn must_live(
        &self,
        since: Revision,
        token: &Token,
        request: &Request,
    ) -> Result<bool, Problem> {
        let refused =
            |reason, text: &str| Err(Problem::Precondition(reason, format!("token_id: {text}")));
        if token.has_ended(request.now.seconds()) {
            return refused(
                ErrorReason::TokenExpired,
                "the token has expired; make a new one",
            );
        }
        let over = {
            let view = self.replica.view().ok_or(Problem::Unavailable)?;
            is_over(&view.state, token)
        };
        if !over {
            return Ok(true);
        }
        if self.is_overtaken(since, token).await? {
            return Ok(false);
        }
        refused(
            ErrorReason::TokenRevoked,
            "the token was revoked; make a new one",
        )
    }

    /// Tells whether the record changed since it was read. One commit of a rotation ends the old value and
    /// names the new one, so an older record beside a newer view makes a live token look dead.
    pub(super) async fn is_overtaken(
        &self,
        since: Revision,
        token: &Token,
    ) -> Result<bool, Problem> {
        Ok(self.find(token.id).await?.0 != since)
    }

    pub async fn show(&self, token: TokenId) -> Result<Shown, Problem> {
        self.show_changed(self.find(token).await?.1).await
    }

    /// Shows a token that was changed just now.
    pub async fn show_changed(&self, token: Token) -> Result<Shown, Problem> {
        let mut shown = self.show_all(vec![token]).await?;
        shown.pop().ok_or(Problem::Internal)
    }

    /// Lists an owner's tokens, oldest first, and returns where to go on.
    pub async fn list(
        &self,
        owner: &AccountRef,
        after: Option<TokenId>,
        limit: usize,
        ended_too: bool,
        now: UnixTime,
    ) -> Result<(Vec<Shown>, Option<TokenId>), Problem> {
        // The view then shows a floor that was acknowledged a moment ago.
        self.catch_up().await?;
        let owner = self.listed_owner(owner)?;
        let wanted = |shown: Shown| {
            // An org's id also lists the tokens of other owners that reach the org.
            let own = shown.token.owner == owner;
            Ok((own && (ended_too || shown.is_live(now))).then_some(shown))
        };
        self.pages(&owner, after, limit, wanted).await
    }

    /// Lists the wanted tokens under an account, oldest first, and returns where to go on.
    pub(super) async fn pages<T>(
        &self,
        of: &AccountId,
        mut after: Option<TokenId>,
        limit: usize,
        wanted: impl Fn(Shown) -> Result<Option<T>, Problem>,
    ) -> Result<(Vec<T>, Option<TokenId>), Problem> {
        let mut tokens = Vec::new();
        loop {
            let ids = self.store.tokens_of(of, after, MAX_PAGE).await?;
            for shown in self.show_all(self.stored(&ids).await?).await? {
                after = Some(shown.token.id);
                tokens.extend(wanted(shown)?);
                if tokens.len() == limit {
                    return Ok((tokens, after));
                }
            }
            if ids.len() < MAX_PAGE {
                return Ok((tokens, None));
            }
            // Also past ids that have no record.
            after = ids.last().copied();
        }
    }

    /// Lists the live tokens that end within this time, the next to end first, and returns where to go on.
    pub async fn expiring(
        &self,
        within: Duration,
        owner: Option<&AccountRef>,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
        now: UnixTime,
    ) -> Result<(Vec<Shown>, Option<(UnixTime, TokenId)>), Problem> {
        if within > MAX_FORECAST {
            return Err(Problem::invalid("within", "must be at most 10 years"));
        }
        self.catch_up().await?;
        let owner = owner.map(|owner| self.listed_owner(owner)).transpose()?;
        let to = UnixTime(now.0.saturating_add(within.as_secs()));
        let mut tokens = Vec::new();
        let mut after = after;
        loop {
            let ends = self.store.expiring(now, to, after, MAX_PAGE).await?;
            let ids: Vec<TokenId> = ends.iter().map(|(_, token)| *token).collect();
            let shown = self.show_all(self.stored(&ids).await?).await?;
            let of_owner = |shown: &Shown| {
                owner
                    .as_ref()
                    .is_none_or(|owner| *owner == shown.token.owner)
            };
            for shown in shown {
                let at = shown.token.expires_at.map(|end| (end, shown.token.id));
                after = at.or(after);
                if shown.is_live(now) && of_owner(&shown) {
                    tokens.push(shown);
                }
                if tokens.len() == limit {
                    return Ok((tokens, after));
                }
            }
            if ends.len() < MAX_PAGE {
                return Ok((tokens, None));
            }
            after = ends.last().copied();
        }
    }

    pub(super) async fn stored(&self, ids: &[TokenId]) -> Result<Vec<Token>, Problem> {
        let keys: Vec<Key> = ids.iter().map(|id| Key::token(*id)).collect();
        let found = self.store.get(&keys).await?;
        let found = found.into_iter().flatten();
        found
            .map(|stored| Ok(Token::read(&stored.value)?))
            .collect()
    }

    pub(super) async fn show_all(&self, mut tokens: Vec<Token>) -> Result<Vec<Shown>, Problem> {
        self.read_again(&mut tokens).await?;
        let ids: Vec<TokenId> = tokens.iter().map(|token| token.id).collect();
        let hours = self.store.last_used(&ids).await?;
        let mut shown = Vec::with_capacity(tokens.len());
        let mut known: Option<(AccountId, Vec<u64>)> = None;
        for (token, last_used) in tokens.into_iter().zip(hours) {
            let revoked = self.is_revoked(&token)?;
            let revoked_at = match &token.revoked {
                Some(first) => Some(first.at),
                None if revoked => {
                    // Most answers list the tokens of one owner.
                    let owner = token.owner.clone();
                    let times = match known.take().filter(|(of, _)| *of == owner) {
                        Some((_, times)) => times,
                        None => self.revoked_all_at(&owner).await?,
                    };
                    let since = token.rotated_at.max(Some(token.created_at));
                    let mut times_since = times.iter().map(|at| UnixTime(*at));
                    let at = times_since.find(|at| Some(*at) >= since);
                    known = Some((owner, times));
                    at
                }
                None => None,
            };
            shown.push(Shown {
                scopes: token.stored_scopes.clone(),
                token,
                revoked,
                revoked_at,
                last_used,
            });
        }
        Ok(shown)
    }

    /// Reads tokens again that look dead without a revocation of their own: see [`Self::is_overtaken`].
    async fn read_again(&self, tokens: &mut [Token]) -> Result<(), Problem> {
        let mut doubted = Vec::new();
        for token in tokens.iter() {
            if token.revoked.is_none() && self.is_revoked(token)? {
                doubted.push(token.id);
            }
        }
        if doubted.is_empty() {
            return Ok(());
        }
        for again in self.stored(&doubted).await? {
            if let Some(token) = tokens.iter_mut().find(|token| token.id == again.id) {
                *token = again;
            }
        }
        Ok(())
    }
}
