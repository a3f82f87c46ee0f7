//! `tokenward permissions` prints the permissions from the table that decisions use. It calls no server.

use serde_json::{Value, json};
use tokenward_common::{
    access::{Classic, Permission, Right},
    state::record::OrgRole,
    token::EntityKind,
};

use crate::{
    exit::{Exit, Failure},
    output::Output,
    table,
};

const EXAMPLES: &str = "\
Examples:
  tokenward permissions
  tokenward permissions --kind model
  tokenward permissions repo.content.read org.read
  tokenward permissions --json

`token role` is the least role of a token that has the permission. A fineGrained token has the
permissions that its scopes name. `org role` is the least role in an org by which the token's owner
has the permission there. A token never has more permissions than its owner.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// List only these permissions. Without a name all are listed.
    #[arg(value_name = "NAME", value_parser = parse)]
    names: Vec<Permission>,
    /// List only the permissions that can be asked on this kind of entity, or that a scope on it
    /// can name.
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Option<EntityKind>,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Failure> {
    let shown = select(args);
    let text: Vec<String> = shown.iter().map(|it| card(*it)).collect();
    let values: Vec<Value> = shown.iter().map(|it| value(*it)).collect();
    output.answer(&text.join("\n"), &Value::Array(values))?;
    Ok(Exit::Ok)
}

fn select(args: &Args) -> Vec<Permission> {
    let named = |it: &Permission| args.names.is_empty() || args.names.contains(it);
    let fits = |it: &Permission| {
        args.kind
            .is_none_or(|kind| it.applies_to(kind) || it.in_scope(kind))
    };
    let all = Permission::ALL.iter().copied();
    all.filter(|it| named(it) && fits(it)).collect()
}

fn parse(name: &str) -> Result<Permission, String> {
    Permission::parse(name)
        .ok_or_else(|| format!("no permission has this name{}", Permission::hint(name)))
}

fn parse_kind(word: &str) -> Result<EntityKind, String> {
    EntityKind::from_word(word).ok_or_else(|| {
        let all: Vec<_> = EntityKind::ALL.iter().map(|kind| kind.word()).collect();
        format!("must be one of {}", all.join(", "))
    })
}

fn card(it: Permission) -> String {
    let kinds = |kinds: &mut dyn Iterator<Item = EntityKind>| {
        let words: Vec<_> = kinds.map(EntityKind::word).collect();
        words.join(", ")
    };
    let implied: Vec<_> = it.implied_by().map(Permission::name).collect();
    let fields = table::fields([
        ("  for", it.about().to_owned()),
        ("  asked on", kinds(&mut it.asked_on())),
        ("  scoped on", kinds(&mut it.scoped_on())),
        // This is the widest name; with it all cards have the same columns.
        ("  implied by", or(&implied.join(", "), "none")),
        (
            "  global",
            if it.in_global() { "yes" } else { "" }.to_owned(),
        ),
        (
            "  token role",
            or(token_role(it).unwrap_or_default(), "none"),
        ),
        ("  org role", org_role(it).unwrap_or_default().to_owned()),
        ("  on a repo", on_a_repo(it).unwrap_or_default().to_owned()),
    ]);
    format!("{}\n{fields}", it.name())
}

fn or(text: &str, otherwise: &str) -> String {
    match text {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    }
}

/// Returns the lowest token role that includes this permission. `None`: no role does.
pub(crate) fn token_role(it: Permission) -> Option<&'static str> {
    match it.classic() {
        Classic::Read => Some("read"),
        Classic::Write => Some("write"),
        Classic::Never if it.is_named() => Some("fineGrained"),
        Classic::Never => None,
    }
}

/// Returns the lowest org role that includes this permission on the org as a whole. `None`: it doesn't
/// apply to an org.
pub(crate) fn org_role(it: Permission) -> Option<&'static str> {
    it.org_role().map(|role| match role {
        OrgRole::NoAccess => "no_access",
        OrgRole::Read => "read",
        OrgRole::Contributor => "contributor",
        OrgRole::Write => "write",
        OrgRole::Admin => "admin",
    })
}

/// Describes what the token's owner must be able to do with a repo for the token to have this permission
/// on it.
pub(crate) fn on_a_repo(it: Permission) -> Option<&'static str> {
    let account = [EntityKind::User, EntityKind::Org];
    it.asked_on().find(|kind| !account.contains(kind))?;
    Some(match it.right() {
        Right::See => "whoever sees it",
        Right::Read => "whoever may read it as its owner or as a member",
        Right::Write => "whoever may write it",
    })
}

fn value(it: Permission) -> Value {
    let words = |kinds: &mut dyn Iterator<Item = EntityKind>| -> Vec<&str> {
        kinds.map(EntityKind::word).collect()
    };
    let implied: Vec<_> = it.implied_by().map(Permission::name).collect();
    json!({
        "name": it.name(),
        "about": it.about(),
        "asked_on": words(&mut it.asked_on()),
        "scoped_on": words(&mut it.scoped_on()),
        "global": it.in_global(),
        "implied_by": implied,
        "token_role": token_role(it),
        "org_role": org_role(it),
        "on_a_repo": on_a_repo(it),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_tells_all_of_it() {
        assert_eq!(
            card(Permission::DiscussionWrite),
            "\
discussion.write
  for         Open and comment discussions and pull requests.
  asked on    user, org, model, dataset, space, bucket, kernel
  scoped on   user, org, model, dataset, space, bucket, kernel
  implied by  none
  global      yes
  token role  write
  org role    read
  on a repo   whoever sees it
"
        );
        assert!(card(Permission::UserTokensWrite).contains("  token role  none\n"));
        assert!(card(Permission::UserTokensRead).contains("  token role  fineGrained\n"));
        for it in Permission::ALL {
            let card = card(*it);
            assert!(card.lines().all(|line| line.len() <= 80), "{card}");
        }
    }

    #[test]
    fn they_are_picked_by_name_and_kind() {
        let all = select(&Args {
            names: Vec::new(),
            kind: None,
        });
        assert_eq!(all, Permission::ALL);
        let of = |kind| {
            select(&Args {
                names: Vec::new(),
                kind: Some(kind),
            })
        };
        assert!(of(EntityKind::Model).contains(&Permission::RepoWrite));
        assert!(!of(EntityKind::Model).contains(&Permission::OrgRead));
        assert!(of(EntityKind::ResourceGroup).contains(&Permission::RepoWrite));
        let names = vec![Permission::OrgRead];
        assert_eq!(select(&Args { names, kind: None }), [Permission::OrgRead]);
        let wrong = parse("repo.wirte").unwrap_err();
        assert_eq!(
            wrong,
            "no permission has this name; did you mean repo.write?"
        );
        assert!(parse_kind("models").unwrap_err().contains("resource-group"));
    }

    #[test]
    fn json_has_each_answer() {
        let read = value(Permission::RepoContentRead);
        assert_eq!(
            read["implied_by"],
            json!(["repo.content.write", "repo.write"])
        );
        assert_eq!(read["scoped_on"][7], "resource-group");
        assert_eq!(
            value(Permission::UserTokensWrite)["token_role"],
            Value::Null
        );
        assert_eq!(value(Permission::PostWrite)["org_role"], Value::Null);
    }
}
