//! How a realm is opened, and why it isn't.

/// How an issuer opens a realm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenOptions {
    /// Make the realm, with a new log, if there is none. A running store never makes one.
    pub create: bool,
    /// Take a server whose settings may evict or forget what was acknowledged.
    pub allow_volatile: bool,
    /// The server hides its settings (`CONFIG` is refused): its operator answers for them.
    pub managed: bool,
    /// The realm's data nodes. One, for now.
    pub data_nodes: u8,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: false,
            allow_volatile: false,
            managed: false,
            data_nodes: 1,
        }
    }
}

/// By what the operator does about it. Never holds the URL, which holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The text is no address of a Redis server; it says what is wrong, without the address.
    #[error("the Redis URL can't be used: {0}")]
    Url(&'static str),
    /// The realm's name can't be part of a Redis key.
    #[error("a realm's name is 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Realm,
    /// A number of data nodes that this version can't use.
    #[error("{0} data nodes are not supported: 1 is")]
    DataNodes(u8),
    /// A setting of the server lets it evict or lose what it acknowledged; the text names it.
    #[error("the server could forget what it acknowledged: {0}")]
    Volatile(String),
    /// What is stored can't be used, or random bytes are missing; the text says which.
    #[error("the realm can't be opened: {0}")]
    Store(String),
    /// There was no answer, or an error instead of one; it may pass by itself.
    #[error("Redis can't be reached: {0}")]
    Unavailable(String),
    /// A realm made anew would have forgotten its revocations.
    #[error("the realm is, or was, in this Redis: keys of it are there")]
    Known,
    /// The realm isn't there, and making one wasn't asked for.
    #[error("there is no such realm in this Redis")]
    NoRealm,
}
