//! This folder carries the feed over gRPC, for a follower without the store's credentials, which reads
//! from an issuer. It decides how the contract of [`Feed`](crate::store::Feed) travels: deadlines,
//! sizes, and what each status means. It must not know who may call (the issuer decides that), nor what
//! the changes mean.

mod caps;
mod client;
mod server;

pub use caps::By;
pub use client::{BadCredential, Credential, GrpcFeed};
pub use server::{FeedServer, REQUEST_BYTES as FEED_REQUEST, feed_service};

/// One answer carries at most this many bytes, not counting its last entry or record. The limit of a
/// message follows from it.
const ANSWER_BYTES: usize = 3 * 1024 * 1024;
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;
