//! A body on its way through, frame by frame: nothing of it is kept, and one that stops coming ends.

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
/// that nobody judged. A request's is watched.
pub(super) struct Moving {
    body: Incoming,
    limit: Duration,
    /// Set while a frame is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    progress: Option<Arc<Progress>>,
}

impl Moving {
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        Self {
            body,
            limit,
            deadline: None,
            progress: None,
        }
    }

    pub(super) fn watched(mut self, progress: Arc<Progress>) -> Self {
        self.progress = Some(progress);
        self
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
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        let begins_to_wait = frame.is_pending() && this.deadline.is_none();
        if let Some(progress) = &this.progress
            && (frame.is_ready() || begins_to_wait)
        {
            progress.note(begins_to_wait);
        }
        if let Poll::Ready(frame) = frame {
            this.deadline = None;
            let request = this.progress.is_some();
            return Poll::Ready(match frame {
                Some(Ok(frame)) if frame.is_trailers() => None,
                Some(Err(_)) if request => Some(Err(io::Error::other(Torn))),
                Some(frame) => Some(frame.map_err(io::Error::other)),
                None => None,
            });
        }
        let limit = this.limit;
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(io::Error::other(Stalled)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
