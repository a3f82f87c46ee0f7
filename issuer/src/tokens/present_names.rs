//! Looks up the present names of a token's owner and of its scopes' entities, for people who don't know ids.
//! It decides nothing.

use tokenward_common::{
    id::GroupId,
    state::{
        State,
        record::{Record, RecordKey},
    },
    token::EntityKind,
};
use tokenward_proto::v1 as pb;

use super::Tokens;
use crate::error::Problem;

impl Tokens {
    /// Fills in the names by the own view; an entity that no longer exists gets none.
    pub fn name(&self, tokens: &mut [pb::Token]) -> Result<(), Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        for token in tokens {
            token.owner_name = account(&view.state, &token.owner_id).unwrap_or_default();
            let scoped = token.scopes.iter().flat_map(|it| &it.scoped);
            let names = scoped.map(|scope| entity(&view.state, scope).unwrap_or_default());
            token.scope_names = names.collect();
        }
        Ok(())
    }
}

fn account(state: &State, id: &str) -> Option<String> {
    let account = state.account(state.account_by_id(id)?)?;
    Some(account.name.to_owned())
}

fn entity(state: &State, scope: &pb::Scope) -> Option<String> {
    let id = scope.entity_id.as_str();
    match EntityKind::from_number(u32::try_from(scope.entity_kind).ok()?)? {
        EntityKind::User | EntityKind::Org => account(state, id),
        EntityKind::ResourceGroup => {
            let key = RecordKey::Group(GroupId::parse(id).ok()?);
            match state.record(&key)? {
                Record::Group(group) => Some(group.name.to_string()),
                _ => None,
            }
        }
        EntityKind::OauthApp => None,
        _ => {
            let repo = state.repo(state.repo_by_id(id)?)?;
            let owner = state.account(repo.owner)?;
            Some(format!("{}/{}", owner.name, repo.name()))
        }
    }
}
