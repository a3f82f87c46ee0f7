//! Records what an import has sent, what was answered and what was refused. Its memory is bounded by the
//! window of batches in flight and by [`MOST_SHOWN`].

use std::{collections::VecDeque, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokenward_proto::v1::ImportResponse;
use tokio::time::Instant;

use super::{
    batch::{Batch, Mark},
    progress::{Progress, Tally},
    refused::{Refused, line_of},
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    table,
};

/// The most refused batches that `--json` lists; all are counted.
const MOST_SHOWN: usize = 1000;
/// The most mistakes that are shown for one batch.
const MOST_MISTAKES: usize = 10;

/// A batch that isn't settled, in the input's order. The first pending batch is always one that was sent.
#[derive(Debug)]
enum Pending {
    Sent {
        batch: u64,
        lines: Vec<u64>,
        end: Mark,
        at: Instant,
    },
    /// Batches with mistakes, which are not sent. They are settled once all batches before them are.
    Mistaken { batches: u64, end: Mark },
}

#[derive(Debug)]
pub(super) struct Ledger {
    output: Output,
    bar: ProgressBar,
    next: u64,
    pending: VecDeque<Pending>,
    tally: Tally,
    progress: Option<Progress>,
    /// The part that an earlier import had settled.
    resumed: Option<Tally>,
    refused: Vec<Refused>,
    /// The failure that stopped reading before the end of the input.
    pub(super) broken: Option<Failure>,
}

impl Ledger {
    /// Begins a ledger. `length` is in bytes; `None`: the input has no known length.
    pub(super) fn new(output: Output, length: Option<u64>, progress: Option<Progress>) -> Self {
        let bar = match (output.is_json(), length) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(length)) => styled(
                ProgressBar::new(length),
                "{wide_bar} {bytes}/{total_bytes} {msg} eta {eta}",
            ),
            (false, None) => styled(ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
        };
        let before = progress.as_ref().map(|progress| progress.before.clone());
        let resumed = before.filter(|before| before.end.line > 0);
        let tally = resumed.clone().unwrap_or_default();
        bar.set_position(tally.end.offset);
        bar.reset_eta();
        Self {
            output,
            bar,
            next: 1,
            pending: VecDeque::new(),
            tally,
            progress,
            resumed,
            refused: Vec::new(),
            broken: None,
        }
    }

    /// Records a batch that is sent, and returns the number that it is sent under.
    pub(super) fn sent(&mut self, batch: &Batch) -> u64 {
        let number = self.next;
        self.next += 1;
        self.pending.push_back(Pending::Sent {
            batch: number,
            lines: batch.lines.clone(),
            end: batch.end.clone(),
            at: Instant::now(),
        });
        number
    }

    /// Records a batch with mistakes, which is not sent.
    pub(super) fn mistaken(&mut self, batch: &Batch) -> Result<(), Failure> {
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
        match self.pending.back_mut() {
            Some(Pending::Mistaken { batches, end }) => {
                *batches += 1;
                *end = batch.end.clone();
            }
            Some(Pending::Sent { .. }) => self.pending.push_back(Pending::Mistaken {
                batches: 1,
                end: batch.end.clone(),
            }),
            None => {
                self.tally.refused_here += 1;
                return self.settle(batch.end.clone());
            }
        }
        Ok(())
    }

    /// Counts a batch that a dry run would have sent.
    pub(super) fn checked(&mut self, batch: &Batch) {
        self.tally.batches += 1;
        self.tally.operations += batch.operations.len() as u64;
        self.bar.set_position(batch.end.offset);
    }

    pub(super) fn answered(&mut self, answer: ImportResponse) -> Result<(), Failure> {
        let (lines, mut settled) = match self.pending.pop_front() {
            Some(Pending::Sent {
                batch, lines, end, ..
            }) if batch == answer.batch => (lines, end),
            _ => {
                return Err(Failure::new(
                    Exit::Other,
                    "the issuer answered batches out of order",
                ));
            }
        };
        if answer.revision.is_empty() {
            self.tally.refused_there += 1;
            // An older issuer names the field only in the text.
            let named = match answer.error_field.as_str() {
                "" => &answer.error,
                field => field,
            };
            let line = line_of(named, &lines);
            self.refuse(Refused {
                first: lines.first().copied().unwrap_or_default(),
                last: lines.last().copied().unwrap_or_default(),
                mistakes: vec![(line, answer.error)],
            });
        } else {
            self.tally.batches += 1;
            self.tally.operations += lines.len() as u64;
            self.tally.revision = answer.revision;
        }
        while let Some(Pending::Mistaken { batches, end }) = self.pending.front() {
            self.tally.refused_here += batches;
            settled = end.clone();
            self.pending.pop_front();
        }
        self.settle(settled)
    }

    /// Records that everything up to `end` is written or refused.
    fn settle(&mut self, end: Mark) -> Result<(), Failure> {
        self.bar.set_position(end.offset);
        self.bar
            .set_message(format!("{} operations", self.tally.operations));
        self.tally.end = end;
        match &self.progress {
            Some(progress) => progress.note(&self.tally),
            None => Ok(()),
        }
    }

    /// Returns whether the oldest batch in flight has waited longer than `timeout`.
    pub(super) fn overdue(&self, timeout: Duration) -> bool {
        matches!(self.pending.front(), Some(Pending::Sent { at, .. }) if at.elapsed() >= timeout)
    }

    /// Handles the end of the stream. When everything was answered, there is nothing left to resume.
    pub(super) fn complete(&mut self) -> Result<(), Failure> {
        if let Some(failure) = self.broken.take() {
            return Err(failure);
        }
        let sent = |it: &&Pending| matches!(it, Pending::Sent { .. });
        match self.pending.iter().filter(sent).count() {
            0 => self.progress.take().map_or(Ok(()), Progress::finish),
            left => Err(Failure::new(
                Exit::Unavailable,
                format!("the issuer ended the import with {left} batches unanswered"),
            )
            .next("look into the issuer's logs")),
        }
    }

    /// Completes the failure of an interrupted import: how far it came, and how to resume it.
    pub(super) fn stopped(&self, failure: Failure) -> Failure {
        self.bar.finish_and_clear();
        let again = match self.progress {
            Some(_) => "the same command goes on from there",
            None => {
                "the whole import may be repeated: what was put or deleted is so already, and an id that the file deletes is not put again"
            }
        };
        let how_far = format!(
            "{} operations are written, all up to line {} is settled; {again}",
            self.tally.operations, self.tally.end.line
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

    /// Prints the summary. Any refusal makes the command fail: mistakes that were found here as a wrong
    /// argument, mistakes that the issuer found as a conflict.
    pub(super) fn report(&self, dry_run: bool) -> Result<Exit, Failure> {
        self.bar.finish_and_clear();
        let done = if dry_run { "right" } else { "written" };
        let tally = &self.tally;
        let refused = tally.refused_here + tally.refused_there;
        let resumed = match &self.resumed {
            Some(before) => format!(
                "at line {}: {} operations were written before",
                before.end.line + 1,
                before.operations
            ),
            None => String::new(),
        };
        let text = table::fields([
            ("operations", format!("{} {done}", tally.operations)),
            (
                "batches",
                format!("{} {done}, {refused} refused", tally.batches),
            ),
            ("resumed", resumed),
            ("revision", tally.revision.clone()),
        ]);
        let value = json!({
            "dry_run": dry_run,
            "operations": tally.operations,
            "batches": tally.batches,
            "refused_batches": refused,
            "refused": self.refused.iter().map(Refused::json).collect::<Vec<_>>(),
            "resumed": self.resumed.as_ref().map(|before| json!({
                "line": before.end.line + 1,
                "operations": before.operations,
                "batches": before.batches,
                "refused_batches": before.refused_here + before.refused_there,
            })),
            "revision": tally.revision,
        });
        self.output.answer(&text, &value)?;
        let exit = match (tally.refused_here, tally.refused_there) {
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

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests;
