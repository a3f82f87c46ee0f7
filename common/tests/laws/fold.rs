//! Laws of the fold: equal to the naive model's, idempotent, convergent, monotone where it must be.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index, test_runner::Config};
use tokenward_common::{
    id::{Fingerprint, LogId, Revision, Serial, TokenId},
    state::{
        ApplyError, PAGE_SERIALS, State,
        key::Key,
        record::{Approval, Change, Kind, Record, RepoKind, RetiredId},
    },
};

use crate::{
    bugs::Bug,
    history::{
        GROUPS, LOG, NAMES, ORGS, REPOS, TWIN, USERS, account, cursor, fold, history, naive_folds,
        retired_ids,
    },
    naive::Naive,
};

fn by_key(records: impl IntoIterator<Item = Record>) -> BTreeMap<Key, Record> {
    records
        .into_iter()
        .map(|record| (Key::from_record_key(&record.key()), record))
        .collect()
}

/// Where a state differs from the model: in its facts, its counts, or what its look-ups find.
pub fn disagreement(state: &State, naive: &Naive, bug: Option<Bug>) -> Option<String> {
    let (ours, theirs) = (by_key(state.records()), by_key(naive.records()));
    if ours != theirs {
        return Some(format!("records: {ours:?}\nexpected: {theirs:?}"));
    }
    if !state
        .revoked_serials()
        .eq(naive.revoked.iter().map(|serial| Serial(*serial)))
    {
        return Some("revoked serials".to_owned());
    }
    let counts = state.counts();
    for kind in Kind::PUBLIC {
        if counts.get(kind) != naive.count(kind) {
            return Some(format!("count of {kind:?}"));
        }
    }
    if counts.revoked != naive.revoked.len() as u64 {
        return Some("count of revoked serials".to_owned());
    }
    look_ups(state, naive)
        .or_else(|| orgs_look_ups(state, naive, bug))
        .or_else(|| old_names(state, naive, bug))
        .or_else(|| ends(state, naive))
}

/// Groups, and what orgs say of tokens.
fn orgs_look_ups(state: &State, naive: &Naive, bug: Option<Bug>) -> Option<String> {
    let accounts: Vec<&str> = USERS.iter().chain(ORGS).chain(&[TWIN]).copied().collect();
    for id in GROUPS {
        let group = state.group_by_id(id);
        let org =
            group.and_then(|group| Some(state.account(state.group(group)?.org)?.id().to_string()));
        let expected = naive.group(id, bug).map(|group| group.org.to_string());
        if org != expected {
            return Some(format!("org of group {id}"));
        }
        for user in &accounts {
            let role = group
                .zip(state.account_by_id(user))
                .and_then(|(group, user)| state.group_role(group, user));
            if role != naive.group_role(id, user, bug) {
                return Some(format!("role of {user} in group {id}"));
            }
        }
    }
    for repo in REPOS {
        let group = state.repo_by_id(repo).and_then(|it| state.group_of(it));
        let expected = naive.repo(repo, None).and_then(|it| it.group.clone());
        if group.is_some() != expected.is_some() {
            return Some(format!("group of repo {repo}"));
        }
        let live = expected.filter(|id| naive.group(id.as_str(), bug).is_some());
        let found = group.and_then(|group| Some(state.group(group)?.id().to_string()));
        if found != live.map(|id| id.to_string()) {
            return Some(format!("which group repo {repo} is in"));
        }
    }
    for id in &accounts {
        let Some(org) = state.account_by_id(id) else {
            continue;
        };
        let policy = state.org_policy(org);
        if (policy.policy, policy.max_lifetime) != naive.policy(id) {
            return Some(format!("policy of {id}"));
        }
        for token in 0..10 {
            let decided = state.org_token_view(org, TokenId(token));
            let expected = naive.views.get(&((*id).to_owned(), token));
            if decided.map(|it| it.state) != naive.approval(id, token, bug) {
                return Some(format!("view of {id} of token {token}"));
            }
            let owner = expected.and_then(|it| state.account_by_id(it.owner.as_str()));
            if owner.is_some() && owner != decided.map(|it| it.owner) {
                return Some(format!("owner in the view of {id} of token {token}"));
            }
        }
    }
    None
}

/// Old names, of repos and of their owners.
fn old_names(state: &State, naive: &Naive, bug: Option<Bug>) -> Option<String> {
    for kind in [RepoKind::Model, RepoKind::Dataset] {
        for (owner, name) in NAMES
            .iter()
            .flat_map(|it| NAMES.iter().map(move |name| (it, name)))
        {
            let owner = owner.to_uppercase();
            let repo = state.renamed_repo(kind, &owner, name);
            let repo = repo.and_then(|repo| Some(state.repo(repo)?.id().to_string()));
            if repo != naive.repo_renamed(kind, &owner, name, bug) {
                return Some(format!("{kind:?} once named {owner}/{name}"));
            }
        }
    }
    None
}

/// Deleted ids, whatever stands under them; and how many memberships ended.
fn ends(state: &State, naive: &Naive) -> Option<String> {
    let retired = |it: &RetiredId| !naive.retired.values().any(|id| id == it);
    let wrong = retired_ids().find(|id| state.is_retired(id) == retired(id));
    if let Some(id) = wrong {
        return Some(format!("whether {id:?} is retired"));
    }
    for (org, user) in ORGS
        .iter()
        .flat_map(|org| USERS.iter().map(move |user| (org, user)))
    {
        let ended = state.departures_of(&account(org), &account(user));
        if ended != naive.ended(org, user) {
            return Some(format!("departures of {user} from {org}"));
        }
    }
    None
}

fn look_ups(state: &State, naive: &Naive) -> Option<String> {
    let accounts: Vec<&str> = USERS.iter().chain(ORGS).chain(&[TWIN]).copied().collect();
    for id in &accounts {
        if state.account_by_id(id).is_some() != naive.is_account(id, None) {
            return Some(format!("account {id}"));
        }
        for other in &accounts {
            let roles = state
                .account_by_id(id)
                .zip(state.account_by_id(other))
                .and_then(|(org, user)| state.org_role(org, user));
            if roles != naive.role(id, other, None) {
                return Some(format!("role of {other} in {id}"));
            }
        }
    }
    for repo in REPOS {
        let handle = state.repo_by_id(repo);
        if handle.is_some() != naive.repo(repo, None).is_some() {
            return Some(format!("repo {repo}"));
        }
        for user in &accounts {
            let grant = handle
                .zip(state.account_by_id(user))
                .and_then(|(repo, user)| state.grant(repo, user));
            if grant != naive.grant(repo, user) {
                return Some(format!("grant of {user} on {repo}"));
            }
        }
    }
    for token in 0..10 {
        let ours = state.amendment(TokenId(token));
        let theirs = naive.amendments.get(&token);
        if ours.and_then(|ours| ours.decoded()) != theirs.map(|theirs| theirs.settings.clone()) {
            return Some(format!("settings of token {token}"));
        }
        for serial in 0..10 {
            let end = theirs.and_then(|theirs| {
                let mut ends = theirs.expiries.iter();
                ends.find(|(value, _)| value.0 == serial).map(|end| end.1)
            });
            if ours.and_then(|ours| ours.expiry(Serial(serial))) != end {
                return Some(format!("end of value {serial} of token {token}"));
            }
        }
    }
    for name in NAMES.iter().map(|name| name.to_uppercase()) {
        let account = state
            .account_by_name(&name)
            .and_then(|account| Some(state.account(account)?.id().to_string()));
        if account != naive.account_named(&name) {
            return Some(format!("account named {name}"));
        }
        for owner in NAMES {
            let repo = state
                .repo_by_name(RepoKind::Model, owner, &name)
                .and_then(|repo| Some(state.repo(repo)?.id().to_string()));
            if repo != naive.repo_named(RepoKind::Model, owner, &name) {
                return Some(format!("repo named {owner}/{name}"));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_fold_is_the_naive_models(entries in history()) {
        let mut state = State::new(LOG);
        for (entry, naive) in entries.iter().zip(&naive_folds(&entries)[1..]) {
            state.apply(entry).unwrap();
            prop_assert_eq!(state.cursor(), entry.cursor);
            prop_assert_eq!(disagreement(&state, naive, None), None);
        }
    }

    #[test]
    fn replay_from_any_earlier_point_changes_nothing(entries in history(), from: Index) {
        let mut state = fold(&entries);
        let (whole, counts) = (fold(&entries), state.counts());
        let from = from.index(entries.len());
        // As a follower may hear again what it applied.
        for entry in &entries[from..] {
            state.apply(entry).unwrap();
        }
        prop_assert!(state.same_facts(&whole));
        // As after a scan that was ahead of its cursor.
        state.set_cursor(cursor(from as u64));
        for entry in &entries[from..] {
            state.apply(entry).unwrap();
        }
        prop_assert!(state.same_facts(&whole));
        prop_assert_eq!(state.counts(), counts);
        prop_assert_eq!(state.cursor(), whole.cursor());
    }

    /// Each record and each page read at a moment of its own, in any order.
    #[test]
    fn a_scan_while_the_log_moves_and_the_log_give_the_fold(
        entries in history(),
        head: Index,
        moments in proptest::collection::vec(any::<Index>(), 64),
        backwards: bool,
    ) {
        let folds = naive_folds(&entries);
        let head = head.index(folds.len());
        let scanned = &folds[head..];
        let mut moments = moments.iter().cycle();
        let mut moment = || &scanned[moments.next().unwrap().index(scanned.len())];

        let keys: BTreeSet<Key> = scanned.iter().flat_map(|at| by_key(at.records()).into_keys()).collect();
        let mut keys: Vec<Key> = keys.into_iter().collect();
        if backwards {
            keys.reverse();
        }
        let mut state = State::new(LOG);
        for key in keys {
            if let Some(record) = by_key(moment().records()).remove(&key) {
                state.load(record).unwrap();
            }
        }
        let pages: BTreeSet<u64> = scanned.iter().flat_map(|at| &at.revoked).map(|serial| serial / PAGE_SERIALS).collect();
        for page in pages {
            let mut bits = Vec::new();
            for serial in moment().revoked.iter().filter(|serial| *serial / PAGE_SERIALS == page) {
                let (byte, bit) = (serial % PAGE_SERIALS / 8, serial % 8);
                bits.resize(bits.len().max(byte as usize + 1), 0_u8);
                bits[byte as usize] |= 1 << bit;
            }
            state.load_page(page, &bits).unwrap();
        }
        state.set_cursor(cursor(head as u64));
        for entry in &entries[head..] {
            state.apply(entry).unwrap();
        }
        prop_assert!(state.same_facts(&fold(&entries)));
        prop_assert_eq!(disagreement(&state, folds.last().unwrap(), None), None);
    }

    #[test]
    fn what_is_revoked_stays_revoked(entries in history(), other in history()) {
        let mut state = State::new(LOG);
        let mut seen = BTreeSet::new();
        for entry in &entries {
            state.apply(entry).unwrap();
            for change in &entry.changes {
                if let Change::Revoke(serials) = change {
                    seen.extend(serials.iter().copied());
                }
            }
            prop_assert!(seen.iter().all(|serial| state.is_revoked(*serial)));
        }
        // A rebuild from a store that forgot.
        let mut rebuilt = fold(&other);
        rebuilt.keep_monotone_of(&state).unwrap();
        let both = |state: &State, serial| state.is_revoked(serial);
        prop_assert!(seen.iter().all(|serial| both(&rebuilt, *serial)));
        let (fresh, bits) = (fold(&other), rebuilt.counts().revoked);
        let union: BTreeSet<Serial> = seen.iter().copied().chain(fresh.revoked_serials()).collect();
        prop_assert_eq!(bits, union.len() as u64);
        for record in state.records().chain(fresh.records()) {
            match record {
                Record::Floor(floor) => {
                    let highest = state.floor(&floor.target).max(fresh.floor(&floor.target));
                    prop_assert_eq!(rebuilt.floor(&floor.target), highest);
                }
                Record::OrgTokenView(view) if view.state == Approval::Revoked => {
                    // The account may be in neither: the fact is kept all the same.
                    let key = Record::OrgTokenView(view).key();
                    let kept = rebuilt.records().find(|it| it.key() == key);
                    let revoked = kept.is_some_and(|it| {
                        matches!(it, Record::OrgTokenView(it) if it.state == Approval::Revoked)
                    });
                    prop_assert!(revoked, "{:?}", key);
                }
                Record::WithdrawnKey(kid) => prop_assert!(rebuilt.is_withdrawn(kid.as_str())),
                Record::Retired(id) => prop_assert!(rebuilt.is_retired(&id)),
                Record::Departures(it) => {
                    let of = |state: &State| state.departures_of(&it.org, &it.user);
                    prop_assert_eq!(of(&rebuilt), of(&state).max(of(&fresh)));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn what_does_not_continue_the_log_is_refused() {
    let entry = |revision: u64| tokenward_common::state::Entry {
        cursor: cursor(revision),
        predecessor: cursor(revision - 1).fingerprint,
        serial: Serial(1),
        time: Default::default(),
        changes: vec![Change::Revoke(vec![Serial(revision)])],
    };
    let mut state = fold(&[entry(1), entry(2)]);
    assert_eq!(
        state.apply(&entry(4)),
        Err(ApplyError::Gap {
            applied: Revision(2),
            got: Revision(4)
        })
    );
    let mut forked = entry(3);
    forked.predecessor = Fingerprint([9; 16]);
    assert_eq!(state.apply(&forked), Err(ApplyError::Forked));
    let mut forked = entry(2);
    forked.cursor.fingerprint = Fingerprint([9; 16]);
    assert_eq!(state.apply(&forked), Err(ApplyError::Forked));
    let mut other = entry(3);
    other.cursor.log = LogId([2; 16]);
    assert_eq!(state.apply(&other), Err(ApplyError::OtherLog));
    assert_eq!(state.counts().revoked, 2);
    assert_eq!(state.cursor(), cursor(2));
    state.apply(&entry(3)).unwrap();
    assert_eq!(state.counts().revoked, 3);
}
