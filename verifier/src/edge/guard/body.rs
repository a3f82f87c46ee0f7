//! A body on its way through, frame by frame: nothing of it is kept, one that stops coming ends, and what
//! nobody reads of a caller's is thrown away.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::edge::bodies::discard;

/// The other end let too much time pass between two frames.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body stopped coming")]
pub(super) struct Stalled;

/// What came of a request's body can't be read, or it broke off.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body can't be read")]
pub(super) struct Torn;

/// When something of a request's body was last asked for by the server behind, or came.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    /// In milliseconds after `begun`.
    moved: AtomicU64,
    /// It is the caller who is slow.
    awaited: AtomicBool,
}

impl Progress {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            moved: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
        })
    }

    pub(super) fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.moved.load(Relaxed))
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    fn note(&self, awaited: bool) {
        let passed = self.begun.elapsed().as_millis();
        self.moved
            .store(u64::try_from(passed).unwrap_or(u64::MAX), Relaxed);
        self.awaited.store(awaited, Relaxed);
    }
}

/// Ends with [`Stalled`] after a time without a frame, and with its data: a trailer would be a header
/// that nobody judged.
pub(super) struct Moving {
    body: Option<Incoming>,
    limit: Duration,
    /// Set while a frame is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Of a request's body.
    progress: Option<Arc<Progress>>,
    /// The caller sends nothing until it is told to, by the first look.
    awaits_leave: bool,
}

impl Moving {
    pub(super) fn answer(body: Incoming, limit: Duration) -> Self {
        Self {
            body: Some(body),
            limit,
            deadline: None,
            progress: None,
            awaits_leave: false,
        }
    }

    /// What nobody reads of it is thrown away, see [`discard`].
    pub(super) fn request(body: Incoming, limit: Duration, awaits_leave: bool) -> Self {
        let mut request = Self::answer(body, limit);
        request.progress = Some(Progress::begin());
        request.awaits_leave = awaits_leave;
        request
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<Stalled> {
        let limit = self.limit;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        deadline.as_mut().poll(cx).map(|()| Stalled)
    }
}

impl Body for Moving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        this.awaits_leave = false;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(cx);
        let begins_to_wait = frame.is_pending() && this.deadline.is_none();
        if let Some(progress) = &this.progress
            && (frame.is_ready() || begins_to_wait)
        {
            progress.note(begins_to_wait);
        }
        let Poll::Ready(frame) = frame else {
            let stalled = this.stalled(cx);
            return stalled.map(|stalled| Some(Err(io::Error::other(stalled))));
        };
        this.deadline = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.is_trailers() => None,
            Some(Err(_)) if this.progress.is_some() => Some(Err(io::Error::other(Torn))),
            Some(frame) => Some(frame.map_err(io::Error::other)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        let unread = self.progress.is_some() && !self.awaits_leave;
        if let Some(body) = self.body.take()
            && unread
        {
            discard(body);
        }
    }
}
