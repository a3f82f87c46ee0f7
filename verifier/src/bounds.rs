//! How old a view may be to be judged by.

use std::time::Duration;

/// Per class of permission; past it the answer is UNAVAILABLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub read: Duration,
    pub write: Duration,
    pub infer: Duration,
}

impl Bounds {
    /// Past it nothing is answered.
    pub fn longest(&self) -> Duration {
        self.read.max(self.write).max(self.infer)
    }
}
