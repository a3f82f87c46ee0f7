//! Laws of listing: all pages together are what there is, once, whatever is written between them.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select, test_runner::Config};
use tokenward_common::{
    id::{AccountId, GroupId, Name, RepoId},
    state::{
        Filter, Filters, Place, Scan, Selection, State,
        key::Key,
        public::FED,
        record::{Kind, Member, Org, OrgRole, Record, User},
    },
};

use crate::{
    history::{GROUPS, LOG, ORGS, REPOS, USERS, account, cursor, history},
    naive::Naive,
};

fn selection() -> impl Strategy<Value = Selection> {
    let some = |ids: &'static [&'static str]| {
        prop::option::of(select(ids)).prop_map(|id| id.map(|id| AccountId::parse(id).unwrap()))
    };
    let repo =
        prop::option::of(select(REPOS)).prop_map(|id| id.map(|id| RepoId::parse(id).unwrap()));
    let group =
        prop::option::of(select(GROUPS)).prop_map(|id| id.map(|id| GroupId::parse(id).unwrap()));
    let filters = (some(ORGS), some(USERS), some(ORGS), repo, group).prop_map(
        |(org, user, owner, repo, group)| Filters {
            org,
            user,
            owner,
            repo,
            group,
            service_accounts: None,
        },
    );
    (select(FED), filters, prop::option::of(any::<bool>())).prop_map(
        |(kind, mut filters, service_accounts)| {
            // A kind gets only the filters that there are for it.
            for filter in [
                Filter::Org,
                Filter::User,
                Filter::Owner,
                Filter::Repo,
                Filter::Group,
            ] {
                if !Selection::filters(kind).contains(&filter) {
                    match filter {
                        Filter::Org => filters.org = None,
                        Filter::User => filters.user = None,
                        Filter::Owner => filters.owner = None,
                        Filter::Repo => filters.repo = None,
                        Filter::Group => filters.group = None,
                    }
                }
            }
            if kind == Kind::User && filters.org.is_none() {
                filters.service_accounts = service_accounts;
            }
            Selection { kind, filters }
        },
    )
}

/// Whether the model has it there, not hanging on something deleted.
fn live(naive: &Naive, record: &Record) -> bool {
    match record {
        Record::User(user) => naive.is_account(user.id.as_str(), None),
        Record::Org(org) => naive.is_account(org.id.as_str(), None),
        Record::Member(it) => naive
            .role(it.org.as_str(), it.user.as_str(), None)
            .is_some(),
        Record::Group(group) => naive.group(group.id.as_str(), None).is_some(),
        Record::GroupMember(it) => naive
            .group_role(it.group.as_str(), it.user.as_str(), None)
            .is_some(),
        Record::OrgPolicy(it) => naive.is_org(it.org.as_str()),
        Record::Repo(repo) => naive.repo(repo.id.as_str(), None).is_some(),
        Record::GateGrant(it) => naive.grant(it.repo.as_str(), it.user.as_str()).is_some(),
        Record::Amendment(_)
        | Record::OrgTokenView(_)
        | Record::Floor(_)
        | Record::WithdrawnKey(_)
        | Record::Redirect(_)
        | Record::Retired(_)
        | Record::Departures(_) => false,
    }
}

fn same<T: PartialEq>(wanted: &Option<T>, is: &T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == is)
}

fn selected(selection: &Selection, record: &Record) -> bool {
    if record.key().kind() != selection.kind {
        return false;
    }
    let Filters {
        org,
        user,
        owner,
        repo,
        group,
        service_accounts,
    } = &selection.filters;
    match record {
        Record::User(it) => {
            same(service_accounts, &it.service_account_of.is_some())
                && (org.is_none() || *org == it.service_account_of)
        }
        Record::Org(_) | Record::OrgPolicy(_) => true,
        Record::Member(it) => same(org, &it.org) && same(user, &it.user),
        Record::Group(it) => same(org, &it.org),
        Record::GroupMember(it) => same(group, &it.group) && same(user, &it.user),
        Record::Repo(it) => same(owner, &it.owner),
        Record::GateGrant(it) => same(repo, &it.repo) && same(user, &it.user),
        other => panic!("of which orgs, users or repos is {other:?}?"),
    }
}

fn expected(naive: &Naive, selection: &Selection) -> BTreeMap<Key, Record> {
    naive
        .records()
        .into_iter()
        .filter(|record| selected(selection, record) && live(naive, record))
        .map(|record| (Key::from_record_key(&record.key()), record))
        .collect()
}

/// Every page; `between` may write.
fn all(
    state: &mut State,
    scan: &Scan,
    most: usize,
    mut between: impl FnMut(&mut State),
) -> (Vec<Record>, usize) {
    let (mut records, mut pages) = (Vec::new(), 0);
    let mut next = Some(Place::default());
    while let Some(from) = next {
        let page = state.scan(scan, from, most);
        assert!(page.records.len() <= most);
        assert!(page.next.is_none_or(|next| next != from), "it goes on");
        records.extend(page.records);
        next = page.next;
        pages += 1;
        between(state);
    }
    (records, pages)
}

fn scan(selection: &Selection) -> Scan {
    Scan {
        selection: selection.clone(),
        within: None,
    }
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn all_pages_together_are_what_there_is(
        entries in history(), selection in selection(), most in 1..5_usize,
    ) {
        let (mut state, mut naive) = (State::new(LOG), Naive::default());
        for entry in &entries {
            state.apply(entry).unwrap();
            entry.changes.iter().for_each(|change| naive.apply(change, entry.serial, None));
        }
        let (listed, _) = all(&mut state, &scan(&selection), most, |_| {});
        let count = listed.len();
        let listed: BTreeMap<_, _> = listed.into_iter().map(|it| (Key::from_record_key(&it.key()), it)).collect();
        prop_assert_eq!(listed.len(), count, "twice");
        prop_assert_eq!(&listed, &expected(&naive, &selection));
        // Each is also found by itself, and nothing else is.
        for record in naive.records() {
            let found = state.record(&record.key());
            prop_assert_eq!(found, live(&naive, &record).then_some(record));
        }
    }

    #[test]
    fn what_stays_is_listed_once_while_others_write(
        entries in history(), more in history(), selection in selection(), most in 1..4_usize,
        within: bool,
    ) {
        let (mut state, mut naive) = (State::new(LOG), Naive::default());
        for entry in &entries {
            state.apply(entry).unwrap();
            entry.changes.iter().for_each(|change| naive.apply(change, entry.serial, None));
        }
        let mut stayed = expected(&naive, &selection);
        let mut ever = stayed.clone();
        let scan = Scan {
            within: within.then(|| state.horizon()),
            ..scan(&selection)
        };
        let mut writes = more.into_iter();
        let mut number = state.cursor().revision.0;
        let (listed, _) = all(&mut state, &scan, most, |state| {
            let Some(mut entry) = writes.next() else { return };
            entry.predecessor = state.cursor().fingerprint;
            number += 1;
            entry.cursor = cursor(number);
            state.apply(&entry).unwrap();
            entry.changes.iter().for_each(|change| naive.apply(change, entry.serial, None));
            let now = expected(&naive, &selection);
            // Within a horizon what moves to a parent beyond it may be left out.
            stayed.retain(|key, old| now.get(key).is_some_and(|new| !within || new == old));
            ever.extend(now);
        });
        let mut keys: Vec<Key> = listed.iter().map(|it| Key::from_record_key(&it.key())).collect();
        keys.sort();
        let count = keys.len();
        keys.dedup();
        prop_assert_eq!(keys.len(), count, "twice");
        prop_assert!(keys.iter().all(|key| ever.contains_key(key)));
        prop_assert!(stayed.keys().all(|key| keys.contains(key)));
    }
}

#[test]
fn a_page_looks_at_few_and_beyond_the_horizon_is_nothing() {
    let mut state = State::new(LOG);
    let name = |n: usize| Name::parse(&format!("name-{n}")).unwrap();
    let org = |n: usize| Org {
        id: account(&format!("o{n}")),
        name: name(n),
        display: Box::default(),
    };
    let member = |n: usize| Member {
        org: account("o0"),
        user: account(&format!("u{n}")),
        role: OrgRole::Read,
    };
    let user = |n: usize| User {
        id: account(&format!("u{n}")),
        name: name(n),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    };
    state.load(Record::Org(org(0))).unwrap();
    for n in 1..=40_000 {
        state.load(Record::User(user(n))).unwrap();
        state.load(Record::Member(member(n))).unwrap();
    }
    let horizon = state.horizon();
    state.load(Record::Org(org(40_001))).unwrap();
    state.load(Record::User(user(40_002))).unwrap();
    state.load(Record::Member(member(40_002))).unwrap();

    let mut count = |selection, within| {
        let (records, pages) = all(&mut state, &Scan { selection, within }, 1000, |_| {});
        (records.len(), pages)
    };
    let (orgs, pages) = count(Selection::all(Kind::Org), None);
    assert_eq!(orgs, 2);
    assert!(pages > 15, "{pages}");
    assert_eq!(count(Selection::all(Kind::Org), Some(horizon)).0, 1);
    let members = |org: Option<&str>, user: Option<&str>| Selection {
        kind: Kind::Member,
        filters: Filters {
            org: org.map(account),
            user: user.map(account),
            ..Filters::default()
        },
    };
    assert_eq!(count(members(None, None), None).0, 40_001);
    assert_eq!(count(members(None, None), Some(horizon)).0, 40_000);
    let (one, pages) = count(members(None, Some("u77")), None);
    assert_eq!(one, 1);
    assert!(pages > 1, "{pages}");
    // Both ends: found at once.
    assert_eq!(count(members(Some("o0"), Some("u77")), None), (1, 1));
    assert_eq!(count(members(None, Some("nobody")), None), (0, 1));
}
