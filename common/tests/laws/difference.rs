//! Laws of what brings a store back to what memory holds: all of it comes back, nothing that only grows is
//! undone, a second time changes nothing, and on the way nobody may do what neither side allows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use tokenward_common::{
    access::{Ceiling, Permission},
    id::{AccountId, Serial, TokenId},
    state::{
        Entry, State,
        codec::{decode_changes, encode_changes},
        key::Key,
        record::{Approval, Change, Kind, Record},
    },
};

use crate::{
    decision::{real, things, tokens},
    history::{LOG, ORGS, USERS, cursor, fold, history, world},
    naive_access::Token,
    naive_vocabulary::{INFER, READ, WRITE},
    random_tokens::{ceiling, fine_grained},
};

type Log = Vec<Entry>;

/// The entries that both have, those of memory, and those of the store.
fn forked() -> impl Strategy<Value = (Log, Log, Log)> {
    let tails = prop_oneof![
        3 => (history(), history()),
        // A store that only forgot.
        1 => history().prop_map(|tail| (tail, Vec::new())),
    ];
    (world(), tails).prop_map(|(common, (memory, store))| (common, memory, store))
}

/// Both states, of what was written or of what an issuer could have written of it.
fn both((common, memory, store): &(Log, Log, Log), only_plausible: bool) -> (State, State) {
    let of = |tail: &Log| {
        let mut state = State::new(LOG);
        for entry in common.iter().chain(tail) {
            for change in &entry.changes {
                let change = if only_plausible {
                    plausible(&state, change)
                } else {
                    Some(change.clone())
                };
                write(&mut state, entry.serial, change.as_slice());
            }
        }
        state
    };
    (of(memory), of(store))
}

fn write(state: &mut State, serial: Serial, changes: &[Change]) {
    let at = state.cursor();
    let entry = Entry {
        cursor: cursor(at.revision.0 + 1),
        predecessor: at.fingerprint,
        serial,
        time: Default::default(),
        changes: changes.to_vec(),
    };
    state.apply(&entry).unwrap();
}

type Facts = (BTreeMap<Key, Record>, BTreeSet<Serial>);

fn facts(state: &State) -> Facts {
    let records = state.records();
    let records = records.map(|it| (Key::from_record_key(&it.key()), it));
    (records.collect(), state.revoked_serials().collect())
}

/// What memory holds, and of what only grows whatever either holds.
fn expected(memory: &State, store: &State) -> Facts {
    let (mut records, mut revoked) = facts(memory);
    let (others, bits) = facts(store);
    revoked.extend(bits);
    for (key, old) in others {
        if !key.kind.is_kept() {
            continue;
        }
        let stays = match (&old, records.get(&key)) {
            (Record::Floor(old), Some(Record::Floor(new))) => old.serial > new.serial,
            (Record::Departures(old), Some(Record::Departures(new))) => old.count > new.count,
            (Record::OrgTokenView(old), Some(_)) => old.state == Approval::Revoked,
            _ => true,
        };
        let known = records.contains_key(&key);
        if stays {
            let old = match old {
                Record::OrgTokenView(mut view) if !known && view.state == Approval::Approved => {
                    view.state = Approval::Pending;
                    Record::OrgTokenView(view)
                }
                old => old,
            };
            records.insert(key, old);
        }
    }
    (records, revoked)
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_store_holds_what_memory_holds_and_all_that_only_grows(logs in forked()) {
        let (memory, mut store) = both(&logs, false);
        let expected = expected(&memory, &store);
        let changes: Vec<Change> = memory.changes_for(&store).collect();
        for group in changes.chunks(5) {
            let readable = decode_changes(&encode_changes(group));
            prop_assert_eq!(readable.as_deref(), Ok(group));
            write(&mut store, Serial(1 << 30), group);
        }
        prop_assert_eq!(facts(&store), expected);
        // As every look-up sees it, and as every count does.
        for kind in Kind::PUBLIC {
            prop_assert_eq!(store.counts().get(kind), store.records_of(kind).count() as u64);
        }
        prop_assert_eq!(memory.changes_for(&store).next(), None);
        // A part that is written twice, by somebody who doesn't know how far it came.
        write(&mut store, Serial(1 << 30), &changes);
        prop_assert_eq!(memory.changes_for(&store).next(), None);
    }

    /// What only grows comes over whole, and gives nobody anything.
    #[test]
    fn what_only_grows_is_brought_alone(logs in forked()) {
        let (memory, mut store) = both(&logs, false);
        let mut merged = both(&logs, false).1;
        merged.keep_monotone_of(&memory).unwrap();
        let beyond: Vec<Change> = memory.facts_beyond(&store).collect();
        prop_assert!(beyond.iter().all(Change::only_takes_away));
        prop_assert!(!beyond.is_empty() || merged.same_facts(&store));
        write(&mut store, Serial(1 << 30), &beyond);
        prop_assert_eq!(memory.facts_beyond(&store).next(), None);
        // What was deleted is only inert in a merged state, and gone after its deletion.
        write(&mut merged, Serial(1 << 30), &beyond);
        prop_assert!(merged.same_facts(&store));
    }

    #[test]
    fn a_state_lacks_nothing_of_itself(entries in history()) {
        let (one, same) = (fold(&entries), fold(&entries));
        prop_assert_eq!(one.changes_for(&one).next(), None);
        prop_assert_eq!(one.changes_for(&same).next(), None);
        // Into an empty store everything comes, and out of an empty memory nothing goes that only grows.
        let mut empty = State::new(LOG);
        let changes: Vec<Change> = one.changes_for(&empty).collect();
        write(&mut empty, Serial(0), &changes);
        prop_assert!(empty.same_facts(&one));
    }

    /// A record is found under its key whether it is live or not.
    #[test]
    fn every_record_is_found_by_its_key(entries in history()) {
        let state = fold(&entries);
        for record in state.records() {
            prop_assert_eq!(state.stored(&record.key()), Some(record));
        }
        let of_kinds: u64 = Kind::PUBLIC.iter().map(|kind| state.records_of(*kind).count() as u64).sum();
        prop_assert_eq!(of_kinds, state.records().count() as u64);
    }
}

/// What somebody may do: who asks, on what, with which permission.
type Allowed = BTreeSet<(usize, String, &'static str)>;

fn allowed(state: &State, tokens: &[(Option<Token>, Option<Ceiling>)]) -> Allowed {
    let mut allowed = Allowed::new();
    let permissions = [READ, WRITE, INFER, "org.write"];
    let permissions = permissions.map(|name| (name, Permission::parse(name).unwrap()));
    for (number, (token, claimed)) in tokens.iter().enumerate() {
        let amended = match token.as_ref().map(|token| in_force(state, token)) {
            Some(Err(())) => continue,
            Some(Ok(amended)) => amended,
            None => None,
        };
        let ceiling = amended.as_ref().or(claimed.as_ref());
        for thing in things() {
            for (name, permission) in permissions {
                if real(state, token.as_ref().zip(ceiling), thing, permission).is_ok() {
                    allowed.insert((number, format!("{thing:?}"), name));
                }
            }
        }
    }
    allowed
}

/// What stands in place of the token's claims; an error if the token is refused whatever it asks for.
fn in_force(state: &State, token: &Token) -> Result<Option<Ceiling>, ()> {
    let owner = state.account_by_id(token.owner).ok_or(())?;
    if state.account(owner).is_some_and(|view| view.disabled) {
        return Err(());
    }
    if token.serial <= state.refused_up_to(owner).0 || state.is_revoked(Serial(token.serial)) {
        return Err(());
    }
    let Some(view) = state.amendment(TokenId(token.id)) else {
        return Ok(None);
    };
    if view.owner != owner {
        return Err(());
    }
    let settings = view.decoded().ok_or(())?;
    Ok(Some(Ceiling::compile(
        settings.role,
        settings.scopes.as_ref(),
    )))
}

/// What an issuer could have written of it: no id is a user's and an org's, no count falls, and nothing
/// depends on a membership that is still to come.
fn plausible(state: &State, change: &Change) -> Option<Change> {
    let Change::Put(record) = change else {
        return Some(change.clone());
    };
    let mut record = record.clone();
    match &mut record {
        Record::User(user) if !USERS.contains(&user.id.as_str()) => return None,
        Record::Org(org) if !ORGS.contains(&org.id.as_str()) => return None,
        Record::GroupMember(it) => {
            let org = state.group_record(it.group.as_str())?.org;
            it.membership = it.membership.min(state.departures_of(&org, &it.user));
        }
        Record::OrgTokenView(it) => {
            // A token never has another owner.
            let known = tokens(&[]).into_iter().flatten();
            if let Some(token) = known.into_iter().find(|token| token.id == it.token.0) {
                it.owner = AccountId::parse(token.owner).unwrap();
            }
            it.membership = it.membership.min(state.departures_of(&it.org, &it.owner));
        }
        Record::Departures(it) => it.count = it.count.max(state.departures_of(&it.org, &it.user)),
        _ => {}
    }
    Some(Change::Put(record))
}

fn asked(fine: &[Token]) -> Vec<(Option<Token>, Option<Ceiling>)> {
    let with = |token: Option<Token>| {
        let claimed = token.as_ref().map(ceiling);
        (token, claimed)
    };
    tokens(fine).into_iter().map(with).collect()
}

/// The first change after which somebody may do what neither side allows.
fn too_much(
    memory: &State,
    mut store: State,
    changes: &[Change],
    fine: &[Token],
) -> Option<String> {
    let tokens = asked(fine);
    let mut either = allowed(memory, &tokens);
    either.extend(allowed(&store, &tokens));
    for (number, change) in changes.iter().enumerate() {
        write(&mut store, Serial(0), std::slice::from_ref(change));
        let now = allowed(&store, &tokens);
        if let Some((token, thing, permission)) = now.difference(&either).next() {
            let token = &tokens[*token].0;
            return Some(format!(
                "after {:?}: {token:?} may {permission} on {thing}",
                &changes[..=number]
            ));
        }
    }
    None
}

proptest! {
    #![proptest_config(Config { cases: 192, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_change_on_the_way_allows_what_neither_side_allows(
        logs in forked(),
        fine in vec(fine_grained(), 0..6),
    ) {
        let (memory, store) = both(&logs, true);
        let changes: Vec<Change> = memory.changes_for(&store).collect();
        prop_assert_eq!(too_much(&memory, store, &changes, &fine), None);
    }
}

/// The law sees an order that is wrong: what gives comes before what takes away.
#[test]
fn the_other_way_round_somebody_would_be_let_in() {
    let mut runner = TestRunner::deterministic();
    let strategy = (forked(), vec(fine_grained(), 0..6));
    let caught = (0..200).any(|_| {
        let (logs, fine) = strategy.new_tree(&mut runner).unwrap().current();
        let (memory, store) = both(&logs, true);
        let mut changes: Vec<Change> = memory.changes_for(&store).collect();
        changes.reverse();
        too_much(&memory, store, &changes, &fine).is_some()
    });
    assert!(caught);
}
