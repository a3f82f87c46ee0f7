//! Passes a body through frame by frame and keeps none of it. It ends a body that stops, and discards what
//! nobody reads of a request's body. It must not know what a body contains.

#[cfg(test)]
mod tests;

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

/// A body without a live credential may wait this long before its rate counts. It covers the first round
/// trips of a slow line, and a client that prepares what it sends.
const GRACE: Duration = Duration::from_secs(15);
/// The average rate must be at least this, in bytes per second. It is lower than on any line that bodies
/// are sent over on purpose. Without it one byte a minute would hold a connection for as long as the sender
/// likes, and a guard has few connections.
const LEAST_RATE: u64 = 1024;

/// The other end let too much time pass between two frames.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body stopped coming")]
pub(super) struct Stalled;

/// A request's body can't be read, or broke off.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body can't be read")]
pub(super) struct Torn;

/// Records when the server behind last requested a part of a request's body, or when a part last arrived.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    /// This time is in milliseconds after `begun`.
    moved: AtomicU64,
    /// This is set while the caller is the slow side.
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

/// Measures how fast a body arrives. Only the time spent waiting for it counts, since a slow server behind
/// is not the sender's fault.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// Returns how long the body may be waited for now.
    fn left(&self) -> Duration {
        let earned = Duration::from_millis(self.came.saturating_mul(1000) / LEAST_RATE);
        earned.saturating_add(GRACE).saturating_sub(self.waited)
    }
}

/// Describes the wait for the next frame.
struct Wait {
    since: Instant,
    deadline: Pin<Box<Sleep>>,
}

/// Ends with [`Stalled`] after a time without a frame, or when the body arrives too slowly. It drops
/// trailers, since a trailer would be a header that was not judged.
pub(super) struct TimedBody {
    body: Option<Incoming>,
    limit: Duration,
    /// This is set while a frame is waited for.
    wait: Option<Wait>,
    /// Only a stranger's body has a pace.
    pace: Option<Pace>,
    /// Only a request's body has this progress.
    progress: Option<Arc<Progress>>,
    /// The caller sends nothing until it gets leave, which it gets when the body is first polled.
    awaits_leave: bool,
}

impl TimedBody {
    pub(super) fn answer(body: Incoming, limit: Duration) -> Self {
        Self {
            body: Some(body),
            limit,
            wait: None,
            pace: None,
            progress: None,
            awaits_leave: false,
        }
    }

    /// Passes a request's body. Its unread rest is discarded (see [`discard`]).
    pub(super) fn request(body: Incoming, limit: Duration, awaits_leave: bool) -> Self {
        let mut request = Self::answer(body, limit);
        request.progress = Some(Progress::begin());
        request.awaits_leave = awaits_leave;
        request
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    /// Marks the body as that of a caller without a live credential. From now on it must arrive at
    /// [`LEAST_RATE`].
    pub(super) fn keep_pace(&mut self) {
        self.pace.get_or_insert_default();
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<Stalled> {
        let left = self.pace.as_ref().map_or(self.limit, Pace::left);
        let limit = self.limit.min(left);
        let wait = self.wait.get_or_insert_with(|| {
            let since = Instant::now();
            let deadline = Box::pin(sleep_until(since + limit));
            Wait { since, deadline }
        });
        wait.deadline.as_mut().poll(cx).map(|()| Stalled)
    }

    fn came(&mut self, bytes: usize) {
        let waited = self.wait.take().map(|wait| wait.since.elapsed());
        if let Some(pace) = &mut self.pace {
            pace.waited += waited.unwrap_or_default();
            pace.came += bytes as u64;
        }
    }
}

impl Body for TimedBody {
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
        let begins_to_wait = frame.is_pending() && this.wait.is_none();
        if let Some(progress) = &this.progress
            && (frame.is_ready() || begins_to_wait)
        {
            progress.note(begins_to_wait);
        }
        let Poll::Ready(frame) = frame else {
            let stalled = this.stalled(cx);
            // The rest of a stranger's body isn't even discarded, because the stranger could go on sending
            // it slowly.
            if stalled.is_ready() && this.pace.is_some() {
                this.body = None;
            }
            return stalled.map(|stalled| Some(Err(io::Error::other(stalled))));
        };
        let data = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref());
        this.came(data.map_or(0, Bytes::len));
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

impl Drop for TimedBody {
    fn drop(&mut self) {
        let unread = self.progress.is_some() && !self.awaits_leave;
        if let Some(body) = self.body.take()
            && unread
        {
            discard(body);
        }
    }
}
