//! This file decides how a realm is opened, and names the reasons why it can't be opened. It must not
//! know the commands.

use std::time::Duration;

use crate::store::guards::Guards;

/// The options with which an issuer opens a realm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOptions {
    /// Makes the realm, with a new log, if there is none. A running store never makes one.
    pub create: bool,
    /// Accepts a server whose settings may evict or forget what was acknowledged.
    pub allow_volatile: bool,
    /// The server hides its settings (`CONFIG` is refused), and its operator vouches for them.
    pub managed: bool,
    /// The number of the realm's data nodes: 1, or an odd number. A write counts once a majority of them
    /// has it.
    pub data_nodes: u8,
    /// An issuer that did not come by for this long is taken for dead, and struck off the roster.
    pub lease: Duration,
    /// The guards of the promise; a program passes all of them.
    pub guards: Guards,
}

/// Half of the default bound would do for a failover; a shorter lease would strike off issuers that only
/// paused.
const LEASE: Duration = Duration::from_secs(5);

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: false,
            allow_volatile: false,
            managed: false,
            data_nodes: 1,
            lease: LEASE,
            guards: Guards::ALL,
        }
    }
}

/// The errors of opening a realm, separated by what the operator does about them. They never hold the
/// URL, because it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The text is no address of a Redis server. The error says what is wrong, without the address.
    #[error("the Redis URL can't be used: {0}")]
    Url(&'static str),
    /// The realm's name can't be part of a Redis key.
    #[error("a realm's name is 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Realm,
    /// This version can't use this number of data nodes.
    #[error("{0} data nodes are not supported: 1 is, or an odd number from 3 to 15")]
    DataNodes(u8),
    /// A setting of the server lets it evict or lose what it acknowledged; the text names the setting.
    #[error("the server could forget what it acknowledged: {0}")]
    Volatile(String),
    /// What is stored can't be used, or random bytes are missing; the text says which.
    #[error("the realm can't be opened: {0}")]
    Store(String),
    /// Redis gave no answer, or an error. This may pass by itself.
    #[error("Redis can't be reached: {0}")]
    Unavailable(String),
    /// Keys of the realm are there already: a realm made anew would have forgotten its revocations.
    #[error("the realm is, or was, in this Redis: keys of it are there")]
    Known,
    /// The realm isn't there, and its creation wasn't requested.
    #[error("there is no such realm in this Redis")]
    NoRealm,
}
