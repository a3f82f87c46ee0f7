//! Turns callers' questions about the directory into selections of the state. It decides which filters and
//! page tokens are valid, and must not know the records.

use std::str::FromStr;

use prost::Message;
use sha2::{Digest, Sha256};
use tokenward_common::{
    id::{IdError, Name},
    state::{
        Filter, Filters, Place, Selection,
        public::{FED, kind_from_message},
        record::{Kind, RecordKey, RepoKind},
    },
};
use tokenward_proto::v1::{self as pb, record_key::Key};

use super::wire::record_key;
use crate::error::Problem;

/// Names one record by its key, or by a name that ignores case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordName {
    Key(RecordKey),
    Account(Name),
    Repo {
        kind: RepoKind,
        owner: Name,
        name: Name,
    },
}

pub fn named(key: Option<pb::RecordKey>) -> Result<RecordName, Problem> {
    let Some(key) = key.and_then(|key| key.key) else {
        return Err(Problem::invalid("key", "must be set"));
    };
    let at = format!("key.{}", key.field());
    Ok(match key {
        Key::AccountName(text) => RecordName::Account(id(&at, &text)?),
        Key::RepoName(key) => {
            let kind = u32::try_from(key.kind).ok().and_then(RepoKind::from_number);
            let rule = "must be set to a known value";
            let kind = kind.ok_or_else(|| Problem::invalid(format!("{at}.kind"), rule))?;
            let field = format!("{at}.name");
            let Some((owner, name)) = key.name.split_once('/') else {
                return Err(Problem::invalid(field, "must be owner/name"));
            };
            RecordName::Repo {
                kind,
                owner: id(&field, owner)?,
                name: id(&field, name)?,
            }
        }
        key => RecordName::Key(record_key(|| at.clone(), &key)?),
    })
}

pub fn selection(request: &pb::ListRequest) -> Result<Selection, Problem> {
    let kind = kind("kind", request.kind)?;
    let filters = Selection::filters(kind);
    for (filter, field, text) in [
        (Filter::Org, "org_id", &request.org_id),
        (Filter::User, "user_id", &request.user_id),
        (Filter::Owner, "owner_id", &request.owner_id),
        (Filter::Repo, "repo_id", &request.repo_id),
        (Filter::Group, "group_id", &request.group_id),
    ] {
        if !text.is_empty() && !filters.contains(&filter) {
            return Err(Problem::invalid(field, "is no filter of this kind"));
        }
    }
    let filters = Filters {
        org: filter("org_id", &request.org_id)?,
        user: filter("user_id", &request.user_id)?,
        owner: filter("owner_id", &request.owner_id)?,
        repo: filter("repo_id", &request.repo_id)?,
        group: filter("group_id", &request.group_id)?,
        service_accounts: None,
    };
    Ok(Selection { kind, filters })
}

/// Returns the selections to export, parents before their children. None given: those of all kinds.
pub fn selections(kinds: &[i32]) -> Result<Vec<Selection>, Problem> {
    let wanted = kinds.iter().enumerate();
    let wanted = wanted.map(|(index, &number)| kind(&format!("kinds[{index}]"), number));
    let wanted: Vec<Kind> = wanted.collect::<Result<_, _>>()?;
    let mut selections = Vec::new();
    for &kind in FED {
        let of_users = |service_accounts| {
            let mut users = Selection::all(Kind::User);
            users.filters.service_accounts = Some(service_accounts);
            users
        };
        let is_wanted = |kind| wanted.is_empty() || wanted.contains(&kind);
        match kind {
            Kind::User => selections.extend(is_wanted(kind).then(|| of_users(false))),
            kind => selections.extend(is_wanted(kind).then(|| Selection::all(kind))),
        }
        // A service account needs its org.
        if kind == Kind::Org {
            selections.extend(is_wanted(Kind::User).then(|| of_users(true)));
        }
    }
    Ok(selections)
}

fn kind(field: &str, number: i32) -> Result<Kind, Problem> {
    let kind = pb::RecordKind::try_from(number).ok();
    let kind = kind.and_then(kind_from_message);
    kind.ok_or_else(|| Problem::invalid(field, "must be set to a known value"))
}

/// A page token says where a page begins, in which view, and for which question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageToken {
    /// The state that gave the token has this identity.
    pub identity: u64,
    pub place: Place,
}

impl PageToken {
    pub fn text(self, request: &pb::ListRequest) -> String {
        let Place { major, minor } = self.place;
        let mut bytes = self.identity.to_be_bytes().to_vec();
        for number in [major, minor.0, minor.1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&question(request));
        hex::encode(bytes)
    }

    /// Parses the request's page token; `None` means the beginning.
    pub fn parse(request: &pb::ListRequest) -> Result<Option<Self>, Problem> {
        if request.page_token.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; 28];
        hex::decode_to_slice(&request.page_token, &mut bytes)
            .map_err(|_| Problem::invalid("page_token", "must be one that an answer gave"))?;
        let mut rest = bytes.as_slice();
        let mut number = || {
            let (number, after) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
            rest = after;
            u32::from_be_bytes(*number)
        };
        let identity = (u64::from(number()) << 32) | u64::from(number());
        let place = Place {
            major: number(),
            minor: (number(), number()),
        };
        if rest != question(request) {
            let rule = "was given for another question: leave kind and filters as they were";
            return Err(Problem::invalid("page_token", rule));
        }
        Ok(Some(Self { identity, place }))
    }
}

/// Hashes the kind and the filters into eight bytes.
fn question(request: &pb::ListRequest) -> [u8; 8] {
    let mut question = request.clone();
    question.page_size = 0;
    question.page_token.clear();
    let digest: [u8; 32] = Sha256::digest(question.encode_to_vec()).into();
    let mut short = [0; 8];
    short.copy_from_slice(digest.split_at(8).0);
    short
}

fn id<T: FromStr<Err = IdError>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|rule| Problem::invalid(field, rule))
}

/// Parses a filter. An empty text means no filter.
fn filter<T: FromStr<Err = IdError>>(field: &str, text: &str) -> Result<Option<T>, Problem> {
    let some = !text.is_empty();
    some.then(|| id(field, text)).transpose()
}

#[cfg(test)]
mod tests;
