//! `tokenward directory get` and `delete` handle one record, named by id or by name.

use clap::Args;
use serde_json::json;
use tokenward_proto::v1::{
    GetRequest, Operation, RecordKey, RepoName, WriteRequest, operation::Operation as Op,
    record::Record as Kind, record_key::Key,
};

use super::{
    Directory, kinds, view,
    which::{self, AccountKind, Id, Ref, Repo, Which},
};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

const GET: &str = "\
Examples:
  tokenward directory get user:ada
  tokenward directory get model:acme/llama --json
  tokenward directory get member acme ada
  tokenward directory get grant model-id:m1 user-id:u1
  tokenward directory get policy acme
";

const DELETE: &str = "\
Examples:
  tokenward directory delete member acme ada
  tokenward directory delete user-id:u1
  tokenward directory delete grant model:acme/llama ada
  tokenward directory delete group-member group-id:g1 ada

The record is deleted at once, and the command prints the revision. Pass the revision to `tokenward
check --min-revision` to see whether a verifier has applied it. All tokens of a deleted user are
refused for ever. What belongs to a deleted user, org, group or repo (memberships, repos, grants,
service accounts) grants nothing any more. The private repos of a deleted group stay closed to all
but the org's admins. An org without a policy allows all tokens. Deleting a record that does not
exist by its id is no error, and uses up the id: a deleted id of a user, org, group or repo is never
used again, so check the id first.
";

pub(super) fn get_help() -> String {
    format!("{GET}\n{}", kinds::FORMS)
}

pub(super) fn delete_help() -> String {
    format!("{DELETE}\n{}", kinds::FORMS)
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Act on this record, which is written as stated below.
    #[arg(value_name = "RECORD", required = true, num_args = 1..=3)]
    record: Vec<String>,
}

pub(super) async fn get(args: One, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let which = which::parse(&args.record)?;
    let mut directory = Directory::connect(global).await?;
    let (kind, revision) = directory.find(&which).await?;
    let mut value = view::json(&kind);
    if let Some(value) = value.as_object_mut() {
        value.insert("revision".into(), revision.into());
    }
    output.answer(&view::card(&kind), &value)?;
    Ok(Exit::Ok)
}

pub(super) async fn delete(args: One, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let which = which::parse(&args.record)?;
    let mut directory = Directory::connect(global).await?;
    let operation = directory.deletion(&which).await?;
    let request = WriteRequest {
        request_id: String::new(),
        operations: vec![Operation {
            operation: Some(operation),
            ..Operation::default()
        }],
    };
    let Directory { client, server, .. } = &mut directory;
    let answer = server.call(request, |it| client.write(it)).await?;
    let record = args.record.join(" ");
    let text = format!("deleted   {record}\nrevision  {}", answer.revision);
    let value = json!({ "deleted": record, "revision": answer.revision });
    output.answer(&text, &value)?;
    Ok(Exit::Ok)
}

fn wrong(text: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("not found: {text}"))
        .next("`tokenward directory list` shows what there is")
}

impl Directory {
    async fn fetch(&mut self, key: Key) -> Result<(Kind, String), Failure> {
        let request = GetRequest {
            key: Some(RecordKey { key: Some(key) }),
        };
        let Self { client, server, .. } = self;
        let answer = server.call(request, |it| client.get(it)).await;
        let answer = answer.map_err(|failure| match failure.exit {
            Exit::NotFound => failure.next("`tokenward directory list` shows what there is"),
            _ => failure,
        })?;
        Ok((view::present(answer.record)?, answer.revision))
    }

    pub(super) async fn find(&mut self, which: &Which) -> Result<(Kind, String), Failure> {
        match which {
            Which::Account(kind, account) => self.account(*kind, account).await,
            Which::Repo(repo) => self.repo(repo).await,
            which => {
                let key = self.key(which).await?;
                self.fetch(key).await
            }
        }
    }

    async fn deletion(&mut self, which: &Which) -> Result<Op, Failure> {
        let deletion = self.key(which).await?.deletion();
        deletion.ok_or_else(|| wrong("the record has no ids"))
    }

    /// Returns a key of ids only. Where the user gave names, the issuer is queried for the ids.
    async fn key(&mut self, which: &Which) -> Result<Key, Failure> {
        Ok(match which {
            Which::Account(AccountKind::User, Ref::Id(id)) => Key::UserId(id.clone()),
            Which::Account(AccountKind::Org, Ref::Id(id)) => Key::OrgId(id.clone()),
            Which::Account(kind, account) => match self.account(*kind, account).await?.0 {
                account @ (Kind::Org(_) | Kind::User(_)) => account.key(),
                _ => return Err(wrong("the issuer answered with something else")),
            },
            Which::Repo(repo) => Key::RepoId(self.repo_id(repo).await?),
            Which::Group(id) => Key::GroupId(id.clone()),
            Which::Parts(kind, parts) => {
                let mut ids = Vec::with_capacity(parts.len());
                for part in parts {
                    ids.push(match part {
                        Id::Account(kind, account) => self.account_id(*kind, account).await?,
                        Id::Repo(repo) => self.repo_id(repo).await?,
                        Id::Text(text) => text.clone(),
                    });
                }
                Key::from_parts(*kind, ids).ok_or_else(|| wrong("the record has other ids"))?
            }
        })
    }

    /// Fetches an account. One of another kind is a failure.
    async fn account(
        &mut self,
        kind: AccountKind,
        account: &Ref,
    ) -> Result<(Kind, String), Failure> {
        let found = match (kind, account) {
            (_, Ref::Name(name)) => self.fetch(Key::AccountName(name.clone())).await?,
            (AccountKind::User, Ref::Id(id)) => self.fetch(Key::UserId(id.clone())).await?,
            (AccountKind::Org, Ref::Id(id)) => self.fetch(Key::OrgId(id.clone())).await?,
            (AccountKind::Any, Ref::Id(id)) => match self.fetch(Key::UserId(id.clone())).await {
                Err(failure) if failure.exit == Exit::NotFound => {
                    self.fetch(Key::OrgId(id.clone())).await?
                }
                found => found?,
            },
        };
        match (kind, &found.0) {
            (AccountKind::User, Kind::Org(org)) => {
                Err(wrong(&format!("{} is an org, not a user", org.name)))
            }
            (AccountKind::Org, Kind::User(user)) => {
                Err(wrong(&format!("{} is a user, not an org", user.name)))
            }
            _ => Ok(found),
        }
    }

    pub(super) async fn account_id(
        &mut self,
        kind: AccountKind,
        account: &Ref,
    ) -> Result<String, Failure> {
        if let Ref::Id(id) = account {
            return Ok(id.clone());
        }
        match self.account(kind, account).await?.0 {
            Kind::Org(org) => Ok(org.id),
            Kind::User(user) => Ok(user.id),
            _ => Err(wrong("the issuer answered with something else")),
        }
    }

    async fn repo(&mut self, repo: &Repo) -> Result<(Kind, String), Failure> {
        let found = match repo {
            Repo::Id(id) => self.fetch(Key::RepoId(id.clone())).await?,
            Repo::Named(named) if named.id.is_empty() => {
                let name = RepoName {
                    kind: named.kind,
                    name: named.name.clone(),
                };
                self.fetch(Key::RepoName(name)).await?
            }
            Repo::Named(named) => self.fetch(Key::RepoId(named.id.clone())).await?,
        };
        match (repo, &found.0) {
            (Repo::Named(named), Kind::Repo(repo)) if named.kind != repo.kind => {
                Err(wrong("the repo of this id is of another kind"))
            }
            _ => Ok(found),
        }
    }

    pub(super) async fn repo_id(&mut self, repo: &Repo) -> Result<String, Failure> {
        if let Repo::Id(id) = repo {
            return Ok(id.clone());
        }
        match self.repo(repo).await?.0 {
            Kind::Repo(repo) => Ok(repo.id),
            _ => Err(wrong("the issuer answered with something else")),
        }
    }
}
