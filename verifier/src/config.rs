//! The settings of a verifier: every name, default and limit, with the reason beside it.
//!
//! This module decides what a valid setting is. It is pure: the host and its files are arguments. It
//! must not know what the settings are used for.

mod args;
mod feed;
mod guard;
mod host;
mod operators;
mod rules;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokenward_common::process::{
    DrainTimes, ListenAddress, TlsConfig, TraceConfig,
    admission::MOST,
    duration::parse_duration,
    settings::{
        Mistakes,
        rules::{listener, number, required, within},
    },
};

use crate::edge::{
    bodies::Cuts,
    routes::{Place, Table},
};

pub use crate::{bounds::Bounds, edge::guard::GuardTimes, keys::JwksSource};
pub use args::Args;
pub use feed::FeedSource;
use feed::feed;
pub use guard::Guard;
use guard::guard;
pub use host::Host;
pub use operators::Operators;
use operators::operators;
use rules::{
    bound, drain, jwks, no_space, no_two_alike, routes, size, token_prefix, word, write_bound,
};

/// Where the view is kept between two runs, and how often it is saved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshots {
    pub folder: PathBuf,
    pub interval: Duration,
}

/// The checked settings. Nothing is opened yet.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: Vec<ListenAddress>,
    pub http_listen: Vec<ListenAddress>,
    /// The table of which permissions a proxied request takes.
    pub routes: Arc<Table>,
    /// The longest body that is read to find what a request asks for, in bytes.
    pub max_body: usize,
    /// The lengths at which Envoy may cut off the bodies that it shows.
    pub cuts: Cuts,
    /// The most who-am-I answers to one account in five minutes; 0 means no limit.
    pub whoami_limit: u32,
    /// The most who-am-I refusals to one address in five minutes; 0 means no limit.
    pub whoami_refusals: u32,
    pub guard: Option<Guard>,
    pub admin_listen: ListenAddress,
    /// The most connections of one listener from one address; `None` means half of what it may hold.
    pub address_connections: Option<usize>,
    pub feed: FeedSource,
    /// The realm: one hub with its keys, log and state. It is also the `aud` that tokens must have.
    pub realm: String,
    /// The `iss` that tokens must have.
    pub issuer: String,
    pub token_prefix: String,
    /// The sources of public keys, which are tried in turn.
    pub jwks: Vec<JwksSource>,
    /// The file that keeps the last good key set.
    pub jwks_cache: Option<PathBuf>,
    /// `None`: no snapshot is kept.
    pub snapshots: Option<Snapshots>,
    /// How often the keys are fetched again.
    pub jwks_poll: Duration,
    pub bounds: Bounds,
    pub confirm_interval: Duration,
    pub expiry_warning: Duration,
    /// The operators, who may request explanations.
    pub operators: Option<Operators>,
    pub workers: usize,
    pub memo_capacity: usize,
    /// This follower's name in receipts.
    pub name: String,
    pub drain: DrainTimes,
    pub plaintext: bool,
    pub traces: Option<TraceConfig>,
    pub tls: TlsConfig,
}

/// Many more threads than cores bring nothing, and a typing error could exhaust a machine.
const WORKERS: std::ops::RangeInclusive<usize> = 1..=1024;
/// A token takes some 350 bytes, so 100 million tokens take some 35 GB.
const MEMO: std::ops::RangeInclusive<usize> = 1024..=100_000_000;
/// A key rotation waits at least one of these intervals between publishing a key and signing with it.
const POLL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);
/// A shorter interval only wears the disk out, and after a longer one the log may not reach back.
const SNAPSHOTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Each bound is at least twice the interval, and the one for writing is at most 5 s.
const CONFIRM: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(2500);

/// The name of the public keys' file in the folder of the snapshot.
const KEYS: &str = "keys.json";

/// No listener holds more connections than `MOST`.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 1..=MOST;

/// An LFS batch is about 10 KiB. Two of the longest bodies fit into the room at once, though their
/// buffers double as they grow.
const BODY: std::ops::RangeInclusive<usize> = 64 * 1024..=32 * 1024 * 1024;

/// More would be no limit, and 0 already means that.
const ASKED: std::ops::RangeInclusive<usize> = 0..=1_000_000;

/// The limit is a year, because a longer warning would apply to every token.
const WARNING: std::ops::RangeInclusive<Duration> =
    Duration::ZERO..=Duration::from_secs(366 * 24 * 3600);

impl Config {
    /// Builds the settings, or returns all mistakes in them at once.
    pub fn build(args: Args, host: &Host<'_>) -> Result<Self, Mistakes> {
        let mut m = Mistakes::default();
        let plaintext = args.plaintext;
        let tls = m.take_all(args.tls.check());
        // A mistake in the settings of TLS is no reason to report the listeners too.
        let may_listen = tls.clone().unwrap_or_default();
        let listeners = may_listen.listeners(plaintext || tls.is_none());

        let listen: Vec<_> = args
            .listen
            .iter()
            .filter_map(|text| m.take("--listen", listener(text, listeners)))
            .collect();
        let http_listen: Vec<_> = args
            .http_listen
            .iter()
            .filter_map(|text| m.take("--http-listen", listener(text, listeners)))
            .collect();
        let routes = m.take("--routes", routes(&args.routes, host));
        let mut place = Place::default();
        if let Some(url) = &args.hub_url {
            m.check("--hub-url", place.at(url));
        }
        if let Some(path) = &args.path_prefix {
            m.check("--path-prefix", place.under(path));
        }
        let max_body = m.take(
            "--max-body",
            size(&args.max_body).and_then(|n| within(n, &BODY)),
        );
        let shown = args.shown_body.iter().filter_map(|text| {
            let length = size(text).and_then(|n| within(n, &BODY));
            m.take("--shown-body", length)
        });
        let cuts = Cuts::new(shown.collect()).unwrap_or_default();
        let mut asked = |flag, text: &str| {
            let most = number(text).and_then(|n| within(n, &ASKED));
            m.take(flag, most).and_then(|n| u32::try_from(n).ok())
        };
        let whoami_limit = asked("--whoami-limit", &args.whoami_limit);
        let whoami_refusals = asked("--whoami-refusals", &args.whoami_refusals);
        let admin_listen = m.take("--admin-listen", {
            let may = may_listen.admin(plaintext || tls.is_none());
            listener(&args.admin_listen, may)
        });
        // `Some(None)` means that the flag is not given, which is no mistake.
        let address_connections = match &args.address_connections {
            None => Some(None),
            Some(text) => {
                let most = number(text).and_then(|n| within(n, &CONNECTIONS));
                m.take("--address-connections", most).map(Some)
            }
        };
        let guard = guard(&args, listeners, &mut m);
        let guarded = guard.iter().flat_map(|guard| &guard.listen);
        let all = listen.iter().chain(&http_listen).chain(&admin_listen);
        let all = all.chain(guarded);
        m.check("--listen", no_two_alike(all));

        let feed = feed(&args, host, &mut m);
        let realm = m.take("--realm", required(args.realm).and_then(word));
        let issuer = m.take("--issuer", required(args.issuer).and_then(no_space));
        let token_prefix = m.take("--token-prefix", token_prefix(args.token_prefix));
        let jwks: Vec<_> = args
            .jwks
            .iter()
            .filter_map(|text| {
                let text = required(Some(text.clone()));
                m.take("--jwks", text.and_then(|text| jwks(text, plaintext)))
            })
            .collect();
        if args.jwks.is_empty() {
            m.check("--jwks", required(None).map(drop));
        }
        let jwks_poll = m.take(
            "--jwks-poll",
            parse_duration(&args.jwks_poll).and_then(|d| within(d, &POLL)),
        );

        let snapshot_interval = m.take(
            "--snapshot-interval",
            parse_duration(&args.snapshot_interval).and_then(|d| within(d, &SNAPSHOTS)),
        );

        let confirm_interval = m.take(
            "--confirm-interval",
            parse_duration(&args.confirm_interval).and_then(|d| within(d, &CONFIRM)),
        );
        let bound = |text: &str| parse_duration(text).and_then(|d| bound(d, confirm_interval));
        let read = m.take("--bound-read", bound(&args.bound_read));
        let write = bound(&args.bound_write).and_then(write_bound);
        let write = m.take("--bound-write", write);
        let infer = m.take("--bound-infer", bound(&args.bound_infer));

        let expiry_warning = m.take(
            "--expiry-warning",
            parse_duration(&args.expiry_warning).and_then(|d| within(d, &WARNING)),
        );
        // `Some(None)` means that no file is named, which is no mistake.
        let operators = match &args.operators {
            None => Some(None),
            Some(path) => m.take("--operators", operators(path, host)).map(Some),
        };
        let workers = match args.workers {
            None => Some(host.cores),
            Some(text) => m.take("--workers", number(&text).and_then(|n| within(n, &WORKERS))),
        };
        let memo_capacity = m.take(
            "--memo-capacity",
            number(&args.memo_capacity).and_then(|n| within(n, &MEMO)),
        );
        let name = args
            .name
            .unwrap_or_else(|| format!("{}-{}", host.hostname, host.process));
        let name = m.take("--name", word(name));
        let delay = m.take("--drain-delay", parse_duration(&args.drain_delay));
        let limit = m.take("--drain-limit", parse_duration(&args.drain_limit));
        let drain = delay
            .zip(limit)
            .and_then(|times| m.take("--drain-limit", drain(times)));
        let traces = m.take_all(args.traces.check(plaintext));
        m.check("--log", args.log.filter().map(drop));

        // Every value is `Some` exactly when there is no mistake.
        let built = (|| {
            Some(Self {
                listen,
                http_listen,
                routes: Arc::new(routes?.placed(place)),
                max_body: max_body?,
                cuts,
                whoami_limit: whoami_limit?,
                whoami_refusals: whoami_refusals?,
                guard,
                admin_listen: admin_listen?,
                address_connections: address_connections?,
                feed: feed?,
                realm: realm?,
                issuer: issuer?,
                token_prefix: token_prefix?,
                jwks,
                jwks_cache: args.jwks_cache.or_else(|| {
                    let folder = args.snapshot_dir.as_ref();
                    folder.map(|folder| folder.join(KEYS))
                }),
                snapshots: match args.snapshot_dir {
                    Some(folder) => Some(Snapshots {
                        folder,
                        interval: snapshot_interval?,
                    }),
                    None => None,
                },
                jwks_poll: jwks_poll?,
                bounds: Bounds {
                    read: read?,
                    write: write?,
                    infer: infer?,
                },
                confirm_interval: confirm_interval?,
                expiry_warning: expiry_warning?,
                operators: operators?,
                workers: workers?,
                memo_capacity: memo_capacity?,
                name: name?,
                drain: drain?,
                plaintext,
                traces: traces?,
                tls: tls?,
            })
        })();
        m.or_built(built)
    }
}
