//! This file makes records and commits to test a store with.

use std::time::Duration;

use crate::{
    id::{AccountId, Cursor, GroupId, Name, RequestId, Revision, Serial, TokenId},
    state::{
        Entry,
        key::Key,
        record::{
            Approval, Change, Group, GroupMember, GroupRole, Member, OrgPolicy, OrgRole,
            OrgTokenView, Record, RecordKey, TokenPolicy, User,
        },
    },
    store::{Commit, CommitClass, Expect, Feed, PrivateWrite, Store},
};

pub(super) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

/// Makes a user with this name. The id depends only on the number, so that another name overwrites.
pub(super) fn user(number: usize, name: &str) -> Record {
    Record::User(User {
        id: account(&format!("{number:024x}")),
        name: Name::parse(name).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    })
}

pub(super) fn member(number: usize) -> Record {
    Record::Member(Member {
        org: account("org"),
        user: account(&format!("{number:024x}")),
        role: OrgRole::Write,
    })
}

pub(super) fn group_id(number: usize) -> GroupId {
    GroupId::parse(&format!("group-{number}")).unwrap()
}

/// Makes a group, a member of a group, or an org's policy.
pub(super) fn of_an_org(number: usize) -> Record {
    let group = group_id(number / 3);
    match number % 3 {
        0 => Record::Group(Group {
            id: group,
            org: account("org"),
            name: Name::parse(&format!("name-{number}")).unwrap(),
        }),
        1 => Record::GroupMember(GroupMember {
            group,
            user: account(&format!("{number:024x}")),
            role: GroupRole::Contributor,
            membership: number as u32 % 2,
        }),
        _ => Record::OrgPolicy(OrgPolicy {
            org: account(&format!("org-{number}")),
            policy: TokenPolicy::AdminApproval,
            max_lifetime: Some(Duration::from_secs(1 + number as u64)),
        }),
    }
}

pub(super) fn view(token: u64, state: Approval) -> Record {
    Record::OrgTokenView(OrgTokenView {
        org: account("org"),
        token: TokenId(token),
        owner: account("ada"),
        state,
        // If this number were a varint, its last byte could be that of a revoked state.
        membership: if state == Approval::Revoked {
            0
        } else {
            token as u32 % 5
        },
    })
}

/// Makes a user with this many bytes that the store doesn't interpret.
pub(super) fn wide_user(number: usize, bytes: usize) -> Record {
    match user(number, "wide") {
        Record::User(user) => Record::User(User {
            display: vec![7; bytes].into(),
            ..user
        }),
        other => other,
    }
}

pub(super) fn user_key(number: usize) -> RecordKey {
    RecordKey::User(account(&format!("{number:024x}")))
}

pub(super) fn key(number: usize) -> Key {
    Key::from_record_key(&user_key(number))
}

/// Makes a commit under a new request id.
pub(super) fn commit(changes: Vec<Change>) -> Commit {
    let mut request = RequestId::default();
    getrandom::fill(&mut request.0).unwrap();
    Commit {
        request,
        response: request.0.to_vec(),
        class: CommitClass::Ordinary,
        changes,
        private: Vec::new(),
        expect: Vec::new(),
    }
}

pub(super) fn put(number: usize, name: &str) -> Commit {
    commit(vec![Change::Put(user(number, name))])
}

pub(super) fn revoke(serials: impl IntoIterator<Item = u64>) -> Commit {
    let serials = serials.into_iter().map(Serial).collect();
    Commit {
        class: CommitClass::Takeaway,
        ..commit(vec![Change::Revoke(serials)])
    }
}

impl Commit {
    pub(super) fn expecting(mut self, expect: Expect) -> Self {
        self.expect.push(expect);
        self
    }

    pub(super) fn with(mut self, write: PrivateWrite) -> Self {
        self.private.push(write);
        self
    }
}

/// Commits what must not fail, and returns its cursor.
pub(super) async fn done(store: &dyn Store, commit: Commit) -> Cursor {
    let committed = store.commit(commit).await.unwrap();
    assert_eq!(committed.repeated, None);
    committed.cursor
}

pub(super) async fn head(feed: &dyn Feed) -> Cursor {
    feed.head().await.unwrap().cursor
}

/// Returns the start of the log that the feed has now.
pub(super) async fn start(feed: &dyn Feed) -> Cursor {
    Cursor::start(head(feed).await.log)
}

/// Reads all entries from a cursor to a revision, in as many reads as needed.
pub(super) async fn read_to(feed: &dyn Feed, after: Cursor, to: Revision) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = after;
    while at.revision < to {
        let more = feed.read_log(&at, Duration::from_secs(1)).await.unwrap();
        at = more.last().map_or(at, |entry| entry.cursor);
        entries.extend(more);
    }
    entries
}

/// A small random generator with the same numbers on every run, so that a failure repeats.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        // This is the xorshift64* generator.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}
