//! A history is what the callers of a running system saw: their calls, when each began and ended on one
//! clock, and its outcome. This module decides whether a history keeps the promise. It is pure, and must not
//! know how the calls were made or what was done to the programs meanwhile.
//!
//! | rule | told as a fault |
//! |---|---|
//! | the promise | a Check that began more than the bound after an acknowledged takeaway of what it needs, and was allowed |
//! | nothing is lost | at the end an acknowledged takeaway does not deny, or an acknowledged mint is not allowed |
//! | good tokens work | a Check was denied, and nothing had taken what it needs; `UNAVAILABLE` is no denial |
//! | good calls work | a change was refused that should not be, for instance when it was repeated by its request id |
//! | serials are used once | two mints got one serial |
//!
//! An outcome that is not known counts as either: such a takeaway may deny from its beginning on and need
//! never do so, and such a mint made no token that anybody holds.

mod judge;
mod operation;
#[cfg(test)]
mod tests;

pub use judge::{Counts, History, Judgement};
pub use operation::{Answer, Check, Operation, Outcome, Takeaway, What};
