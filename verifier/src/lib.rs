//! The verifier: answers `Check` from memory, and never later than its view can prove.
//!
//! ```text
//! follow --apply--> replica (state, cursor, fresh as of) <--view-- decide <-- grpc
//! ```
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | `bounds` | nothing: how old a view may be, as it is set | what asks |
//! | [`config`] | names, defaults and limits of the settings | what they are used for |
//! | [`decide`] | is this request allowed, now | who asks over which protocol |
//! | [`genuine`] | which facts of a token decisions need | whether they may be acted on |
//! | [`memo`] | which tokens are remembered as genuine | what they may do |
//! | [`keys`] | which public keys are in force | what is signed with them |
//! | [`edge`] | nothing: requests of proxies and hub clients to questions, decisions to responses | why |
//! | [`grpc`] | nothing: messages to questions, decisions to messages | why |
//! | `protobuf`, `raw` | nothing: bytes to fields and back, past prost | any message |
//! | [`metrics`] | names of the metrics | what the numbers mean |
//! | [`serve`] | threads, connections, their limits, the drain | what is asked and answered |
//! | [`run`] | nothing: puts the parts together | |

mod bounds;
pub mod config;
pub mod decide;
pub mod edge;
pub mod genuine;
pub mod grpc;
pub mod keys;
pub mod memo;
pub mod metrics;
mod protobuf;
mod raw;
pub mod run;
pub mod serve;
