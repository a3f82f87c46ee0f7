//! Commits as the scripts take them, and their answers.

use redis::{Cmd, Value, cmd};

use crate::{
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{
        codec::split,
        key::Key,
        record::{Change, FloorTarget, Kind, Record, RecordKey},
    },
    store::{
        CommitError, Committed, Expect, FeedError, PAGE_SERIALS, PrivateWrite,
        committer::Pending,
        fingerprint,
        redis::{
            layout::{Keys, expiry, field, number},
            reply::{bytes, corrupt, list, parse_number},
        },
    },
};

pub(super) const COMMIT: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("buckets.lua"),
    include_str!("commit.lua")
);
pub(super) const GET: &str = concat!(
    "#!lua flags=no-writes\n",
    include_str!("buckets.lua"),
    include_str!("get.lua")
);
pub(super) const CONFIRM: &str = include_str!("confirm.lua");
pub(super) const SERIAL: &str = include_str!("serial.lua");
pub(super) const CREATE: &str = include_str!("create.lua");

/// The arguments of one commit.
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    fn push(&mut self, argument: impl Into<Vec<u8>>) {
        self.0.push(argument.into());
    }

    fn number(&mut self, number: u64) {
        self.push(number.to_string());
    }

    fn key(&mut self, key: &Key) {
        self.number(key.kind.number().into());
        self.push(field(&key.bytes));
    }

    fn serial(&mut self, serial: Serial) {
        self.number(serial.0 / PAGE_SERIALS);
        self.number(serial.0 % PAGE_SERIALS);
    }

    /// Everything that the script needs to know of a commit.
    pub(super) fn new(pending: &Pending) -> Self {
        let commit = &pending.commit;
        let mut to = Self(Vec::with_capacity(8 + 3 * commit.changes.len()));
        to.push(commit.request.0);
        to.push(fingerprint(&commit.request, &pending.changes).0);
        to.push(commit.response.as_slice());
        to.push(pending.changes.as_slice());
        to.number(commit.expect.len() as u64);
        for expect in &commit.expect {
            to.expect(expect);
        }
        to.changes(&commit.changes);
        for write in &commit.private {
            to.private(write);
        }
        to
    }

    fn expect(&mut self, expect: &Expect) {
        match expect {
            Expect::Absent(key) => {
                self.push("a");
                self.key(key);
                self.push("");
            }
            Expect::Unchanged { key, since } => {
                self.push("u");
                self.key(key);
                self.number(since.0);
            }
            Expect::FloorBelow { target, serial } => {
                self.push("f");
                self.key(&floor_key(target));
                self.number(serial.0);
            }
            Expect::NotRevoked(serial) => {
                self.push("n");
                self.serial(*serial);
                self.push("");
            }
        }
    }

    /// Puts and deletes of one kind in a row share their letter: an import is little but them.
    fn changes(&mut self, changes: &[Change]) {
        let mut run: Option<(&str, Kind)> = None;
        let mut items = Vec::new();
        for change in changes {
            let (letter, key, value) = match change {
                Change::Put(Record::Floor(floor)) => {
                    self.end_run(&mut run, &mut items);
                    self.floor(&floor.target, Some(floor.serial));
                    continue;
                }
                Change::RaiseFloor(target) => {
                    self.end_run(&mut run, &mut items);
                    self.floor(target, None);
                    continue;
                }
                Change::Revoke(serials) => {
                    self.end_run(&mut run, &mut items);
                    self.push("R");
                    self.number(serials.len() as u64);
                    for serial in serials {
                        self.serial(*serial);
                    }
                    continue;
                }
                Change::Put(record) => {
                    let (key, value) = split(record);
                    let is_view = key.kind == Kind::OrgTokenView;
                    (if is_view { "V" } else { "P" }, key, Some(value))
                }
                Change::Delete(key) => ("D", Key::of(key), None),
            };
            if run != Some((letter, key.kind)) {
                self.end_run(&mut run, &mut items);
                run = Some((letter, key.kind));
            }
            items.push((field(&key.bytes), value));
        }
        self.end_run(&mut run, &mut items);
    }

    fn end_run(
        &mut self,
        run: &mut Option<(&str, Kind)>,
        items: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) {
        let Some((letter, kind)) = run.take() else {
            return;
        };
        self.push(letter);
        self.number(kind.number().into());
        self.number(items.len() as u64);
        for (field, value) in items.drain(..) {
            self.push(field);
            self.0.extend(value);
        }
    }

    fn floor(&mut self, target: &FloorTarget, to: Option<Serial>) {
        self.push("F");
        self.key(&floor_key(target));
        self.push(to.map(|serial| serial.to_string()).unwrap_or_default());
    }

    fn private(&mut self, write: &PrivateWrite) {
        let letter = match write {
            PrivateWrite::Put { .. } => "P",
            PrivateWrite::Delete(_) => "D",
            PrivateWrite::IndexToken { .. } => "I",
            PrivateWrite::IndexExpiry { .. } => "E",
            PrivateWrite::Audit(_) => "A",
        };
        self.push(letter);
        match write {
            PrivateWrite::Put { key, .. } | PrivateWrite::Delete(key) => {
                self.number(key.kind.number().into());
                self.number(1);
                self.push(field(&key.bytes));
            }
            PrivateWrite::IndexToken { owner, token } => {
                self.push(owner.as_str());
                self.number(token.0);
            }
            PrivateWrite::IndexExpiry { token, was, at } => {
                for time in [was, at] {
                    let member = time.map(|time| expiry(time, *token));
                    self.push(member.as_ref().map_or(&[][..], |member| member));
                }
            }
            PrivateWrite::Audit(record) => self.push(record.as_slice()),
        }
        if let PrivateWrite::Put { value, .. } = write {
            self.push(value.as_slice());
        }
    }
}

fn floor_key(target: &FloorTarget) -> Key {
    Key::of(&RecordKey::Floor(target.clone()))
}

/// One call for a group.
pub(super) fn commit_call(sha: &str, keys: &Keys, log: LogId, group: &[Arguments]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(sha).arg(1).arg(&keys.head);
    call.arg(&keys.prefix).arg(log.0.as_slice());
    for commit in group {
        call.arg(commit.0.len());
        for argument in &commit.0 {
            call.arg(argument.as_slice());
        }
    }
    call
}

/// What follows "ok"; or, when this isn't the log that was meant, why.
pub(super) fn opened(
    answer: Value,
) -> Result<Result<std::vec::IntoIter<Value>, String>, FeedError> {
    let mut parts = list(answer)?.into_iter();
    let status = bytes(parts.next().unwrap_or_default())?;
    Ok(match status.as_slice() {
        b"ok" => Ok(parts),
        b"gone" => Err("the realm is not in this Redis".to_owned()),
        b"other" => Err("the realm in this Redis has another log".to_owned()),
        _ => return Err(corrupt("a script's status")),
    })
}

/// The answer to one commit.
pub(super) fn committed(
    log: LogId,
    answer: Value,
) -> Result<Result<Committed, CommitError>, FeedError> {
    let answer = bytes(answer)?;
    let malformed = || corrupt("a commit");
    let (letter, rest) = answer.split_first().ok_or_else(malformed)?;
    if *letter == b'X' {
        let index = parse_number(rest).ok_or_else(malformed)?;
        let index = usize::try_from(index).map_err(|_| malformed())?;
        return Ok(Err(CommitError::Conflict(index)));
    }
    let (cursor, response) = remembered(log, rest).ok_or_else(malformed)?;
    match letter {
        b'C' => Ok(Ok(Committed {
            cursor,
            repeated: None,
        })),
        b'R' => Ok(Ok(Committed {
            cursor,
            repeated: Some(response),
        })),
        _ => Err(malformed()),
    }
}

/// What is kept under a request id.
pub(super) fn remembered(log: LogId, value: &[u8]) -> Option<(Cursor, Vec<u8>)> {
    let (revision, rest) = number(value)?;
    let (fingerprint, response) = rest.split_at_checked(16)?;
    let cursor = Cursor {
        log,
        revision: Revision(revision),
        fingerprint: Fingerprint::from_slice(fingerprint)?,
    };
    Some((cursor, response.to_vec()))
}
