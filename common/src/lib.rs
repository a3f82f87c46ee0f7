//! This crate holds what Tokenward's issuer and verifier must agree on.
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | [`clock`] | what time it is; no other module reads a clock | what the time is for |
//! | `file` | which files may be read at run time, and how long they may be | what they hold |
//! | [`id`] | the forms of ids, serials, revisions and names | what they name |
//! | `closed` | how a closed list is written: numbers, words, or both | what is listed |
//! | [`token`] | what makes a token genuine | the state, the network, the clock |
//! | [`access`] | what a principal may do on a resource | tokens' encoding, stores, the clock |
//! | [`text`] | what text for people may hold | everything else |
//! | [`state`] | what a change does to the state | stores, the network, the clock |
//! | `store` | order, durability, freshness, loss | what the changes mean |
//! | `replica` | which view a decision sees, and how old it is | the caller of a Check |
//! | `status` | which details of a gRPC error are for programs | what was requested |
//! | `process` | logs, metrics, health, shutdown | everything above |
//! | `testing` | whether a store keeps the contract; only tests have it | what a program does |

#[deny(missing_docs)]
pub mod access;
pub mod clock;
mod closed;
#[cfg(any(feature = "store", feature = "process"))]
pub mod file;
pub mod id;
#[deny(missing_docs)]
pub mod state;
pub mod text;
#[deny(missing_docs)]
pub mod token;

#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "store")]
#[deny(missing_docs)]
pub mod replica;
#[cfg(any(feature = "store", feature = "process"))]
pub mod status;
#[cfg(feature = "store")]
#[deny(missing_docs)]
pub mod store;
#[cfg(feature = "testing")]
#[deny(missing_docs)]
pub mod testing;
