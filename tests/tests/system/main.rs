//! The whole system: real issuers, verifiers, redis-servers and the `tokenward` command, each a
//! process of its own.
//!
//! | module | shows |
//! |---|---|
//! | `revocation` | what is revoked is refused by every verifier |
//! | `takeaway` | so is what its owner lost, whatever the token says |
//! | `agreement` | verifiers agree: started late, restarted, over either feed |
//! | `survival` | issuers and stores that are killed lose nothing |
//! | `staleness` | a verifier that is cut off refuses to answer, and recovers |
//! | `repeats` | a request repeated is a request made once |
//! | `refusals` | bad requests and wrong callers change nothing |
//! | `secrecy` | what may not be seen doesn't exist; no secret is told |
//! | `programs` | settings, health, reflection, metrics, logs, the end |
//! | `command` | the `tokenward` command, and `tokenward dev` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test fails it like the test itself"
)]

mod agreement;
mod command;
mod programs;
mod refusals;
mod repeats;
mod revocation;
mod secrecy;
mod site;
mod staleness;
mod survival;
mod takeaway;
