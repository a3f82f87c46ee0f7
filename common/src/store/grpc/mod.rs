//! The feed over gRPC, both ends: a follower without the store's credentials asks an issuer.
//!
//! Decides how the contract of [`Feed`](crate::store::Feed) travels: deadlines, sizes, which status
//! means what. Must not know who may call (the issuer's), nor what the changes mean.

mod caps;
mod client;
mod server;

pub use caps::By;
pub use client::{BadCredential, Credential, GrpcFeed};
pub use server::{FeedServer, REQUEST_BYTES as FEED_REQUEST, feed_service};

/// What one answer carries at most, but for its last entry or record; and the limit of a message
/// that follows from that.
const ANSWER_BYTES: usize = 3 * 1024 * 1024;
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
