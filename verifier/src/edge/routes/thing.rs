//! A thing as an operator writes it: `model:owner/name`, `account:name`, `self`. Pure.

use tokenward_common::state::record::RepoKind;

use super::Thing;

impl Thing {
    pub(in crate::edge) fn parse(text: &str) -> Option<Self> {
        if text == "self" {
            return Some(Self::Own);
        }
        let (kind, name) = text.split_once(':')?;
        if kind == "account" {
            let fine = !name.is_empty() && !name.contains('/');
            return fine.then(|| Self::Account(name.into()));
        }
        let (owner, name) = name.split_once('/')?;
        let fine = !owner.is_empty() && !name.is_empty() && !name.contains('/');
        let kind = match kind {
            "model" => RepoKind::Model,
            "dataset" => RepoKind::Dataset,
            "space" => RepoKind::Space,
            "kernel" => RepoKind::Kernel,
            "bucket" => RepoKind::Bucket,
            "collection" => RepoKind::Collection,
            "endpoint" => RepoKind::Endpoint,
            _ => return None,
        };
        fine.then(|| Self::Repo {
            kind,
            owner: owner.into(),
            name: name.into(),
        })
    }
}
