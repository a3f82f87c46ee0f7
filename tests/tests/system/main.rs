//! The whole system: real issuers, verifiers, redis-servers and the `tokenward` command, each a
//! process of its own.
//!
//! | module | shows |
//! |---|---|
//! | `revocation` | what is revoked is refused by every verifier |
//! | `changes` | a token updated or rotated is another at once, everywhere |
//! | `receipts` | what is said to be refused by all is refused by all |
//! | `leaks` | values that leaked, all of an owner's tokens, what ends soon, the audit trail |
//! | `keys` | keys rotated under load, and withdrawn |
//! | `takeaway` | so is what its owner lost, whatever the token says |
//! | `agreement` | verifiers agree: started late, restarted, over either feed |
//! | `survival` | issuers and stores that are killed lose nothing |
//! | `staleness` | a verifier that is cut off refuses to answer, and recovers |
//! | `repeats` | a request repeated is a request made once |
//! | `refusals` | bad requests and wrong callers change nothing |
//! | `secrecy` | what may not be seen doesn't exist; no secret is told |
//! | `programs` | settings, health, reflection, metrics, logs, the end |
//! | `directory` | records found, listed, deleted, exported; a killed import goes on |
//! | `command` | the `tokenward` command, and `tokenward dev` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test fails it like the test itself"
)]

mod agreement;
mod changes;
mod command;
mod directory;
mod keys;
mod leaks;
mod programs;
mod receipts;
mod refusals;
mod repeats;
mod revocation;
mod secrecy;
mod site;
mod staleness;
mod survival;
mod takeaway;
