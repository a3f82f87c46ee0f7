//! Holds a request as routes read it. It decides nothing, and must not know the caller.

use std::cell::OnceCell;

use super::{
    Unrouted,
    body::{Body, Fields},
};
use crate::edge::path::Target;

#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// These are the path and the query as on the request line, still encoded.
    pub target: &'a str,
    pub body: Body<'a>,
    /// These are the values of all `X-HF-Bill-To` headers.
    pub bill_to: &'a [&'a [u8]],
}

/// This is a request that is being routed. Its body is parsed when the first rule needs it.
pub(super) struct OpenRequest<'a> {
    request: &'a Request<'a>,
    pub(super) target: &'a Target<'a>,
    fields: OnceCell<Result<Fields, Unrouted>>,
}

impl<'a> OpenRequest<'a> {
    pub(super) fn new(request: &'a Request<'a>, target: &'a Target<'a>) -> Self {
        Self {
            request,
            target,
            fields: OnceCell::new(),
        }
    }

    pub(super) fn bill_to(&self) -> &'a [&'a [u8]] {
        self.request.bill_to
    }

    pub(super) fn body(&self) -> Body<'a> {
        self.request.body
    }

    pub(super) fn fields(&self) -> Result<&Fields, Unrouted> {
        let fields = self.fields.get_or_init(|| self.request.body.fields());
        fields.as_ref().map_err(|why| *why)
    }
}
