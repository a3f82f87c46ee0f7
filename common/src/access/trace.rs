//! Reports the steps of a decision to the caller that requested it. The same code decides with and without a
//! listener. This file must not decide anything.

/// Receives each step before its outcome: the last step received is the one that decided.
pub trait Trace {
    /// Receives a step. `record` makes a text of the data that the step judges by, and runs only if somebody
    /// listens.
    fn step(&mut self, name: &'static str, record: impl FnOnce() -> String);
}

/// Discards every step, at no cost.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline(always)]
    fn step(&mut self, _: &'static str, _: impl FnOnce() -> String) {}
}

/// Keeps every step, in order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Steps(pub Vec<(&'static str, String)>);

impl Trace for Steps {
    fn step(&mut self, name: &'static str, record: impl FnOnce() -> String) {
        self.0.push((name, record()));
    }
}
