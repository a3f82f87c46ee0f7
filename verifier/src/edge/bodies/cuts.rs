//! Whether what Envoy shows of a body is all of it. Pure.

use std::sync::Arc;

/// Envoy's own word on whether it shows a body whole, over HTTP as over gRPC.
pub(in crate::edge) const PARTIAL: &str = "x-envoy-auth-partial-body";
/// At which lengths Envoy cuts what it shows of a body: its routes may be set otherwise, each. Never none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cuts(Arc<[usize]>);

impl Cuts {
    /// `None`: of none.
    pub fn new(lengths: Vec<usize>) -> Option<Self> {
        (!lengths.is_empty()).then(|| Self(lengths.into()))
    }

    pub fn longest(&self) -> usize {
        self.0.iter().copied().max().unwrap_or_default()
    }

    /// Whether so many bytes may be a beginning, though Envoy calls them all: so it does of one that ends
    /// at its limit to the byte.
    pub(in crate::edge) fn may_end(&self, length: usize) -> bool {
        length >= self.longest() || self.0.contains(&length)
    }
}

impl Default for Cuts {
    /// By the ready-made settings.
    fn default() -> Self {
        Self([64 * 1024].into())
    }
}

/// Whether what Envoy shows is all, by the values of all [`PARTIAL`]. `None`: it says nothing of it, and
/// so shows none.
pub(in crate::edge) fn is_whole<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let mut values = values.into_iter().peekable();
    values.peek()?;
    Some(values.all(|value| value == b"false"))
}
