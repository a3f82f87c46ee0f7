//! The store in Redis: the only place with its keys and commands.
//!
//! Decides how the log, the state and the issuer-only records lie in Redis (`layout`, the `.lua`
//! scripts), when an answer of Redis is certain, lost or refused (`link`), and which servers are
//! trusted to keep what they acknowledge (`settings`). Must not know what the changes mean.
//!
//! # The server
//!
//! ```text
//! appendonly yes
//! appendfsync always
//! no-appendfsync-on-rewrite no
//! maxmemory-policy noeviction
//! hash-max-listpack-entries 512   # the default: records lie in buckets of at most about 100
//! hash-max-listpack-value 512     # or a bucket with a longer record takes three times the memory
//! ```
//!
//! The database number of the URL is used as it is; TLS is not built in yet.
//!
//! # Users
//!
//! An issuer's user may do everything under the realm's keys. A verifier's reads the feed, writes
//! receipts and notes the tokens it saw; with `{realm}` the realm's name:
//!
//! ```text
//! ACL SETUSER verifier on >secret resetkeys resetchannels -@all
//!   %R~{tw:{realm}}:f:* %RW~{tw:{realm}}:receipts %RW~{tw:{realm}}:used:*
//!   +xread +xrange +hget +hgetall +smembers +get +getrange +setrange +hset +eval +time +info +ping
//! ```

mod feed;
mod layout;
mod link;
mod make;
mod options;
mod reply;
mod script;
mod settings;
mod snapshot;
mod store;
mod trim;
mod writer;

pub use feed::RedisFeed;
pub use options::{OpenError, OpenOptions};
pub use store::RedisStore;
