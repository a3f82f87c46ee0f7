//! `tokenward dev` runs an issuer and a verifier in one process, with a sample hub and a sample token. The
//! verifier follows the issuer over gRPC, as separate processes do.
//!
//! | module | decides |
//! |---|---|
//! | `files` | what lies in the data folder |
//! | `guide` | what is printed: what runs where, and lines to paste |
//! | `parts` | how issuer and verifier are started and connected here |
//! | `sample` | the sample hub and the sample token |

mod files;
mod guide;
mod parts;
mod sample;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokenward_common::{
    process::{DrainTimes, LogArgs, Shutdown, listen::url_permitted},
    token::Prefix,
};

use self::{
    files::Files,
    guide::Guide,
    parts::{Parts, Place},
};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    token::parse_prefix,
};

/// This is long enough for a first fresh view on a slow machine.
const START: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  tokenward dev
  tokenward dev --data ./hub --port 9470
  tokenward dev --redis redis://127.0.0.1:6379
  tokenward dev --tls
  tokenward dev --token-prefix hf_

The programs listen on loopback, and without TLS unless --tls is given, on these ports:
  --port       gRPC of the issuer
  --port + 1   its public keys
  --port + 2   its metrics
  --port + 10  gRPC of the verifier
  --port + 11  its metrics
  --port + 12  its HTTP, for `hf`, `curl` and proxies

With --tls an authority is made for this run and thrown away at its end. The folder then holds its
certificate (ca.pem), that of the listeners (server.pem), and a client certificate that may stand for
the operator credential (operator.pem).

huggingface.js refuses every token that does not begin with hf_. Give --token-prefix hf_ to try it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep the data in this folder. Without this option the data is deleted at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the log and the records in this Redis instead of a file. A URL with a password belongs
    /// in the environment, not on the command line.
    #[arg(
        long,
        value_name = "URL",
        env = "TOKENWARD_REDIS",
        hide_env_values = true
    )]
    redis: Option<String>,
    /// Use TLS on all ports except those of the metrics, by an authority that is made for this run.
    #[arg(long)]
    tls: bool,
    /// Use this port and the 12 ports above it.
    #[arg(long, default_value_t = 8470, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    port: u16,
    /// Begin every token with this prefix. It has 1 to 16 characters of A-Z a-z 0-9 _ and ends in
    /// _.
    #[arg(long, value_name = "PREFIX", default_value = "tw_", env = "TOKENWARD_TOKEN_PREFIX",
        hide_env_values = true, value_parser = parse_prefix)]
    token_prefix: Prefix,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) async fn run(mut args: Args, plaintext: bool, output: &Output) -> Result<Exit, Failure> {
    // Logs at `info` would hide the guide on the terminal.
    if args.log.log == "info" {
        args.log.log = "warn".into();
    }
    args.log.install().map_err(Failure::usage)?;
    if let Some(url) = &args.redis {
        url_permitted(url, plaintext).map_err(|rule| Failure::usage(format!("--redis: {rule}")))?;
    }
    let files = Files::open(args.data.as_deref())?;
    let shutdown = Shutdown::start(DrainTimes {
        delay: Duration::ZERO,
        limit: Duration::from_secs(5),
    });
    shutdown.on_signals().map_err(failed)?;
    let place = Place {
        redis: args.redis.as_deref(),
        port: args.port,
        prefix: &args.token_prefix,
        tls: args.tls,
    };
    let parts = Parts::start(&files, &place, &shutdown).await?;
    let ready = async {
        let token = sample::prepare(&files, &parts).await;
        parts.fresh().await;
        token
    };
    let token = tokio::select! {
        token = tokio::time::timeout(START, ready) => {
            token.map_err(|_| failed("it took too long to start"))?
        }
        () = shutdown.stopping() => return end(parts, files).await,
    };
    let token = match token {
        Ok(id) => Some(id),
        // Somebody has changed the sample since. Kept data matters more than a sample token, so this is
        // only a note.
        Err(failure) if files.are_kept() || args.redis.is_some() => {
            output.note(&format!("There is no token to try: {failure}\n"));
            None
        }
        Err(failure) => return Err(failure),
    };
    Guide::new(&files, &parts, token).tell(output)?;
    shutdown.stopping().await;
    output.note("\nEnding.");
    end(parts, files).await
}

async fn end(parts: Parts, files: Files) -> Result<Exit, Failure> {
    parts.ended().await?;
    drop(files);
    Ok(Exit::Ok)
}

fn failed(problem: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, problem.to_string())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    failed(format!("{}: {error}", path.display()))
}
