//! The settings of an issuer: every name, default and limit. It reports all mistakes at once, and must not
//! know what the settings are used for.

mod args;
mod files;
mod store;
#[cfg(test)]
mod tests;

use std::{ops::RangeInclusive, path::PathBuf};

use tokenward_common::{
    id::AccountId,
    process::{
        DrainTimes, ListenAddress, Secret, TlsConfig, TraceConfig,
        admission::MOST,
        duration::parse_duration,
        settings::{
            Mistakes,
            rules::{listener, number, required, within},
        },
    },
    store::Retention,
    token::Prefix,
};

use crate::keys::{KeyFile, KeySource};

pub use args::Args;
pub(crate) use files::load_files;
pub use store::{StoreChoice, is_managed, parse_store};

/// How many connections one listener may be limited to per address.
const CONNECTIONS: RangeInclusive<usize> = 1..=MOST;
/// A shorter log would send verifiers back to a snapshot all the time.
const ENTRIES: u64 = 1000;
const BYTES: u64 = 1024 * 1024;
/// The longest issuer URL, which is part of every token.
const LONGEST_URL: usize = 256;

/// All values here are checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: ListenAddress,
    pub http_listen: ListenAddress,
    pub admin_listen: ListenAddress,
    /// How many connections one address may have at one listener; `None` means half of what the listener may
    /// hold.
    pub address_connections: Option<usize>,
    pub store: StoreChoice,
    pub allow_volatile: bool,
    /// The operator vouches for the Redis' settings, which are not read.
    pub managed: bool,
    pub realm: String,
    pub issuer: String,
    pub prefix: Prefix,
    pub keys: KeySource,
    pub credentials: PathBuf,
    pub retention: Retention,
    pub drain: DrainTimes,
    /// Where traces go; `None` means that nothing is traced.
    pub traces: Option<TraceConfig>,
    pub tls: TlsConfig,
}

impl Config {
    /// Returns the settings, or all mistakes in them at once.
    pub fn build(args: Args) -> Result<Self, Mistakes> {
        let mut m = Mistakes::default();
        let plaintext = args.plaintext;

        let tls = m.take_all(args.tls.check());
        // A mistake in the settings of TLS is no reason to report the listeners too.
        let may_listen = tls.clone().unwrap_or_default();
        let listeners = may_listen.listeners(plaintext || tls.is_none());
        let mut listen = |flag, text: &str, may| m.take(flag, listener(text, may));
        let grpc = listen("--listen", &args.listen, listeners);
        let http = listen("--http-listen", &args.http_listen, listeners);
        let admin = may_listen.admin(plaintext || tls.is_none());
        let admin = listen("--admin-listen", &args.admin_listen, admin);
        // `Some(None)` means that the flag is not given, which is no mistake.
        let address_connections = match &args.address_connections {
            None => Some(None),
            Some(text) => {
                let most = number(text).and_then(|n| within(n, &CONNECTIONS));
                m.take("--address-connections", most).map(Some)
            }
        };

        let store = match args.store {
            None => m.take("--store", required(None).map(Secret::new)),
            url => url,
        };
        let store = store.and_then(|url| parse_store(&url, &args.redis, plaintext, &mut m));
        let managed = m.take("--store-durability", is_managed(&args.store_durability));
        let realm = m.take("--realm", required(args.realm).and_then(realm));
        let issuer = m.take("--issuer", required(args.issuer).and_then(issuer));
        if args.create_realm {
            let rule = "servers make no realms; run `tokenward realm create` once";
            m.check("--create-realm", Err(rule.into()));
        }
        let prefix = Prefix::parse(&args.token_prefix).map_err(|rule| rule.to_string());
        let prefix = m.take("--token-prefix", prefix);
        let keys = keys(&args.signing_keys, args.key_ring, &mut m);
        let credentials = args.credentials.ok_or_else(|| "required".into());
        let credentials = m.take("--credentials", credentials);

        let time = m.take("--log-retention", parse_duration(&args.log_retention));
        let entries = m.take("--log-entries", number(&args.log_entries));
        let bytes = m.take("--log-bytes", number(&args.log_bytes));
        for (flag, value, least) in [
            ("--log-entries", entries, ENTRIES),
            ("--log-bytes", bytes, BYTES),
        ] {
            if value.is_some_and(|it: u64| it < least) {
                m.check(flag, Err(format!("must be at least {least}")));
            }
        }
        let delay = m.take("--drain-delay", parse_duration(&args.drain_delay));
        let limit = m.take("--drain-limit", parse_duration(&args.drain_limit));
        if delay.zip(limit).is_some_and(|(delay, limit)| limit < delay) {
            let rule = "must be at least --drain-delay";
            m.check("--drain-limit", Err(rule.into()));
        }
        let traces = m.take_all(args.traces.check(plaintext));
        m.check("--log", args.log.filter().map(drop));

        // All of these are `Some` exactly when there is no mistake.
        let built = (|| {
            Some(Self {
                listen: grpc?,
                http_listen: http?,
                admin_listen: admin?,
                address_connections: address_connections?,
                store: store?,
                allow_volatile: args.allow_volatile,
                managed: managed?,
                realm: realm?,
                issuer: issuer?,
                prefix: prefix?,
                keys: keys?,
                credentials: credentials?,
                retention: Retention {
                    time: time?,
                    entries: entries?,
                    bytes: bytes?,
                },
                drain: DrainTimes {
                    delay: delay?,
                    limit: limit?,
                },
                traces: traces?,
                tls: tls?,
            })
        })();
        m.or_built(built)
    }
}

/// Reads where the keys are: in files or in a ring, and exactly one of the two.
fn keys(files: &[String], ring: Option<PathBuf>, m: &mut Mistakes) -> Option<KeySource> {
    match ring {
        Some(ring) if files.is_empty() => Some(KeySource::Ring(ring)),
        None if !files.is_empty() => {
            let parse = |text: &String| m.take("--signing-key", text.parse());
            let files: Vec<Option<KeyFile>> = files.iter().map(parse).collect();
            files
                .into_iter()
                .collect::<Option<_>>()
                .map(KeySource::Files)
        }
        _ => {
            let rule = "exactly one of the two is required";
            m.take("--signing-key, --key-ring", Err(rule.into()))
        }
    }
}

/// Checks the realm, which is part of Redis keys and the `aud` of every token.
fn realm(text: String) -> Result<String, String> {
    AccountId::parse(&text).map_err(|rule| rule.to_string())?;
    Ok(text)
}

fn issuer(text: String) -> Result<String, String> {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if is_url && text.len() <= LONGEST_URL {
        Ok(text)
    } else {
        Err(format!(
            "must be an http(s) URL of at most {LONGEST_URL} characters"
        ))
    }
}
