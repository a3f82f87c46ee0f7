//! `tokenward directory list` shows records of one kind, page by page.

use clap::{Args, ValueEnum, builder::PossibleValue};
use serde_json::Value;
use tokenward_common::state::{Filter, Selection, public::kind_from_message};
use tokenward_proto::v1::{ListRequest, RecordKind};

use super::{
    Directory,
    kinds::{self, show_record},
    view,
    which::{self, AccountKind, Ref, Repo},
};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward directory list users --limit 20
  tokenward directory list users --org acme
  tokenward directory list members --org acme --json
  tokenward directory list members --user ada
  tokenward directory list groups --org acme
  tokenward directory list group-members --group g1
  tokenward directory list repos --owner org-id:o7
  tokenward directory list grants --repo model:acme/llama

The order is not sorted. `users --org` lists the org's service accounts. `tokenward directory export`
writes all records.";

/// The most records that one answer holds.
const PAGE: u32 = 1000;

/// The kind of what is listed or exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(pub(super) RecordKind);

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        kinds::LISTED
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = kinds::listed(self.0);
        let value = PossibleValue::new(word);
        Some(match help {
            Some(help) => value.help(help),
            None => value,
        })
    }
}

/// Returns the help of a filter, with the kinds that have it.
fn only(of: &str, filter: Filter) -> String {
    let having = kinds::ALL.iter().filter(|kind| has(**kind, filter));
    let having: Vec<_> = having.map(|kind| kinds::listed(*kind).0).collect();
    format!("List only the {} of this {of}.", having.join(", "))
}

fn has(kind: RecordKind, filter: Filter) -> bool {
    kind_from_message(kind).is_some_and(|kind| Selection::filters(kind).contains(&filter))
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// List the records of this kind.
    #[arg(value_name = "KIND")]
    kind: Kind,
    #[arg(long, value_name = "ORG", value_parser = which::org_of, help = only("org: NAME or org-id:ID", Filter::Org))]
    org: Option<Ref>,
    #[arg(long, value_name = "USER", value_parser = which::user_of, help = only("user: NAME or user-id:ID", Filter::User))]
    user: Option<Ref>,
    #[arg(long, value_name = "ID", value_parser = which::group_of, help = only("group: its id", Filter::Group))]
    group: Option<String>,
    #[arg(long, value_name = "ACCOUNT", value_parser = which::owner_of, help = only("owner: NAME, user-id:ID or org-id:ID", Filter::Owner))]
    owner: Option<(AccountKind, Ref)>,
    #[arg(long, value_name = "REPO", value_parser = which::repo_of, help = only("repo: KIND:OWNER/NAME, KIND-id:ID or repo-id:ID", Filter::Repo))]
    repo: Option<Repo>,
    /// List at most this many records.
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl List {
    /// Refuses a filter that doesn't apply to this kind.
    fn check(&self) -> Result<(), Failure> {
        for (option, given, filter) in [
            ("--org", self.org.is_some(), Filter::Org),
            ("--user", self.user.is_some(), Filter::User),
            ("--group", self.group.is_some(), Filter::Group),
            ("--owner", self.owner.is_some(), Filter::Owner),
            ("--repo", self.repo.is_some(), Filter::Repo),
        ] {
            if given && !has(self.kind.0, filter) {
                return Err(
                    Failure::usage(format!("{option}: is no filter of what is listed"))
                        .next("see `tokenward directory list --help`"),
                );
            }
        }
        Ok(())
    }

    async fn question(&self, directory: &mut Directory) -> Result<ListRequest, Failure> {
        let mut request = ListRequest {
            kind: self.kind.0.into(),
            ..ListRequest::default()
        };
        if let Some(org) = &self.org {
            request.org_id = directory.account_id(AccountKind::Org, org).await?;
        }
        if let Some(user) = &self.user {
            request.user_id = directory.account_id(AccountKind::User, user).await?;
        }
        request.group_id = self.group.clone().unwrap_or_default();
        if let Some((kind, owner)) = &self.owner {
            request.owner_id = directory.account_id(*kind, owner).await?;
        }
        if let Some(repo) = &self.repo {
            request.repo_id = directory.repo_id(repo).await?;
        }
        Ok(request)
    }
}

pub(super) async fn run(args: List, global: &Global, output: &Output) -> Result<Exit, Failure> {
    args.check()?;
    let mut directory = Directory::connect(global).await?;
    let mut request = args.question(&mut directory).await?;
    let Directory { client, server, .. } = &mut directory;
    let mut records = Vec::new();
    loop {
        let left = args.limit.saturating_sub(records.len() as u64);
        request.page_size = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
        let page = server.call(request.clone(), |it| client.list(it)).await?;
        for record in page.records {
            records.push(view::present(Some(record))?);
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || records.len() as u64 >= args.limit {
            break;
        }
    }
    if records.is_empty() && !output.is_json() {
        output.note("None.");
        return Ok(Exit::Ok);
    }
    let value = Value::Array(records.iter().map(show_record).collect());
    output.answer(&view::list(&records), &value)?;
    if !request.page_token.is_empty() {
        output.note("There may be more: raise --limit, or use `tokenward directory export`.");
    }
    Ok(Exit::Ok)
}
