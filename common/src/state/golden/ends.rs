//! Makes the records that were added together with deleted ids and ended memberships.

use super::*;

pub(super) fn ends() -> Vec<(&'static str, Record)> {
    let view = |state| {
        Record::OrgTokenView(OrgTokenView {
            org: account("o-acme"),
            token: TokenId(258),
            owner: account("u-ada"),
            state,
            membership: 4,
        })
    };
    vec![
        (
            "retired account",
            Record::Retired(RetiredId::Account(account(HEX_ID))),
        ),
        (
            "retired group",
            Record::Retired(RetiredId::Group(group("g-1"))),
        ),
        (
            "retired repo",
            Record::Retired(RetiredId::Repo(RepoId::parse("r-1").unwrap())),
        ),
        (
            "departures",
            Record::Departures(Departures {
                org: account("o-acme"),
                user: account(HEX_ID),
                count: 4,
            }),
        ),
        (
            "group member who came back",
            Record::GroupMember(GroupMember {
                group: group("g-1"),
                user: account(HEX_ID),
                role: GroupRole::Read,
                membership: 4,
            }),
        ),
        (
            "org's view of a token of who came back, approved",
            view(Approval::Approved),
        ),
        (
            "org's view of a token of who came back, denied",
            view(Approval::Denied),
        ),
    ]
}
