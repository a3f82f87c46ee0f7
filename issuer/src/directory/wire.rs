//! Reads the directory's operations from messages. Each knows its place in the request, so that an error can
//! name the field. It decides only what one message shows by itself.

use tokenward_common::state::{
    public::{FieldError, key_from_message, record_from_message},
    record::{Record, RecordKey},
};
use tokenward_proto::v1::{self as pb, record_key::Key};

use super::mask::Update;
use crate::error::Problem;

/// An operation is one write of the directory.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    Put(Record),
    Delete(RecordKey),
    /// The record that it results in depends on the present record.
    Update(Box<Update>),
}

/// Parses the operation at this index of a request.
pub(super) fn operation(index: usize, operation: pb::Operation) -> Result<Operation, Problem> {
    let paths = operation.update_mask.map(|mask| mask.paths);
    let paths = paths.unwrap_or_default();
    let Some(operation) = operation.operation else {
        return Err(Problem::invalid(
            format!("operations[{index}]"),
            "must be set",
        ));
    };
    if !paths.is_empty() {
        let update = Update::new(index, operation, paths)?;
        return Ok(Operation::Update(Box::new(update)));
    }
    match operation.split() {
        Ok(record) => {
            let word = record.word();
            let at = || format!("operations[{index}].put_{word}");
            let record = record_from_message(record).map_err(|error| invalid(at(), error))?;
            Ok(Operation::Put(record))
        }
        Err(key) => {
            let word = key.word().unwrap_or_default();
            let at = || format!("operations[{index}].delete_{word}");
            record_key(at, &key).map(Operation::Delete)
        }
    }
}

/// Returns the key of the record that the put's ids name.
pub(super) fn key(index: usize, record: &pb::record::Record) -> Result<RecordKey, Problem> {
    let word = record.word();
    let at = || match record.key_fields() {
        [id] => format!("operations[{index}].put_{word}.{id}"),
        _ => format!("operations[{index}].put_{word}"),
    };
    record_key(at, &record.key())
}

/// Parses a record's key. `at` is the path of the key in the request.
pub(super) fn record_key(at: impl Fn() -> String, key: &Key) -> Result<RecordKey, Problem> {
    let key = key_from_message(key).map_err(|error| invalid(at(), error))?;
    key.ok_or(Problem::Internal)
}

/// Makes the problem of a field inside `at`, or of `at` itself.
fn invalid(at: String, error: FieldError) -> Problem {
    let FieldError { field, rule } = error;
    match field.as_str() {
        "" => Problem::invalid(at, rule),
        field => Problem::invalid(format!("{at}.{field}"), rule),
    }
}

#[cfg(test)]
mod tests {
    use pb::operation::Operation as Op;
    use tokenward_common::state::public::record_to_put;

    use super::*;
    use crate::directory::Directory;

    #[test]
    fn a_longest_lifetime_is_whole_seconds_up_to_ten_years() {
        const DECADE: i64 = 3650 * 24 * 3600;
        let put = |seconds, nanos| {
            let policy = pb::OrgPolicy {
                org_id: "acme".into(),
                policy: pb::TokenPolicy::Allow.into(),
                max_token_lifetime: Some(prost_types::Duration { seconds, nanos }),
            };
            let put = Op::PutOrgPolicy(policy);
            let put = pb::Operation {
                operation: Some(put),
                ..pb::Operation::default()
            };
            operation(0, put)
        };
        for (seconds, nanos) in [(1, 0), (DECADE, 0)] {
            assert!(put(seconds, nanos).is_ok(), "{seconds}");
        }
        for (seconds, nanos) in [
            (0, 0),
            (-1, 0),
            (1, 1),
            (0, 500_000_000),
            (DECADE + 1, 0),
            (i64::MAX, 0),
        ] {
            let refused = put(seconds, nanos).err().map(|it| it.to_string());
            let rule = "put_org_policy.max_token_lifetime: must be whole seconds, at least one and \
                        at most ten years";
            assert!(
                refused.as_ref().is_some_and(|it| it.contains(rule)),
                "{refused:?}"
            );
        }
    }

    /// One user and each other record have every field set; the second user has no optional field.
    #[test]
    fn what_is_put_comes_back() {
        let user = pb::User {
            id: "u1".into(),
            name: "Ada".into(),
            disabled: true,
            display: Some(pb::UserDisplay {
                full_name: "Ada L.".into(),
                is_pro: true,
                ..Default::default()
            }),
            service_account_of: "o7".into(),
        };
        let plain = pb::User {
            id: "u2".into(),
            name: "bob".into(),
            ..Default::default()
        };
        let org = pb::Org {
            id: "o7".into(),
            name: "acme".into(),
            display: Some(pb::OrgDisplay {
                plan: "team".into(),
                ..Default::default()
            }),
        };
        let member = pb::Member {
            org_id: "o7".into(),
            user_id: "u2".into(),
            role: 4,
        };
        let repo = pb::Repo {
            id: "m1".into(),
            kind: 3,
            owner_id: "o7".into(),
            name: "llama".into(),
            visibility: 2,
            gate: 1,
            creator_id: "u2".into(),
            disabled: true,
            group_id: "g1".into(),
            org_members_gated: true,
        };
        let grant = pb::GateGrant {
            repo_id: "m1".into(),
            user_id: "u2".into(),
            state: 3,
        };
        let group = pb::Group {
            id: "g1".into(),
            org_id: "o7".into(),
            name: "Research".into(),
        };
        let group_member = pb::GroupMember {
            group_id: "g1".into(),
            user_id: "u2".into(),
            role: 4,
        };
        let policy = pb::OrgPolicy {
            org_id: "o7".into(),
            policy: 1,
            max_token_lifetime: Some(prost_types::Duration {
                seconds: 86_400,
                nanos: 0,
            }),
        };
        let puts: Vec<_> = [
            Op::PutUser(user),
            Op::PutUser(plain),
            Op::PutOrg(org),
            Op::PutMember(member),
            Op::PutGroup(group),
            Op::PutGroupMember(group_member),
            Op::PutOrgPolicy(policy),
            Op::PutRepo(repo),
            Op::PutGateGrant(grant),
        ]
        .into_iter()
        .map(|it| pb::Operation {
            operation: Some(it),
            ..pb::Operation::default()
        })
        .collect();
        let parsed = Directory::parse(puts.clone()).unwrap();
        let back: Vec<_> = parsed
            .into_iter()
            .map(|operation| match operation {
                Operation::Put(record) => record_to_put(record).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(back, puts);
    }
}
