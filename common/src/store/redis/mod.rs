//! The store in Redis: the only place with its keys and commands.
//!
//! This folder decides how the log, the state and the issuer-only records lie in Redis (`layout`, the
//! `.lua` scripts), which server is written to (`place`, `locate`, `dial`), when an answer of Redis is certain,
//! lost or refused (`link`, `trouble`, `outcome`), when a write is durable (`durable`), and which servers are
//! trusted to keep what they acknowledge (`settings`). It must not know what the changes mean.
//!
//! # The server, Redis 7 or later
//!
//! ```text
//! appendonly yes
//! appendfsync always
//! no-appendfsync-on-rewrite no
//! maxmemory-policy noeviction
//! hash-max-listpack-entries 512   # the default: records lie in buckets of at most about 100
//! hash-max-listpack-value 512     # or a bucket with a longer record takes three times the memory
//! user default off ~* &* +@all    # if it is off: Redis replays its log with this user's rights
//! min-replicas-to-write 1         # and the next, with three data nodes
//! min-replicas-max-lag 2
//! ```
//!
//! # Users
//!
//! For a realm of the name `hub`, an issuer's user may do everything under its keys, run scripts and
//! load functions:
//!
//! ```text
//! ACL SETUSER issuer on >secret resetkeys resetchannels ~{tw:hub}:* +@all -@dangerous
//!   +info +config|get +acl|dryrun
//! ```
//!
//! A verifier's user reads the feed. It also calls the function that an issuer loaded (`library`),
//! which writes a receipt and notes the tokens that the verifier saw:
//!
//! ```text
//! ACL SETUSER verifier on >secret resetkeys resetchannels -@all
//!   %R~{tw:hub}:f:* %RW~{tw:hub}:receipts %RW~{tw:hub}:seen
//!   +xread +xrange +hget +hgetall +hlen +smembers +get +hset +fcall +time +info +ping
//! ```
//!
//! With several data nodes it needs `+wait` (and `+waitaof`, where the server has it), and in a cluster
//! `+cluster|slots +cluster|keyslot`.
//!
//! Redis checks a function's commands against its caller's rights, hence `+hset`. So a verifier's user
//! can still fill those two hashes, byte by byte as it sends them, and write other verifiers' receipts.
//! `maxmemory` and `maxmemory-clients` bound that: past them takeaways and confirms are still taken.
//!
//! Some servers have no functions: a managed service may lack them, or an issuer may not be allowed to
//! load them. There the confirm is a script, and a verifier's user needs these rights too:
//!
//! ```text
//!   %RW~{tw:{realm}}:used:* +eval +getrange +setrange
//! ```
//!
//! A user with these rights can stop the server by a script without an end, or have it take gigabytes:
//! give such a verifier the issuer's feed (`--feed http://…`) instead.

mod archive;
#[cfg(feature = "process")]
mod args;
mod dial;
mod durable;
mod feed;
mod handed;
mod history;
mod layout;
mod library;
mod link;
mod locate;
mod make;
mod member;
mod options;
mod outcome;
mod place;
mod recent;
mod reply;
mod script;
mod settings;
mod snapshot;
mod store;
mod trim;
mod trouble;
mod visits;
mod writer;

#[cfg(feature = "process")]
pub use args::RedisArgs;
pub use feed::RedisFeed;
pub use options::{OpenError, OpenOptions};
pub use place::{IntoPlace, RedisAccess, RedisPlace, RedisTlsFiles};
pub use store::RedisStore;
