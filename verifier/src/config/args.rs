//! The flags as typed. They stay text, so that [`super::Config::build`] can report all mistakes at
//! once, where clap would stop at the first. The `///` comments on fields are the text of `--help`.

use std::{convert::Infallible, path::PathBuf};

use tokenward_common::{
    process::{LogArgs, Secret, TraceArgs},
    store::redis::RedisArgs,
};

/// Answers whether a token may do what it asks, from memory
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "tokenward-verifier", version, after_help = EXAMPLE)]
pub struct Args {
    /// Where to serve gRPC, Envoy's ext_authz too: `host:port` or `unix:/path`; may be repeated
    #[arg(
        long,
        env = "TOKENWARD_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8480",
        value_name = "ADDRESS"
    )]
    pub listen: Vec<String>,

    /// Where to serve HTTP/1.1: `/auth` for proxies that ask before they forward, `/api/whoami-v2`,
    /// `/api/…/auth-check`, `/oauth/introspect`; as --listen; none unless set
    #[arg(
        long,
        env = "TOKENWARD_HTTP_LISTEN",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub http_listen: Vec<String>,

    /// Which permissions a proxied request takes: `hub`, `inference`, or a file with a table of your
    /// own, which may include them
    #[arg(
        long,
        env = "TOKENWARD_ROUTES",
        default_value = "hub",
        value_name = "hub|inference|FILE"
    )]
    pub routes: String,

    /// Where people find the hub's pages, `https://hub.example`: refusals for a gate name its page there;
    /// before a table's own @hub
    #[arg(long, env = "TOKENWARD_HUB_URL", value_name = "URL")]
    pub hub_url: Option<String>,

    /// What all of the hub's paths begin with, `/hub`: taken off before a request is judged, and put before
    /// where it is sent to. The hub itself gets the target as it came
    #[arg(long, env = "TOKENWARD_PATH_PREFIX", value_name = "PATH")]
    pub path_prefix: Option<String>,

    /// The longest body that is read to find what a request asks for: a model, an operation; at --guard and
    /// where a proxy sends bodies to `/auth`
    // Prompts contain pictures. A server of models accepts no more by default either.
    #[arg(
        long,
        env = "TOKENWARD_MAX_BODY",
        default_value = "8MiB",
        value_name = "SIZE"
    )]
    pub max_body: String,

    /// What Envoy is set to show of a body (`max_request_bytes`); repeated where its routes are set
    /// otherwise. One without a length that ends there to the byte may be cut off, and is refused, as is a
    /// longer one
    #[arg(
        long,
        env = "TOKENWARD_SHOWN_BODY",
        default_value = "64KiB",
        value_delimiter = ',',
        value_name = "SIZE"
    )]
    pub shown_body: Vec<String>,

    /// How often in five minutes `/api/whoami-v2` answers for the tokens of one account, by this
    /// verifier; 0: no limit
    // This is one per second. A program that asks more often can keep the answer.
    #[arg(
        long,
        env = "TOKENWARD_WHOAMI_LIMIT",
        default_value = "300",
        value_name = "NUMBER"
    )]
    pub whoami_limit: String,

    /// How often in five minutes it refuses one address for want of a live token before it says 429;
    /// behind a proxy all have the proxy's; 0: no limit
    #[arg(
        long,
        env = "TOKENWARD_WHOAMI_REFUSALS",
        default_value = "1000",
        value_name = "NUMBER"
    )]
    pub whoami_refusals: String,

    /// Stand in front of this server as a proxy, `http://host:port`: what may pass is sent there, the
    /// rest is answered here
    #[arg(long, env = "TOKENWARD_GUARD", value_name = "URL")]
    pub guard: Option<String>,

    /// Where that proxy listens, HTTP/1.1; as --listen
    #[arg(
        long,
        env = "TOKENWARD_GUARD_LISTEN",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub guard_listen: Vec<String>,

    /// Send the caller's token to the server behind the proxy too; otherwise it is removed
    #[arg(long, env = "TOKENWARD_GUARD_KEEP_CREDENTIAL")]
    pub guard_keep_credential: bool,

    /// Where the issuer's --http-listen is, `http://host:port`: what is the issuer's goes there, its public
    /// keys (`/.well-known/jwks.json`) and leaked tokens (`POST /api/credentials/revoke`); otherwise to
    /// the server behind the proxy
    #[arg(long, env = "TOKENWARD_GUARD_ISSUER", value_name = "URL")]
    pub guard_issuer: Option<String>,

    /// For a connection to the server behind the proxy
    #[arg(
        long,
        env = "TOKENWARD_GUARD_CONNECT_TIMEOUT",
        default_value = "2s",
        value_name = "DURATION"
    )]
    pub guard_connect_timeout: String,

    /// For the head of its answer, once the request's body was sent
    // A long prompt takes a model a while.
    #[arg(
        long,
        env = "TOKENWARD_GUARD_RESPONSE_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub guard_response_timeout: String,

    /// Between two pieces of a body, either way
    #[arg(
        long,
        env = "TOKENWARD_GUARD_IDLE_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub guard_idle_timeout: String,

    /// Where to serve `/livez`, `/readyz` and `/metrics`
    #[arg(
        long,
        env = "TOKENWARD_ADMIN_LISTEN",
        default_value = "127.0.0.1:8481",
        value_name = "ADDRESS"
    )]
    pub admin_listen: String,

    /// How many connections one address may have at one listener; half of what the listener may hold
    /// unless set. Behind a proxy all have the proxy's address. A Unix socket has no such limit
    #[arg(long, env = "TOKENWARD_ADDRESS_CONNECTIONS", value_name = "NUMBER")]
    pub address_connections: Option<String>,

    /// What to follow: `redis://…`, `redis+sentinel://host,host,host/name`, `redis+cluster://host,host/`
    /// (with TLS `rediss…`), or an issuer, `http://issuer:port`
    ///
    /// With a password in it, set it by the environment or give it as a file.
    #[arg(long, env = "TOKENWARD_FEED", hide_env_values = true, value_parser = secret, value_name = "URL")]
    pub feed: Option<Secret>,

    /// A file that holds the URL for --feed
    #[arg(long, env = "TOKENWARD_FEED_FILE", value_name = "FILE")]
    pub feed_file: Option<PathBuf>,

    #[command(flatten)]
    pub redis: RedisArgs,

    /// A file that holds the credential for an issuer's feed
    #[arg(long, env = "TOKENWARD_FEED_CREDENTIAL_FILE", value_name = "FILE")]
    pub feed_credential_file: Option<PathBuf>,

    /// The realm: which hub's state to follow, and the `aud` that tokens must have (required)
    #[arg(long, env = "TOKENWARD_REALM")]
    pub realm: Option<String>,

    /// The `iss` that tokens must have (required)
    #[arg(long, env = "TOKENWARD_ISSUER_URL", value_name = "URL")]
    pub issuer: Option<String>,

    /// What tokens begin with
    #[arg(
        long,
        env = "TOKENWARD_TOKEN_PREFIX",
        default_value = "tw_",
        value_name = "PREFIX"
    )]
    pub token_prefix: String,

    /// The realm's public keys: a file, or an http URL (required); may be repeated: tried in turn
    #[arg(
        long,
        env = "TOKENWARD_JWKS",
        value_delimiter = ',',
        value_name = "FILE|URL"
    )]
    pub jwks: Vec<String>,

    /// Where to keep the last good public keys, for a start while none of --jwks can be read; the file
    /// is replaced whole
    #[arg(long, env = "TOKENWARD_JWKS_CACHE", value_name = "FILE")]
    pub jwks_cache: Option<PathBuf>,

    /// How often to ask for the signing keys again; a token of a key that isn't known yet asks too, once
    /// a second at most
    #[arg(
        long,
        env = "TOKENWARD_JWKS_POLL",
        default_value = "30s",
        value_name = "DURATION"
    )]
    pub jwks_poll: String,

    /// The oldest view that may answer for reading
    #[arg(
        long,
        env = "TOKENWARD_BOUND_READ",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_read: String,

    /// The oldest view that may answer for writing
    #[arg(
        long,
        env = "TOKENWARD_BOUND_WRITE",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_write: String,

    /// The oldest view that may answer for inference
    #[arg(
        long,
        env = "TOKENWARD_BOUND_INFER",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub bound_infer: String,

    /// How often to prove that the view is fresh
    // The interval is a tenth of the default bound, so nine confirms in a row may fail.
    #[arg(
        long,
        env = "TOKENWARD_CONFIRM_INTERVAL",
        default_value = "500ms",
        value_name = "DURATION"
    )]
    pub confirm_interval: String,

    /// Warn of a token's end when it is this near; 0s: never
    #[arg(
        long,
        env = "TOKENWARD_EXPIRY_WARNING",
        default_value = "7d",
        value_name = "DURATION"
    )]
    pub expiry_warning: String,

    /// Credentials of operators, as the issuer's file has them; those with the role `explain` may
    /// ask how a check was decided
    #[arg(long, env = "TOKENWARD_OPERATORS", value_name = "FILE")]
    pub operators: Option<PathBuf>,

    /// Threads that serve [default: one per core]
    #[arg(long, env = "TOKENWARD_WORKERS", value_name = "NUMBER")]
    pub workers: Option<String>,

    /// How many tokens, once found genuine, to remember; some 350 bytes each, more with scopes
    #[arg(
        long,
        env = "TOKENWARD_MEMO_CAPACITY",
        default_value = "1000000",
        value_name = "NUMBER"
    )]
    pub memo_capacity: String,

    /// This verifier's name among the followers [default: HOSTNAME-PID]
    #[arg(long, env = "TOKENWARD_NAME")]
    pub name: Option<String>,

    /// How long to serve on, not ready, once told to end: until load balancers have noticed
    #[arg(
        long,
        env = "TOKENWARD_DRAIN_DELAY",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub drain_delay: String,

    /// When to drop what hasn't finished, counted from the signal
    // Kubernetes kills a process after 30 s by default.
    #[arg(
        long,
        env = "TOKENWARD_DRAIN_LIMIT",
        default_value = "25s",
        value_name = "DURATION"
    )]
    pub drain_limit: String,

    /// Allow listeners, feed and keys without TLS off loopback
    #[arg(long, env = "TOKENWARD_PLAINTEXT")]
    pub plaintext: bool,

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
