//! Parses how people name a record: with the resource syntax of `check`, or by two names.

use tokenward_common::id::{AccountId, GroupId, Name, RepoId};
use tokenward_proto::v1::{RecordKind, RepoKind, RepoRef, resource};

use super::kinds;
use crate::{exit::Failure, resource as named};

/// An account, by its id or its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ref {
    Id(String),
    Name(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountKind {
    User,
    Org,
    Any,
}

impl AccountKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Org => "org",
            Self::Any => "account",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Repo {
    Named(RepoRef),
    /// The id of a repo of any kind.
    Id(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Which {
    Account(AccountKind, Ref),
    Repo(Repo),
    /// A group, by its id.
    Group(String),
    /// A record of a kind that is named by the parts of its key.
    Parts(RecordKind, Vec<Id>),
}

/// A part of a record's key, as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Id {
    Account(AccountKind, Ref),
    Repo(Repo),
    /// It stands there as it is in the key.
    Text(String),
}

/// How a part of a record's key is told, and how it is read.
pub(super) type Part = (&'static str, fn(&str) -> Result<Id, String>);

pub(super) const ORG: Part = ("ORG", |text| {
    org_of(text).map(|org| Id::Account(AccountKind::Org, org))
});
pub(super) const USER: Part = ("USER", |text| {
    user_of(text).map(|user| Id::Account(AccountKind::User, user))
});
pub(super) const REPO: Part = ("REPO", |text| repo_of(text).map(Id::Repo));
pub(super) const GROUP: Part = ("GROUP-ID", |text| group_of(text).map(Id::Text));

pub(super) fn parse(words: &[String]) -> Result<Which, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let which = match words.as_slice() {
        [record] => one(record),
        words => of_parts(words),
    };
    which.map_err(|rule| {
        Failure::usage(format!("RECORD: {rule}")).next("see `tokenward directory get --help`")
    })
}

/// Parses the word of a kind, and the parts of the key.
fn of_parts(words: &[&str]) -> Result<Which, String> {
    for (kind, word, parts) in kinds::named() {
        match words.split_first() {
            Some((first, rest)) if *first == word && rest.len() == parts.len() => {
                let ids = parts.iter().zip(rest).map(|((_, read), text)| read(text));
                return Ok(Which::Parts(kind, ids.collect::<Result<_, _>>()?));
            }
            _ => {}
        }
    }
    let forms = kinds::named().map(|(_, word, parts)| {
        let parts: Vec<_> = parts.iter().map(|(told, _)| *told).collect();
        format!("{word} {}", parts.join(" "))
    });
    let forms: Vec<_> = forms.collect();
    Err(match forms.as_slice() {
        [before @ .., last] => format!("must be one word, or {}, or {last}", before.join(", ")),
        [] => "must be one word".to_owned(),
    })
}

fn one(text: &str) -> Result<Which, String> {
    if text.starts_with("group-id:") {
        return group_of(text).map(Which::Group);
    }
    for kind in [AccountKind::User, AccountKind::Org, AccountKind::Any] {
        if let Some(account) = prefixed(kind, text)? {
            return Ok(Which::Account(kind, account));
        }
    }
    repo_of(text).map(Which::Repo)
}

pub(super) fn org_of(text: &str) -> Result<Ref, String> {
    account(AccountKind::Org, text)
}

/// Parses a group's id. Two groups may have the same name, so only ids identify them.
pub(super) fn group_of(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("group-id:").unwrap_or(text);
    GroupId::parse(id).map_err(|rule| format!("the group's id {rule}"))?;
    Ok(id.to_owned())
}

pub(super) fn user_of(text: &str) -> Result<Ref, String> {
    account(AccountKind::User, text)
}

/// Parses an owner, which may be a user or an org.
pub(super) fn owner_of(text: &str) -> Result<(AccountKind, Ref), String> {
    for kind in [AccountKind::User, AccountKind::Org] {
        if let Some(owner) = prefixed(kind, text)? {
            return Ok((kind, owner));
        }
    }
    Ok((AccountKind::Any, account(AccountKind::Any, text)?))
}

pub(super) fn repo_of(text: &str) -> Result<Repo, String> {
    if let Some(id) = text.strip_prefix("repo-id:") {
        RepoId::parse(id).map_err(|rule| format!("the id {rule}"))?;
        return Ok(Repo::Id(id.to_owned()));
    }
    let form = || {
        format!(
            "{text:?} is no record; write user:NAME, org:NAME, KIND:OWNER/NAME, or an id as in \
             user-id:ID, KIND-id:ID"
        )
    };
    // The parser's own message for an unknown kind mentions checks, so unknown kinds are refused here.
    let known = text.split_once(':').is_some_and(|(kind, _)| {
        let kind = kind.strip_suffix("-id").unwrap_or(kind);
        <RepoKind as crate::words::Word>::parse_word(kind).is_some()
    });
    if !known {
        return Err(form());
    }
    match named::parse(text)?.resource {
        Some(resource::Resource::Repo(repo)) => Ok(Repo::Named(repo)),
        _ => Err(form()),
    }
}

/// Parses an account. A bare word is a name.
fn account(kind: AccountKind, text: &str) -> Result<Ref, String> {
    match prefixed(kind, text)? {
        Some(account) => Ok(account),
        None => {
            let what = kind.word();
            Name::parse(text).map_err(|rule| format!("the {what}'s name {rule}"))?;
            Ok(Ref::Name(text.to_owned()))
        }
    }
}

/// Parses `user:NAME` and `user-id:ID`.
fn prefixed(kind: AccountKind, text: &str) -> Result<Option<Ref>, String> {
    let what = kind.word();
    let Some(rest) = text.strip_prefix(what) else {
        return Ok(None);
    };
    if let Some(id) = rest.strip_prefix("-id:") {
        AccountId::parse(id).map_err(|rule| format!("the {what}'s id {rule}"))?;
        return Ok(Some(Ref::Id(id.to_owned())));
    }
    if let Some(name) = rest.strip_prefix(':') {
        Name::parse(name).map_err(|rule| format!("the {what}'s name {rule}"))?;
        return Ok(Some(Ref::Name(name.to_owned())));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Which, Failure> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn every_form_is_read() {
        let id = |id: &str| Ref::Id(id.into());
        let name = |name: &str| Ref::Name(name.into());
        for (text, which) in [
            ("user:ada", Which::Account(AccountKind::User, name("ada"))),
            ("org-id:o7", Which::Account(AccountKind::Org, id("o7"))),
            ("account:x", Which::Account(AccountKind::Any, name("x"))),
            ("repo-id:m1", Which::Repo(Repo::Id("m1".into()))),
            (
                "member acme ada",
                Which::Parts(
                    RecordKind::Member,
                    vec![
                        Id::Account(AccountKind::Org, name("acme")),
                        Id::Account(AccountKind::User, name("ada")),
                    ],
                ),
            ),
            ("group-id:g1", Which::Group("g1".into())),
            (
                "group-member g1 ada",
                Which::Parts(
                    RecordKind::GroupMember,
                    vec![
                        Id::Text("g1".into()),
                        Id::Account(AccountKind::User, name("ada")),
                    ],
                ),
            ),
            (
                "policy org-id:o7",
                Which::Parts(
                    RecordKind::OrgPolicy,
                    vec![Id::Account(AccountKind::Org, id("o7"))],
                ),
            ),
            (
                "member org-id:o7 user:user",
                Which::Parts(
                    RecordKind::Member,
                    vec![
                        Id::Account(AccountKind::Org, id("o7")),
                        Id::Account(AccountKind::User, name("user")),
                    ],
                ),
            ),
            (
                "grant repo-id:m1 user-id:u1",
                Which::Parts(
                    RecordKind::GateGrant,
                    vec![
                        Id::Repo(Repo::Id("m1".into())),
                        Id::Account(AccountKind::User, id("u1")),
                    ],
                ),
            ),
        ] {
            assert_eq!(words(text).unwrap(), which, "{text}");
        }
        let Which::Repo(Repo::Named(repo)) = words("model:acme/llama").unwrap() else {
            panic!()
        };
        assert_eq!(
            (repo.kind(), repo.name.as_str()),
            (RepoKind::Model, "acme/llama")
        );
        assert_eq!(owner_of("org:a").unwrap(), (AccountKind::Org, name("a")));
        assert_eq!(owner_of("user").unwrap(), (AccountKind::Any, name("user")));
    }

    #[test]
    fn wrong_records_name_the_rule() {
        for (text, rule) in [
            ("ada", "is no record; write user:NAME"),
            ("users:ada", "is no record"),
            ("user:", "the user's name must not be empty"),
            ("org-id:a/b", "the org's id may hold only"),
            ("model:llama", "must be OWNER/NAME"),
            ("repo-id:", "the id must not be empty"),
            (
                "member acme",
                "must be one word, or member ORG USER, group-member GROUP-ID USER, policy ORG, or grant \
                 REPO USER",
            ),
            ("group-id:", "the group's id must not be empty"),
            ("group-member g/1 ada", "the group's id may hold only"),
            ("policy", "is no record"),
            ("member a/b ada", "the org's name may hold only"),
            ("grant llama ada", "is no record"),
        ] {
            let failure = words(text).unwrap_err();
            assert!(failure.message.contains(rule), "{text}: {failure}");
        }
    }
}
