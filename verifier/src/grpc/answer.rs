//! What a decision answers.

use std::time::Duration;

use prost_types::Timestamp;
use tokenward_common::{clock::UnixTime, id::Cursor};
use tokenward_proto::v1 as pb;

use crate::decide::{Decision, Denial};

pub(super) fn check(decision: Decision, warning: Duration) -> pb::CheckResponse {
    let end = near(&decision, warning);
    let principal = principal(&decision, end);
    let time = decision.time;
    let (verdict, reason, message) = verdict(decision.verdict);
    pb::CheckResponse {
        verdict: verdict.into(),
        reason: reason.into(),
        message,
        revision: Cursor::token(&decision.cursor),
        age: prost_types::Duration::try_from(decision.age).ok(),
        principal,
        warning: end.map_or_else(String::new, |end| text(end, time)),
        explanation: Vec::new(),
    }
}

/// `own`: which of the questions brought their own caller.
pub(super) fn batch(
    decisions: Vec<Decision>,
    own: impl Iterator<Item = bool>,
    warning: Duration,
) -> pb::BatchCheckResponse {
    let mut response = pb::BatchCheckResponse {
        answers: Vec::with_capacity(decisions.len()),
        ..pb::BatchCheckResponse::default()
    };
    for (decision, own) in decisions.into_iter().zip(own) {
        if response.answers.is_empty() {
            // One view judged them all.
            response.revision = Cursor::token(&decision.cursor);
            response.age = prost_types::Duration::try_from(decision.age).ok();
        }
        let mut answer = pb::Answer::default();
        if own {
            answer.principal = principal(&decision, near(&decision, warning));
        } else if response.principal.is_none() {
            let end = near(&decision, warning);
            response.principal = principal(&decision, end);
            response.warning = end.map_or_else(String::new, |end| text(end, decision.time));
        }
        let (verdict, reason, message) = verdict(decision.verdict);
        answer.verdict = verdict.into();
        answer.reason = reason.into();
        answer.message = message;
        response.answers.push(answer);
    }
    response
}

fn verdict(verdict: Result<(), Denial>) -> (pb::Verdict, pb::Reason, String) {
    match verdict {
        Ok(()) => (pb::Verdict::Allow, pb::Reason::Unspecified, String::new()),
        Err(denial) => (
            pb::Verdict::Deny,
            denial.reason,
            denial.message.into_owned(),
        ),
    }
}

fn principal(decision: &Decision, end: Option<UnixTime>) -> Option<pb::Principal> {
    decision.principal.as_ref().map(|genuine| pb::Principal {
        owner_id: genuine.owner.to_string(),
        token_id: genuine.tid.to_string(),
        expire_time: end.map(|end| Timestamp {
            seconds: i64::try_from(end.0).unwrap_or(i64::MAX),
            nanos: 0,
        }),
    })
}

/// The token's end, if it comes within the warning period.
fn near(decision: &Decision, warning: Duration) -> Option<UnixTime> {
    let end = decision.ends?;
    let left = end.0.saturating_sub(decision.time.0);
    (left <= warning.as_secs()).then_some(end)
}

/// The exact time stands in the principal.
fn text(end: UnixTime, now: UnixTime) -> String {
    let left = end.0.saturating_sub(now.0);
    let (count, unit) = match left {
        172_800.. => (left / 86_400, "days"),
        7_200.. => (left / 3_600, "hours"),
        120.. => (left / 60, "minutes"),
        _ => (left, "seconds"),
    };
    format!("the token ends in {count} {unit}; rotate it, or make a new one before then")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_say_how_long_is_left() {
        for (left, words) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (604_799, "6 days"),
        ] {
            let text = text(UnixTime(1000 + left), UnixTime(1000));
            assert!(text.contains(&format!("in {words};")), "{text}");
        }
    }
}
