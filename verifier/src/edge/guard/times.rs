//! Holds the settings that limit how long the server behind may take. It must not know how they are
//! enforced.

use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardTimes {
    pub connect: Duration,
    /// The head of an answer must arrive within this time.
    pub response: Duration,
    /// Two pieces of a body must not be further apart than this.
    pub idle: Duration,
}
