//! Answers at their own paths, for every door that a client reaches, who owns a token and what it may do.
//! It decides nothing.

use hyper::http::request::Parts;
use tokenward_common::clock::BootTime;

use super::{WhoAmILimits, door_request::DoorRequest, whoami};
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
            let judgement = judge.judge(routed, &asked.credentials(), now);
            (Door::AuthCheck, asked.answered(judge, &judgement))
        }
    }
}
