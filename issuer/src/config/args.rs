//! The flags as typed. They are text, so that [`super::Config::build`] can report all mistakes at once; clap
//! would stop at the first. The flags' doc comments are the program's help text.

use std::path::PathBuf;

use clap::Parser;
use tokenward_common::{
    process::{LogArgs, Secret, TlsArgs, TraceArgs},
    store::redis::RedisArgs,
};

/// Mints, lists and revokes user access tokens, keeps the hub's directory, publishes the log.
#[derive(Parser, Debug, Clone)]
#[command(name = "tokenward-issuer", version, about, after_help = EXAMPLE)]
pub struct Args {
    /// Serve the gRPC services on this address: tokens, directory, org tokens, keys, audit trail
    /// and the log's feed. The address is host:port or unix:/path.
    #[arg(long, env = "TOKENWARD_LISTEN", default_value = "127.0.0.1:8470")]
    pub(super) listen: String,
    /// Serve HTTP without credentials on this address: the public keys at /.well-known/jwks.json,
    /// and the revocation of leaked tokens at POST /api/credentials/revoke. The address is
    /// host:port or unix:/path.
    #[arg(long, env = "TOKENWARD_HTTP_LISTEN", default_value = "127.0.0.1:8471")]
    pub(super) http_listen: String,
    /// Serve /metrics, /livez and /readyz on this address. The address is host:port or unix:/path.
    #[arg(long, env = "TOKENWARD_ADMIN_LISTEN", default_value = "127.0.0.1:8472")]
    pub(super) admin_listen: String,
    /// Limit the connections of one address at one listener to this number, from 1 to 4096. Half of
    /// what the listener can hold is the limit if this is not set. Behind a proxy, all callers have
    /// the proxy's address. A Unix socket has no such limit.
    #[arg(long, env = "TOKENWARD_ADDRESS_CONNECTIONS", value_name = "NUMBER")]
    pub(super) address_connections: Option<String>,
    /// Keep the log and the records in this store: redis://host:port, redis+unix:///path,
    /// redis+sentinel://host,host,host/name, redis+cluster://host,host/ (over TLS rediss://,
    /// rediss+sentinel://, rediss+cluster://), or embedded:/path/to/file for a file. A URL with a
    /// password belongs in the environment, not on the command line.
    #[arg(long, env = "TOKENWARD_STORE", hide_env_values = true, required = true)]
    pub(super) store: Option<Secret>,
    #[command(flatten)]
    pub(super) redis: RedisArgs,
    /// Refused, and the error says what to do instead: it made a realm anew after a wipe.
    #[arg(long, env = "TOKENWARD_CREATE_REALM", hide = true)]
    pub(super) create_realm: bool,
    /// Accept a Redis whose settings let it evict or forget data. Revocations can then be lost.
    #[arg(long, env = "TOKENWARD_ALLOW_VOLATILE")]
    pub(super) allow_volatile: bool,
    /// Say who vouches that the Redis keeps what it acknowledged: `checked` means its own settings,
    /// which are read on each new connection; `managed` means you, where a managed service hides
    /// them.
    #[arg(
        long,
        env = "TOKENWARD_STORE_DURABILITY",
        default_value = "checked",
        value_name = "checked|managed"
    )]
    pub(super) store_durability: String,
    /// Serve the realm with this name, which is also the `aud` of its tokens. The name has 1 to 64
    /// characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM", required = true)]
    pub(super) realm: Option<String>,
    /// Write this http or https URL into the `iss` of every token. It has at most 256 characters.
    #[arg(long, env = "TOKENWARD_ISSUER_URL", required = true)]
    pub(super) issuer: Option<String>,
    /// Begin every token of the realm with this prefix. It has 1 to 16 characters of A-Z a-z 0-9 _
    /// and ends in _.
    #[arg(long, env = "TOKENWARD_TOKEN_PREFIX", default_value = "tw_")]
    pub(super) token_prefix: String,
    /// Load a signing key from this PKCS#8 PEM file, given as PATH or KID=PATH. With PATH alone,
    /// the file's name without its ending names the key. Separate several keys by commas or repeat
    /// the option: the first one signs, and all are published. Exactly one of --signing-key and
    /// --key-ring is required.
    #[arg(
        long = "signing-key",
        env = "TOKENWARD_SIGNING_KEYS",
        value_delimiter = ','
    )]
    pub(super) signing_keys: Vec<String>,
    /// Load the signing keys from this key ring, a JSON file that names the keys and which of them
    /// signs. The issuer reads the file again every second; `tokenward keys rotate` writes it.
    #[arg(long, env = "TOKENWARD_KEY_RING", value_name = "PATH")]
    pub(super) key_ring: Option<PathBuf>,
    /// Read the operators' credentials from this JSON file, which `tokenward credentials generate`
    /// writes. The issuer reads the file again while it runs.
    #[arg(long, env = "TOKENWARD_CREDENTIALS", required = true)]
    pub(super) credentials: Option<PathBuf>,
    /// Keep the entries of the log for this long. A verifier that was away for longer loads a
    /// snapshot.
    #[arg(long, env = "TOKENWARD_LOG_RETENTION", default_value = "1h")]
    pub(super) log_retention: String,
    /// Keep at most this many entries of the log, whatever their age. The least is 1000.
    #[arg(long, env = "TOKENWARD_LOG_ENTRIES", default_value = "1000000")]
    pub(super) log_entries: String,
    /// Keep at most this many bytes of the log, whatever their age. The least is 1048576, which is
    /// 1 MiB.
    // The default is 512 MiB.
    #[arg(long, env = "TOKENWARD_LOG_BYTES", default_value = "536870912")]
    pub(super) log_bytes: String,
    /// Allow listeners, and connections to the store and to the traces' collector, that leave this
    /// machine without TLS. Use this only in a network that you trust.
    #[arg(long, env = "TOKENWARD_PLAINTEXT")]
    pub(super) plaintext: bool,
    /// Keep serving for this long after SIGTERM while /readyz reports that the program is not
    /// ready, so that load balancers stop sending requests.
    #[arg(long, env = "TOKENWARD_DRAIN_DELAY", default_value = "2s")]
    pub(super) drain_delay: String,
    /// End this long after SIGTERM, even if calls are unfinished. It must not be shorter than
    /// --drain-delay.
    #[arg(long, env = "TOKENWARD_DRAIN_LIMIT", default_value = "25s")]
    pub(super) drain_limit: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
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
