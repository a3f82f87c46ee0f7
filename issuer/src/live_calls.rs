//! Ends a stream when the credential that opened it is gone from the file, or has lost the role that the
//! stream needs. Single calls are left alone: each checks its caller when it begins, and a caller whose
//! commit is being written must learn its outcome. What a stream carries must not be known here.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, Request, Response, header::AUTHORIZATION},
};
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, Either, FutureExt as _},
    stream,
};
use http_body_util::{BodyExt as _, BodyStream, Empty, StreamBody};
use tokenward_common::process::{admission::Peer, bodies::Way, credentials::CallerError};
use tokenward_proto::internal::feed_service_server::SERVICE_NAME as FEED_SERVICE;
use tonic::codegen::Body as _;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::{
    caller::{LiveCredentials, Role},
    error::Problem,
    method::{FOLLOW, Method},
};

/// Returns the roles that may hold this stream open, or `None` for a call that does not last.
pub(crate) fn lasts(path: &str) -> Option<&'static [Role]> {
    // A reader of the log waits for its next entry.
    if path.split('/').nth(1) == Some(FEED_SERVICE) {
        return Some(FOLLOW);
    }
    let method = Method::at(path)?;
    (method.way() != Way::Call).then(|| method.roles())
}

#[derive(Clone)]
pub(crate) struct LiveCallsLayer(pub(crate) Arc<LiveCredentials>);

impl<S> Layer<S> for LiveCallsLayer {
    type Service = LiveCalls<S>;

    fn layer(&self, inner: S) -> LiveCalls<S> {
        let credentials = Arc::clone(&self.0);
        LiveCalls { inner, credentials }
    }
}

#[derive(Clone)]
pub(crate) struct LiveCalls<S> {
    inner: S,
    credentials: Arc<LiveCredentials>,
}

impl<S, B> Service<Request<B>> for LiveCalls<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gone = lasts(request.uri().path()).map(|any| {
            let shown = request.headers().get_all(AUTHORIZATION).iter();
            let shown = shown.map(|value| value.as_bytes().to_vec()).collect();
            let peer = request.extensions().get().unwrap_or(&Peer::UNKNOWN);
            self.credentials.gone(shown, peer.clone(), any)
        });
        let answer = self.inner.call(request);
        let Some(gone) = gone else {
            return Either::Left(answer);
        };
        Either::Right(Box::pin(async move {
            let mut gone = gone.boxed();
            tokio::select! {
                // A caller without a live credential gets its refusal from the inner service, which checks
                // callers.
                biased;
                answer = answer => answer.map(|answer| answer.map(|body| ending(body, gone))),
                why = &mut gone => Ok(status(why).into_http()),
            }
        }))
    }
}

fn status(why: CallerError) -> Status {
    Problem::from(why).into()
}

/// Ends the answer's body as soon as the caller's credential is gone.
fn ending(body: Body, gone: BoxFuture<'static, CallerError>) -> Body {
    // A refusal is all in its head, and must end there: clients take an empty frame after it for a broken
    // stream, and lose the refusal's status.
    if body.is_end_stream() {
        return body;
    }
    let frames = stream::unfold(Some((BodyStream::new(body), gone)), |open| async move {
        let (mut body, mut gone) = open?;
        tokio::select! {
            // This branch is polled first, so that an answer that never pauses ends too.
            biased;
            why = &mut gone => {
                let mut last = BodyStream::new(Empty::<Bytes>::new().with_trailers(write_trailers(why).boxed()));
                let frame = last.next().await?;
                Some((frame.map_err(|never| match never {}), None))
            }
            frame = body.next() => Some((frame?, Some((body, gone)))),
        }
    });
    Body::new(StreamBody::new(frames))
}

/// Writes the status as gRPC's trailers.
async fn write_trailers(why: CallerError) -> Option<Result<HeaderMap, Infallible>> {
    let mut trailers = HeaderMap::new();
    status(why).add_header(&mut trailers).ok()?;
    Some(Ok(trailers))
}

#[cfg(test)]
mod tests {
    use axum::body::Body as Web;
    use tokenward_common::process::credentials::{Credentials, new_credential};
    use tower::service_fn;

    use super::*;

    fn live(digest: &str, roles: &str) -> Arc<LiveCredentials> {
        Arc::new(LiveCredentials::new(parsed(digest, roles)))
    }

    fn parsed(digest: &str, roles: &str) -> Credentials {
        let json = format!(
            r#"{{"credentials":[{{"name":"v","sha256":["{digest}"],"roles":[{roles}]}}]}}"#
        );
        Credentials::parse(&json).unwrap()
    }

    fn asked(path: &str, secret: &str) -> Request<()> {
        let request = Request::post(path).header("authorization", format!("Bearer {secret}"));
        request.body(()).unwrap()
    }

    /// Sends one frame, and then nothing for ever.
    fn endless() -> Body {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"piece"))]);
        Body::new(Web::from_stream(first.chain(stream::pending())))
    }

    #[test]
    fn a_refusal_ends_in_its_head() {
        let refused = Status::invalid_argument("applied: is no cursor").into_http();
        let gone = std::future::pending().boxed();
        assert!(ending(refused.into_body(), gone).is_end_stream());
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_credential_and_other_calls_do_not() {
        let (secret, digest) = new_credential().unwrap();
        let credentials = live(&digest, r#""admin""#);
        let open =
            service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(endless())) });
        let mut service = LiveCallsLayer(Arc::clone(&credentials)).layer(open);
        let mut bodies = Vec::new();
        for (path, ends) in [
            ("/tokenward.internal.v1.FeedService/Snapshot", true),
            ("/tokenward.internal.v1.FeedService/ReadLog", true),
            ("/tokenward.v1.DirectoryService/Export", true),
            ("/tokenward.v1.DirectoryService/Import", true),
            ("/tokenward.v1.TokenService/RevokeToken", false),
        ] {
            let answer = service.call(asked(path, &secret)).await.unwrap();
            let mut body = answer.into_body();
            let piece = body.frame().await.unwrap().unwrap();
            assert_eq!(piece.into_data().unwrap(), "piece", "{path}");
            assert!(body.frame().now_or_never().is_none(), "{path}");
            bodies.push((path, ends, body));
        }
        credentials.replace(parsed(&digest, r#""mint""#));
        for (path, ends, mut body) in bodies {
            let Some(frame) = body.frame().now_or_never() else {
                assert!(!ends, "{path} goes on");
                continue;
            };
            let trailers = frame.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], "7", "{path}");
            assert!(ends && body.frame().await.is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_is_sent_away_too() {
        let (secret, digest) = new_credential().unwrap();
        let credentials = live(&digest, r#""feed""#);
        let waits = service_fn(|_: Request<()>| async {
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        });
        let mut service = LiveCallsLayer(Arc::clone(&credentials)).layer(waits);
        let waits = service.call(asked("/tokenward.internal.v1.FeedService/ReadLog", &secret));
        let mut waiting = waits.boxed_local();
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let (_, other) = new_credential().unwrap();
        credentials.replace(parsed(&other, r#""feed""#));
        let answer = waiting.now_or_never().unwrap().unwrap();
        assert_eq!(answer.headers()["grpc-status"], "16");
    }
}
