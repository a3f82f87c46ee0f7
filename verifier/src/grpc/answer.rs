//! Turns decisions into messages. It decides nothing, and must not know how a decision was made.

use std::time::Duration;

use tokenward_common::{
    access::Steps,
    clock::UnixTime,
    id::Cursor,
    status::{self, ErrorReason},
};
use tokenward_proto::v1 as pb;
use tonic::Status;

use super::reason_of;
use crate::{
    decide::{Decision, Denial, Undecided},
    protobuf::{bytes, nested, number},
};

/// Appends a `CheckResponse`. It writes what prost would write, but allocates no strings.
pub(super) fn write(decision: &Decision, warn_within: Duration, to: &mut Vec<u8>) {
    let end = near_end(decision, warn_within);
    let (verdict, reason, message) = match &decision.verdict {
        Ok(()) => (pb::Verdict::Allow, pb::Reason::Unspecified, ""),
        Err(denial) => (pb::Verdict::Deny, denial.reason, &*denial.message),
    };
    number(to, 1, verdict as u64);
    number(to, 2, reason as u64);
    bytes(to, 3, message.as_bytes());
    nested(to, 4, |to| decision.cursor.write_token(to));
    nested(to, 5, |to| duration(to, decision.age));
    if let Some(principal) = &decision.principal {
        let genuine = principal;
        nested(to, 6, |to| {
            bytes(to, 1, genuine.owner.as_bytes());
            nested(to, 2, |to| genuine.tid.write(to));
            if let Some(end) = end {
                nested(to, 3, |to| number(to, 1, end.at.0));
            }
        });
    }
    if let Some(end) = end {
        bytes(to, 7, end.warning(decision.time).as_bytes());
    }
    nested(to, 9, |to| duration(to, decision.bound));
}

fn duration(to: &mut Vec<u8>, duration: Duration) {
    number(to, 1, duration.as_secs());
    number(to, 2, duration.subsec_nanos().into());
}

/// Each decision comes with whether its question brought its own caller. All decisions are by one view.
/// An undecided question gets an error in its own answer.
pub(super) fn batch(
    decisions: impl ExactSizeIterator<Item = (Result<Decision, Undecided>, bool)>,
    warn_within: Duration,
) -> pb::BatchCheckResponse {
    let mut response = pb::BatchCheckResponse {
        answers: Vec::with_capacity(decisions.len()),
        ..Default::default()
    };
    let mut bound: Option<Duration> = None;
    for (decision, own) in decisions {
        let decision = match decision {
            Ok(decision) => decision,
            Err(undecided) => {
                response.answers.push(pb::Answer {
                    error: Some(error(reason_of(&undecided), undecided.to_string())),
                    ..Default::default()
                });
                continue;
            }
        };
        if response.revision.is_empty() {
            (response.revision, response.age) = view(&decision);
        }
        let least = bound.map_or(decision.bound, |bound| bound.min(decision.bound));
        bound = Some(least);
        let mut own_principal = None;
        if own {
            own_principal = principal(&decision, near_end(&decision, warn_within));
        } else if response.principal.is_none() {
            let end = near_end(&decision, warn_within);
            response.principal = principal(&decision, end);
            response.warning = end.map_or_else(String::new, |end| end.warning(decision.time));
        }
        let (verdict, reason, message) = verdict(decision.verdict);
        response.answers.push(pb::Answer {
            verdict: verdict.into(),
            reason: reason.into(),
            message,
            principal: own_principal,
            error: None,
        });
    }
    response.bound = bound.and_then(to_proto);
    response
}

/// Makes the error of one question among many.
pub(super) fn error(reason: ErrorReason, message: String) -> pb::CheckError {
    pb::CheckError {
        code: reason.code().into(),
        message,
        reason: reason.as_str().into(),
    }
}

/// Makes the error of one question from the status that Check would have returned.
pub(super) fn make_error(status: &Status) -> pb::CheckError {
    pb::CheckError {
        code: status.code().into(),
        message: status.message().into(),
        reason: status::reason_of(status),
    }
}

/// Answers a question that makes no sense. A client that doesn't know the `error` field reads a denial.
pub(super) fn mistaken(why: &str, principal: Option<pb::Principal>) -> pb::Answer {
    let mistake = format!("permission: {why}");
    pb::Answer {
        verdict: pb::Verdict::Deny.into(),
        reason: pb::Reason::Unspecified.into(),
        message: mistake.clone(),
        principal,
        error: Some(error(ErrorReason::FieldInvalid, mistake)),
    }
}

/// Turns the steps into messages. The last step is the one that decided, so it carries the reason.
pub(super) fn explanation(steps: Steps, refused: pb::Reason) -> Vec<pb::Step> {
    let mut explanation: Vec<_> = steps
        .0
        .into_iter()
        .map(|(name, record)| pb::Step {
            name: name.into(),
            record,
            refused: pb::Reason::Unspecified.into(),
        })
        .collect();
    if let Some(last) = explanation.last_mut() {
        last.refused = refused.into();
    }
    explanation
}

fn view(decision: &Decision) -> (String, Option<prost_types::Duration>) {
    describe_view(&decision.cursor, decision.age)
}

pub(super) fn describe_view(
    cursor: &Cursor,
    age: Duration,
) -> (String, Option<prost_types::Duration>) {
    (cursor.token(), to_proto(age))
}

pub(super) fn to_proto(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
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

fn principal(decision: &Decision, end: Option<End>) -> Option<pb::Principal> {
    let genuine = decision.principal.as_ref()?;
    Some(pb::Principal {
        owner_id: (*genuine.owner).to_owned(),
        token_id: genuine.tid.text(),
        expire_time: end.map(|end| timestamp(end.at)),
    })
}

/// When a token's value ends.
#[derive(Clone, Copy)]
struct End {
    at: UnixTime,
    /// The value was rotated out and ends sooner than it claims, so there is a newer value already.
    replaced: bool,
}

/// When the token ends, if that is near enough for a warning.
fn near_end(decision: &Decision, warn_within: Duration) -> Option<End> {
    let at = decision.ends?;
    if warn_within.is_zero() || at.0.saturating_sub(decision.time.0) > warn_within.as_secs() {
        return None;
    }
    let claimed = decision.principal.as_ref()?.exp;
    let replaced = claimed != Some(at);
    Some(End { at, replaced })
}

impl End {
    fn warning(self, now: UnixTime) -> String {
        let left = self.at.0.saturating_sub(now.0);
        let (number, unit) = match left {
            86_400.. => (left / 86_400, "day"),
            3600.. => (left / 3600, "hour"),
            60.. => (left / 60, "minute"),
            _ => (left, "second"),
        };
        let plural = if number == 1 { "" } else { "s" };
        let (what, mend) = if self.replaced {
            (
                "the token was replaced, and this value of it",
                "use the new value",
            )
        } else {
            ("the token", "rotate it or make a new one before then")
        };
        format!(
            "{what} ends in {number} {unit}{plural}, on {}; {mend}",
            timestamp(self.at)
        )
    }
}

pub(super) fn timestamp(time: UnixTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(time.0).unwrap_or(i64::MAX),
        nanos: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_its_largest_unit() {
        let end = 1_796_126_400;
        for (left, told) in [
            (3 * 86_400, "in 3 days, on 2026-12-01T12:00:00Z; rotate"),
            (3 * 86_400 - 1, "in 2 days, on"),
            (86_400, "in 1 day, on"),
            (86_399, "in 23 hours, on"),
            (3599, "in 59 minutes, on"),
            (60, "in 1 minute, on"),
            (59, "in 59 seconds, on"),
        ] {
            let at = UnixTime(end);
            let end = |replaced| End { at, replaced };
            let now = UnixTime(at.0 - left);
            assert!(end(true).warning(now).ends_with("; use the new value"));
            let text = end(false).warning(now);
            assert!(text.contains(told), "{told} in {text}");
        }
    }
}
