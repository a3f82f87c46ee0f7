//! The words for a receipt: which verifiers have applied a change, and whether that is all of them.
//! "By all" is never said when no verifier is known.

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

/// Verifiers that a sentence names.
const NAMED: usize = 5;
/// As the issuer has it.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WaitArgs {
    /// Wait until every verifier has applied it, at most this long (1ms to 60s; 10s if not said),
    /// and tell which have. Exit code 8: not all have said so.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s",
        value_parser = parse_wait)]
    pub(crate) wait: Option<Duration>,
}

impl WaitArgs {
    pub(crate) fn to_proto(self) -> Option<prost_types::Duration> {
        self.wait.map(to_proto)
    }

    /// The receipt that came with the answer; else it is asked for, if one was wanted.
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

/// Prints what was done, with its receipt if one was asked for. `verb` is what verifiers do that
/// have applied it, such as `refused by`.
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
mod tests {
    use super::*;

    fn one(name: &str, state: ReceiptState, heard: u64) -> VerifierReceipt {
        VerifierReceipt {
            name: name.into(),
            state: state.into(),
            lag: None,
            last_heard: Some(to_proto(Duration::from_millis(heard))),
        }
    }

    fn receipt(counts: [u32; 3], complete: bool, verifiers: Vec<VerifierReceipt>) -> Receipt {
        let [applied, silent, pending] = counts;
        Receipt {
            complete,
            applied,
            silent,
            pending,
            slowest: (applied > 0).then(|| to_proto(Duration::from_micros(4_200))),
            verifiers,
        }
    }

    #[test]
    fn all_of_them() {
        let done = receipt([3, 0, 0], true, Vec::new());
        assert_eq!(
            sentence(&done, "refused by"),
            "refused by 3 of 3 verifiers, slowest 4 ms"
        );
        let done = receipt([1, 0, 0], true, Vec::new());
        assert_eq!(
            sentence(&done, "known to"),
            "known to 1 of 1 verifier, slowest 4 ms"
        );
    }

    #[test]
    fn not_all_of_them() {
        let late = vec![one("gpu-2", ReceiptState::Pending, 7_000)];
        assert_eq!(
            sentence(&receipt([2, 0, 1], false, late), "refused by"),
            "refused by 2 of 3 verifiers so far; 1 (gpu-2, last heard 7 s ago) may still answer by \
             an older view"
        );
        let silent = vec![one("a", ReceiptState::Silent, 9_000)];
        assert_eq!(
            sentence(&receipt([1, 1, 0], true, silent.clone()), "refused by"),
            "refused by 1 of 2 verifiers, slowest 4 ms; 1 (a, last heard 9 s ago) fell silent for \
             longer than its bound and can't answer"
        );
        // Nobody has said that he refuses.
        let none = sentence(&receipt([0, 1, 0], false, silent), "refused by");
        assert!(
            none.starts_with("refused by 0 of 1 verifier so far; 1 (a"),
            "{none}"
        );
    }

    #[test]
    fn nobody_is_never_everybody() {
        let nobody = sentence(&Receipt::default(), "refused by");
        assert!(
            nobody.contains("no verifier is known to this issuer"),
            "{nobody}"
        );
        assert!(!nobody.contains("0 of 0"), "{nobody}");
        let output = Output::new(true);
        let exit = answer(
            &output,
            String::new(),
            json!({}),
            Some(&Receipt::default()),
            "refused by",
        );
        assert_eq!(exit.unwrap(), Exit::Incomplete);
        let exit = answer(&output, String::new(), json!({}), None, "refused by");
        assert_eq!(exit.unwrap(), Exit::Ok);
    }

    #[test]
    fn spans_are_short() {
        for (microseconds, text) in [
            (900, "under 1 ms"),
            (4_200, "4 ms"),
            (1_000_000, "1 s"),
            (7_390_000, "7.3 s"),
            (12_900_000, "12 s"),
        ] {
            assert_eq!(short(Duration::from_micros(microseconds)), text);
        }
    }

    #[test]
    fn names_are_bounded() {
        let many = (0..9).map(|n| one(&format!("v{n}"), ReceiptState::Pending, 20));
        let text = sentence(&receipt([0, 0, 9], false, many.collect()), "refused by");
        assert!(
            text.contains("9 (v0, last heard 20 ms ago; v1")
                && text.contains("; and 4 more) may still"),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_api_names() {
        let value = json(&receipt(
            [1, 0, 1],
            false,
            vec![one("a", ReceiptState::Pending, 1_500)],
        ));
        assert_eq!(value["complete"], false);
        assert_eq!(value["slowest_seconds"], 0.0042);
        assert_eq!(value["verifiers"][0]["state"], "pending");
        assert_eq!(value["verifiers"][0]["last_heard_seconds"], 1.5);
        assert_eq!(value["verifiers"][0]["lag_seconds"], Value::Null);
    }

    #[test]
    fn waits_are_bounded() {
        assert_eq!(parse_wait("60s"), Ok(LONGEST));
        for bad in ["0s", "61s", "1042"] {
            assert!(parse_wait(bad).is_err(), "{bad}");
        }
        assert!(parse_wait("1042").unwrap_err().contains("before --wait"));
    }
}
