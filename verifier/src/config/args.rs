//! The flags as typed. They stay text, so that [`super::Config::build`] can report all mistakes at
//! once, where clap would stop at the first. The `///` comments on fields are the text of `--help`.

use std::{convert::Infallible, path::PathBuf};

use tokenward_common::{
    process::{LogArgs, Secret, TlsArgs, TraceArgs},
    store::redis::RedisArgs,
};

/// Answer from memory whether a token is allowed what it requests.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "tokenward-verifier", version, after_help = EXAMPLE)]
pub struct Args {
    /// Serve gRPC, including Envoy's ext_authz, on this address, which is `host:port` or
    /// `unix:/path`. Separate several addresses by commas or repeat the option.
    #[arg(
        long,
        env = "TOKENWARD_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8480",
        value_name = "ADDRESS"
    )]
    pub listen: Vec<String>,

    /// Serve HTTP/1.1 on this address: `/auth` for proxies that ask before they forward a request,
    /// `/api/whoami-v2`, `/api/…/auth-check` and `/oauth/introspect`. The form is that of --listen.
    /// Without this option no HTTP is served.
    #[arg(
        long,
        env = "TOKENWARD_HTTP_LISTEN",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub http_listen: Vec<String>,

    /// Find the permissions of a proxied request by this table of routes: `hub`, `inference`, or a
    /// file with your own table, which can include the other two.
    #[arg(
        long,
        env = "TOKENWARD_ROUTES",
        default_value = "hub",
        value_name = "hub|inference|FILE"
    )]
    pub routes: String,

    /// Name the hub's pages by this URL, such as `https://hub.example`, where a refusal sends
    /// people to a gate's page. It replaces the URL of a table's @hub line.
    #[arg(long, env = "TOKENWARD_HUB_URL", value_name = "URL")]
    pub hub_url: Option<String>,

    /// Remove this prefix, such as `/hub`, from the path of every request before the request is
    /// judged, and put it before every path in an answer. The hub itself gets the path unchanged.
    #[arg(long, env = "TOKENWARD_PATH_PREFIX", value_name = "PATH")]
    pub path_prefix: Option<String>,

    /// Read bodies of at most this length to find the model or the operation that a request asks
    /// for. This counts at --guard and where a proxy sends bodies to `/auth`. The size is from
    /// 64KiB to 32MiB, in bytes or with KiB or MiB.
    // Prompts contain pictures. A server of models accepts no more by default either.
    #[arg(
        long,
        env = "TOKENWARD_MAX_BODY",
        default_value = "8MiB",
        value_name = "SIZE"
    )]
    pub max_body: String,

    /// Expect that Envoy sends at most this much of a body, which is its setting
    /// `max_request_bytes`. Repeat the option if routes of Envoy have different settings. A body of
    /// exactly this length that does not state its length is refused, because it can be cut off; a
    /// longer one is refused, too. The size is from 64KiB to 32MiB, in bytes or with KiB or MiB.
    #[arg(
        long,
        env = "TOKENWARD_SHOWN_BODY",
        default_value = "64KiB",
        value_delimiter = ',',
        value_name = "SIZE"
    )]
    pub shown_body: Vec<String>,

    /// Answer `/api/whoami-v2` at most this many times in five minutes for the tokens of one
    /// account. Each verifier counts by itself. The number is from 0 to 1000000; 0 means no limit.
    // This is one per second. A program that asks more often can keep the answer.
    #[arg(
        long,
        env = "TOKENWARD_WHOAMI_LIMIT",
        default_value = "300",
        value_name = "NUMBER"
    )]
    pub whoami_limit: String,

    /// Answer 429 at `/api/whoami-v2` to an address that was refused this many times in five
    /// minutes because it showed no live token. Behind a proxy, all callers have the proxy's
    /// address. The number is from 0 to 1000000; 0 means no limit.
    #[arg(
        long,
        env = "TOKENWARD_WHOAMI_REFUSALS",
        default_value = "1000",
        value_name = "NUMBER"
    )]
    pub whoami_refusals: String,

    /// Serve as a proxy in front of the server with this URL, `http://host:port`. Allowed requests
    /// are sent to that server; the verifier answers all others.
    #[arg(long, env = "TOKENWARD_GUARD", value_name = "URL")]
    pub guard: Option<String>,

    /// Serve the proxy of --guard over HTTP/1.1 on this address. The form is that of --listen. The
    /// option is required with --guard.
    #[arg(
        long,
        env = "TOKENWARD_GUARD_LISTEN",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub guard_listen: Vec<String>,

    /// Send the caller's token to the server of --guard. Without this option the token is removed
    /// from the request.
    #[arg(long, env = "TOKENWARD_GUARD_KEEP_CREDENTIAL")]
    pub guard_keep_credential: bool,

    /// Send requests for the public keys (`/.well-known/jwks.json`) and for the revocation of
    /// leaked tokens (`POST /api/credentials/revoke`) to this URL, `http://host:port`, where an
    /// issuer has its --http-listen. Without this option they are sent to the server of --guard.
    #[arg(long, env = "TOKENWARD_GUARD_ISSUER", value_name = "URL")]
    pub guard_issuer: Option<String>,

    /// Wait at most this long for a connection to the server of --guard, from 10ms to 5s.
    #[arg(
        long,
        env = "TOKENWARD_GUARD_CONNECT_TIMEOUT",
        default_value = "2s",
        value_name = "DURATION"
    )]
    pub guard_connect_timeout: String,

    /// Wait at most this long for the head of that server's answer after the request's body was
    /// sent, from 10ms to 1h.
    // A long prompt takes a model a while.
    #[arg(
        long,
        env = "TOKENWARD_GUARD_RESPONSE_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub guard_response_timeout: String,

    /// Wait at most this long between two pieces of a body at the proxy of --guard, in either
    /// direction, from 10ms to 1h.
    #[arg(
        long,
        env = "TOKENWARD_GUARD_IDLE_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub guard_idle_timeout: String,

    /// Serve `/livez`, `/readyz` and `/metrics` on this address. The form is that of --listen.
    #[arg(
        long,
        env = "TOKENWARD_ADMIN_LISTEN",
        default_value = "127.0.0.1:8481",
        value_name = "ADDRESS"
    )]
    pub admin_listen: String,

    /// Limit the connections of one address at one listener to this number, from 1 to 4096. Half of
    /// what the listener can hold is the limit if this is not set. Behind a proxy, all callers have
    /// the proxy's address. A Unix socket has no such limit.
    #[arg(long, env = "TOKENWARD_ADDRESS_CONNECTIONS", value_name = "NUMBER")]
    pub address_connections: Option<String>,

    /// Follow the log from this URL: `redis://…`, `redis+sentinel://host,host,host/name` or
    /// `redis+cluster://host,host/` for a Redis (over TLS `rediss…`), or `http://host:port` for an
    /// issuer (over TLS `https`). Exactly one of --feed and --feed-file is required. A URL with a
    /// password belongs in the environment, not on the command line.
    #[arg(long, env = "TOKENWARD_FEED", hide_env_values = true, value_parser = secret, value_name = "URL")]
    pub feed: Option<Secret>,

    /// Read the URL of --feed from this file.
    #[arg(long, env = "TOKENWARD_FEED_FILE", value_name = "FILE")]
    pub feed_file: Option<PathBuf>,

    #[command(flatten)]
    pub redis: RedisArgs,

    /// Read the credential for an issuer's feed from this file. It has the role `feed`. The option
    /// is required with an issuer, and refused with a Redis.
    #[arg(long, env = "TOKENWARD_FEED_CREDENTIAL_FILE", value_name = "FILE")]
    pub feed_credential_file: Option<PathBuf>,

    /// Follow the realm with this name, and accept only tokens that have it as their `aud`. The
    /// option is required. The name has 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM")]
    pub realm: Option<String>,

    /// Accept only tokens that have this URL as their `iss`. The option is required.
    #[arg(long, env = "TOKENWARD_ISSUER_URL", value_name = "URL")]
    pub issuer: Option<String>,

    /// Accept only tokens that begin with this prefix. It has 1 to 16 characters of A-Z a-z 0-9 _
    /// and ends in _.
    #[arg(
        long,
        env = "TOKENWARD_TOKEN_PREFIX",
        default_value = "tw_",
        value_name = "PREFIX"
    )]
    pub token_prefix: String,

    /// Load the realm's public keys from this file or http URL. The option is required. Separate
    /// several sources by commas or repeat the option; they are tried in order.
    #[arg(
        long,
        env = "TOKENWARD_JWKS",
        value_delimiter = ',',
        value_name = "FILE|URL"
    )]
    pub jwks: Vec<String>,

    /// Keep the last good public keys in this file, for a start while no source of --jwks can be
    /// read. The file is replaced as a whole.
    #[arg(long, env = "TOKENWARD_JWKS_CACHE", value_name = "FILE")]
    pub jwks_cache: Option<PathBuf>,

    /// Keep a snapshot of the view in this folder, and the public keys too unless --jwks-cache names
    /// a file. A verifier that starts again then reads only what is newer from the feed; while the
    /// feed is away it answers by the snapshot as long as the bounds allow. The folder belongs to
    /// one verifier; it is made if it is missing.
    #[arg(long, env = "TOKENWARD_SNAPSHOT_DIR", value_name = "FOLDER")]
    pub snapshot_dir: Option<PathBuf>,

    /// Save a snapshot to --snapshot-dir at this interval, from 1s to 1d, and when the program is
    /// told to end. The file is replaced as a whole.
    #[arg(
        long,
        env = "TOKENWARD_SNAPSHOT_INTERVAL",
        default_value = "5m",
        value_name = "DURATION"
    )]
    pub snapshot_interval: String,

    /// Load the public keys again at this interval, from 100ms to 1h. A token whose key is not
    /// known yet also has them loaded, at most once a second.
    #[arg(
        long,
        env = "TOKENWARD_JWKS_POLL",
        default_value = "30s",
        value_name = "DURATION"
    )]
    pub jwks_poll: String,

    /// Answer a Check for a permission to read only by a view that is at most this old, up to 1h.
    /// It must be at least twice --confirm-interval.
    #[arg(
        long,
        env = "TOKENWARD_BOUND_READ",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_read: String,

    /// Answer a Check for a permission to write only by a view that is at most this old, up to 5s.
    /// It must be at least twice --confirm-interval.
    #[arg(
        long,
        env = "TOKENWARD_BOUND_WRITE",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_write: String,

    /// Answer a Check for a permission to use inference only by a view that is at most this old, up
    /// to 1h. It must be at least twice --confirm-interval.
    #[arg(
        long,
        env = "TOKENWARD_BOUND_INFER",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_infer: String,

    /// Prove at this interval that the view is fresh, from 10ms to 2500ms.
    // The interval is a tenth of the default bound, so nine confirms in a row may fail.
    #[arg(
        long,
        env = "TOKENWARD_CONFIRM_INTERVAL",
        default_value = "500ms",
        value_name = "DURATION"
    )]
    pub confirm_interval: String,

    /// Warn the holder of a token that ends within this time, up to 366d. 0s means that nobody is
    /// warned.
    #[arg(
        long,
        env = "TOKENWARD_EXPIRY_WARNING",
        default_value = "7d",
        value_name = "DURATION"
    )]
    pub expiry_warning: String,

    /// Read operators' credentials from this file, which has the form of the issuer's
    /// --credentials. An operator with the role `explain` can request how a Check was decided.
    /// Without this option nobody can.
    #[arg(long, env = "TOKENWARD_OPERATORS", value_name = "FILE")]
    pub operators: Option<PathBuf>,

    /// Serve with this many threads, from 1 to 1024 [default: the number of cores].
    #[arg(long, env = "TOKENWARD_WORKERS", value_name = "NUMBER")]
    pub workers: Option<String>,

    /// Remember at most this many tokens that were found genuine, from 1024 to 100000000. A token
    /// takes about 350 bytes, and more if it has scopes.
    #[arg(
        long,
        env = "TOKENWARD_MEMO_CAPACITY",
        default_value = "1000000",
        value_name = "NUMBER"
    )]
    pub memo_capacity: String,

    /// Take this name among the followers of the log. It has 1 to 64 characters of A-Z a-z 0-9 . _
    /// - [default: HOSTNAME-PID].
    #[arg(long, env = "TOKENWARD_NAME")]
    pub name: Option<String>,

    /// Keep serving for this long after SIGTERM while /readyz reports that the program is not
    /// ready, so that load balancers stop sending requests.
    #[arg(
        long,
        env = "TOKENWARD_DRAIN_DELAY",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub drain_delay: String,

    /// End this long after SIGTERM, even if requests are unfinished. It must be longer than
    /// --drain-delay.
    // Kubernetes kills a process after 30 s by default.
    #[arg(
        long,
        env = "TOKENWARD_DRAIN_LIMIT",
        default_value = "25s",
        value_name = "DURATION"
    )]
    pub drain_limit: String,

    /// Allow listeners, and connections to the feed, the keys, the server of --guard and the
    /// traces' collector, that leave this machine without TLS. Use this only in a network that you
    /// trust.
    #[arg(long, env = "TOKENWARD_PLAINTEXT")]
    pub plaintext: bool,

    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub traces: TraceArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

const EXAMPLE: &str = "\
Example, beside the issuer that `tokenward-issuer --help` starts:
  tokenward-verifier --realm hub --issuer https://tokens.example \\
    --feed http://127.0.0.1:8470 --feed-credential-file feed.credential \\
    --jwks http://127.0.0.1:8471/.well-known/jwks.json

Then, with a token of `tokenward token create` in a file:
  tokenward check --token-file ada.token --permission repo.content.read model:acme/llama";

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.into()))
}
