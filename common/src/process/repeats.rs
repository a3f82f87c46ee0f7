//! This file decides which lines of the log are held back: warnings and errors that are equal to one of
//! the last minute. Each is logged once, and later with a count: a store that fails for an hour is one
//! fault, and its lines must not push out others.
//!
//! Lines of the audit trail are never held back.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::{BootTime, Clock};

/// How long a logged line stands for equal lines.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// The most different lines that are remembered. Further lines are all logged.
const MOST: usize = 256;
const AUDIT: &str = "tokenward::audit";
/// The target of lines that are logged only on a change. Held back, the last one would show a past
/// state.
pub const CHANGES: &str = "tokenward::changes";

/// Writes events as `inner` does, but holds repeated ones back.
pub(super) struct Repeats<F> {
    inner: F,
    /// Whether lines are JSON objects; otherwise they are text.
    json: bool,
    interval: Duration,
    clock: Arc<dyn Clock>,
    told: Mutex<HashMap<u64, HeldBack>>,
}

struct HeldBack {
    at: BootTime,
    /// The number of lines that were held back since `at`. `line` is the last of them.
    repeated: u64,
    line: String,
}

/// The decision on one event.
enum Verdict {
    Tell,
    /// The event is logged with this count of equal events that were held back before.
    TellFor(u64),
    HoldBack,
}

impl<F> Repeats<F> {
    pub(super) fn new(inner: F, json: bool, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            json,
            interval,
            clock,
            told: Mutex::default(),
        }
    }

    fn judge(&self, key: u64, now: BootTime) -> Verdict {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = told.get_mut(&key) {
            if now.since(same.at) < self.interval {
                same.repeated += 1;
                return Verdict::HoldBack;
            }
            same.at = now;
            return match std::mem::take(&mut same.repeated) {
                0 => Verdict::Tell,
                repeated => Verdict::TellFor(repeated),
            };
        }
        if told.len() < MOST {
            let new = HeldBack {
                at: now,
                repeated: 0,
                line: String::new(),
            };
            told.insert(key, new);
        }
        Verdict::Tell
    }

    /// Removes the lines whose interval is over, and returns the last one of each repeated line with
    /// its count.
    fn over(&self, now: BootTime) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let over = told.extract_if(|_, it| now.since(it.at) >= self.interval);
        let over = over.filter(|(_, it)| it.repeated > 0 && !it.line.is_empty());
        over.map(|(_, it)| self.counted(&it.line, it.repeated))
            .collect()
    }

    fn keep(&self, key: u64, line: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = told.get_mut(&key) {
            same.line = line;
        }
    }

    fn counted(&self, line: &str, repeated: u64) -> String {
        let line = line.trim_end();
        match line.strip_suffix('}').filter(|_| self.json) {
            Some(fields) => format!("{fields},\"repeated\":{repeated}}}\n"),
            None => format!("{line} repeated={repeated}\n"),
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Repeats<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || [AUDIT, CHANGES].contains(&metadata.target()) {
            return self.inner.format_event(context, writer, event);
        }
        let render = || {
            let mut line = String::new();
            let done = self
                .inner
                .format_event(context, Writer::new(&mut line), event);
            done.map(|()| line)
        };
        let now = self.clock.boot();
        let key = key(event);
        // No lock is held while fields are written, because their code is arbitrary.
        match self.judge(key, now) {
            Verdict::HoldBack => {
                self.keep(key, render()?);
                return Ok(());
            }
            Verdict::TellFor(repeated) => writer.write_str(&self.counted(&render()?, repeated))?,
            Verdict::Tell => {
                self.inner.format_event(context, writer.by_ref(), event)?;
            }
        }
        for line in self.over(now) {
            writer.write_str(&line)?;
        }
        Ok(())
    }
}

/// Returns the key under which equal events are found: a hash of their place in the code and all
/// fields.
fn key(event: &Event<'_>) -> u64 {
    let mut said = Said(DefaultHasher::new());
    event.metadata().callsite().hash(&mut said.0);
    event.record(&mut said);
    said.0.finish()
}

struct Said(DefaultHasher);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        field.name().hash(&mut self.0);
        // Writing to a hash can't fail.
        let _ = write!(self, "{value:?}");
        self.0.write_u8(0xff);
    }
}

impl fmt::Write for Said {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{clock::ManualClock, process::telemetry::tests::Sink};

    /// Returns what `run` logs, as JSON or as text.
    fn logged(json: bool, interval: Duration, run: impl FnOnce(&ManualClock)) -> Vec<String> {
        let sink = Sink::default();
        let own = sink.clone();
        let clock = Arc::new(ManualClock::default());
        let ours = Arc::clone(&clock) as Arc<dyn Clock>;
        let builder = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || own.clone());
        if json {
            let builder = builder.json().flatten_event(true);
            let log = builder.map_event_format(|it| Repeats::new(it, true, interval, ours));
            tracing::subscriber::with_default(log.finish(), || run(&clock));
        } else {
            let log = builder.map_event_format(|it| Repeats::new(it, false, interval, ours));
            tracing::subscriber::with_default(log.finish(), || run(&clock));
        }
        sink.text().lines().map(str::to_owned).collect()
    }

    /// Two minutes without a store, with ten tries per second. Each tenth try fails with another error.
    fn an_outage(clock: &ManualClock) {
        for n in 0..1200 {
            let error = if n % 10 == 9 { "refused" } else { "no answer" };
            tracing::warn!(error, tries = 3, "the store can't be read");
            clock.advance(Duration::from_millis(100));
        }
    }

    #[test]
    fn what_repeats_is_told_once_and_counted() {
        let lines = logged(true, INTERVAL, |clock| {
            an_outage(clock);
            tracing::info!("back");
            clock.advance(INTERVAL);
            tracing::warn!("something else");
        });
        let events: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = events
            .iter()
            .map(|it| (it["error"].as_str().unwrap_or("-"), it["repeated"].as_u64()))
            .collect();
        assert_eq!(told[..2], [("no answer", None), ("refused", None)]);
        assert_eq!(
            told[2..4],
            [("no answer", Some(539)), ("refused", Some(59))]
        );
        // A line that has stopped is logged for the last time when another line is logged.
        assert_eq!(told[4..6], [("-", None), ("-", None)]);
        let mut last = told[6..].to_vec();
        last.sort_unstable();
        assert_eq!(last, [("no answer", Some(539)), ("refused", Some(59))]);
        assert_eq!(events[2]["tries"], 3);
        // Each of the events is in a line or in a count.
        let counted: u64 = told.iter().filter_map(|it| it.1).sum();
        let single = told.iter().filter(|it| it.0 != "-" && it.1.is_none());
        assert_eq!(counted + single.count() as u64 + 2, 1200);
    }

    #[test]
    fn with_the_guard_off_each_is_told() {
        assert_eq!(logged(true, Duration::ZERO, an_outage).len(), 1200);
    }

    #[test]
    fn text_has_the_count_at_its_end() {
        let lines = logged(false, INTERVAL, an_outage);
        assert_eq!(lines.len(), 4);
        assert!(lines[2].ends_with(" repeated=539"), "{}", lines[2]);
    }

    #[test]
    fn other_lines_are_told_each() {
        let lines = logged(true, INTERVAL, |_| {
            for n in 0..5 {
                tracing::info!("as usual");
                tracing::warn!(n, "each another");
                tracing::warn!(target: AUDIT, "an unknown credential was shown");
            }
        });
        assert_eq!(lines.len(), 15);
        // Lines beyond the remembered ones are all logged.
        let lines = logged(true, INTERVAL, |_| {
            for n in 0..MOST + 50 {
                tracing::error!(n, "each another");
            }
        });
        assert_eq!(lines.len(), MOST + 50);
    }
}
