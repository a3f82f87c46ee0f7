//! The flags as typed. They are text, so that [`super::Config::build`] can report all mistakes at once; clap
//! would stop at the first. The flags' doc comments are the program's help text.

use std::path::PathBuf;

use clap::Parser;
use tokenward_common::{
    process::{LogArgs, Secret, TraceArgs},
    store::redis::RedisArgs,
};

/// Mints, lists and revokes user access tokens, keeps the hub's directory, publishes the log.
#[derive(Parser, Debug, Clone)]
#[command(name = "tokenward-issuer", version, about, after_help = EXAMPLE)]
pub struct Args {
    /// Where TokenService, DirectoryService and FeedService are served: host:port or unix:/path.
    #[arg(long, env = "TOKENWARD_LISTEN", default_value = "127.0.0.1:8470")]
    pub(super) listen: String,
    /// Where anybody may ask: the public keys, /.well-known/jwks.json; and have leaked tokens revoked,
    /// POST /api/credentials/revoke.
    #[arg(long, env = "TOKENWARD_HTTP_LISTEN", default_value = "127.0.0.1:8471")]
    pub(super) http_listen: String,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "TOKENWARD_ADMIN_LISTEN", default_value = "127.0.0.1:8472")]
    pub(super) admin_listen: String,
    /// How many connections one address may have at one listener; half of what the listener may hold
    /// unless set. Behind a proxy all have the proxy's address. A Unix socket has no such limit.
    #[arg(long, env = "TOKENWARD_ADDRESS_CONNECTIONS", value_name = "NUMBER")]
    pub(super) address_connections: Option<String>,
    /// Where the records and the log are kept: redis://host:port, redis+unix:///path,
    /// redis+sentinel://host,host,host/name, redis+cluster://host,host/ (or with TLS rediss://,
    /// rediss+sentinel://, rediss+cluster://), or embedded:/path/to/file. A URL with a password belongs in
    /// the environment, not on the command line.
    #[arg(long, env = "TOKENWARD_STORE", hide_env_values = true, required = true)]
    pub(super) store: Option<Secret>,
    #[command(flatten)]
    pub(super) redis: RedisArgs,
    /// Refused, and the error says what to do instead: it made a realm anew after a wipe.
    #[arg(long, env = "TOKENWARD_CREATE_REALM", hide = true)]
    pub(super) create_realm: bool,
    /// Accept a Redis that may evict or forget. Revocations can be lost.
    #[arg(long, env = "TOKENWARD_ALLOW_VOLATILE")]
    pub(super) allow_volatile: bool,
    /// Who vouches that the Redis keeps what it acknowledged: `checked`, its own settings, which are
    /// read on each new connection; or `managed`, you, where a managed service hides them.
    #[arg(
        long,
        env = "TOKENWARD_STORE_DURABILITY",
        default_value = "checked",
        value_name = "checked|managed"
    )]
    pub(super) store_durability: String,
    /// The realm: its tokens' `aud`. 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM", required = true)]
    pub(super) realm: Option<String>,
    /// This issuer's URL: its tokens' `iss`.
    #[arg(long, env = "TOKENWARD_ISSUER_URL", required = true)]
    pub(super) issuer: Option<String>,
    /// What every token of the realm begins with.
    #[arg(long, env = "TOKENWARD_TOKEN_PREFIX", default_value = "tw_")]
    pub(super) token_prefix: String,
    /// A signing key's PKCS#8 PEM file: PATH (named by the file) or KID=PATH. The first signs, all
    /// are published. Or use --key-ring.
    #[arg(
        long = "signing-key",
        env = "TOKENWARD_SIGNING_KEYS",
        value_delimiter = ','
    )]
    pub(super) signing_keys: Vec<String>,
    /// A key ring: a JSON file that names the signing keys and which of them signs. Read again while
    /// the issuer runs; `tokenward keys rotate` writes it.
    #[arg(long, env = "TOKENWARD_KEY_RING", value_name = "PATH")]
    pub(super) key_ring: Option<PathBuf>,
    /// The operator credentials' JSON file; see `tokenward credentials generate`.
    #[arg(long, env = "TOKENWARD_CREDENTIALS", required = true)]
    pub(super) credentials: Option<PathBuf>,
    /// How long the log is kept; a verifier that was away for longer starts from a snapshot.
    #[arg(long, env = "TOKENWARD_LOG_RETENTION", default_value = "1h")]
    pub(super) log_retention: String,
    /// Most entries of the log, whatever their age.
    #[arg(long, env = "TOKENWARD_LOG_ENTRIES", default_value = "1000000")]
    pub(super) log_entries: String,
    /// Most bytes of the log, whatever their age.
    // The default is 512 MiB.
    #[arg(long, env = "TOKENWARD_LOG_BYTES", default_value = "536870912")]
    pub(super) log_bytes: String,
    /// Permit listeners, store and collector off loopback without TLS: the network is trusted.
    #[arg(long, env = "TOKENWARD_PLAINTEXT")]
    pub(super) plaintext: bool,
    /// How long after SIGTERM it goes on serving, not ready.
    #[arg(long, env = "TOKENWARD_DRAIN_DELAY", default_value = "2s")]
    pub(super) drain_delay: String,
    /// How long after SIGTERM it ends, whatever is unfinished.
    #[arg(long, env = "TOKENWARD_DRAIN_LIMIT", default_value = "25s")]
    pub(super) drain_limit: String,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

const EXAMPLE: &str = "\
Example, in an empty folder; `tokenward-verifier --help` goes on from there:
  tokenward keys generate --out 2026-11.pem
  tokenward credentials generate --name hub --role admin --out hub.credential \\
    --credentials credentials.json
  tokenward credentials generate --name verifiers --role feed --out feed.credential \\
    --credentials credentials.json
  tokenward realm create --realm hub --store embedded:hub.redb
  tokenward-issuer --realm hub --issuer https://tokens.example --store embedded:hub.redb \\
    --signing-key 2026-11.pem --credentials credentials.json";
