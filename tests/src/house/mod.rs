//! A whole Tokenward on this machine, of real processes, for tests: issuers, verifiers, a
//! redis-server, the `tokenward` command.
//!
//! | module | decides |
//! |---|---|
//! | `build` | what a house is made of: keys, credentials, store, settings |
//! | `program` | how a process is started, read, signalled and ended |
//! | `redis` | real redis-servers |
//! | `issuer`, `verifier` | one running program each, and its clients |
//! | `calls` | what an issuer's clients ask for |
//! | `hub` | a small directory, of which every case takes a copy of its own |
//! | `key_set` | a key set that the test serves, and takes away |
//! | `kept` | what was secret, and all that was said: the one may not stand in the other |
//! | `sink` | where the programs' traces go |
//! | `wait` | waiting for a level, never for a time |
//! | `http` | one request |
//!
//! Nobody waits for a time to pass, and every process is ended by its own id.

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
mod verifier;
mod wait;

pub use build::{Feed, House, Store};
pub use issuer::{Client, Issuer, Minted};
pub use kept::Kept;
pub use key_set::KeySet;
pub use program::{Ended, Program, program, run};
pub use redis::Redis;
pub use sink::{Sink, Traced};
pub use verifier::{Verifier, word};
pub use wait::{LIMIT, level};
