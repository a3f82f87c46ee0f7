//! These cases test what an issuer reads back.

use crate::{
    clock::UnixTime,
    id::{Serial, TokenId},
    state::{
        Counts,
        codec::{join, split},
        key::Key,
        record::{Amendment, Approval, Change, Kind, Record, RecordKey, Settings},
    },
    store::{AuditId, PrivateWrite, Stored},
    testing::conformance::{
        Backend,
        fixture::{account, commit, done, head, key, put, user, user_key, view},
    },
    token::Role,
};

/// No keys give no records, and keys without a record give `None` each.
pub async fn missing_is_none<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    assert_eq!(store.get(&[]).await.unwrap(), []);
    let keys = [key(1), Key::account_name("ada"), Key::token(TokenId(1))];
    assert_eq!(store.get(&keys).await.unwrap(), [None, None, None]);
}

/// Records come in the order of the keys, each with the revision that wrote it last.
pub async fn get_keeps_the_order_of_keys<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let mut expected = Vec::new();
    for number in 0..10 {
        let written = done(&*store, put(number, "ada")).await;
        let (key, value) = split(&user(number, "ada"));
        let revision = written.revision;
        expected.push((key, Some(Stored { revision, value })));
    }
    let rewritten = done(&*store, put(4, "bob")).await;
    let (_, value) = split(&user(4, "bob"));
    expected[4].1 = Some(Stored {
        revision: rewritten.revision,
        value,
    });
    expected.insert(3, (key(77), None));
    expected.reverse();
    expected.push(expected[0].clone());
    let (keys, expected): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
    let stored = store.get(&keys).await.unwrap();
    assert_eq!(stored, expected);
    let bob = stored[5].as_ref().unwrap();
    assert_eq!(join(&key(4), &bob.value).unwrap(), user(4, "bob"));
}

/// Issuer-only records are returned byte for byte, with the revision that wrote them.
pub async fn private_records<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let name = Key::account_name("ada");
    let write = |value: &[u8]| {
        put(1, "ada").with(PrivateWrite::Put {
            key: name.clone(),
            value: value.to_vec(),
        })
    };
    let any_bytes: Vec<u8> = (0..=255).collect();
    for value in [&b"one"[..], &any_bytes, b""] {
        let written = done(&*store, write(value)).await;
        let stored = store.get(std::slice::from_ref(&name)).await.unwrap();
        let expected = Stored {
            revision: written.revision,
            value: value.to_vec(),
        };
        assert_eq!(stored, [Some(expected)]);
    }
    let gone = commit(Vec::new()).with(PrivateWrite::Delete(name.clone()));
    done(&*store, gone).await;
    assert_eq!(store.get(&[name]).await.unwrap(), [None]);
}

/// Tokens come in ascending order, exclude `after`, and are of no other owner, however similar the ids.
pub async fn tokens_are_paged<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let index = |owner: &str, token| PrivateWrite::IndexToken {
        owner: account(owner),
        token: TokenId(token),
    };
    // The ids are not in order, one comes twice, and some have another decimal order.
    let ids = [300, 2, 10, 9, 10, 100, 1 << 40];
    let all = ids.map(|id| index("ada", id));
    done(
        &*store,
        all.into_iter().fold(commit(Vec::new()), |c, w| c.with(w)),
    )
    .await;
    for alike in ["ad", "ada1", "ada.", "adb"] {
        done(&*store, commit(Vec::new()).with(index(alike, 11))).await;
    }
    let ada = account("ada");
    let page = async |after: Option<u64>, limit| {
        let tokens = store.tokens_of(&ada, after.map(TokenId), limit).await;
        tokens.unwrap().into_iter().map(|t| t.0).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 100).await, [2, 9, 10, 100, 300, 1 << 40]);
    assert_eq!(page(None, 2).await, [2, 9]);
    assert_eq!(page(Some(9), 2).await, [10, 100]);
    assert_eq!(page(Some(50), 2).await, [100, 300]);
    assert_eq!(page(Some(300), 2).await, [1 << 40]);
    assert!(page(Some(1 << 40), 2).await.is_empty());
    let nobody = store.tokens_of(&account("eve"), None, 10).await.unwrap();
    assert_eq!(nobody, []);
}

/// A delete of a missing record is an entry like any other, and no count changes.
pub async fn absent_deletes_are_no_error<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    done(&*store, put(1, "ada")).await;
    let before = feed.head().await.unwrap().counts;
    let delete = commit(vec![Change::Delete(user_key(2))])
        .with(PrivateWrite::Delete(Key::account_name("nobody")));
    let deleted = done(&*store, delete).await;
    assert_eq!(head(&*feed).await, deleted);
    assert_eq!(feed.head().await.unwrap().counts, before);
    done(&*store, commit(vec![Change::Delete(user_key(1))])).await;
    done(&*store, commit(vec![Change::Delete(user_key(1))])).await;
    assert_eq!(feed.head().await.unwrap().counts.kinds, [0; Counts::KINDS]);
}

/// An amendment is stored, counted and deleted like any other record.
pub async fn amendments_are_records<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let amendment = |name: &str| {
        Record::Amendment(Amendment {
            token: TokenId(258),
            owner: account("ada"),
            settings: Settings {
                name: name.into(),
                role: Role::Write,
                scopes: None,
            },
            expiries: vec![(Serial(258), UnixTime(1_900_000_000))],
        })
    };
    let key = RecordKey::Amendment(TokenId(258));
    for name in ["laptop", "desktop"] {
        done(&*store, commit(vec![Change::Put(amendment(name))])).await;
        let stored = store
            .get(&[Key::from_record_key(&key)])
            .await
            .unwrap()
            .remove(0);
        let record = join(&Key::from_record_key(&key), &stored.unwrap().value).unwrap();
        assert_eq!(record, amendment(name));
        let counts = feed.head().await.unwrap().counts;
        assert_eq!(counts.kinds.iter().sum::<u64>(), 1);
    }
    done(&*store, commit(vec![Change::Delete(key.clone())])).await;
    assert_eq!(
        store.get(&[Key::from_record_key(&key)]).await.unwrap(),
        [None]
    );
    assert_eq!(feed.head().await.unwrap().counts.kinds, [0; Counts::KINDS]);
}

/// A view that an org revoked is never replaced, however often it is put, and it is counted once.
pub async fn a_revoked_view_stays<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let key = Key::from_record_key(&view(1, Approval::Pending).key());
    use Approval::{Approved, Denied, Pending, Revoked};
    for (put, stands) in [
        (Pending, Pending),
        (Approved, Approved),
        (Denied, Denied),
        (Revoked, Revoked),
        (Approved, Revoked),
        (Revoked, Revoked),
    ] {
        // The view of another token in the same commit changes independently.
        let both = vec![Change::Put(view(1, put)), Change::Put(view(2, Approved))];
        done(&*store, commit(both)).await;
        let stored = store
            .get(std::slice::from_ref(&key))
            .await
            .unwrap()
            .remove(0);
        let record = join(&key, &stored.unwrap().value).unwrap();
        assert_eq!(record, view(1, stands));
    }
    let counts = feed.head().await.unwrap().counts;
    assert_eq!(counts.get(Kind::OrgTokenView), 2);
}

/// Ends are listed by time, then by token; an end that moved is listed once.
pub async fn ends_are_listed_in_order<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let index = |token, was: Option<u64>, at: Option<u64>| PrivateWrite::IndexExpiry {
        token: TokenId(token),
        was: was.map(UnixTime),
        at: at.map(UnixTime),
    };
    let writes = [
        index(300, None, Some(1_000_000)),
        index(2, None, Some(1_000_000)),
        index(9, None, Some(999_999)),
        index(10, None, Some(1 << 33)),
        index(11, None, None),
        index(9, Some(999_999), Some(1_000_001)),
        index(12, None, Some(1_000_000)),
        index(12, Some(1_000_000), None),
    ];
    for write in writes {
        done(&*store, commit(Vec::new()).with(write)).await;
    }
    let page = async |from, to, after: Option<(u64, u64)>, limit| {
        let after = after.map(|(at, token)| (UnixTime(at), TokenId(token)));
        let ends = store.expiring(UnixTime(from), UnixTime(to), after, limit);
        let ends = ends.await.unwrap();
        ends.into_iter()
            .map(|(at, token)| (at.0, token.0))
            .collect::<Vec<_>>()
    };
    let whole = [
        (1_000_000, 2),
        (1_000_000, 300),
        (1_000_001, 9),
        (1 << 33, 10),
    ];
    assert_eq!(page(0, u64::MAX, None, 10).await, whole);
    assert_eq!(page(1_000_000, 1_000_001, None, 10).await, whole[..2]);
    assert_eq!(page(1_000_001, 1 << 33, None, 10).await, whole[2..3]);
    assert_eq!(page(0, u64::MAX, None, 1).await, whole[..1]);
    let mut after = None;
    for one in whole {
        assert_eq!(page(0, u64::MAX, after, 1).await, [one]);
        after = Some(one);
    }
    assert!(page(0, u64::MAX, after, 1).await.is_empty());
    assert!(page(5, 5, None, 10).await.is_empty());
}

/// Records come oldest first and exclude the given place, and places go on growing.
pub async fn audit_is_read_in_order<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    assert_eq!(store.audit(AuditId::default(), 10).await.unwrap(), []);
    for number in 0..25u8 {
        let record = PrivateWrite::Audit(vec![number, 0, 255]);
        done(&*store, commit(Vec::new()).with(record)).await;
    }
    let mut read = Vec::new();
    let mut after = AuditId::default();
    loop {
        let page = store.audit(after, 10).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        assert!(page.len() <= 10 && *last > after);
        after = *last;
        read.extend(page.into_iter().map(|(_, record)| record));
    }
    let expected: Vec<Vec<u8>> = (0..25).map(|number| vec![number, 0, 255]).collect();
    assert_eq!(read, expected);
    done(
        &*store,
        commit(Vec::new()).with(PrivateWrite::Audit(vec![7])),
    )
    .await;
    let later = store.audit(after, 10).await.unwrap();
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].1, [7]);
}
