//! How a decision is made, told step by step to whoever asked for it. The same code decides whether
//! or not anybody listens.

/// Hears of each step before its outcome: the last one heard is the one that decided.
pub trait Trace {
    /// `record`: what is judged by, as text; made only when somebody listens.
    fn step(&mut self, name: &'static str, record: impl FnOnce() -> String);
}

/// Nobody listens: costs nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline(always)]
    fn step(&mut self, _: &'static str, _: impl FnOnce() -> String) {}
}

/// Every step, in order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Steps(pub Vec<(&'static str, String)>);

impl Trace for Steps {
    fn step(&mut self, name: &'static str, record: impl FnOnce() -> String) {
        self.0.push((name, record()));
    }
}
