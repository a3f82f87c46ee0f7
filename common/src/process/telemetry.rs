//! This file decides how logs are written: text or JSON lines on standard error, with a level by flag.
//! It must not know which secrets exist: the types that hold tokens and credentials must keep them out.
//! A last guard here removes whatever looks like one, also in the texts of libraries.
//!
//! A repeated line is logged once in a while, with a count (`repeats.rs`).
//!
//! A log that can't be written (its disk is full, its reader is gone) stops nothing and changes
//! nothing. Lost lines are counted.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{Arc, LazyLock},
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::FmtSpan},
};

use super::repeats::{INTERVAL, Repeats};
use crate::{clock::SystemClock, token::redact_secrets};

#[derive(clap::Args, Clone, Debug)]
pub struct LogArgs {
    /// Log the events of this level, or those of directives such as
    /// `info,tokenward_common::store=debug`. The levels are error, warn, info, debug and trace.
    #[arg(
        long,
        env = "TOKENWARD_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// Write each event as one line of text or as one JSON object.
    #[arg(
        long,
        env = "TOKENWARD_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    Text,
    Json,
}

impl LogArgs {
    /// Returns the filter, or what is wrong with it.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        EnvFilter::try_new(&self.log).map_err(|e| format!("`{}`: {e}", self.log))
    }

    /// Installs the log, once per process and before anything else. Standard output stays free for
    /// programs.
    pub fn install(&self) -> Result<(), String> {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            .with_writer(Guarded {
                to: io::stderr,
                lost: LOST.clone(),
            })
            // Such an error would be printed on standard error, and printing panics if that can't be
            // written.
            .log_internal_errors(false)
            .with_span_events(FmtSpan::NONE)
            .with_ansi(io::stderr().is_terminal());
        let clock = Arc::new(SystemClock);
        match self.log_format {
            LogFormat::Text => builder
                .map_event_format(|it| Repeats::new(it, false, INTERVAL, clock))
                .try_init(),
            LogFormat::Json => builder
                .json()
                .flatten_event(true)
                .map_event_format(|it| Repeats::new(it, true, INTERVAL, clock))
                .try_init(),
        }
        .map_err(|e| e.to_string())
    }
}

/// The number of lines that this process could not write.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

pub(super) fn register(registry: &mut Registry) {
    registry.register(
        "log_lines_lost",
        "Lines of the log that could not be written",
        LOST.clone(),
    );
}

/// Writes one line on standard error, or loses it if that can't be written: `eprintln!` of the standard
/// library would panic.
pub fn last_word(line: &dyn std::fmt::Display) {
    // No other place is left to report the failure.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes each event without its secrets. An event comes in one piece.
struct Guarded<M> {
    to: M,
    lost: Counter,
}

struct GuardedWriter<W> {
    to: W,
    lost: Counter,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Guarded<M> {
    type Writer = GuardedWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        GuardedWriter {
            to: self.to.make_writer(),
            lost: self.lost.clone(),
        }
    }
}

/// A writer that never fails, because a failing log must not disturb its callers.
impl<W: Write> Write for GuardedWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        if self.to.write_all(redact_secrets(&text).as_bytes()).is_err() {
            self.lost.inc();
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.to.flush();
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    pub(in crate::process) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        pub(in crate::process) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn guarded<M>(to: M) -> Guarded<M> {
        let lost = Counter::default();
        Guarded { to, lost }
    }

    /// A writer that fails for a while, as a full disk or a pipe without a reader does.
    #[derive(Clone)]
    struct Failing {
        sink: Sink,
        times: Arc<Mutex<u32>>,
    }

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut times = self.times.lock().unwrap();
            if *times > 0 {
                *times -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.sink.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_log_that_can_not_be_written_is_no_error_and_what_is_lost_is_counted() {
        for (times, written) in [
            (0, "one\ntwo\nthree\n"),
            (1, "two\nthree\n"),
            (u32::MAX, ""),
        ] {
            let sink = Sink::default();
            let own = Failing {
                sink: sink.clone(),
                times: Arc::new(Mutex::new(times)),
            };
            let guarded = guarded(move || own.clone());
            for line in ["one\n", "two\n", "three\n"] {
                let mut writer = guarded.make_writer();
                writer.write_all(line.as_bytes()).unwrap();
                writer.flush().unwrap();
            }
            assert_eq!(guarded.lost.get(), u64::from(times.min(3)));
            assert_eq!(sink.0.lock().unwrap().as_slice(), written.as_bytes());
        }
    }

    /// Tests the real formatter in both formats, with tokens of every possible length.
    #[test]
    fn no_secret_gets_past_the_writer() {
        let logged = |json: bool, guard: bool, secret: &str| {
            let sink = Sink::default();
            let own = sink.clone();
            let builder = tracing_subscriber::fmt().with_ansi(false);
            let run = || {
                let span = tracing::error_span!("call", token = secret);
                let _inside = span.enter();
                tracing::error!(header = secret, "bad header: {secret}");
            };
            match (json, guard) {
                (true, true) => {
                    let sink = guarded(move || own.clone());
                    tracing::subscriber::with_default(
                        builder.json().with_writer(sink).finish(),
                        run,
                    );
                }
                (false, true) => {
                    let sink = guarded(move || own.clone());
                    tracing::subscriber::with_default(builder.with_writer(sink).finish(), run);
                }
                (_, false) => {
                    let sink = move || own.clone();
                    tracing::subscriber::with_default(builder.with_writer(sink).finish(), run);
                }
            }
            let bytes = sink.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap()
        };
        for length in [200, 201, 519, 520, 1024, 4000, 4096] {
            let start = "tw_eyJ0eXAi.eyJpc3Mi.";
            let secret = format!("{start}{}", "x9_-".repeat(length))[..length].to_owned();
            assert!(logged(false, false, &secret).contains(&secret));
            for json in [true, false] {
                let text = logged(json, true, &secret);
                assert!(text.contains("bad header: tw_eyJ***"), "{text}");
                assert!(!text.contains("x9_-"), "{text}");
            }
        }
        assert!(!logged(true, true, "twc_0123456789abcdef").contains("0123"));
        assert!(logged(true, true, "é plain").contains("é plain"));
    }

    #[test]
    fn a_wrong_filter_is_told() {
        let args = |log: &str| LogArgs {
            log: log.into(),
            log_format: LogFormat::Json,
        };
        assert!(args("info,tokenward_common=debug").filter().is_ok());
        assert!(args("info,tokenward=loud").filter().is_err());
    }
}
