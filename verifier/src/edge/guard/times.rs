//! How long the server behind may take, as it is set.

use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardTimes {
    pub connect: Duration,
    /// For the head of an answer.
    pub response: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}
