//! This file holds what one issuer remembers of the realm, and decides what an answer of the store
//! changes in it. It must not know when a server is asked, nor over which connection.
//!
//! What is vouched for is a *stream*: one uninterrupted time of one node as the primary. An issuer vouches
//! for a stream once it has found there the last cursor that it acknowledged; writes and confirms count
//! only on a stream for which every issuer of the *roster* has vouched (`stream.lua`, `tend.lua`). One
//! issuer's word would not be enough, because it may be the one that knows less.

mod answer;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{Cmd, cmd};

use crate::{
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    store::{
        Bring, FeedError, MOST_ANCESTORS,
        guards::Guards,
        redis::{history::JUMP, layout::Keys, link::Written, reply::corrupt, script},
    },
};

pub(super) use answer::{Opening, Refusal, Tended, opening, since, tended};

/// The issuers of a realm, by commas, and how often their list has changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Roster {
    pub(super) version: u64,
    pub(super) members: String,
}

/// The last cursor that was acknowledged to or by this issuer, and the roster as it stood then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) cursor: Cursor,
    pub(super) roster: Roster,
}

struct Memory {
    /// The log of the realm, and those that it goes on from, newest first.
    lineage: Vec<LogId>,
    known: Option<Known>,
    /// The stream that this issuer vouched for last; `None` while it vouches for another one.
    stream: Option<String>,
    /// The roster's version at which this issuer joined.
    joined: Option<u64>,
    /// Whether this issuer may acknowledge: who joined is known to all others, or to every data node.
    admitted: bool,
    /// Whether every issuer had vouched for the stream when it was last asked.
    established: bool,
    /// The highest serial that was heard of.
    serial: Serial,
    /// A history that this issuer opens, or that another opened.
    opening: Option<OpenedHere>,
    adopted: Option<Adopted>,
}

/// A history that this issuer opens. Until all is brought back it vouches for nothing.
#[derive(Clone)]
struct OpenedHere {
    parent: LogId,
    /// What was known of the log before, in case that the store forgets the opening.
    known: Option<Known>,
    log: LogId,
    fingerprint: Fingerprint,
    /// Where the store stood on the log before.
    fork: Revision,
    /// What to bring back, once it is opened.
    bring: Option<Bring>,
}

/// A history that another issuer opened.
#[derive(Clone)]
pub(super) struct Adopted {
    pub(super) log: LogId,
    pub(super) fork: Revision,
    /// Where it stood when everything was brought back; `None` before.
    pub(super) settled: Option<Known>,
}

/// Why an issuer comes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// To vouch, and to renew its lease.
    Usual,
    /// To leave the roster, as it ends.
    Leave,
    /// An operator takes the store as it is: who is silent is struck off, and nobody's memory is asked.
    AsItIs,
}

pub(super) struct Member {
    id: String,
    lease: Duration,
    /// The realm has one data node, so that what it lost is lost with it, whoever remembers.
    alone: bool,
    guards: Guards,
    memory: Mutex<Memory>,
}

impl Member {
    pub(super) fn new(
        id: String,
        lease: Duration,
        alone: bool,
        guards: Guards,
        log: LogId,
    ) -> Self {
        Self {
            id,
            lease,
            alone,
            guards,
            memory: Mutex::new(Memory {
                lineage: vec![log],
                known: None,
                stream: None,
                joined: None,
                admitted: false,
                established: false,
                serial: Serial(0),
                opening: None,
                adopted: None,
            }),
        }
    }

    pub(super) fn log(&self) -> LogId {
        self.memory().log()
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn known(&self) -> Option<Known> {
        self.memory().known.clone()
    }

    /// Whether the vouches are judged at all.
    pub(super) fn is_guarded(&self) -> bool {
        self.guards.vouching
    }

    /// Whether this issuer may write now, as far as it knows.
    pub(super) fn may_write(&self, stream: &str) -> bool {
        let memory = self.memory();
        memory.established && memory.admitted && memory.stream.as_deref() == Some(stream)
    }

    /// Whether what a server of this stream has may be told: this issuer vouched for no other one. Nothing is
    /// acknowledged on a stream for which it has not vouched.
    pub(super) fn may_read(&self, stream: &str) -> bool {
        let memory = self.memory();
        let other = memory.stream.as_deref().is_some_and(|it| it != stream);
        !(other && self.guards.fence && self.guards.vouching)
    }

    /// Whether the last visit found that an issuer has not vouched yet.
    pub(super) fn is_waiting(&self) -> bool {
        let memory = self.memory();
        self.guards.vouching && !(memory.established && memory.admitted)
    }

    /// Adds what every script that writes takes: the issuer, its stream, the mode.
    pub(super) fn sign(&self, call: &mut Cmd, stream: &str) {
        let mode = if self.guards.vouching { "" } else { "any" };
        call.arg(&self.id).arg(stream).arg(mode);
    }

    /// Makes the call of one visit. From here on an answer of another stream acknowledges nothing.
    pub(super) fn visit(&self, keys: &Keys, stream: &str, word: Word) -> Cmd {
        let mut memory = self.memory();
        if memory.stream.as_deref() != Some(stream) {
            memory.stream = None;
            memory.established = false;
        }
        let mut call = cmd("EVAL");
        call.arg(script::TEND).arg(2).arg(&keys.head).arg(&keys.log);
        call.arg(memory.lineage()).arg(&self.id).arg(stream);
        match &memory.known {
            None => call.arg("").arg("").arg(0).arg(""),
            Some(known) => call
                .arg(known.cursor.revision.0)
                .arg(known.cursor.fingerprint.0.as_slice())
                .arg(known.roster.version)
                .arg(&known.roster.members),
        };
        self.add_lease(&mut call, word);
        call.arg(if word == Word::Leave { "leave" } else { "" });
        call
    }

    /// Takes over what a visit found. `durable`: the visit itself reached a majority.
    pub(super) fn visited(&self, stream: &str, word: Word, found: Tended, written: &Written) {
        let mut memory = self.memory();
        if memory.opening.as_ref().is_some_and(|it| it.bring.is_some()) {
            return;
        }
        // What it missed is there after all.
        memory.opening = None;
        let since = found.since().filter(|_| self.guards.continuity);
        let durable = written.durable_since(since).is_ok();
        let alone = self.alone || word == Word::AsItIs;
        let listed = found.roster.lists(&self.id);
        let established = found.established.is_some();
        let remembered = memory.known.is_some();
        memory.established = established && listed && durable;
        if listed && remembered {
            memory.stream = Some(stream.to_owned());
        }
        if !durable {
            return;
        }
        memory.serial = memory.serial.max(found.serial);
        memory.lineage.truncate(1);
        memory.lineage.extend_from_slice(&found.before);
        memory.lineage.truncate(MOST_ANCESTORS);
        // Who remembers nothing gets its memory from a stream that all others vouched for. With one data
        // node there is nothing that it could have lost and still serve.
        if established || (!remembered && alone) {
            let newer = |known: &Known| known.cursor.revision <= found.head.revision;
            if memory.known.as_ref().is_none_or(newer) {
                memory.known = Some(Known {
                    cursor: found.head,
                    roster: found.roster.clone(),
                });
            }
        }
        if !listed {
            memory.joined = None;
            memory.admitted = false;
            return;
        }
        let joined = *memory.joined.get_or_insert(found.roster.version);
        memory.admitted |= established && (found.lowest >= joined || written.everywhere);
    }

    /// Takes an answer of this stream over into memory, or says that it came too late: this issuer has
    /// vouched for another stream since, and there what was written may be missing.
    pub(super) fn acknowledge(
        &self,
        stream: &str,
        roster: &Roster,
        newest: Option<Cursor>,
        serial: Serial,
    ) -> Result<(), String> {
        let mut memory = self.memory();
        if self.guards.fence && self.guards.vouching && memory.stream.as_deref() != Some(stream) {
            return Err("the store has another primary since the write was sent".into());
        }
        memory.serial = memory.serial.max(serial);
        if let Some(cursor) = newest
            && cursor.log == memory.log()
            && memory
                .known
                .as_ref()
                .is_none_or(|known| known.cursor.revision < cursor.revision)
        {
            memory.known = Some(Known {
                cursor,
                roster: roster.clone(),
            });
        }
        Ok(())
    }

    /// Returns the log that was broken and where the store stood on it, while this issuer brings back what it
    /// held.
    pub(super) fn opening(&self) -> Option<(LogId, Revision)> {
        let memory = self.memory();
        let opening = memory.opening.as_ref()?;
        opening.bring.map(|_| (opening.parent, opening.fork))
    }

    /// Makes the call that opens a history. A call whose answer was lost is made with the same ids again.
    pub(super) fn open(
        &self,
        keys: &Keys,
        stream: &str,
        state: &Cursor,
    ) -> Result<Option<Cmd>, FeedError> {
        let mut memory = self.memory();
        let Some(known) = memory.known.clone() else {
            return Ok(None);
        };
        let (parent, serial) = (memory.log(), memory.serial);
        if memory.opening.is_none() {
            let mut drawn = [0; 32];
            getrandom::fill(&mut drawn)
                .map_err(|error| FeedError::Unavailable(error.to_string()))?;
            let (log, fingerprint) = drawn.split_at(16);
            let odd = || corrupt("a random number");
            memory.opening = Some(OpenedHere {
                parent,
                log: LogId::from_slice(log).ok_or_else(odd)?,
                fingerprint: Fingerprint::from_slice(fingerprint).ok_or_else(odd)?,
                fork: Revision(0),
                bring: None,
                known: Some(known.clone()),
            });
        }
        let Some(opening) = &memory.opening else {
            return Ok(None);
        };
        let mut call = cmd("EVAL");
        call.arg(script::OPEN).arg(3);
        call.arg(&keys.head).arg(&keys.log).arg(&keys.histories);
        call.arg(memory.lineage()).arg(&self.id).arg(stream);
        call.arg(known.cursor.revision.0)
            .arg(known.cursor.fingerprint.0.as_slice())
            .arg(known.roster.version)
            .arg(&known.roster.members);
        call.arg(opening.log.0.as_slice())
            .arg(opening.fingerprint.0.as_slice());
        call.arg(serial.0).arg(JUMP).arg(parent.to_string());
        // A state of another log holds nothing that could be brought back.
        let state = if state.log == parent {
            *state
        } else {
            Cursor::start(parent)
        };
        call.arg(state.revision.0)
            .arg(state.fingerprint.0.as_slice());
        Ok(Some(call))
    }

    /// The history is open; nothing was brought back yet.
    pub(super) fn opened(&self, bring: Bring, fork: Revision) {
        let mut memory = self.memory();
        let Some(mut opening) = memory.opening.take() else {
            return;
        };
        opening.bring = Some(bring);
        opening.fork = fork;
        // The counter of the new history, at least: another one that doesn't know of it goes on after it.
        memory.serial = Serial(memory.serial.0.saturating_add(JUMP));
        memory.goes_over_to(opening.log);
        memory.opening = Some(opening);
    }

    /// The store forgot the history that this issuer was opening: it stands again where it stood before. Returns
    /// whether it was opening one.
    pub(super) fn takes_opening_back(&self) -> bool {
        let mut memory = self.memory();
        let Some(opening) = memory.opening.take_if(|opening| opening.bring.is_some()) else {
            return false;
        };
        if memory.log() == opening.log {
            memory.lineage.remove(0);
        }
        memory.known = opening.known;
        memory.stream = None;
        memory.established = false;
        true
    }

    /// This issuer brings back what was handed in to this history. Who takes over from one that was struck
    /// off brings back what only grows beside it: his own state may be the older one.
    pub(super) fn lead(&self, log: LogId, fork: Revision) -> Bring {
        let mut memory = self.memory();
        if let Some(bring) = memory.opening.as_ref().and_then(|opening| opening.bring) {
            return bring;
        }
        let known = memory.known.take();
        memory.opening = Some(OpenedHere {
            parent: memory.log(),
            log,
            fingerprint: Fingerprint([0; 16]),
            fork,
            bring: Some(Bring::Kept),
            known,
        });
        memory.goes_over_to(log);
        Bring::Kept
    }

    /// All is back: this is what the issuer remembers from now on.
    pub(super) fn settled(&self, cursor: Cursor, version: u64, members: String) {
        let mut memory = self.memory();
        let roster = Roster { version, members };
        memory.known = Some(Known { cursor, roster });
        memory.opening = None;
        memory.joined = None;
    }

    pub(super) fn adopted(&self) -> Option<Adopted> {
        self.memory().adopted.clone()
    }

    /// Goes over to a history that another issuer opened and settled.
    pub(super) fn adopt(&self, adopted: Adopted) {
        let mut memory = self.memory();
        memory.goes_over_to(adopted.log);
        memory.known = adopted.settled;
        memory.opening = None;
        memory.adopted = None;
        memory.joined = None;
    }

    /// Notes that another issuer opened a history.
    pub(super) fn heard_of(&self, adopted: Adopted) {
        let mut memory = self.memory();
        memory.established = false;
        // A history that this one only meant to open is another's now.
        if memory.opening.as_ref().is_some_and(|it| it.bring.is_none()) {
            memory.opening = None;
        }
        memory.adopted = Some(adopted);
    }

    /// Somebody has not vouched, or this issuer was struck off: the next call visits first.
    pub(super) fn doubt(&self) {
        self.memory().established = false;
    }

    /// Lets the memory go: the others struck this issuer off and went on.
    pub(super) fn forget(&self) {
        let mut memory = self.memory();
        memory.known = None;
        memory.stream = None;
        memory.joined = None;
        memory.admitted = false;
        memory.established = false;
    }

    /// Returns the logs whose entries this issuer may remember.
    pub(super) fn lineage(&self) -> Vec<LogId> {
        self.memory().lineage.clone()
    }

    /// Returns the highest serial that was heard of.
    pub(super) fn serial(&self) -> Serial {
        self.memory().serial
    }

    /// Adds the lease and whether there is one data node, as the scripts take them that may strike off.
    pub(super) fn add_lease(&self, call: &mut Cmd, word: Word) {
        let lease = u64::try_from(self.lease.as_micros()).unwrap_or(u64::MAX);
        let alone = self.alone || word == Word::AsItIs;
        call.arg(lease).arg(u8::from(alone));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn log(&self) -> LogId {
        self.lineage.first().copied().unwrap_or_default()
    }

    /// Gives the lineage as the scripts take it.
    fn lineage(&self) -> Vec<u8> {
        self.lineage.iter().flat_map(|log| log.0).collect()
    }

    /// Goes over to a history of the same realm, of which nothing is known yet.
    fn goes_over_to(&mut self, log: LogId) {
        if self.log() != log {
            self.lineage.insert(0, log);
            self.lineage.truncate(MOST_ANCESTORS);
        }
        self.known = None;
        self.stream = None;
        self.established = false;
    }
}

impl Roster {
    pub(super) fn lists(&self, id: &str) -> bool {
        self.members.split(',').any(|member| member == id)
    }
}

#[cfg(test)]
mod tests;
