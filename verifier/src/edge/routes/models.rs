//! Maps the names that a server gives its models to repos, by a table's `@model` lines. It is pure, and
//! must not know where a request names its model.

use std::collections::{HashMap, HashSet};

use super::{
    Thing, Unrouted,
    body::{MODEL, pair},
};
use tokenward_common::state::record::RepoKind;

#[derive(Default, Debug)]
pub(super) struct Models {
    /// Holds the repos by the names that the server gives them, in exactly this spelling.
    served: HashMap<Box<str>, Thing>,
    /// Holds the same names in lower case.
    folded: HashSet<Box<str>>,
    /// This is the server's only model. It counts whatever name the request gives it.
    only: Option<Thing>,
}

impl Models {
    /// Adds the two words of a line.
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

    /// Finds the model of a name at the router. The name may be one that [`Self::named`] takes, or may have
    /// a provider after it (`owner/name:provider`).
    pub(super) fn routed(&self, name: &str) -> Result<Thing, Unrouted> {
        let repo = name.split_once(':').map_or(name, |(name, _)| name);
        match self.served.get(name) {
            Some(served) => Ok(served.clone()),
            // This check comes before the provider is cut off, which would hide the other spelling.
            None if self.folded.contains(&*name.to_lowercase()) => Err(SPELLING),
            None => self.find(repo),
        }
    }

    /// Finds the model of a name at a model server: the server's own name for it, or the repo's. Text after
    /// a colon would be an adapter at some servers, which is another model.
    pub(super) fn find(&self, name: &str) -> Result<Thing, Unrouted> {
        match self.served.get(name) {
            Some(served) => Ok(served.clone()),
            // Some servers take this name for the served model, while the hub would take it for another
            // repo.
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
