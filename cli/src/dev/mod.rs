//! `tokenward dev`: an issuer and a verifier in one process, following over gRPC as separate
//! processes do, with a sample hub and a token to try.
//!
//! | module | decides |
//! |---|---|
//! | `files` | what lies in the data folder |
//! | `parts` | how issuer and verifier are put together here |
//! | `sample` | the sample hub, and the token to try |

mod files;
mod parts;
mod sample;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokenward_common::process::{DrainTimes, LogArgs, Shutdown, listen::url_permitted};

use self::{files::Files, parts::Parts, sample::Sample};
use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// Long enough for a first fresh view on a slow machine.
const START: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  tokenward dev
  tokenward dev --data ./hub --port 9470
  tokenward dev --redis redis://127.0.0.1:6379

Ports: gRPC of the issuer on --port, its public keys one above, its metrics two above; gRPC of the
verifier ten above, its metrics eleven above. All on loopback, without TLS.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep the data in this folder; without it everything is gone at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep log and records in this Redis instead of a file. A URL with a password belongs in the
    /// environment.
    #[arg(
        long,
        value_name = "URL",
        env = "TOKENWARD_REDIS",
        hide_env_values = true
    )]
    redis: Option<String>,
    /// The first of the ports.
    #[arg(long, default_value_t = 8470, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    port: u16,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) async fn run(mut args: Args, plaintext: bool, output: &Output) -> Result<Exit, Failure> {
    // The screen is for what to do next.
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
    let parts = Parts::start(&files, args.redis.as_deref(), args.port, &shutdown).await?;
    let ready = async {
        let sample = sample::prepare(&files, &parts).await?;
        parts.fresh().await;
        Ok::<_, Failure>(sample)
    };
    let sample = tokio::select! {
        sample = tokio::time::timeout(START, ready) => {
            sample.map_err(|_| failed("it took too long to start"))??
        }
        () = shutdown.stopping() => return end(parts, files).await,
    };
    announce(&files, &parts, &sample, output)?;
    shutdown.stopping().await;
    output.note("\nEnding.");
    end(parts, files).await
}

async fn end(parts: Parts, files: Files) -> Result<Exit, Failure> {
    parts.ended().await?;
    files.close();
    Ok(Exit::Ok)
}

fn announce(files: &Files, parts: &Parts, sample: &Sample, output: &Output) -> Result<(), Failure> {
    let command = command();
    let (issuer, verifier) = (parts.issuer_url(), parts.verifier_url());
    let credential = files.operator().display().to_string();
    let token = files.token().display().to_string();
    let resource = sample::RESOURCE;
    let check = format!(
        "{command} check --verifier {verifier} --token-file {token} --permission repo.content.read {resource}"
    );
    let operator = format!("{command} token --issuer {issuer} --credential-file {credential}");
    let text = format!(
        "\
Tokenward is running (Ctrl-C ends it{kept}).

  issuer     {issuer}   keys {keys}
  verifier   {verifier}   metrics {metrics}
  operator   {credential}
  token      {token}   (token {id} of ada: role read)

The token may read a private model of its owner's org:
  {check}
Revoke it:
  {operator} revoke {id}
And see it refused:
  {check}

More: {operator} create --owner grace --name ci --role write
      {command} --help",
        kept = if files.are_kept() {
            ""
        } else {
            "; the data goes with it"
        },
        keys = parts.keys_url(),
        metrics = parts.metrics_url(),
        id = sample.token_id,
    );
    output.answer(
        &text,
        &json!({
            "issuer": issuer,
            "verifier": verifier,
            "keys": parts.keys_url(),
            "metrics": parts.metrics_url(),
            "credential_file": credential,
            "token_file": token,
            "token_id": sample.token_id,
            "resource": resource,
        }),
    )
}

/// How this program was called, such that it can be pasted.
fn command() -> String {
    let called = std::env::current_exe().unwrap_or_else(|_| "tokenward".into());
    let here = std::env::current_dir().unwrap_or_default();
    called
        .strip_prefix(&here)
        .unwrap_or(&called)
        .display()
        .to_string()
}

fn failed(problem: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, problem.to_string())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    failed(format!("{}: {error}", path.display()))
}
