//! The issuer mints and revokes tokens, keeps the directory and publishes the log.
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | [`config`] | names, defaults and limits of the settings | what they are used for |
//! | [`caller`] | who the caller is | what the call is for |
//! | [`method`] | who may call a method, and its name | what the method does |
//! | [`tokens`] | when a token may be made, what changes and revocations write | the wire, the store's kind |
//! | [`directory`] | which of the hub's batches are written | tokens |
//! | [`request`] | whether a request was answered before | what it requests |
//! | `commit` | what is tried again after a conflict | what is written |
//! | [`keys`] | which key signs, which keys are published | what is signed |
//! | `leaks` | what finders of leaked tokens are answered | whether they found any |
//! | [`receipts`] | which verifiers applied a revision, or can't answer any more | what it changed |
//! | [`pace`] | how far imports may run ahead of the verifiers | what is imported |
//! | [`error`] | which status a problem has | where it came from |
//! | `live_calls` | when a stream ends because its credential was withdrawn | what the stream carries |
//! | [`ability`] | whether the store takes commits, so whether the issuer is ready | what is committed |
//! | [`stores`] | which store is opened, and when a realm is made | what is stored |
//! | [`archive`] | what follows from the records of an archived realm | the file, the order of reading |
//! | `view` | when the own view shows all that the store holds | what the view is read for |
//! | [`metrics`] | nothing: it counts, and names what is counted | |
//! | `observed_store`, `traced` | nothing: they show operators the commits and calls | what those are for |
//! | `serve` | what a connection may cost, how serving ends | what is requested |
//! | `routes` | how much of a call is read, and for which caller | what the call is for |
//! | [`grpc`] | nothing: it turns messages into calls | |
//! | [`run`] | nothing: it puts the parts together | |

pub mod ability;
pub mod archive;
pub mod caller;
mod commit;
pub mod config;
pub mod directory;
pub mod error;
pub mod grpc;
mod handed;
mod history;
pub mod keys;
mod leaks;
mod live_calls;
pub mod method;
pub mod metrics;
mod observed_store;
pub mod pace;
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
