//! A realm to make archives of, and everything that an archive holds of one.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use tokenward_common::{
    id::{AccountId, Serial, TokenId},
    state::{
        Counts,
        codec::split,
        key::Key,
        record::{
            Approval, Change, Departures, FloorTarget, Kind, OrgTokenView, Record, RecordKey,
        },
    },
    store::{
        AuditId, Commit, PrivateWrite, SnapshotPart, Store,
        archive::{Archive, ArchiveError, Meaning},
    },
};

use crate::redis::fixture::{commit, grant, user};

/// An event names a token by 8 bytes, and a record says nothing.
pub(super) struct Plain;

impl Meaning for Plain {
    fn touched(&self, audit: &[u8]) -> Vec<Key> {
        let token = audit.try_into().map(u64::from_be_bytes);
        token
            .map(|id| Key::token(TokenId(id)))
            .into_iter()
            .collect()
    }

    fn private(&self, key: Key, value: Vec<u8>) -> Result<Vec<PrivateWrite>, ArchiveError> {
        Ok(vec![PrivateWrite::Put { key, value }])
    }

    fn beside(&self, _record: &Record) -> Vec<PrivateWrite> {
        Vec::new()
    }
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

/// The serial of a token's value: no two values of a realm share one.
pub(super) fn value(token: u64, nth: u64) -> Serial {
    Serial(token * 1000 + nth)
}

/// A commit that replaces a token's values up to the nth, and says so in its record.
pub(super) fn rotation(token: u64, nth: u64) -> Commit {
    let mut commit = commit(vec![Change::Revoke(vec![value(token, nth)])]);
    commit.private = vec![
        PrivateWrite::Put {
            key: Key::token(TokenId(token)),
            value: nth.to_be_bytes().to_vec(),
        },
        PrivateWrite::Audit(token.to_be_bytes().to_vec()),
    ];
    commit
}

/// One commit of each sort, over few keys.
pub(super) fn step(number: u64) -> Commit {
    let name = format!("user-{}", number % 37);
    let key = |id: &str| RecordKey::User(account(id));
    let changes = match number % 9 {
        0 => vec![Change::Retire(key(&name))],
        1 => vec![Change::Delete(grant(number % 50).key())],
        2 => vec![Change::RaiseFloor(match number / 9 % 4 {
            0 => FloorTarget::Realm,
            1 => FloorTarget::Org(account(&name)),
            _ => FloorTarget::Owner(account(&name)),
        })],
        3 => vec![Change::Put(Record::OrgTokenView(OrgTokenView {
            org: account("org"),
            token: TokenId(number % 20),
            owner: account(&name),
            state: Approval::from_number(1 + (number / 9 % 4) as u32).unwrap(),
            membership: 0,
        }))],
        4 => vec![Change::Put(Record::Departures(Departures {
            org: account("org"),
            user: account(&name),
            count: number as u32,
        }))],
        5 => vec![Change::Revoke(vec![
            Serial(number),
            Serial(number * 70_000),
        ])],
        _ => vec![Change::Put(user(&name)), Change::Put(grant(number))],
    };
    let mut commit = commit(changes);
    commit.private = vec![
        PrivateWrite::Put {
            key: Key::account_name(&name),
            value: name.clone().into_bytes(),
        },
        PrivateWrite::Put {
            key: Key::owner(&account(&name)),
            value: number.to_be_bytes().to_vec(),
        },
        PrivateWrite::IndexToken {
            owner: account(&name),
            token: TokenId(number),
        },
        PrivateWrite::Audit(format!("event {number}").into_bytes()),
    ];
    if number.is_multiple_of(5) {
        let gone = format!("user-{}", (number + 11) % 37);
        let delete = PrivateWrite::Delete(Key::account_name(&gone));
        commit.private.push(delete);
    }
    commit
}

pub(super) async fn fill(store: &dyn Store, steps: u64) {
    for number in 0..steps {
        if number.is_multiple_of(3) {
            store.take_serial().await.unwrap();
        }
        store.commit(step(number)).await.unwrap();
        store
            .commit(rotation(number % 7, number / 7 + 1))
            .await
            .unwrap();
    }
}

/// Everything that an archive holds of a realm.
#[derive(PartialEq, Debug)]
pub(super) struct Contents {
    pub(super) records: BTreeMap<Key, Vec<u8>>,
    pub(super) revoked: BTreeSet<u64>,
    pub(super) private: BTreeMap<Key, Vec<u8>>,
    pub(super) tokens: BTreeSet<(AccountId, TokenId)>,
    pub(super) audit: Vec<Vec<u8>>,
    pub(super) counts: Counts,
}

pub(super) async fn contents(store: &dyn Archive) -> Contents {
    let mut contents = Contents {
        records: BTreeMap::new(),
        revoked: BTreeSet::new(),
        private: BTreeMap::new(),
        tokens: BTreeSet::new(),
        audit: Vec::new(),
        counts: store.head().await.unwrap().counts,
    };
    let mut parts = store.snapshot();
    while let Some(part) = parts.next().await {
        match part.unwrap() {
            SnapshotPart::Start(_) => {}
            SnapshotPart::Records(records) => contents.records.extend(records.iter().map(split)),
            SnapshotPart::Revoked { page, bits } => {
                for (at, byte) in bits.iter().enumerate() {
                    let set = (0..8).filter(|bit| byte >> bit & 1 != 0);
                    let serials = set.map(|bit| (page << 18) + 8 * at as u64 + bit);
                    contents.revoked.extend(serials);
                }
            }
        }
    }
    for kind in [Kind::Name, Kind::Owner, Kind::Token] {
        let mut from = None;
        loop {
            let (records, next) = store.issuer_records(kind, from).await.unwrap();
            contents.private.extend(records);
            if next.is_none() {
                break;
            }
            from = next;
        }
    }
    let mut from = None;
    loop {
        let (tokens, next) = store.owners_tokens(from).await.unwrap();
        contents.tokens.extend(tokens);
        if next.is_none() {
            break;
        }
        from = next;
    }
    let mut after = AuditId::default();
    loop {
        let page = store.audit(after, 100).await.unwrap();
        let Some((last, _)) = page.last() else {
            return contents;
        };
        after = *last;
        contents
            .audit
            .extend(page.into_iter().map(|(_, event)| event));
    }
}
