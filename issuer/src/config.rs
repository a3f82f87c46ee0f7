//! Names, defaults and limits of the issuer's settings. All mistakes are reported at once.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use tokenward_common::{
    process::{
        DrainTimes, ListenAddress, LogArgs, Secret, TraceArgs, TraceConfig, admission::MOST,
        duration::parse_duration, file, listen::url_permitted, secret_url::with_password,
    },
    store::Retention,
    token::Prefix,
};

use crate::keys::{KeyFile, KeySource};

/// Of a file with a password.
const MOST_PASSWORD_BYTES: u64 = 64 * 1024;

/// Mints, lists and revokes user access tokens, keeps the hub's directory, publishes the log.
#[derive(Parser, Debug, Clone)]
#[command(name = "tokenward-issuer", version, about, after_help = EXAMPLE)]
pub struct Args {
    /// Where TokenService, DirectoryService and FeedService are served: host:port or unix:/path.
    #[arg(long, env = "TOKENWARD_LISTEN", default_value = "127.0.0.1:8470")]
    listen: ListenAddress,
    /// Where anybody may ask: the public keys, /.well-known/jwks.json; and have leaked tokens revoked,
    /// POST /api/credentials/revoke.
    #[arg(long, env = "TOKENWARD_HTTP_LISTEN", default_value = "127.0.0.1:8471")]
    http_listen: ListenAddress,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "TOKENWARD_ADMIN_LISTEN", default_value = "127.0.0.1:8472")]
    admin_listen: ListenAddress,
    /// How many connections one address may have at one listener; half of what the listener may hold
    /// unless set. Behind a proxy all have the proxy's address. A Unix socket has no such limit.
    #[arg(long, env = "TOKENWARD_ADDRESS_CONNECTIONS", value_name = "NUMBER")]
    address_connections: Option<usize>,
    /// redis://[user:password@]host:port, or embedded:/path/to/file. A URL with a password belongs
    /// in the environment, not on the command line.
    #[arg(long, env = "TOKENWARD_STORE", hide_env_values = true)]
    store: Secret,
    /// A file that holds the password of the Redis that --store names.
    #[arg(long, env = "TOKENWARD_STORE_PASSWORD_FILE", value_name = "PATH")]
    store_password_file: Option<PathBuf>,
    /// Refused, with what to do instead: an issuer made a realm anew after a wipe.
    #[arg(long, env = "TOKENWARD_CREATE_REALM", hide = true)]
    create_realm: bool,
    /// Accept a Redis that may evict or forget. Revocations can be lost.
    #[arg(long, env = "TOKENWARD_ALLOW_VOLATILE")]
    allow_volatile: bool,
    /// The Redis hides its settings (a managed service); you have checked them yourself.
    #[arg(long, env = "TOKENWARD_MANAGED_REDIS")]
    managed_redis: bool,
    /// The realm: its tokens' `aud`. 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM")]
    realm: String,
    /// This issuer's URL: its tokens' `iss`.
    #[arg(long, env = "TOKENWARD_ISSUER_URL")]
    issuer: String,
    /// What every token of the realm begins with.
    #[arg(long, env = "TOKENWARD_TOKEN_PREFIX", default_value = "tw_")]
    token_prefix: String,
    /// A signing key's PKCS#8 PEM file: PATH (named by the file) or KID=PATH. The first signs, all
    /// are published. Or use --key-ring.
    #[arg(
        long = "signing-key",
        env = "TOKENWARD_SIGNING_KEYS",
        value_delimiter = ','
    )]
    signing_keys: Vec<KeyFile>,
    /// A key ring: a JSON file that names the signing keys and which of them signs. Read again while
    /// the issuer runs; `tokenward keys rotate` writes it.
    #[arg(long, env = "TOKENWARD_KEY_RING", value_name = "PATH")]
    key_ring: Option<PathBuf>,
    /// The operator credentials' JSON file; see `tokenward credentials generate`.
    #[arg(long, env = "TOKENWARD_CREDENTIALS")]
    credentials: PathBuf,
    /// How long the log is kept; a verifier that was away for longer starts from a snapshot.
    #[arg(long, env = "TOKENWARD_LOG_RETENTION", default_value = "1h", value_parser = parse_duration)]
    log_retention: Duration,
    /// Most entries of the log, whatever their age.
    #[arg(long, env = "TOKENWARD_LOG_ENTRIES", default_value_t = 1_000_000)]
    log_entries: u64,
    /// Most bytes of the log, whatever their age.
    #[arg(long, env = "TOKENWARD_LOG_BYTES", default_value_t = 512 * 1024 * 1024)]
    log_bytes: u64,
    /// Permit listeners, store and collector off loopback without TLS: the network is trusted.
    #[arg(long, env = "TOKENWARD_PLAINTEXT")]
    plaintext: bool,
    /// How long after SIGTERM it goes on serving, not ready.
    #[arg(long, env = "TOKENWARD_DRAIN_DELAY", default_value = "2s", value_parser = parse_duration)]
    drain_delay: Duration,
    /// How long after SIGTERM it ends, whatever is unfinished.
    #[arg(long, env = "TOKENWARD_DRAIN_LIMIT", default_value = "25s", value_parser = parse_duration)]
    drain_limit: Duration,
    #[command(flatten)]
    traces: TraceArgs,
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

/// Where records and log are.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    Embedded(PathBuf),
    Redis(Secret),
}

impl StoreChoice {
    pub fn redis_url(secret: &Secret) -> &str {
        secret.expose()
    }
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: ListenAddress,
    pub http_listen: ListenAddress,
    pub admin_listen: ListenAddress,
    /// Of one listener, from one address; `None`: half of what it may hold.
    pub address_connections: Option<usize>,
    pub store: StoreChoice,
    pub allow_volatile: bool,
    pub managed_redis: bool,
    pub realm: String,
    pub issuer: String,
    pub prefix: Prefix,
    pub keys: KeySource,
    pub credentials: PathBuf,
    pub retention: Retention,
    pub drain: DrainTimes,
    /// `None`: nothing is traced.
    pub traces: Option<TraceConfig>,
}

impl Args {
    /// Every mistake, each naming its flag and the rule.
    pub fn check(self) -> Result<Config, Vec<String>> {
        let mut mistakes = Vec::new();
        let listeners = [
            ("--listen", &self.listen),
            ("--http-listen", &self.http_listen),
            ("--admin-listen", &self.admin_listen),
        ];
        for (flag, address) in listeners {
            if let Err(rule) = address.permitted(self.plaintext) {
                mistakes.push(format!("{flag}: {rule}"));
            }
        }
        let realm_fits = tokenward_common::id::AccountId::parse(&self.realm);
        if let Err(rule) = realm_fits {
            mistakes.push(format!("--realm: {rule}"));
        }
        if !(self.issuer.starts_with("https://") || self.issuer.starts_with("http://"))
            || self.issuer.len() > 256
        {
            mistakes.push("--issuer: must be an http(s) URL of at most 256 characters".into());
        }
        if self.create_realm {
            mistakes.push(
                "--create-realm: servers make no realms; run `tokenward realm create` once".into(),
            );
        }
        let keys = match (self.signing_keys, self.key_ring) {
            (files, None) if !files.is_empty() => KeySource::Files(files),
            (files, Some(ring)) if files.is_empty() => KeySource::Ring(ring),
            _ => {
                mistakes.push("--signing-key, --key-ring: give keys by exactly one of them".into());
                KeySource::Files(Vec::new())
            }
        };
        if self.drain_limit < self.drain_delay {
            mistakes.push("--drain-limit: must be at least --drain-delay".into());
        }
        if self
            .address_connections
            .is_some_and(|it| !(1..=MOST).contains(&it))
        {
            mistakes.push(format!("--address-connections: must be 1 to {MOST}"));
        }
        if self.log_entries < 1000 || self.log_bytes < 1024 * 1024 {
            mistakes.push("--log-entries, --log-bytes: at least 1000 and 1 MiB".into());
        }
        let traces = self.traces.check(self.plaintext).unwrap_or_else(|wrong| {
            let told = wrong.iter().map(|(flag, rule)| format!("{flag}: {rule}"));
            mistakes.extend(told);
            None
        });
        let file = self.store_password_file.as_deref();
        let whole = with_password_of(self.store, file);
        let store = whole.and_then(|url| parse_store(&url, self.plaintext));
        let prefix = Prefix::parse(&self.token_prefix);
        if let Err(rule) = &store {
            mistakes.push(rule.clone());
        }
        if let Err(rule) = &prefix {
            mistakes.push(format!("--token-prefix: {rule}"));
        }
        match (store, prefix) {
            (Ok(store), Ok(prefix)) if mistakes.is_empty() => Ok(Config {
                listen: self.listen,
                http_listen: self.http_listen,
                admin_listen: self.admin_listen,
                address_connections: self.address_connections,
                store,
                allow_volatile: self.allow_volatile,
                managed_redis: self.managed_redis,
                realm: self.realm,
                issuer: self.issuer,
                prefix,
                keys,
                credentials: self.credentials,
                retention: Retention {
                    time: self.log_retention,
                    entries: self.log_entries,
                    bytes: self.log_bytes,
                },
                drain: DrainTimes {
                    delay: self.drain_delay,
                    limit: self.drain_limit,
                },
                traces,
            }),
            _ => Err(mistakes),
        }
    }
}

/// The store's URL, with the password that stands in a file, if there is one. The message names the
/// setting.
pub fn with_password_of(store: Secret, file: Option<&Path>) -> Result<Secret, String> {
    let Some(path) = file else {
        return Ok(store);
    };
    let named = |rule: String| format!("--store-password-file {}: {rule}", path.display());
    let text =
        file::read_text(path, MOST_PASSWORD_BYTES).map_err(|error| named(error.to_string()))?;
    let whole = with_password(store.expose(), text.trim()).map_err(named)?;
    Ok(Secret::new(whole))
}

/// By the rules for `--store`, which the message names. No message repeats the URL, which may hold a password.
pub fn parse_store(text: &Secret, plaintext: bool) -> Result<StoreChoice, String> {
    store_of(text.expose(), plaintext).map_err(|rule| format!("--store: {rule}"))
}

fn store_of(text: &str, plaintext: bool) -> Result<StoreChoice, String> {
    if let Some(path) = text.strip_prefix("embedded:") {
        return if path.is_empty() {
            Err("embedded: needs a path".into())
        } else {
            Ok(StoreChoice::Embedded(path.into()))
        };
    }
    if text.starts_with("redis://") || text.starts_with("redis+unix://") {
        url_permitted(text, plaintext)?;
        return Ok(StoreChoice::Redis(Secret::new(text.to_owned())));
    }
    if text.starts_with("rediss://") {
        let rule = "TLS to Redis isn't built yet; use a tunnel or redis:// on a trusted network";
        return Err(rule.into());
    }
    Err("must be redis://host:port or embedded:/path".into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LEAST: [&str; 6] = [
        "tokenward-issuer",
        "--store=embedded:/none",
        "--realm=hub",
        "--issuer=https://tokens.example",
        "--signing-key=/k.pem",
        "--credentials=/none",
    ];

    fn checked(more: &[&str]) -> Result<Config, Vec<String>> {
        // A flag that is given again stands.
        let args = LEAST.iter().chain(more);
        let more: Vec<_> = args
            .clone()
            .enumerate()
            .filter(|(at, arg)| {
                let flag = |arg: &str| arg.split('=').next().unwrap().to_owned();
                !args
                    .clone()
                    .skip(at + 1)
                    .any(|later| flag(later) == flag(arg))
            })
            .map(|(_, arg)| *arg)
            .collect();
        Args::parse_from(more).check()
    }

    /// Every setting that is an address or a URL which is listened on or called.
    #[test]
    fn nothing_leaves_this_machine_in_the_clear_unless_permitted() {
        assert!(checked(&[]).is_ok());
        for (flag, here, there) in [
            ("--listen", "127.0.0.1:1", "0.0.0.0:1"),
            ("--http-listen", "[::1]:1", "10.0.0.1:1"),
            ("--admin-listen", "unix:/s", "[::]:1"),
            (
                "--store",
                "redis://127.0.0.1:6379",
                "redis://db.example:6379",
            ),
            (
                "--otlp-endpoint",
                "http://127.0.0.1:4317",
                "http://otlp.example:4317",
            ),
        ] {
            assert!(checked(&[&format!("{flag}={here}")]).is_ok(), "{flag}");
            let there = format!("{flag}={there}");
            let told = checked(&[&there]).unwrap_err().join("\n");
            assert!(told.starts_with(flag), "{told}");
            assert!(told.contains("--plaintext"), "{told}");
            assert!(checked(&[&there, "--plaintext"]).is_ok(), "{flag}");
        }
    }

    #[test]
    fn a_password_comes_from_the_environment_or_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs::write(&path, "hunter2\n").unwrap();
        let file = format!("--store-password-file={}", path.display());
        let config = checked(&["--store=redis://ada@127.0.0.1", &file]).unwrap();
        let StoreChoice::Redis(url) = &config.store else {
            panic!("a Redis");
        };
        assert_eq!(StoreChoice::redis_url(url), "redis://ada:hunter2@127.0.0.1");
        for wrong in [
            &["--store=redis://ada:x@127.0.0.1", &*file][..],
            &["--store=embedded:/none", &file],
            &["--store=redis://127.0.0.1", "--store-password-file=/none"],
        ] {
            let told = checked(wrong).unwrap_err().join("\n");
            assert!(told.starts_with("--store-password-file"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_mistake_names_its_setting_once() {
        for (wrong, flag) in [
            (&["--store=embedded:"][..], "--store: "),
            (&["--store=mysql://db"], "--store: "),
            (&["--store=rediss://db"], "--store: "),
            (
                &["--store=redis://127.0.0.1", "--store-password-file=/none"],
                "--store-password-file /none: ",
            ),
        ] {
            let told = checked(wrong).unwrap_err().join("\n");
            assert!(told.starts_with(flag), "{told}");
            assert_eq!(told.matches("--store").count(), 1, "{told}");
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let args = Args::parse_from([
            "tokenward-issuer",
            "--listen=0.0.0.0:1",
            "--store=mysql://root:hunter2@db",
            "--realm=a b",
            "--issuer=ftp://x",
            "--token-prefix=no dash",
            "--credentials=/none",
            "--create-realm",
        ]);
        assert!(!format!("{args:?}").contains("hunter2"));
        let mistakes = args.check().unwrap_err().join("\n");
        for flag in [
            "--listen",
            "--store",
            "--realm",
            "--issuer",
            "--token-prefix",
            "tokenward realm create",
            "--signing-key",
        ] {
            assert!(mistakes.contains(flag), "{flag} in {mistakes}");
        }
        assert!(!mistakes.contains("hunter2"));
    }
}
