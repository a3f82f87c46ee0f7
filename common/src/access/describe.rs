//! Describes records as texts for a traced decision. This file must not decide anything.

use crate::state::{AccountView, RepoView, State};

pub(super) fn describe_repo(state: &State, view: &RepoView<'_>) -> String {
    let owner = state.account(view.owner);
    format!(
        "{:?} {}/{}, id {}, {:?}, gate {:?}, in a resource group: {}",
        view.kind,
        owner.as_ref().map_or("?", |owner| owner.name),
        view.name(),
        view.id(),
        view.visibility,
        view.gate,
        view.group.is_some()
    )
}

pub(super) fn describe_account(view: &AccountView<'_>) -> String {
    let kind = if view.is_org { "org" } else { "user" };
    format!("{kind} {}, id {}", view.name, view.id())
}

pub(super) fn debug_or_none(record: Option<impl std::fmt::Debug>) -> String {
    record.map_or_else(|| "none".into(), |record| format!("{record:?}"))
}
