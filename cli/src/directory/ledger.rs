//! What an import has sent, what was answered and what was refused: its memory is bounded by the
//! window of batches in flight and by [`MOST_SHOWN`].

use std::{collections::VecDeque, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokenward_proto::v1::ImportResponse;
use tokio::time::Instant;

use super::batch::Batch;
use crate::{
    exit::{Exit, Failure},
    output::Output,
    table,
};

/// Refused batches that `--json` lists; all are counted.
const MOST_SHOWN: usize = 1000;
/// Mistakes that are named of one batch.
const MOST_MISTAKES: usize = 10;

#[derive(Debug)]
struct Sent {
    batch: u64,
    lines: Vec<u64>,
    end: u64,
    at: Instant,
}

#[derive(Debug)]
struct Refused {
    first: u64,
    last: u64,
    /// The line, where it is known, and the rule.
    mistakes: Vec<(Option<u64>, String)>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    output: Output,
    bar: ProgressBar,
    next: u64,
    pending: VecDeque<Sent>,
    operations: u64,
    batches: u64,
    revision: String,
    /// The last line known to be written or refused.
    settled: u64,
    refused: Vec<Refused>,
    refused_here: u64,
    refused_there: u64,
    /// Why reading stopped before the input's end.
    pub(super) broken: Option<Failure>,
}

impl Ledger {
    /// `length` in bytes, where the input has one.
    pub(super) fn new(output: Output, length: Option<u64>) -> Self {
        let bar = match (output.is_json(), length) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(length)) => styled(
                ProgressBar::new(length),
                "{wide_bar} {bytes}/{total_bytes} {msg} eta {eta}",
            ),
            (false, None) => styled(ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
        };
        Self {
            output,
            bar,
            next: 1,
            pending: VecDeque::new(),
            operations: 0,
            batches: 0,
            revision: String::new(),
            settled: 0,
            refused: Vec::new(),
            refused_here: 0,
            refused_there: 0,
            broken: None,
        }
    }

    /// The number that the batch is sent under.
    pub(super) fn sent(&mut self, batch: &Batch) -> u64 {
        let number = self.next;
        self.next += 1;
        self.pending.push_back(Sent {
            batch: number,
            lines: batch.lines.clone(),
            end: batch.end,
            at: Instant::now(),
        });
        number
    }

    /// A batch that is not sent.
    pub(super) fn mistaken(&mut self, batch: &Batch) {
        self.refused_here += 1;
        let mistakes = batch
            .mistakes
            .iter()
            .take(MOST_MISTAKES)
            .map(|(line, rule)| (Some(*line), rule.clone()))
            .collect();
        self.refuse(Refused {
            first: batch.first_line(),
            last: batch.last_line(),
            mistakes,
        });
    }

    /// A batch that a dry run would have sent.
    pub(super) fn checked(&mut self, batch: &Batch) {
        self.batches += 1;
        self.operations += batch.operations.len() as u64;
        self.bar.set_position(batch.end);
    }

    pub(super) fn answered(&mut self, answer: ImportResponse) -> Result<(), Failure> {
        let sent = match self.pending.pop_front() {
            Some(sent) if sent.batch == answer.batch => sent,
            _ => {
                return Err(Failure::new(
                    Exit::Other,
                    "the issuer answered batches out of order",
                ));
            }
        };
        self.settled = sent.lines.last().copied().unwrap_or_default();
        if answer.revision.is_empty() {
            self.refused_there += 1;
            self.refuse(Refused {
                first: sent.lines.first().copied().unwrap_or_default(),
                last: self.settled,
                mistakes: vec![(line_of(&answer.error, &sent.lines), answer.error)],
            });
        } else {
            self.batches += 1;
            self.operations += sent.lines.len() as u64;
            self.revision = answer.revision;
        }
        self.bar.set_position(sent.end);
        self.bar
            .set_message(format!("{} operations", self.operations));
        Ok(())
    }

    /// The oldest batch in flight has waited longer than this.
    pub(super) fn overdue(&self, timeout: Duration) -> bool {
        self.pending
            .front()
            .is_some_and(|sent| sent.at.elapsed() >= timeout)
    }

    /// The stream ended: was everything answered?
    pub(super) fn complete(&mut self) -> Result<(), Failure> {
        match (self.broken.take(), self.pending.len()) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, left) => Err(Failure::new(
                Exit::Unavailable,
                format!("the issuer ended the import with {left} batches unanswered"),
            )
            .next("look into the issuer's logs")),
        }
    }

    /// An import that stopped: how far it came, and that it may be repeated.
    pub(super) fn stopped(&self, failure: Failure) -> Failure {
        self.bar.finish_and_clear();
        let how_far = format!(
            "{} operations are written, all up to line {} is settled; the whole import may be \
             repeated: a put or delete of the same changes nothing",
            self.operations, self.settled
        );
        let next = match failure.next.as_str() {
            "" => how_far,
            next => format!("{next}. {how_far}"),
        };
        failure.next(next)
    }

    fn refuse(&mut self, refused: Refused) {
        let text = refused.text();
        let output = self.output;
        self.bar.suspend(|| output.note(&text));
        if self.output.is_json() && self.refused.len() < MOST_SHOWN {
            self.refused.push(refused);
        }
    }

    /// Prints the summary. Any refusal makes the command fail: mistakes found here as a wrong
    /// argument, those found by the issuer as a conflict.
    pub(super) fn report(&self, dry_run: bool) -> Result<Exit, Failure> {
        self.bar.finish_and_clear();
        let done = if dry_run { "right" } else { "written" };
        let refused = self.refused_here + self.refused_there;
        let text = table::fields([
            ("operations", format!("{} {done}", self.operations)),
            (
                "batches",
                format!("{} {done}, {refused} refused", self.batches),
            ),
            ("revision", self.revision.clone()),
        ]);
        let value = json!({
            "dry_run": dry_run,
            "operations": self.operations,
            "batches": self.batches,
            "refused_batches": refused,
            "refused": self.refused.iter().map(Refused::json).collect::<Vec<_>>(),
            "revision": self.revision,
        });
        self.output.answer(&text, &value)?;
        let exit = match (self.refused_here, self.refused_there) {
            (0, 0) => return Ok(Exit::Ok),
            (0, _) => Exit::Conflict,
            _ => Exit::Usage,
        };
        let s = if refused == 1 { " was" } else { "es were" };
        Err(Failure::new(
            exit,
            format!("{refused} batch{s} refused; nothing of a refused batch is written"),
        )
        .next("mend the lines that are named above and import the file again"))
    }
}

impl Refused {
    fn text(&self) -> String {
        let mut text = format!("refused lines {} to {}:", self.first, self.last);
        for (line, rule) in &self.mistakes {
            match line {
                Some(line) => text.push_str(&format!("\n  line {line}: {rule}")),
                None => text.push_str(&format!("\n  {rule}")),
            }
        }
        text
    }

    fn json(&self) -> Value {
        let mistakes: Vec<Value> = self
            .mistakes
            .iter()
            .map(|(line, rule)| json!({ "line": line, "message": rule }))
            .collect();
        json!({ "first_line": self.first, "last_line": self.last, "mistakes": mistakes })
    }
}

/// The issuer names `operations[3]`: which line was that?
fn line_of(error: &str, lines: &[u64]) -> Option<u64> {
    let (_, rest) = error.split_once("operations[")?;
    let (index, _) = rest.split_once(']')?;
    lines.get(index.parse::<usize>().ok()?).copied()
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
