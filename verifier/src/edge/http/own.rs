//! What is answered at its own path, by every door that a client reaches: whose a token is, and what it may
//! do. The server behind couldn't tell: it isn't given the credential.

use std::borrow::Cow;

use hyper::{Method, Uri, http::request::Parts};
use tokenward_common::clock::BootTime;

use super::{Asked, WhoAmILimits, auth_check, whoami};
use crate::{
    edge::{answer::Answer, judge::Judge},
    metrics::Door,
};

/// Empty for a whole URL: a proxy must have cut it down to its path.
pub(in crate::edge) fn path(uri: &Uri) -> &str {
    match uri.authority() {
        None => uri.path(),
        Some(_) => "",
    }
}

/// `None`: nothing of ours is at this path. It stands where the hub's own would, or where a proxy has put
/// it.
pub(in crate::edge) fn answer(
    judge: &Judge,
    limits: &WhoAmILimits,
    head: &Parts,
    now: BootTime,
) -> Option<(Door, Answer)> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let asked = Asked::of(head);
    let path = path(&head.uri);
    let place = judge.table.place();
    let inside = place.inside(path);
    let outside = |target: &str| match inside {
        Some(_) => place.outside(target),
        None => target.into(),
    };
    let path = inside.as_deref().unwrap_or(path);
    if path == "/api/whoami-v2" {
        return Some((Door::WhoAmI, whoami::answer(judge, limits, &asked, now)));
    }
    let legacy = judge.table.legacy();
    let route = auth_check::route(path, legacy)?;
    let again = |target: &str| {
        let path = target.split('?').next().unwrap_or_default();
        auth_check::route(path, legacy)
    };
    let target = head.uri.path_and_query().map_or(path, |it| it.as_str());
    let target = place.inside(target).unwrap_or(Cow::Borrowed(target));
    let judgement = judge.judge_at(&route, &target, again, &asked.credential(), now);
    let judgement = judgement.moved_by(outside);
    Some((Door::AuthCheck, asked.answered(judge, &judgement)))
}
