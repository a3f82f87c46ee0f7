//! A workload: callers that mint, revoke and check through every issuer and verifier of a house, as good
//! clients do, and record what they saw as a [`History`].
//!
//! | module | decides |
//! |---|---|
//! | `record` | the clock, and the list of what was seen |
//! | `call` | how a change is repeated by its request id, and when its outcome is known |
//! | `change` | what is changed, and in which order |
//! | `ask` | which Checks are sent to each verifier |
//! | `run` | how all of it begins, goes on and ends |
//!
//! It must not know what is done to the programs meanwhile, nor which histories are right. All of it is
//! bounded, in the number of tokens and in time.

#![expect(clippy::expect_used, reason = "a harness that fails fails the test")]

mod ask;
mod call;
mod change;
mod record;
mod run;

pub use run::{Rested, Workload};
