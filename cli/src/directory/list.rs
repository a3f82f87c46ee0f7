//! `tokenward directory list` shows records of one kind, page by page.

use clap::{Args, ValueEnum};
use serde_json::Value;
use tokenward_proto::v1::{ListRequest, RecordKind};

use super::{
    Directory,
    object::show_record,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Users,
    Orgs,
    Members,
    Groups,
    GroupMembers,
    /// What orgs ask of tokens.
    Policies,
    Repos,
    Grants,
}

impl Kind {
    pub(super) fn wire(self) -> RecordKind {
        match self {
            Self::Users => RecordKind::User,
            Self::Orgs => RecordKind::Org,
            Self::Members => RecordKind::Member,
            Self::Groups => RecordKind::Group,
            Self::GroupMembers => RecordKind::GroupMember,
            Self::Policies => RecordKind::OrgPolicy,
            Self::Repos => RecordKind::Repo,
            Self::Grants => RecordKind::GateGrant,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// List the records of this kind.
    #[arg(value_name = "KIND")]
    kind: Kind,
    /// List only the users, members or groups of this org, given as NAME or org-id:ID.
    #[arg(long, value_name = "ORG", value_parser = which::org_of)]
    org: Option<Ref>,
    /// List only the members, group-members or grants of this user, given as NAME or user-id:ID.
    #[arg(long, value_name = "USER", value_parser = which::user_of)]
    user: Option<Ref>,
    /// List only the group-members of the group with this id.
    #[arg(long, value_name = "ID", value_parser = which::group_of)]
    group: Option<String>,
    /// List only the repos of this owner, given as NAME, user-id:ID or org-id:ID.
    #[arg(long, value_name = "ACCOUNT", value_parser = which::owner_of)]
    owner: Option<(AccountKind, Ref)>,
    /// List only the grants of this repo, given as KIND:OWNER/NAME, KIND-id:ID or repo-id:ID.
    #[arg(long, value_name = "REPO", value_parser = which::repo_of)]
    repo: Option<Repo>,
    /// List at most this many records.
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl List {
    /// Refuses a filter that doesn't apply to this kind.
    fn check(&self) -> Result<(), Failure> {
        use Kind::{Grants, GroupMembers, Groups, Members, Repos, Users};
        let rows: [(&str, bool, &[Kind]); 5] = [
            ("--org", self.org.is_some(), &[Users, Members, Groups]),
            (
                "--user",
                self.user.is_some(),
                &[Members, GroupMembers, Grants],
            ),
            ("--group", self.group.is_some(), &[GroupMembers]),
            ("--owner", self.owner.is_some(), &[Repos]),
            ("--repo", self.repo.is_some(), &[Grants]),
        ];
        for (option, given, kinds) in rows {
            if given && !kinds.contains(&self.kind) {
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
            kind: self.kind.wire().into(),
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
    let Directory { client, server } = &mut directory;
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
