//! The issuer: mints and revokes tokens, keeps the directory, publishes the log.
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | [`caller`] | who calls | what for |
//! | [`method`] | who may call what, by which name it is told | what it does |
//! | [`tokens`] | when a token may be made, what a change or a revocation writes | the wire, the store's kind |
//! | [`directory`] | which batches of the hub's are written | tokens |
//! | [`request`] | whether a request was answered before | what it asks |
//! | `commit` | what is tried again when somebody else's write came between | what is written |
//! | [`keys`] | which key signs, which are published | what is signed |
//! | `leaks` | what finders of leaked tokens are answered | whether they found any |
//! | [`receipts`] | which verifiers have applied a revision, or can't answer any more | what it changed |
//! | [`error`] | which status a problem has | where it came from |
//! | `standing` | when a stream ends because its caller is none any more | what it carries |
//! | [`ability`] | whether the store would take a commit, and so whether the issuer is ready | what is committed |
//! | `watched`, `traced` | nothing: what operators see of commits and calls | what they are for |
//! | `serve` | what a connection may cost, how serving ends | what is asked |
//! | `routes` | what of a call is read, and for whom | what it is for |
//! | [`grpc`], [`run`] | nothing: messages to calls; the parts together | |

pub mod ability;
pub mod caller;
mod commit;
pub mod config;
pub mod directory;
pub mod error;
pub mod grpc;
pub mod keys;
mod leaks;
mod live_calls;
pub mod method;
pub mod metrics;
mod observed_store;
pub mod receipts;
pub mod request;
mod routes;
pub mod run;
mod serve;
pub mod stores;
pub mod tokens;
mod traced;
mod view;

#[cfg(test)]
mod tests;
