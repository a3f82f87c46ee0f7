//! Logs: text or JSON lines on standard error, which level by flag. Decides nothing else; what
//! must never be logged (tokens, credentials) is the business of the types that hold it.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

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
            .with_writer(io::stderr)
            .with_span_events(FmtSpan::NONE)
            .with_ansi(io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        }
        .map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
