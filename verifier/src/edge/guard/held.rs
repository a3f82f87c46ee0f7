//! Holds a request's body at the time of its judgement: still arriving, or read for the judgement. It must
//! not know the judgement.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Body as _;

use super::{
    body::{Progress, TimedBody},
    upstream::Sent,
};
use crate::edge::{bodies::Read, routes::Body};

pub(super) enum Held {
    Coming(TimedBody),
    Read(Read),
}

impl Held {
    /// Returns the body as routes see it.
    pub(super) fn said(&self) -> Body<'_> {
        match self {
            Self::Coming(_) => Body::Absent,
            Self::Read(read) => read.said(),
        }
    }

    /// Returns the body to send. `None` means that it was not read to its end, so it is not sent.
    pub(super) fn sent(self) -> Option<(Sent, Arc<Progress>)> {
        let whole = |bytes| (Either::Left(Full::new(bytes)), Progress::begin());
        match self {
            Self::Read(Read::Whole(bytes, _)) => Some(whole(bytes)),
            Self::Read(Read::Unreadable(_) | Read::TooLong | Read::Encoded) => None,
            Self::Coming(body) if body.is_end_stream() => Some(whole(Bytes::new())),
            Self::Coming(body) => {
                let progress = body.progress().unwrap_or_else(Progress::begin);
                Some((Either::Right(body), progress))
            }
        }
    }
}
