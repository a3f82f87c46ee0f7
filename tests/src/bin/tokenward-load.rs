//! Generates load for one server on this machine, and prints its cost: answers, latencies, the server's
//! CPU.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use prost::Message as _;
use tokenward_common::process::duration::parse_duration;
use tokenward_proto::v1::{
    BatchCheckRequest, CheckRequest, Question, RepoKind, RepoRef, Resource, batch_check_request,
    check_request::Caller, resource,
};
use tokenward_tests::load::{Load, Pace, Report, Target, proxied, run};

/// Load for one server on this machine: prints one `name=value` per line
#[derive(Parser, Debug)]
#[command(name = "tokenward-load")]
struct Args {
    /// `127.0.0.1:port`, `[::1]:port`, `unix:/path` or `tls:127.0.0.1:port@/ca.pem`; nothing else is loaded
    target: Target,
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    /// Calls a second, in an open loop; without it, an answer is followed by the next request
    #[arg(long)]
    rate: Option<f64>,
    /// Measured calls
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    requests: u64,
    /// Calls before the measured ones
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    warmup: u64,
    /// Ends the run whatever is left, at most 10m
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    limit: Duration,
    /// Measure this process's CPU time
    #[arg(long)]
    server_pid: Option<u32>,
    /// The method to call [default: CheckStream of VerifierService with --stream, its BatchCheck with
    /// --batch, else its Check]
    #[arg(long)]
    path: Option<String>,
    /// Send all questions of a connection in one call, each in a message of its own
    #[arg(long, conflicts_with_all = ["batch", "message_file"])]
    stream: bool,
    /// GET a file of the repo over HTTP/1.1, one request at a time on a connection; any status but 200
    /// counts as failed
    #[arg(long, conflicts_with_all = ["stream", "batch", "message_file", "path"])]
    http: bool,
    /// Send Envoy's question about the same request over gRPC; any answer but an allowing one counts as
    /// failed
    #[arg(long, conflicts_with_all = ["stream", "batch", "message_file", "path", "http"])]
    ext_authz: bool,
    /// Questions in a call, all on one token
    #[arg(long, conflicts_with = "message_file", value_parser = clap::value_parser!(u16).range(1..=200))]
    batch: Option<u16>,
    /// A file with the tokens to ask about, one a line
    #[arg(long, conflicts_with = "message_file")]
    token_file: Option<PathBuf>,
    /// A token of this many bytes, for servers that don't look at it
    #[arg(long, default_value_t = 350, conflicts_with = "token_file")]
    token_bytes: u16,
    /// `owner/name` of the model to ask about
    #[arg(long, default_value = "acme/model")]
    repo: String,
    #[arg(long, default_value = "repo.content.read")]
    permission: String,
    /// A file with an encoded request for --path, sent as it is
    #[arg(long)]
    message_file: Option<PathBuf>,
}

const LONGEST: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let args = Args::parse();
    let all_pass = args.http || args.ext_authz;
    let failed = |report: &Report| {
        report.failed() > 0 || report.answered == 0 || all_pass && report.allowed < report.answered
    };
    let (text, code) = match messages(&args).and_then(|messages| run(&load(args, messages))) {
        Ok(report) if failed(&report) => (report.to_string(), ExitCode::from(3)),
        Ok(report) => (report.to_string(), ExitCode::SUCCESS),
        Err(why) => (format!("error={why}"), ExitCode::FAILURE),
    };
    // An error is ignored: nobody reads the output.
    let _ = writeln!(io::stdout(), "{text}");
    code
}

fn load(args: Args, messages: Vec<Vec<u8>>) -> Load {
    Load {
        target: args.target,
        connections: args.connections.into(),
        in_flight: args.in_flight.into(),
        pace: args
            .rate
            .map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
        path: args.path.unwrap_or_else(|| {
            if args.ext_authz {
                return proxied::EXT_AUTHZ.into();
            }
            let method = match (args.stream, args.batch) {
                (true, _) => "CheckStream",
                (_, Some(_)) => "BatchCheck",
                _ => "Check",
            };
            format!("/tokenward.v1.VerifierService/{method}")
        }),
        streamed: args.stream,
        http: args.http,
        messages,
        warmup: args.warmup,
        requests: args.requests,
        limit: args.limit.min(LONGEST),
        server: args.server_pid,
    }
}

fn messages(args: &Args) -> Result<Vec<Vec<u8>>, String> {
    let told = |path: &PathBuf, e: io::Error| format!("`{}`: {e}", path.display());
    if let Some(path) = &args.message_file {
        return std::fs::read(path)
            .map(|bytes| vec![bytes])
            .map_err(|e| told(path, e));
    }
    let tokens = match &args.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| told(path, e))?;
            text.split_whitespace().map(str::to_owned).collect()
        }
        None => vec!["x".repeat(args.token_bytes.into())],
    };
    let file = format!("/{}/resolve/main/config.json", args.repo);
    let messages = tokens.into_iter().map(|token| match args.batch {
        _ if args.http => proxied::request(&file, &token),
        _ if args.ext_authz => proxied::shown_by_envoy(&file, &token),
        Some(count) => BatchCheckRequest {
            caller: Some(batch_check_request::Caller::Token(token)),
            questions: vec![question(args); count.into()],
            ..Default::default()
        }
        .encode_to_vec(),
        None => CheckRequest {
            caller: Some(Caller::Token(token)),
            resource: question(args).resource,
            permission: args.permission.clone(),
            ..Default::default()
        }
        .encode_to_vec(),
    });
    Ok(messages.collect())
}

fn question(args: &Args) -> Question {
    Question {
        resource: Some(Resource {
            resource: Some(resource::Resource::Repo(RepoRef {
                kind: RepoKind::Model.into(),
                name: args.repo.clone(),
                ..Default::default()
            })),
        }),
        permission: args.permission.clone(),
        ..Default::default()
    }
}
