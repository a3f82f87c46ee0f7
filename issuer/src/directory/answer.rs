//! Records to the directory's messages: what an import takes is what an export gives.

use prost::Message;
use tokenward_common::state::record::{
    GateGrant, Group, GroupMember, Member, Org, OrgPolicy, Record, Repo, User,
};
use tokenward_proto::v1 as pb;

/// `None`: not of the directory.
pub fn record(record: Record) -> Option<pb::Record> {
    use pb::record::Record as Pb;
    let record = match record {
        Record::User(it) => Pb::User(user(it)),
        Record::Org(it) => Pb::Org(org(it)),
        Record::Member(it) => Pb::Member(member(&it)),
        Record::Group(it) => Pb::Group(group(&it)),
        Record::GroupMember(it) => Pb::GroupMember(group_member(&it)),
        Record::OrgPolicy(it) => Pb::OrgPolicy(org_policy(&it)),
        Record::Repo(it) => Pb::Repo(repo(&it)),
        Record::GateGrant(it) => Pb::GateGrant(gate_grant(&it)),
        Record::Amendment(_)
        | Record::OrgTokenView(_)
        | Record::Floor(_)
        | Record::WithdrawnKey(_)
        | Record::Redirect(_)
        | Record::Retired(_)
        | Record::Departures(_) => return None,
    };
    Some(pb::Record {
        record: Some(record),
    })
}

/// What writes it again; `None`: not of the directory.
pub fn put(record: Record) -> Option<pb::Operation> {
    use pb::operation::Operation as Pb;
    let operation = match record {
        Record::User(it) => Pb::PutUser(user(it)),
        Record::Org(it) => Pb::PutOrg(org(it)),
        Record::Member(it) => Pb::PutMember(member(&it)),
        Record::Group(it) => Pb::PutGroup(group(&it)),
        Record::GroupMember(it) => Pb::PutGroupMember(group_member(&it)),
        Record::OrgPolicy(it) => Pb::PutOrgPolicy(org_policy(&it)),
        Record::Repo(it) => Pb::PutRepo(repo(&it)),
        Record::GateGrant(it) => Pb::PutGateGrant(gate_grant(&it)),
        Record::Amendment(_)
        | Record::OrgTokenView(_)
        | Record::Floor(_)
        | Record::WithdrawnKey(_)
        | Record::Redirect(_)
        | Record::Retired(_)
        | Record::Departures(_) => return None,
    };
    Some(pb::Operation {
        operation: Some(operation),
        ..pb::Operation::default()
    })
}

/// An empty one is none; what can't be read is shown as none, for no decision looks at it.
fn display<D: Message + Default>(bytes: &[u8]) -> Option<D> {
    let some = !bytes.is_empty();
    some.then(|| D::decode(bytes).ok()).flatten()
}

fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

/// The domain's numbers are the API's.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

fn user(user: User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        name: user.name.to_string(),
        disabled: user.disabled,
        display: display(&user.display),
        service_account_of: text(user.service_account_of.as_ref()),
    }
}

fn org(org: Org) -> pb::Org {
    pb::Org {
        id: org.id.to_string(),
        name: org.name.to_string(),
        display: display(&org.display),
    }
}

fn member(member: &Member) -> pb::Member {
    pb::Member {
        org_id: member.org.to_string(),
        user_id: member.user.to_string(),
        role: number(member.role.number()),
    }
}

fn group(group: &Group) -> pb::Group {
    pb::Group {
        id: group.id.to_string(),
        org_id: group.org.to_string(),
        name: group.name.to_string(),
    }
}

fn group_member(member: &GroupMember) -> pb::GroupMember {
    pb::GroupMember {
        group_id: member.group.to_string(),
        user_id: member.user.to_string(),
        role: number(member.role.number()),
    }
}

fn org_policy(policy: &OrgPolicy) -> pb::OrgPolicy {
    let longest = policy.max_lifetime.map(prost_types::Duration::try_from);
    pb::OrgPolicy {
        org_id: policy.org.to_string(),
        policy: number(policy.policy.number()),
        max_token_lifetime: longest.and_then(Result::ok),
    }
}

fn repo(repo: &Repo) -> pb::Repo {
    pb::Repo {
        id: repo.id.to_string(),
        kind: number(repo.kind.number()),
        owner_id: repo.owner.to_string(),
        name: repo.name.to_string(),
        visibility: number(repo.visibility.number()),
        gate: number(repo.gate.number()),
        creator_id: text(repo.creator.as_ref()),
        disabled: repo.disabled,
        group_id: text(repo.group.as_ref()),
        org_members_gated: repo.org_members_gated,
    }
}

fn gate_grant(grant: &GateGrant) -> pb::GateGrant {
    pb::GateGrant {
        repo_id: grant.repo.to_string(),
        user_id: grant.user.to_string(),
        state: number(grant.state.number()),
    }
}

#[cfg(test)]
mod tests {
    use pb::operation::Operation as Op;

    use super::*;
    use crate::directory::{Directory, Operation};

    /// Every field set, or none that may be left out.
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
                Operation::Put(record) => put(record).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(back, puts);
    }
}
