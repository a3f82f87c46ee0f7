//! Parses the resource of a check as people write it: `model:acme/llama`, `account:acme`, `model-id:ID`.

use tokenward_common::id::{AccountId, Name, RepoId};
use tokenward_proto::v1::{AccountRef, RepoKind, RepoRef, Resource, resource};

use crate::words::Word;

pub(crate) fn parse(text: &str) -> Result<Resource, String> {
    let (kind, rest) = text.split_once(':').ok_or_else(form)?;
    let (kind, by_id) = match kind.strip_suffix("-id") {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    let resource = if kind == "account" {
        resource::Resource::Account(account(rest, by_id)?)
    } else {
        let kind = RepoKind::parse_word(kind).ok_or_else(form)?;
        resource::Resource::Repo(repo(kind, rest, by_id)?)
    };
    Ok(Resource {
        resource: Some(resource),
    })
}

fn form() -> String {
    format!(
        "must be KIND:OWNER/NAME, KIND-id:ID, account:NAME or account-id:ID, with KIND one of {}",
        RepoKind::words()
    )
}

fn account(text: &str, by_id: bool) -> Result<AccountRef, String> {
    let mut account = AccountRef::default();
    if by_id {
        AccountId::parse(text).map_err(|rule| format!("the id {rule}"))?;
        account.id = text.to_owned();
    } else {
        Name::parse(text).map_err(|rule| format!("the account's name {rule}"))?;
        account.name = text.to_owned();
    }
    Ok(account)
}

fn repo(kind: RepoKind, text: &str, by_id: bool) -> Result<RepoRef, String> {
    let mut repo = RepoRef {
        kind: kind.into(),
        ..RepoRef::default()
    };
    if by_id {
        RepoId::parse(text).map_err(|rule| format!("the id {rule}"))?;
        repo.id = text.to_owned();
    } else {
        let (owner, name) = text
            .split_once('/')
            .ok_or("the name must be OWNER/NAME; for an id, write KIND-id:ID")?;
        Name::parse(owner).map_err(|rule| format!("the owner's name {rule}"))?;
        Name::parse(name).map_err(|rule| format!("the repo's name {rule}"))?;
        repo.name = text.to_owned();
    }
    Ok(repo)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_repo(text: &str) -> RepoRef {
        match parse(text).unwrap().resource {
            Some(resource::Resource::Repo(repo)) => repo,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn repos_and_accounts() {
        let repo = parse_repo("model:acme/llama");
        assert_eq!(
            (repo.kind(), repo.name.as_str()),
            (RepoKind::Model, "acme/llama")
        );
        assert_eq!(repo.id, "");
        let repo = parse_repo("dataset-id:d42");
        assert_eq!((repo.kind(), repo.id.as_str()), (RepoKind::Dataset, "d42"));
        assert_eq!(repo.name, "");
        for kind in ["space", "bucket", "kernel", "collection", "endpoint"] {
            assert_eq!(parse_repo(&format!("{kind}:a/b")).kind().word(), kind);
        }
        let account = |text| match parse(text).unwrap().resource {
            Some(resource::Resource::Account(account)) => (account.name, account.id),
            other => panic!("{other:?}"),
        };
        assert_eq!(account("account:acme"), ("acme".into(), String::new()));
        assert_eq!(account("account-id:o7"), (String::new(), "o7".into()));
    }

    #[test]
    fn wrong_resources_name_the_rule() {
        for (text, rule) in [
            ("", "KIND:OWNER/NAME"),
            ("acme/llama", "KIND:OWNER/NAME"),
            ("models:acme/llama", "one of model, dataset"),
            ("-id:x", "KIND:OWNER/NAME"),
            ("model:llama", "must be OWNER/NAME"),
            ("model:/llama", "the owner's name must not be empty"),
            ("model:acme/", "the repo's name must not be empty"),
            ("model:acme/a/b", "the repo's name may hold only"),
            ("model:acme/..", "the repo's name must not begin"),
            ("model-id:a/b", "the id may hold only"),
            ("account:a b", "the account's name may hold only"),
            ("account-id:", "the id must not be empty"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(rule), "{text}: {error}");
        }
    }
}
