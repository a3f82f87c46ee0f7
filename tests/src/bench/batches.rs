//! Cuts a hub into the batches of an import.

use anyhow::{Result, bail};
use tokenward_common::state::record::Record;
use tokenward_proto::v1::{self as pb, ImportRequest};

use super::hub::Hub;

/// The number of operations in a batch.
const BATCH: u64 = 100;

fn operation(record: Record) -> Result<pb::Operation> {
    use pb::operation::Operation as Pb;
    let number = |number: u32| i32::try_from(number).unwrap_or_default();
    let operation = match record {
        Record::Org(org) => Pb::PutOrg(pb::Org {
            id: org.id.to_string(),
            name: org.name.to_string(),
            ..pb::Org::default()
        }),
        Record::User(user) => Pb::PutUser(pb::User {
            id: user.id.to_string(),
            name: user.name.to_string(),
            ..pb::User::default()
        }),
        Record::Repo(repo) => Pb::PutRepo(pb::Repo {
            id: repo.id.to_string(),
            kind: number(repo.kind.number()),
            owner_id: repo.owner.to_string(),
            name: repo.name.to_string(),
            visibility: number(repo.visibility.number()),
            gate: number(repo.gate.number()),
            ..pb::Repo::default()
        }),
        Record::Member(member) => Pb::PutMember(pb::Member {
            org_id: member.org.to_string(),
            user_id: member.user.to_string(),
            role: number(member.role.number()),
        }),
        Record::GateGrant(grant) => Pb::PutGateGrant(pb::GateGrant {
            repo_id: grant.repo.to_string(),
            user_id: grant.user.to_string(),
            state: number(grant.state.number()),
        }),
        _ => {
            bail!("not of a directory")
        }
    };
    Ok(pb::Operation {
        operation: Some(operation),
        ..pb::Operation::default()
    })
}

pub(super) fn batches(hub: Hub) -> impl Iterator<Item = Result<ImportRequest>> {
    (0..hub.records().div_ceil(BATCH)).map(move |batch| {
        let last = hub.records().min((batch + 1) * BATCH);
        Ok(ImportRequest {
            batch,
            operations: (batch * BATCH..last)
                .map(|at| operation(hub.record(at)?))
                .collect::<Result<_>>()?,
        })
    })
}
