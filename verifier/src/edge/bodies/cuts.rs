//! Decides whether Envoy has passed the whole body. It is pure, and must not know what the body contains.

use std::sync::Arc;

/// This is the header by which Envoy reports whether it passes a body whole, over HTTP and over gRPC.
pub(in crate::edge) const PARTIAL: &str = "x-envoy-auth-partial-body";
/// Holds the lengths at which Envoy may cut a body. There is at least one, and each of its routes may have
/// its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cuts(Arc<[usize]>);

impl Cuts {
    /// Returns `None` if there are no lengths.
    pub fn new(lengths: Vec<usize>) -> Option<Self> {
        (!lengths.is_empty()).then(|| Self(lengths.into()))
    }

    pub fn longest(&self) -> usize {
        self.0.iter().copied().max().unwrap_or_default()
    }

    /// Returns whether a body of this length may be cut, although Envoy reports it as whole. Envoy does so
    /// for a body that ends exactly at its limit.
    pub(in crate::edge) fn may_end(&self, length: usize) -> bool {
        length >= self.longest() || self.0.contains(&length)
    }
}

impl Default for Cuts {
    /// Uses the length in the ready-made settings.
    fn default() -> Self {
        Self([64 * 1024].into())
    }
}

/// Returns whether Envoy passes the whole body, by the values of all [`PARTIAL`] headers. `None` means that
/// Envoy reports nothing, and so passes no body.
pub(in crate::edge) fn is_whole<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let mut values = values.into_iter().peekable();
    values.peek()?;
    Some(values.all(|value| value == b"false"))
}
