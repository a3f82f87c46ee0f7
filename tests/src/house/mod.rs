//! A whole Tokenward on this machine for tests, of real processes: issuers, verifiers, a redis-server, the
//! `tokenward` command.
//!
//! | module | decides |
//! |---|---|
//! | `build` | what a house consists of: keys, credentials, store, settings |
//! | `program` | how a process is started, read, signalled and ended |
//! | `redis` | real redis-servers |
//! | `issuer`, `verifier` | one running program each, and its clients |
//! | `calls` | the calls of an issuer's clients |
//! | `hub` | a small directory, of which every case has a copy of its own |
//! | `key_set` | a key set that the test serves, or makes unavailable |
//! | `kept` | all secrets, and all texts: no text may contain a secret |
//! | `sink` | where the programs' traces are collected |
//! | `tls` | whether this run of the tests speaks TLS |
//! | `wait` | waiting for a condition, never for a time |
//! | `http` | one HTTP request |
//!
//! No test waits for a time to pass, and every process is ended by its own id.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness that fails fails the test"
)]

mod build;
mod calls;
pub mod http;
pub mod hub;
mod issuer;
mod kept;
mod key_set;
mod program;
mod redis;
mod sink;
pub mod tls;
mod verifier;
mod wait;

pub use build::{Feed, House, Servers, Store};
pub use issuer::{Client, Issuer, Minted};
pub use kept::Kept;
pub use key_set::KeySet;
pub use program::{Ended, Program, program, run};
pub use redis::Redis;
pub use sink::{Sink, Traced};
pub use verifier::{Verifier, word};
pub use wait::{LIMIT, level};
