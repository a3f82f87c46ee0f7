//! The verifier answers `Check` from memory. It refuses to answer once its view may be too old.
//!
//! ```text
//! follow --apply--> replica (state, cursor, fresh as of) <--view-- decide <-- grpc
//! ```
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | `bounds` | nothing: it holds the configured bounds on a view's age | who judges by them |
//! | [`config`] | names, defaults and limits of the settings | what they are used for |
//! | [`decide`] | whether this request is allowed now | who sends it, over which protocol |
//! | [`genuine`] | which facts of a token decisions need | whether they may be acted on |
//! | [`memo`] | which tokens are remembered as genuine | what they may do |
//! | [`keys`] | which public keys are in force | what is signed with them |
//! | [`edge`] | nothing: requests of proxies and hub clients become questions, decisions responses | why |
//! | [`grpc`] | nothing: messages become questions, decisions messages | why |
//! | `protobuf`, `raw` | nothing: bytes become fields and fields bytes, without prost | any message |
//! | [`metrics`] | names of the metrics | what the numbers mean |
//! | [`serve`] | threads, connections, their limits, the drain | the requests and the answers |
//! | `snapshots` | when the view is saved to the disk | what a file must be to be used |
//! | [`run`] | nothing: it puts the parts together | |

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
mod snapshots;
pub mod strangers;
