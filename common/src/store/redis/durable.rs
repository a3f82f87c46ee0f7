//! This file decides when a write counts as durable: a majority of the realm's data nodes must have it.
//! It must not know what is written.
//!
//! The write and its `WAIT` go in one pipeline over one connection, because `WAIT` counts for the
//! writes of its own connection only. Servers that have `WAITAOF` are asked by that one too: it counts
//! nodes that have synced the write to their disks. `WAIT` still goes before it, because a replica that is
//! asked tells what it had synced *before* it syncs what it was just sent, and then says nothing for up to
//! a second. Asked twice, it has synced by the second time: a few milliseconds in place of some 600.
//! Where there is one data node, its answer leaves only after the sync, and nothing more is asked.

use redis::{Cmd, Value, aio::MultiplexedConnection, cmd};

use crate::store::{guards::Guards, redis::options::OpenError};

/// Replicas may take at most this long to acknowledge, and so long to sync; together it is less than an
/// answer may take.
const WAIT_MILLIS: u64 = 300;
const SYNC_MILLIS: u64 = 400;
/// More data nodes than this are a mistake.
const MOST_NODES: u8 = 15;

/// How many data nodes a realm has, and whether a write must reach a majority of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Majority {
    nodes: u8,
    guarded: bool,
}

impl Majority {
    /// A number of data nodes is 1, or odd, so that any two majorities meet.
    pub(super) fn new(nodes: u8, guards: &Guards) -> Result<Self, OpenError> {
        if nodes.is_multiple_of(2) || nodes > MOST_NODES {
            return Err(OpenError::DataNodes(nodes));
        }
        Ok(Self {
            nodes,
            guarded: guards.majority,
        })
    }

    /// Returns how many replicas, beside the primary, make a majority.
    pub(super) fn replicas(self) -> u64 {
        u64::from(self.nodes / 2)
    }

    pub(super) fn nodes(self) -> u64 {
        u64::from(self.nodes)
    }
}

/// How a connection has its writes acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    /// The server's own answer is enough.
    Answer,
    /// So many replicas must have the write.
    Replicas(u64),
    /// The server and so many replicas must have synced the write.
    Synced(u64),
}

impl Proof {
    /// Finds out once for a connection what its server has.
    pub(super) async fn find(
        connection: &mut MultiplexedConnection,
        majority: Majority,
    ) -> Result<Self, redis::RedisError> {
        let replicas = majority.replicas();
        if replicas == 0 || !majority.guarded {
            return Ok(Self::Answer);
        }
        let mut ask = cmd("WAITAOF");
        ask.arg(0).arg(0).arg(1);
        match ask.query_async::<Value>(connection).await {
            Ok(_) => Ok(Self::Synced(replicas)),
            // An older server doesn't know the command, and then no user has a right to it.
            Err(error) if error.code().is_some() && !error.is_io_error() => {
                Ok(Self::Replicas(replicas))
            }
            Err(error) => Err(error),
        }
    }

    /// The commands that go right behind a write; the answer of the last one counts.
    pub(super) fn commands(self) -> Vec<Cmd> {
        let wait = |replicas: u64| cmd("WAIT").arg(replicas).arg(WAIT_MILLIS).to_owned();
        match self {
            Self::Answer => Vec::new(),
            Self::Replicas(replicas) => vec![wait(replicas)],
            Self::Synced(replicas) => {
                let mut synced = cmd("WAITAOF");
                synced.arg(1).arg(replicas).arg(SYNC_MILLIS);
                vec![wait(replicas), synced]
            }
        }
    }

    /// Judges the answer of the last of these: how many replicas have the write. `Err` says in words what
    /// is missing.
    pub(super) fn judge(self, answer: Value) -> Result<u64, String> {
        let (needed, reached) = match (self, answer) {
            (Self::Answer, _) => return Ok(0),
            (_, Value::ServerError(error)) => {
                return Err(format!(
                    "the server can't tell who has the write: {}",
                    error.code()
                ));
            }
            (Self::Replicas(needed), Value::Int(reached)) => (needed, reached),
            (Self::Synced(needed), Value::Array(both)) => match both.as_slice() {
                [Value::Int(1..), Value::Int(reached)] => (needed, *reached),
                [Value::Int(_), Value::Int(_)] => {
                    return Err("the primary has not synced the write".into());
                }
                _ => return Err("the server told in an unknown shape who has the write".into()),
            },
            _ => return Err("the server told in an unknown shape who has the write".into()),
        };
        if let Ok(reached) = u64::try_from(reached)
            && reached >= needed
        {
            return Ok(reached);
        }
        Err(format!(
            "{reached} replicas acknowledged the write, and {needed} must for a majority"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majorities_meet() {
        for (nodes, replicas) in [(1, 0), (3, 1), (5, 2), (7, 3)] {
            let majority = Majority::new(nodes, &Guards::ALL).unwrap();
            assert_eq!(majority.replicas(), replicas);
            assert!(2 * (replicas + 1) > u64::from(nodes));
        }
        for nodes in [0, 2, 4, 17] {
            assert!(Majority::new(nodes, &Guards::ALL).is_err(), "{nodes}");
        }
    }

    #[test]
    fn fewer_acknowledgements_and_odd_answers_prove_nothing() {
        let both = |local, replicas| Value::Array(vec![Value::Int(local), Value::Int(replicas)]);
        for (proof, answer, holds) in [
            (Proof::Answer, Value::Nil, true),
            (Proof::Replicas(1), Value::Int(1), true),
            (Proof::Replicas(1), Value::Int(2), true),
            (Proof::Replicas(1), Value::Int(0), false),
            (Proof::Replicas(1), Value::Int(-1), false),
            (Proof::Replicas(1), Value::Okay, false),
            (Proof::Replicas(1), both(1, 1), false),
            (Proof::Synced(1), both(1, 1), true),
            (Proof::Synced(1), both(0, 1), false),
            (Proof::Synced(2), both(1, 1), false),
            (Proof::Synced(1), Value::Int(1), false),
            (Proof::Synced(1), Value::Array(vec![Value::Int(1)]), false),
        ] {
            assert_eq!(
                proof.judge(answer.clone()).is_ok(),
                holds,
                "{proof:?} {answer:?}"
            );
        }
    }
}
