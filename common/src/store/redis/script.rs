//! This file decides how commits become arguments of the scripts, and how the scripts' answers are
//! read. It must not know when or over which connection they are sent.

use redis::{Cmd, Value, cmd};

use crate::{
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{
        codec::split,
        key::Key,
        record::{Change, FloorTarget, Kind, Record, RecordKey},
    },
    store::{
        CommitError, Committed, Expect, FeedError, PAGE_SERIALS, PrivateWrite, Reason,
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
    include_str!("stream.lua"),
    include_str!("judged.lua"),
    include_str!("buckets.lua"),
    include_str!("commit.lua")
);
pub(super) const GET: &str = concat!(
    "#!lua flags=no-writes\n",
    include_str!("stream.lua"),
    include_str!("buckets.lua"),
    include_str!("get.lua")
);
/// Used where the server has no functions, or where a follower's user may not call them.
pub(super) const CONFIRM: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("stream.lua"),
    include_str!("place.lua"),
    include_str!("confirm.lua"),
    include_str!("used.lua")
);
pub(super) const DRAIN: &str = include_str!("drain.lua");
pub(super) const SERIAL: &str = concat!(
    "#!lua\n",
    include_str!("stream.lua"),
    include_str!("judged.lua"),
    include_str!("serial.lua")
);
pub(super) const PASS: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("stream.lua"),
    include_str!("judged.lua"),
    include_str!("pass.lua")
);
pub(super) const TEND: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("stream.lua"),
    include_str!("place.lua"),
    include_str!("lineage.lua"),
    include_str!("roster.lua"),
    include_str!("tend.lua")
);
pub(super) const CREATE: &str = include_str!("create.lua");
pub(super) const RESTORE: &str = include_str!("restore.lua");

pub(super) const OPEN: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("stream.lua"),
    include_str!("place.lua"),
    include_str!("lineage.lua"),
    include_str!("open.lua")
);
pub(super) const RECALL: &str = concat!(
    "#!lua flags=allow-oom\n",
    include_str!("stream.lua"),
    include_str!("roster.lua"),
    include_str!("recall.lua")
);
pub(super) const SETTLE: &str = concat!("#!lua flags=allow-oom\n", include_str!("settle.lua"));

/// The arguments of one commit.
#[derive(Default)]
pub(super) struct Arguments {
    bytes: Vec<u8>,
    /// The position at which each argument ends.
    ends: Vec<usize>,
}

/// Consecutive puts or deletes of one kind, which share their letter.
#[derive(Default)]
struct Run {
    of: Option<(&'static str, Kind)>,
    rows: Vec<(Key, Option<Vec<u8>>)>,
}

impl Arguments {
    /// Puts the arguments into one piece of bytes: how many, where each ends, and their bytes.
    pub(super) fn pack(&self) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        let mut packed = number(self.ends.len()).to_vec();
        for end in &self.ends {
            packed.extend_from_slice(&number(*end));
        }
        packed.extend_from_slice(&self.bytes);
        packed
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
        let (count, rest) = packed.split_first_chunk::<4>()?;
        let (ends, bytes) = rest.split_at_checked(number(count)?.checked_mul(4)?)?;
        let (ends, []) = ends.as_chunks::<4>() else {
            return None;
        };
        let ends: Vec<usize> = ends.iter().map(number).collect::<Option<_>>()?;
        let sound = ends.is_sorted() && ends.last().copied().unwrap_or(0) == bytes.len();
        sound.then(|| Self {
            bytes: bytes.to_vec(),
            ends,
        })
    }

    fn push(&mut self, argument: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(argument.as_ref());
        self.ends.push(self.bytes.len());
    }

    /// Returns the commit's changes, encoded.
    pub(super) fn changes(&self) -> Option<&[u8]> {
        let (from, to) = (self.ends.get(2)?, self.ends.get(3)?);
        self.bytes.get(*from..*to)
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

    /// Collects everything that the script needs to know of a commit.
    pub(super) fn new(pending: &Pending) -> Self {
        let commit = &pending.commit;
        let mut to = Self::default();
        to.push(commit.request.0);
        to.push(fingerprint(&commit.request, &pending.changes).0);
        to.push(commit.response.as_slice());
        to.push(pending.changes.as_slice());
        to.number(commit.expect.len() as u64);
        to.expectations(&commit.expect);
        let mut run = Run::default();
        for change in &commit.changes {
            to.change(change, &mut run);
        }
        for write in &commit.private {
            to.private(write, &mut run);
        }
        to.end(&mut run);
        to
    }

    /// Writes the expectations; consecutive ones of one sort and kind share their letter.
    fn expectations(&mut self, expect: &[Expect]) {
        for run in expect.chunk_by(|a, b| sort_of(a) == sort_of(b)) {
            let Some((letter, kind)) = run.first().map(sort_of) else {
                continue;
            };
            self.push(letter);
            self.push(
                kind.map(|kind| kind.number().to_string())
                    .unwrap_or_default(),
            );
            self.number(run.len() as u64);
            for expect in run {
                match expect {
                    Expect::Absent(key) => self.push(field(&key.bytes)),
                    Expect::Unchanged { key, since } => {
                        self.push(field(&key.bytes));
                        self.number(since.0);
                    }
                    Expect::FloorBelow { target, serial } => {
                        self.push(field(&floor_key(target).bytes));
                        self.number(serial.0);
                    }
                    Expect::NotRevoked(serial) => self.serial(*serial),
                }
            }
        }
    }

    fn change(&mut self, change: &Change, run: &mut Run) {
        match change {
            Change::Put(Record::Floor(floor)) => {
                self.end(run);
                self.floor(&floor.target, Some(floor.serial));
            }
            Change::RaiseFloor(target) => {
                self.end(run);
                self.floor(target, None);
            }
            Change::Revoke(serials) => {
                self.end(run);
                self.push("R");
                self.number(serials.len() as u64);
                for serial in serials {
                    self.serial(*serial);
                }
            }
            Change::Put(record) => {
                let (key, value) = split(record);
                let is_view = key.kind == Kind::OrgTokenView;
                self.row(if is_view { "V" } else { "P" }, key, Some(value), run);
            }
            Change::Delete(key) => self.row("D", Key::from_record_key(key), None, run),
            Change::Retire(key) => {
                self.row("D", Key::from_record_key(key), None, run);
                if let Some(id) = key.retired() {
                    let (key, value) = split(&Record::Retired(id));
                    self.row("P", key, Some(value), run);
                }
            }
        }
    }

    fn row(&mut self, letter: &'static str, key: Key, value: Option<Vec<u8>>, run: &mut Run) {
        if run.of != Some((letter, key.kind)) {
            self.end(run);
            run.of = Some((letter, key.kind));
        }
        run.rows.push((key, value));
    }

    fn end(&mut self, run: &mut Run) {
        let Some((letter, kind)) = run.of.take() else {
            return;
        };
        self.push(letter);
        self.number(kind.number().into());
        self.number(run.rows.len() as u64);
        for (key, value) in run.rows.drain(..) {
            self.push(field(&key.bytes));
            if let Some(value) = value {
                self.push(value);
            }
        }
    }

    fn floor(&mut self, target: &FloorTarget, to: Option<Serial>) {
        self.push("F");
        self.key(&floor_key(target));
        self.push(to.map(|serial| serial.to_string()).unwrap_or_default());
    }

    fn private(&mut self, write: &PrivateWrite, run: &mut Run) {
        match write {
            PrivateWrite::Put { key, value } => {
                self.row("P", key.clone(), Some(value.clone()), run);
            }
            PrivateWrite::Delete(key) => self.row("D", key.clone(), None, run),
            PrivateWrite::IndexToken { owner, token } => {
                self.end(run);
                self.push("I");
                self.push(owner.as_str());
                self.number(token.0);
            }
            PrivateWrite::IndexExpiry { token, was, at } => {
                self.end(run);
                self.push("E");
                for time in [was, at] {
                    let member = time.map(|time| expiry(time, *token));
                    self.push(member.as_ref().map_or(&[][..], |member| member));
                }
            }
            PrivateWrite::Audit(record) => {
                self.end(run);
                self.push("A");
                self.push(record);
            }
        }
    }
}

/// Returns the letter of an expectation, and the kind of the record that it compares.
fn sort_of(expect: &Expect) -> (&'static str, Option<Kind>) {
    match expect {
        Expect::Absent(key) => ("a", Some(key.kind)),
        Expect::Unchanged { key, .. } => ("u", Some(key.kind)),
        Expect::FloorBelow { .. } => ("f", Some(Kind::Floor)),
        Expect::NotRevoked(_) => ("n", None),
    }
}

fn floor_key(target: &FloorTarget) -> Key {
    Key::from_record_key(&RecordKey::Floor(target.clone()))
}

/// Makes one call for a group; `sign` adds who sends it, to which stream.
pub(super) fn commit_call(
    sha: &str,
    keys: &Keys,
    log: LogId,
    sign: impl FnOnce(&mut Cmd),
    group: &[Arguments],
) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(sha).arg(1).arg(&keys.head);
    call.arg(&keys.prefix).arg(log.0.as_slice());
    sign(&mut call);
    for commit in group {
        call.arg(commit.ends.len());
        let mut rest = commit.bytes.as_slice();
        let mut begin = 0;
        for end in &commit.ends {
            let (argument, after) = rest.split_at(end - begin);
            call.arg(argument);
            (rest, begin) = (after, *end);
        }
    }
    call
}

/// Returns the parts after "ok", or the reason why this isn't the expected log.
pub(super) fn opened(
    answer: Value,
) -> Result<Result<std::vec::IntoIter<Value>, Reason>, FeedError> {
    let mut parts = list(answer)?.into_iter();
    let status = bytes(parts.next().unwrap_or_default())?;
    Ok(match status.as_slice() {
        b"ok" => Ok(parts),
        b"gone" => Err(Reason::Gone),
        b"other" => Err(Reason::OtherLog),
        b"unvouched" => Err(Reason::Unvouched),
        _ => return Err(corrupt("a script's status")),
    })
}

/// Decodes the answer to one commit.
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

/// Decodes what is kept under a request id.
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
