//! Holds how old a view may be for judging. It must not know who judges by it.

use std::time::Duration;

/// The greatest age per class of permission. Past it the answer is UNAVAILABLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub read: Duration,
    pub write: Duration,
    pub infer: Duration,
}

impl Bounds {
    /// The longest of the bounds, past which nothing is answered.
    pub fn longest(&self) -> Duration {
        self.read.max(self.write).max(self.infer)
    }
}
