//! Logs: text or JSON lines on standard error, which level by flag. What must never be logged (tokens,
//! credentials) is the business of the types that hold it; a last guard here takes out whatever looks
//! like one, also what a library quotes.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::FmtSpan},
};

use crate::token::redact_secrets;

#[derive(clap::Args, Clone, Debug)]
pub struct LogArgs {
    /// What to log: a level, or directives such as `info,tokenward_common::store=debug`
    #[arg(
        long,
        env = "TOKENWARD_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// One line of text or one JSON object per event
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
    /// The filter, or what is wrong with it.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        EnvFilter::try_new(&self.log).map_err(|e| format!("`{}`: {e}", self.log))
    }

    /// Once per process, first thing. Standard output stays free for what a program prints.
    pub fn install(&self) -> Result<(), String> {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            .with_writer(Guarded(io::stderr))
            .with_span_events(FmtSpan::NONE)
            .with_ansi(io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        }
        .map_err(|e| e.to_string())
    }
}

/// Writes each event, which comes in one piece, without its secrets.
struct Guarded<M>(M);

struct GuardedWriter<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Guarded<M> {
    type Writer = GuardedWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        GuardedWriter(self.0.make_writer())
    }
}

impl<W: Write> Write for GuardedWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.0.write_all(redact_secrets(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Through the real formatter, in both formats, with tokens of every length that there is.
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
                    let sink = Guarded(move || own.clone());
                    tracing::subscriber::with_default(
                        builder.json().with_writer(sink).finish(),
                        run,
                    );
                }
                (false, true) => {
                    let sink = Guarded(move || own.clone());
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
