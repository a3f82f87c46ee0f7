//! Sends a request to the server behind, and limits how long that may take. It must not know the judgement.

use std::{error::Error, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokenward_common::process::tls::ClientTls;
use tokio::time::sleep_until;

use super::{
    body::{Progress, Stalled, TimedBody, Torn},
    connector::Connector,
    times::GuardTimes,
};

/// An unused connection is closed after this time. It is under the 5 s after which Node's and uvicorn's
/// servers close one, because a connection that they close under a request causes a 502.
const UNUSED: Duration = Duration::from_secs(4);
/// Each worker keeps at most this many unused connections.
const KEPT: usize = 32;
/// The head of an answer, and each piece of a body, has at most this many bytes.
const BUFFER: usize = 64 * 1024;

/// The body to send has either been read or is still arriving.
pub(super) type Sent = Either<Full<Bytes>, TimedBody>;

/// Says which side caused the lack of an answer. The text repeats nothing of the server's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the server behind can't be reached; try again later")]
    Away,
    #[error("the server behind broke the connection off, or its answer can't be read")]
    Broken,
    #[error("the server behind took too long to answer")]
    Slow,
    #[error("the request's body stopped coming")]
    Stalled,
    #[error("the request's body can't be read, or broke off")]
    Torn,
}

impl Failure {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Away | Self::Broken => 502,
            Self::Slow => 504,
            Self::Stalled => 408,
            Self::Torn => 400,
        }
    }
}

/// Each worker has its own, since a connection lives on the thread that uses it.
#[derive(Clone)]
pub struct Upstream {
    client: Client<Connector, Sent>,
    origin: Uri,
    pub(super) times: GuardTimes,
}

impl Upstream {
    /// `origin` must have only a scheme and an authority.
    pub fn new(origin: Uri, times: GuardTimes, tls: &Arc<ClientTls>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(UNUSED)
            .pool_max_idle_per_host(KEPT)
            .http1_max_buf_size(BUFFER)
            .build(Connector::new(times, tls));
        Self {
            client,
            origin,
            times,
        }
    }

    /// Sends a request whose target is in origin form, byte for byte. The answer's head must arrive within
    /// the response time after the last piece of the request's body was taken.
    pub(super) async fn send(
        &self,
        mut request: Request<Sent>,
        progress: &Arc<Progress>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut target = self.origin.clone().into_parts();
        target.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(target).map_err(|_| Failure::Broken)?;
        let mut answer = pin!(self.client.request(request));
        loop {
            let last = progress.last();
            tokio::select! {
                answer = answer.as_mut() => return answer.map_err(|e| failure(&e)).and_then(one_way),
                () = sleep_until(last + self.times.response) => {
                    if progress.last() == last {
                        return Err(match progress.is_awaited() {
                            true => Failure::Stalled,
                            false => Failure::Slow,
                        });
                    }
                }
            }
        }
    }
}

/// Accepts an answer that has at most one length and does not switch protocols, since no upgrade was
/// requested.
fn one_way(mut answer: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    let headers = answer.headers_mut();
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    let lengths = headers.get_all(CONTENT_LENGTH).into_iter().count();
    match lengths > 1 || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        true => Err(Failure::Broken),
        false => Ok(answer),
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            if io.get_ref().is_some_and(|it| it.is::<Stalled>()) {
                return Failure::Stalled;
            }
            if io.get_ref().is_some_and(|it| it.is::<Torn>()) {
                return Failure::Torn;
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return Failure::Slow;
            }
        }
        cause = one.source();
    }
    tracing::debug!(%error, "the server behind a guard");
    match error.is_connect() {
        true => Failure::Away,
        false => Failure::Broken,
    }
}
