//! How a server calls its models, and which repos these are: a table's `@model` lines. Pure.

use std::collections::{HashMap, HashSet};

use super::{
    Thing, Unrouted,
    body::{MODEL, pair},
};
use tokenward_common::state::record::RepoKind;

#[derive(Default, Debug)]
pub(super) struct Models {
    /// By the names that the server gives them, in this very spelling.
    served: HashMap<Box<str>, Thing>,
    /// The same names without case.
    folded: HashSet<Box<str>>,
    /// The server has this one, whatever it is called: no request is asked.
    only: Option<Thing>,
}

impl Models {
    /// Of a line's two words.
    pub(super) fn add(&mut self, name: &str, repo: &str) -> Result<(), String> {
        let (owner, repo) = pair(Some(repo), MODEL)
            .map_err(|_| format!("@model {name}: `{repo}` must be owner/name"))?;
        let repo = model(owner, repo);
        let before = match name {
            "*" => self.only.replace(repo),
            name => {
                self.folded.insert(name.to_lowercase().into());
                self.served.insert(name.into(), repo)
            }
        };
        before.map_or(Ok(()), |_| Err(format!("@model {name}: said twice")))
    }

    pub(super) fn only(&self) -> Option<&Thing> {
        self.only.as_ref()
    }

    /// Of a name at the router: as below, or with a provider after it (`owner/name:provider`).
    pub(super) fn routed(&self, name: &str) -> Result<Thing, Unrouted> {
        let repo = name.split_once(':').map_or(name, |(name, _)| name);
        match self.served.get(name) {
            Some(served) => Ok(served.clone()),
            // Before the cut, which would hide it.
            None if self.folded.contains(&*name.to_lowercase()) => Err(SPELLING),
            None => self.named(repo),
        }
    }

    /// Of a name at a model server: its own for a model, or the repo's. What follows a colon would be an
    /// adapter of some servers, which is another model.
    pub(super) fn named(&self, name: &str) -> Result<Thing, Unrouted> {
        match self.served.get(name) {
            Some(served) => Ok(served.clone()),
            // To some servers it is that one all the same, and to the hub's list another's repo.
            None if self.folded.contains(&*name.to_lowercase()) => Err(SPELLING),
            None if name.contains(':') => Err(MODEL),
            None => repo_named(name),
        }
    }
}

const SPELLING: Unrouted =
    Unrouted::Body("model: is spelled otherwise in the route table: write it in its case");

fn repo_named(name: &str) -> Result<Thing, Unrouted> {
    let (owner, name) = pair(Some(name), MODEL)?;
    Ok(model(owner, name))
}

fn model(owner: &str, name: &str) -> Thing {
    Thing::Repo {
        kind: RepoKind::Model,
        owner: owner.into(),
        name: name.into(),
    }
}
