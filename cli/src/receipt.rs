//! Formats a receipt for people: which verifiers have applied a change, and whether these are all. The
//! text never claims "by all" when no verifier is known.

use std::time::Duration;

use serde_json::{Value, json};
use tokenward_proto::v1::{
    Receipt, ReceiptState, VerifierReceipt, WaitAppliedRequest,
    token_service_client::TokenServiceClient,
};

use crate::{
    connect::{Issuer, Server},
    exit::{Exit, Failure},
    output::Output,
    when::{parse_duration, to_proto},
    words::word_of,
};

/// The most verifiers that a sentence names.
const NAMED: usize = 5;
/// The longest wait. It must equal the issuer's limit.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WaitArgs {
    /// Wait until every verifier has applied the change, and print which ones have. The time is
    /// from 1ms to 60s, and 10s if none is given. Exit code 8 means that not all verifiers have
    /// confirmed it.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s",
        value_parser = parse_wait)]
    pub(crate) wait: Option<Duration>,
}

impl WaitArgs {
    pub(crate) fn to_proto(self) -> Option<prost_types::Duration> {
        self.wait.map(to_proto)
    }

    /// Returns the receipt that came with the answer. Without one it is requested from the issuer, if the
    /// user wants one.
    pub(crate) async fn receipt(
        self,
        given: Option<Receipt>,
        revision: &str,
        server: &Server,
        mut tokens: TokenServiceClient<Issuer>,
    ) -> Result<Option<Receipt>, Failure> {
        let Some(wait) = self.wait else {
            return Ok(None);
        };
        if given.is_some() {
            return Ok(given);
        }
        let request = WaitAppliedRequest {
            revision: revision.to_owned(),
            timeout: Some(to_proto(wait)),
        };
        let answer = server
            .patient(self.wait)
            .call(request, |it| tokens.wait_applied(it))
            .await
            .map_err(|failure| {
                let next = format!(
                    "it is done for good (revision {revision}), only the wait failed; {}",
                    failure.next
                );
                failure.next(next)
            })?;
        Ok(Some(answer.receipt.unwrap_or_default()))
    }
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)
        .map_err(|rule| format!("{rule}; an ID stands before --wait, not after it"))?;
    match wait.is_zero() || wait > LONGEST {
        true => Err("must be 1ms to 60s".into()),
        false => Ok(wait),
    }
}

/// Prints what was done, with its receipt if one was requested. `verb` is what the verifiers do that have
/// applied the change, such as `refused by`.
pub(crate) fn answer(
    output: &Output,
    mut text: String,
    mut value: Value,
    receipt: Option<&Receipt>,
    verb: &str,
) -> Result<Exit, Failure> {
    let Some(receipt) = receipt else {
        output.answer(&text, &value)?;
        return Ok(Exit::Ok);
    };
    text = format!("{}\n{}", text.trim_end(), sentence(receipt, verb));
    if let Some(object) = value.as_object_mut() {
        object.insert("receipt".into(), json(receipt));
    }
    output.answer(&text, &value)?;
    if receipt.complete {
        return Ok(Exit::Ok);
    }
    output.note(
        "It is done for good all the same: no verifier goes on by its older view for longer than \
         its bound. To wait on, give the command again.",
    );
    Ok(Exit::Incomplete)
}

fn sentence(receipt: &Receipt, verb: &str) -> String {
    let count = receipt
        .applied
        .saturating_add(receipt.silent)
        .saturating_add(receipt.pending);
    if count == 0 {
        return format!("not said to be {verb} any: no verifier is known to this issuer");
    }
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!("{verb} {} of {count} verifier{plural}", receipt.applied);
    if !receipt.complete {
        text.push_str(" so far");
    } else if let Some(slowest) = span(receipt.slowest) {
        text.push_str(&format!(", slowest {}", short(slowest)));
    }
    for (state, number, what) in [
        (
            ReceiptState::Pending,
            receipt.pending,
            "may still answer by an older view",
        ),
        (
            ReceiptState::Silent,
            receipt.silent,
            "fell silent for longer than its bound and can't answer",
        ),
    ] {
        if number > 0 {
            let names = names(receipt.verifiers.iter().filter(|it| it.state() == state));
            text.push_str(&format!("; {number} ({names}) {what}"));
        }
    }
    text
}

fn names<'a>(verifiers: impl Iterator<Item = &'a VerifierReceipt>) -> String {
    let mut all: Vec<String> = verifiers
        .map(|it| match span(it.last_heard) {
            Some(ago) => format!("{}, last heard {} ago", it.name, short(ago)),
            None => it.name.clone(),
        })
        .collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join("; ")
}

fn span(duration: Option<prost_types::Duration>) -> Option<Duration> {
    duration.and_then(|it| it.try_into().ok())
}

fn short(span: Duration) -> String {
    let milliseconds = span.as_millis();
    let (seconds, tenths) = (milliseconds / 1000, milliseconds % 1000 / 100);
    match (seconds, tenths) {
        (0, _) if milliseconds == 0 => "under 1 ms".into(),
        (0, _) => format!("{milliseconds} ms"),
        (1..10, 1..) => format!("{seconds}.{tenths} s"),
        _ => format!("{seconds} s"),
    }
}

fn json(receipt: &Receipt) -> Value {
    let seconds = |it| span(it).map(|it| it.as_secs_f64());
    let verifiers: Vec<Value> = receipt
        .verifiers
        .iter()
        .map(|it| {
            json!({
                "name": it.name,
                "state": word_of::<ReceiptState>(it.state),
                "lag_seconds": seconds(it.lag),
                "last_heard_seconds": seconds(it.last_heard),
            })
        })
        .collect();
    json!({
        "complete": receipt.complete,
        "applied": receipt.applied,
        "silent": receipt.silent,
        "pending": receipt.pending,
        "slowest_seconds": seconds(receipt.slowest),
        "verifiers": verifiers,
    })
}

#[cfg(test)]
mod tests;
