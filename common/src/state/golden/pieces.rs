//! Tests that a state read in pieces is the whole state, whatever kinds it holds.

use std::collections::BTreeSet;

use super::*;
use crate::state::{PAGE_SERIALS, Piece, Pieces};

/// Loads all pieces of a state into a new one.
fn copied(state: &State) -> State {
    let mut copy = State::new(LogId([2; 16]));
    let mut pieces = Pieces::new();
    while let Some(piece) = pieces.next(state) {
        match piece {
            Piece::Records(records) => {
                for record in records {
                    copy.load(record).unwrap();
                }
            }
            Piece::Revoked { page, bits } => copy.load_page(page, &bits).unwrap(),
        }
    }
    copy
}

#[test]
fn the_pieces_hold_every_kind() {
    let mut state = State::new(LogId([1; 16]));
    let mut kinds = BTreeSet::new();
    let named = [
        records(),
        groups_and_orgs_views(),
        amendments(),
        redirects(),
        ends(),
        org_floors(),
    ]
    .concat();
    for (_, record) in named {
        kinds.insert(record.key().kind());
        state.load(record).unwrap();
    }
    let with_records = Kind::PUBLIC.into_iter();
    let with_records = with_records.filter(|kind| *kind != Kind::HistoryOpened);
    assert_eq!(kinds, with_records.collect());
    let copy = copied(&state);
    assert!(copy.same_facts(&state));
    assert_eq!(copy.counts(), state.counts());
}

#[test]
fn the_pieces_of_many_rows_and_tables_hold_all_of_them() {
    let mut state = State::new(LogId([1; 16]));
    for number in 0..1_000 {
        let user = account(&format!("u{number}"));
        state
            .load(Record::User(User {
                id: user.clone(),
                name: name(&format!("u{number}")),
                disabled: number % 7 == 0,
                service_account_of: None,
                display: Box::default(),
            }))
            .unwrap();
        // Most of these hang on orgs and repos that don't exist: such records are counted too.
        for org in 0..5 {
            state
                .load(Record::Member(Member {
                    org: account(&format!("o{org}")),
                    user: user.clone(),
                    role: OrgRole::Write,
                }))
                .unwrap();
        }
        if number % 3 == 0 {
            let id = RetiredId::Account(account(&format!("gone{number}")));
            state.load(Record::Retired(id)).unwrap();
            state.load(floor(FloorTarget::Owner(user))).unwrap();
            let org = account(&format!("o{number}"));
            state.load(floor(FloorTarget::Org(org))).unwrap();
        }
    }
    let far = (1 << 40) / PAGE_SERIALS;
    for (page, bits) in [
        (0, vec![0, 1, 0x80]),
        (3, vec![0xff; 32_768]),
        (far, vec![7]),
    ] {
        state.load_page(page, &bits).unwrap();
    }
    let copy = copied(&state);
    assert!(copy.same_facts(&state));
    assert_eq!(copy.counts(), state.counts());
}
