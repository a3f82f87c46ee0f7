//! What is answered at its own path, by every door that a client reaches: whose a token is, and what it may
//! do.

use hyper::http::request::Parts;
use tokenward_common::clock::BootTime;

use super::{WhoAmILimits, asked::DoorRequest, whoami};
use crate::{
    edge::{answer::Answer, judge::Judge, own::Ask},
    metrics::Door,
};

pub(in crate::edge) fn answer(
    judge: &Judge,
    limits: &WhoAmILimits,
    ask: &Ask<'_>,
    head: &Parts,
    now: BootTime,
) -> (Door, Answer) {
    let asked = DoorRequest::from_head(head);
    match ask {
        Ask::WhoAmI => (Door::WhoAmI, whoami::answer(judge, limits, &asked, now)),
        Ask::AuthCheck(routed) => {
            let judgement = judge.judge(routed, &asked.shown(), now);
            (Door::AuthCheck, asked.answered(judge, &judgement))
        }
    }
}
