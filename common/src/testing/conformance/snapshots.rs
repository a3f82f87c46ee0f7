//! These cases test that a snapshot is the fold of the log, whatever is written beside it, and that its
//! head counts what it holds.

use std::time::Duration;

use futures_util::StreamExt;

use crate::{
    id::{AccountId, Serial, TokenId},
    state::{
        key::Key,
        record::{Approval, Change, Departures, FloorTarget, Record},
    },
    store::{Feed, PAGE_SERIALS, PrivateWrite, SnapshotPart},
    testing::conformance::{
        Backend,
        fixture::{
            Chance, account, commit, done, head, member, of_an_org, put, read_to, revoke, start,
            user, user_key, view, wide_user,
        },
        fold::{assert_chained, fold, scan},
    },
};

/// The bounds of one piece, which a follower must be able to hold beside its view.
const PIECE_RECORDS: usize = 4096;
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// Makes a step of a random history over few keys, so that it overwrites, deletes and revokes again.
fn random_changes(chance: &mut Chance) -> Vec<Change> {
    (0..=chance.below(3))
        .map(|_| {
            let number = usize::try_from(chance.below(40)).unwrap();
            match chance.below(10) {
                7 => Change::Put(of_an_org(number)),
                8 => Change::Delete(of_an_org(number).key()),
                9 => {
                    let state = Approval::ALL[usize::try_from(chance.below(4)).unwrap()];
                    Change::Put(view(chance.below(12), state))
                }
                0..3 => Change::Put(user(number, &format!("name-{}", chance.below(9)))),
                3 => Change::Put(member(number)),
                4 if number.is_multiple_of(2) => Change::Retire(user_key(number)),
                4 => Change::Delete(user_key(number)),
                5 if number.is_multiple_of(2) => Change::Put(Record::Departures(Departures {
                    org: account("org"),
                    user: account(&format!("{number:024x}")),
                    count: 1 + number as u32,
                })),
                5 => Change::Revoke(vec![
                    Serial(chance.below(30)),
                    Serial(chance.below(30)),
                    Serial(chance.below(30) * PAGE_SERIALS / 3),
                ]),
                _ => Change::RaiseFloor(match chance.below(4) {
                    0 => FloorTarget::Realm,
                    1 => FloorTarget::Org(account("org")),
                    n => FloorTarget::Owner(account(&format!("owner-{n}"))),
                }),
            }
        })
        .collect()
}

/// Asserts that the head, the snapshot and the log agree.
async fn assert_whole(feed: &dyn Feed) {
    let start = start(feed).await;
    let (head, scanned) = scan(feed).await;
    let entries = read_to(feed, start, head.cursor.revision).await;
    assert_chained(start, &entries);
    assert_eq!(entries.len() as u64, head.cursor.revision.0);
    let folded = fold(&entries);
    assert_eq!(scanned, folded);
    assert_eq!(head.counts, folded.counts());
    assert_eq!(feed.head().await.unwrap().counts, head.counts);
}

/// The head's counts equal those of the records and bits in the snapshot, after many random commits.
pub async fn counts_are_what_the_snapshot_holds<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    assert_whole(&*feed).await;
    let mut chance = Chance(11);
    for step in 1..=200 {
        if chance.below(5) == 0 {
            store.take_serial().await.unwrap();
        }
        done(&*store, commit(random_changes(&mut chance))).await;
        if step % 50 == 0 {
            assert_whole(&*feed).await;
        }
    }
}

/// Scans run beside commits: each scan, with the log from its head on, equals the fold.
pub async fn scan_while_writing_equals_the_fold<B: Backend>() {
    let backend = B::fresh().await;
    let feed = backend.feed();
    let start = start(&*feed).await;
    for first in (0..1024).step_by(256) {
        let many = (first..first + 256).map(|n| Change::Put(member(1000 + n)));
        done(&*backend.store(), commit(many.collect())).await;
    }
    let store = backend.store();
    let writing = tokio::spawn(async move {
        let mut chance = Chance(12);
        for _ in 0..300 {
            done(&*store, commit(random_changes(&mut chance))).await;
        }
    });
    let mut scans = Vec::new();
    while !writing.is_finished() {
        scans.push(scan(&*feed).await);
    }
    writing.await.unwrap();
    scans.push(scan(&*feed).await);
    let last = head(&*feed).await;
    let entries = read_to(&*feed, start, last.revision).await;
    let folded = fold(&entries);
    for (head, mut scanned) in scans {
        let at = usize::try_from(head.cursor.revision.0).unwrap();
        for entry in &entries[at..] {
            scanned.apply(entry);
        }
        assert_eq!(scanned, folded, "the scan from revision {at}");
        assert_eq!(fold(&entries[..at]).counts(), head.counts);
    }
}

/// The memory of a snapshot is bounded by a piece, however much is stored.
pub async fn pieces_are_bounded<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    // The records are 5,120 small ones and 6 MiB of wide ones.
    for first in (0..5120).step_by(256) {
        let many = (first..first + 256).map(|n| Change::Put(member(n)));
        done(&*store, commit(many.collect())).await;
    }
    for number in 0..24 {
        done(
            &*store,
            commit(vec![Change::Put(wide_user(number, 250_000))]),
        )
        .await;
    }
    done(&*store, revoke((0..200).map(|n| n * PAGE_SERIALS / 100))).await;
    let mut parts = feed.snapshot();
    let (mut records, mut pages) = (0, 0);
    while let Some(part) = parts.next().await {
        match part.unwrap() {
            SnapshotPart::Start(_) => {}
            SnapshotPart::Records(piece) => {
                let bytes: usize = piece
                    .iter()
                    .map(|record| crate::state::codec::split(record).1.len())
                    .sum();
                assert!(piece.len() <= PIECE_RECORDS, "{} records", piece.len());
                assert!(bytes <= PIECE_BYTES, "{bytes} bytes");
                records += piece.len();
            }
            SnapshotPart::Revoked { bits, .. } => {
                assert!(bits.len() as u64 <= PAGE_SERIALS / 8);
                pages += 1;
            }
        }
    }
    assert_eq!((records, pages), (5144, 2));
    // The log of the same records comes in bounded answers too.
    let start = start(&*feed).await;
    let mut at = start;
    let last = head(&*feed).await;
    while at != last {
        let batch = feed.read_log(&at, Duration::ZERO).await.unwrap();
        let wide = batch.iter().flat_map(|entry| &entry.changes).count();
        assert!(wide <= 5200 && !batch.is_empty());
        at = batch.last().unwrap().cursor;
    }
}

/// Issuer-only records are in no snapshot, no entry and no count.
pub async fn nothing_private_travels<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let owner: AccountId = account("ada");
    done(
        &*store,
        put(1, "ada")
            .with(PrivateWrite::Put {
                key: Key::account_name("ada"),
                value: b"private".to_vec(),
            })
            .with(PrivateWrite::Put {
                key: Key::token(TokenId(1)),
                value: b"private".to_vec(),
            })
            .with(PrivateWrite::IndexToken {
                owner,
                token: TokenId(1),
            })
            .with(PrivateWrite::Audit(b"private".to_vec())),
    )
    .await;
    assert_whole(&*feed).await;
    let counts = feed.head().await.unwrap().counts;
    assert_eq!(counts.kinds.iter().sum::<u64>(), 1);
    assert_eq!(counts.kinds[1], 1);
}

/// Bits at the edges of pages and far apart are each counted once.
pub async fn revoked_bits_of_many_pages<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let edges = [1, 7, 8, 4095, 4096, PAGE_SERIALS - 1, PAGE_SERIALS];
    let far = [5 * PAGE_SERIALS + 9, 100 * PAGE_SERIALS, 1 << 32];
    for serials in [&edges[..], &far, &edges] {
        done(&*store, revoke(serials.iter().copied())).await;
    }
    // The change names one serial twice.
    done(&*store, revoke([9, 9, 10])).await;
    assert_whole(&*feed).await;
    assert_eq!(feed.head().await.unwrap().counts.revoked, 12);
}
