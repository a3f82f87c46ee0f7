//! Generates load for one server on this machine, and prints its cost: answers, latencies, the server's
//! CPU.

use std::{
    io::{self, Write as _},
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use prost::Message as _;
use tokenward_common::process::duration::parse_duration;
use tokenward_proto::v1::{BatchCheckRequest, Question, batch_check_request};
use tokenward_tests::load::{
    Load, Pace, Report, Target, proxied, run, run_beside,
    strangers::{question, signature},
};

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
    /// Change the signature of each token that is sent, so that no two are alike and none is genuine; answers
    /// other than OK are then expected
    #[arg(long, conflicts_with_all = ["message_file", "batch", "http", "ext_authz"], requires = "token_file")]
    false_tokens: bool,
    /// Beside this load, send so many false tokens a second over connections of their own, as long as it lasts
    #[arg(long, value_name = "RATE", conflicts_with_all = ["message_file", "batch", "http", "ext_authz", "false_tokens"], requires = "token_file")]
    flood: Option<f64>,
    /// Beside this load, send so many of the same calls a second over connections of their own, as long as it lasts
    #[arg(long, value_name = "RATE", conflicts_with_all = ["http", "flood"])]
    crowd: Option<f64>,
    /// Beside this load, hold so many connections, each of which asks once in 10 s
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["message_file", "http", "flood", "crowd"], value_parser = clap::value_parser!(u16).range(1..=4096))]
    idle: Option<u16>,
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
/// Seconds between the questions of an idle connection.
const SELDOM: f64 = 10.0;

fn main() -> ExitCode {
    let args = Args::parse();
    let all_pass = args.http || args.ext_authz;
    let (are_false, is_flood) = (args.false_tokens, args.flood.is_some());
    let failed = |report: &Report| {
        (report.failed() > 0 || report.answered == 0) && !are_false
            || all_pass && report.allowed < report.answered
            || are_false && report.allowed > 0
    };
    let (text, code) = match ran(args) {
        Ok((report, beside)) => {
            let is_taken_in = |beside: &Report| is_flood && beside.allowed > 0;
            let code = match failed(&report) || beside.as_ref().is_some_and(is_taken_in) {
                true => ExitCode::from(3),
                false => ExitCode::SUCCESS,
            };
            let mut text = report.to_string();
            for line in beside.iter().flat_map(told) {
                text.push_str(&format!("\nbeside_{line}"));
            }
            (text, code)
        }
        Err(why) => (format!("error={why}"), ExitCode::FAILURE),
    };
    // An error is ignored: nobody reads the output.
    let _ = writeln!(io::stdout(), "{text}");
    code
}

fn told(report: &Report) -> Vec<String> {
    report.to_string().lines().map(str::to_owned).collect()
}

/// Runs the load, and what is asked for beside it.
fn ran(args: Args) -> Result<(Report, Option<Report>), String> {
    let (messages, signatures) = messages(&args)?;
    let (flood, crowd, idle) = (args.flood, args.crowd, args.idle);
    let varied = match args.false_tokens {
        true => signatures.clone()?,
        false => Vec::new(),
    };
    let load = load(args, messages, varied);
    let mut beside = Load {
        warmup: 0,
        requests: u64::MAX,
        ..load.clone()
    };
    if let Some(per_second) = flood.or(crowd) {
        beside.in_flight = 256;
        beside.pace = Pace::Open { per_second };
        if flood.is_some() {
            beside.varied = signatures?;
        }
    } else if let Some(connections) = idle {
        (beside.connections, beside.in_flight) = (connections.into(), 1);
        // Each of them is there before anything is measured.
        beside.warmup = connections.into();
        let per_second = f64::from(connections) / SELDOM;
        beside.pace = Pace::Open { per_second };
    } else {
        return Ok((run(&load)?, None));
    }
    let [report, beside] = run_beside(&load, &beside)?;
    Ok((report, Some(beside)))
}

/// A list of encoded messages, and where the signature in each of them is changed.
type Made = (Vec<Vec<u8>>, Result<Vec<Range<usize>>, String>);

fn load(args: Args, messages: Vec<Vec<u8>>, varied: Vec<Range<usize>>) -> Load {
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
        varied,
        warmup: args.warmup,
        requests: args.requests,
        limit: args.limit.min(LONGEST),
        server: args.server_pid,
    }
}

fn messages(args: &Args) -> Result<Made, String> {
    let told = |path: &PathBuf, e: io::Error| format!("`{}`: {e}", path.display());
    if let Some(path) = &args.message_file {
        return std::fs::read(path)
            .map(|bytes| (vec![bytes], Ok(Vec::new())))
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
    let encoded = |token: &str| match args.batch {
        _ if args.http => proxied::request(&file, token),
        _ if args.ext_authz => proxied::shown_by_envoy(&file, token),
        Some(count) => BatchCheckRequest {
            caller: Some(batch_check_request::Caller::Token(token.into())),
            questions: vec![one_of_many(args); count.into()],
            ..Default::default()
        }
        .encode_to_vec(),
        None => question(token, &args.repo, &args.permission).encode_to_vec(),
    };
    let made: Vec<_> = tokens.iter().map(|token| encoded(token)).collect();
    let signatures = made.iter().zip(&tokens);
    let signatures: Option<_> = signatures
        .map(|(message, token)| signature(message, token))
        .collect();
    let none = || "the file has tokens without a signature".into();
    Ok((made, signatures.ok_or_else(none)))
}

fn one_of_many(args: &Args) -> Question {
    Question {
        resource: question("", &args.repo, &args.permission).resource,
        permission: args.permission.clone(),
        ..Default::default()
    }
}
