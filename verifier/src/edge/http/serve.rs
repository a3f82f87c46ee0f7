//! Takes a request to its door, and counts the answer. It decides nothing.

use std::sync::Arc;

use hyper::{Request, Response, body::Incoming};

use super::{
    HttpDoors,
    door_request::{DoorRequest, response},
    forward_auth, introspect, own,
};
use crate::{
    edge::{answer::Answer, own::Own, principal::STATUS},
    metrics::{Door, Entrance},
    serve::{HttpBody, HttpService},
};

impl HttpDoors {
    pub fn service(self) -> HttpService {
        Arc::new(move |request| {
            let doors = self.clone();
            Box::pin(async move { doors.answer(request).await })
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<HttpBody> {
        let now = self.judge.decider.replica.clock().boot();
        let (head, body) = request.into_parts();
        let asked = DoorRequest::from_head(&head);
        let (door, answer) = match Own::find(&self.judge.table, &head) {
            Some(Own::ForwardAuth) => {
                let span = self.traces.received(&head.headers, "edge/forward_auth");
                let envoy = forward_auth::behind(&head);
                let answer = forward_auth::answer(self, &asked, envoy, body, now).await;
                if let Some(span) = span {
                    span.set("tokenward.status", i64::from(answer.status));
                }
                (Door::ForwardAuth, answer)
            }
            Some(Own::Introspect) => {
                let answer = introspect::answer(self, &asked, body, now).await;
                (Door::Introspect, answer)
            }
            Some(Own::Client(ask)) => {
                let _turn = self.judge.turn(&asked.credentials()).await;
                own::answer(&self.judge, &self.limits, &ask, &head, now)
            }
            None => return response(asked.plain(404, "nothing is served at this path")),
        };
        self.judge.counts.door(door, meant(&answer));
        let took = self.judge.decider.replica.clock().boot().since(now);
        self.judge.counts.took(Entrance::Http, took);
        response(answer)
    }
}

/// Returns the status that an answer means, if its own status is one for nginx.
fn meant(answer: &Answer) -> u16 {
    let mut told = answer.headers.iter();
    let told = told.find(|(name, _)| *name == STATUS);
    told.and_then(|(_, value)| value.parse().ok())
        .unwrap_or(answer.status)
}
