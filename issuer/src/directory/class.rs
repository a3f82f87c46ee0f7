//! Decides how urgent a batch is. A takeaway goes before all others, and may use the room that a store keeps
//! for takeaways when it is short.
//!
//! The state decides: only a batch that takes access from an account that has it may use that room. A batch
//! that gives none but takes none either (a new private repo, a user who is disabled already) is written when
//! there is room.

use tokenward_common::{state::State, store::CommitClass};

use crate::directory::{kinds, wire::Operation};

/// What an operation does to somebody's access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    /// It surely takes some access away, and gives none.
    Takes,
    /// The state is so already.
    Nothing,
    Other,
}

pub(super) fn class(state: &State, operations: &[Operation]) -> CommitClass {
    let effects = || operations.iter().map(|operation| effect(state, operation));
    let other = effects().any(|effect| effect == Effect::Other);
    if !other && effects().any(|effect| effect == Effect::Takes) {
        CommitClass::Takeaway
    } else {
        CommitClass::Ordinary
    }
}

fn effect(state: &State, operation: &Operation) -> Effect {
    let takes = match operation {
        // `mask` turns every update into a whole put before it is judged.
        Operation::Update(_) => Some(false),
        Operation::Delete(key) => kinds::deletion_takes(state, key),
        Operation::Put(record) => kinds::put_takes(state, record),
    };
    match takes {
        Some(true) => Effect::Takes,
        Some(false) => Effect::Other,
        None => Effect::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::{self as pb, operation::Operation as Op};

    use super::*;
    use crate::directory::{
        drafts::Earlier,
        plan::{
            plan,
            tests::{applied, operations},
        },
    };
    use tokenward_common::id::LogId;

    fn user(id: &str, disabled: bool) -> Op {
        Op::PutUser(pb::User {
            id: id.into(),
            name: id.into(),
            disabled,
            ..pb::User::default()
        })
    }

    fn org(id: &str) -> Op {
        Op::PutOrg(pb::Org {
            id: id.into(),
            name: id.into(),
            display: None,
        })
    }

    fn member(user: &str, role: pb::OrgRole) -> Op {
        Op::PutMember(pb::Member {
            org_id: "o1".into(),
            user_id: user.into(),
            role: role.into(),
        })
    }

    fn group_member(user: &str, role: pb::GroupRole) -> Op {
        Op::PutGroupMember(pb::GroupMember {
            group_id: "g1".into(),
            user_id: user.into(),
            role: role.into(),
        })
    }

    fn no_member(user: &str) -> Op {
        Op::DeleteMember(pb::MemberKey {
            org_id: "o1".into(),
            user_id: user.into(),
        })
    }

    fn policy(policy: pb::TokenPolicy) -> Op {
        Op::PutOrgPolicy(pb::OrgPolicy {
            org_id: "o1".into(),
            policy: policy.into(),
            max_token_lifetime: None,
        })
    }

    fn repo(id: &str, visibility: pb::Visibility) -> pb::Repo {
        pb::Repo {
            id: id.into(),
            kind: pb::RepoKind::Model.into(),
            owner_id: "o1".into(),
            name: id.into(),
            visibility: visibility.into(),
            gate: pb::GateMode::Manual.into(),
            ..pb::Repo::default()
        }
    }

    fn disabled(id: &str, visibility: pb::Visibility) -> Op {
        Op::PutRepo(pb::Repo {
            disabled: true,
            ..repo(id, visibility)
        })
    }

    fn grant(user: &str, state: pb::GrantState) -> Op {
        Op::PutGateGrant(pb::GateGrant {
            repo_id: "open".into(),
            user_id: user.into(),
            state: state.into(),
        })
    }

    fn no_grant(user: &str) -> Op {
        Op::DeleteGateGrant(pb::GateGrantKey {
            repo_id: "open".into(),
            user_id: user.into(),
        })
    }

    /// Makes a hub with two public repos, a disabled one and a private one. ada may read and bob nothing; bob
    /// is disabled. eve and gone may write, in a group too, but gone has left the org since and come back.
    fn hub() -> State {
        use pb::Visibility::{Private, Public};
        let mut state = State::new(LogId([1; 16]));
        for batch in [
            vec![
                org("o1"),
                user("ada", false),
                user("bob", true),
                user("eve", false),
                user("gone", false),
            ],
            vec![
                member("ada", pb::OrgRole::Read),
                member("eve", pb::OrgRole::Write),
                member("gone", pb::OrgRole::Write),
                Op::PutGroup(pb::Group {
                    id: "g1".into(),
                    org_id: "o1".into(),
                    name: "Research".into(),
                }),
                member("bob", pb::OrgRole::NoAccess),
                Op::PutRepo(repo("open", Public)),
                Op::PutRepo(repo("other", Public)),
                disabled("shut", Public),
                Op::PutRepo(repo("own", Private)),
            ],
            vec![
                group_member("eve", pb::GroupRole::Write),
                group_member("gone", pb::GroupRole::Write),
                no_member("gone"),
                member("gone", pb::OrgRole::Write),
                grant("ada", pb::GrantState::Accepted),
                grant("bob", pb::GrantState::Pending),
            ],
        ] {
            let plan = plan(&state, &mut Earlier::default(), &operations(batch)).unwrap();
            applied(&mut state, plan.changes);
        }
        state
    }

    fn of(state: &State, all: Vec<Op>) -> CommitClass {
        class(state, &operations(all))
    }

    fn expect(state: &State, rows: Vec<(Op, Effect)>) {
        for (operation, expected) in rows {
            let text = format!("{operation:?}");
            let parsed = operations(vec![operation]).remove(0);
            assert_eq!(effect(state, &parsed), expected, "{text}");
        }
    }

    #[test]
    fn only_what_takes_from_somebody_is_a_takeaway() {
        use Effect::{Nothing, Other, Takes};
        use pb::Visibility::{Private, Public};
        let moved = Op::PutRepo(pb::Repo {
            owner_id: "ada".into(),
            ..repo("open", Private)
        });
        let opened = Op::PutRepo(pb::Repo {
            gate: pb::GateMode::None.into(),
            ..repo("open", Private)
        });
        let rows = vec![
            (user("ada", true), Takes),
            (user("bob", true), Nothing),
            (user("bob", false), Other),
            (user("new", true), Other),
            (member("ada", pb::OrgRole::NoAccess), Takes),
            (member("eve", pb::OrgRole::Read), Takes),
            (member("eve", pb::OrgRole::Contributor), Takes),
            (member("eve", pb::OrgRole::Write), Nothing),
            (member("eve", pb::OrgRole::Admin), Other),
            (group_member("eve", pb::GroupRole::Read), Takes),
            (group_member("eve", pb::GroupRole::Admin), Other),
            (group_member("ada", pb::GroupRole::Read), Other),
            (group_member("gone", pb::GroupRole::Read), Other),
            (member("bob", pb::OrgRole::NoAccess), Nothing),
            (member("ada", pb::OrgRole::Admin), Other),
            (no_member("ada"), Takes),
            (no_member("nobody"), Nothing),
            (Op::PutRepo(repo("open", Private)), Takes),
            (Op::PutRepo(repo("own", Private)), Nothing),
            (Op::PutRepo(repo("new", Private)), Other),
            (Op::PutRepo(repo("own", Public)), Other),
            (Op::PutRepo(repo("shut", Private)), Other),
            (moved, Other),
            (opened, Other),
            (disabled("open", Public), Takes),
            (disabled("own", Private), Takes),
            (disabled("shut", Public), Nothing),
            (disabled("new", Public), Other),
            (grant("ada", pb::GrantState::Rejected), Takes),
            (grant("ada", pb::GrantState::Accepted), Nothing),
            (grant("bob", pb::GrantState::Rejected), Other),
            (grant("bob", pb::GrantState::Accepted), Other),
            (no_grant("ada"), Takes),
            (no_grant("nobody"), Nothing),
            (org("o1"), Nothing),
            (org("o2"), Other),
            (Op::DeleteOrg("o1".into()), Takes),
            (Op::DeleteUser("ada".into()), Takes),
            (Op::DeleteUser("nobody".into()), Nothing),
            (Op::DeleteRepo("open".into()), Takes),
        ];
        expect(&hub(), rows);
    }

    /// A policy that allows more must not go before what takes away.
    #[test]
    fn a_stricter_policy_takes_away_and_a_looser_one_does_not() {
        use pb::TokenPolicy::{AdminApproval, Allow, FineGrainedOnly};
        for (before, after, expected) in [
            (None, FineGrainedOnly, Effect::Takes),
            (None, AdminApproval, Effect::Takes),
            (None, Allow, Effect::Other),
            (Some(FineGrainedOnly), AdminApproval, Effect::Takes),
            (Some(FineGrainedOnly), FineGrainedOnly, Effect::Nothing),
            (Some(AdminApproval), FineGrainedOnly, Effect::Other),
            (Some(FineGrainedOnly), Allow, Effect::Other),
        ] {
            let mut state = hub();
            if let Some(before) = before {
                let put = operations(vec![policy(before)]);
                let plan = plan(&state, &mut Earlier::default(), &put).unwrap();
                applied(&mut state, plan.changes);
            }
            expect(&state, vec![(policy(after), expected)]);
            let deleted = match before {
                Some(_) => Effect::Other,
                None => Effect::Nothing,
            };
            let delete = Op::DeleteOrgPolicy("o1".into());
            expect(&state, vec![(delete, deleted)]);
        }
    }

    #[test]
    fn a_batch_is_as_urgent_as_its_least_urgent_operation() {
        use pb::Visibility::Private;
        let state = hub();
        let (takes, nothing) = (|| user("ada", true), || user("bob", true));
        let other = || Op::PutRepo(repo("new", Private));
        assert_eq!(of(&state, vec![takes()]), CommitClass::Takeaway);
        assert_eq!(of(&state, vec![nothing(), takes()]), CommitClass::Takeaway);
        assert_eq!(of(&state, vec![nothing()]), CommitClass::Ordinary);
        assert_eq!(of(&state, vec![takes(), other()]), CommitClass::Ordinary);
        assert_eq!(of(&state, vec![other()]), CommitClass::Ordinary);
    }
}
