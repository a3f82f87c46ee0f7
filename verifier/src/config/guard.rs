//! Checks the settings of the guard: the server behind it, its listeners and its times. It must not
//! know how the guard uses them.

use std::{ops::RangeInclusive, time::Duration};

use hyper::Uri;
use tokenward_common::process::{
    ListenAddress,
    duration::parse_duration,
    listen::{Protection, url_permitted},
    settings::{
        Mistakes,
        rules::{listener, within},
    },
};

use super::args::Args;
use crate::edge::guard::GuardTimes;

/// The settings of a proxy in front of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guard {
    /// The server behind the guard: scheme and authority alone.
    pub upstream: Uri,
    /// The guard's listeners, of which there is at least one.
    pub listen: Vec<ListenAddress>,
    pub keep_credential: bool,
    /// The issuer's HTTP listener: scheme and authority alone.
    pub issuer: Option<Uri>,
    pub times: GuardTimes,
}

/// An allowed request must not be sent much later, so the limit is the default bound of a view's age.
const CONNECT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(5);
const OTHER: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

/// Returns `None` if there is no guard or if there are mistakes.
pub(super) fn guard(args: &Args, listeners: Protection, m: &mut Mistakes) -> Option<Guard> {
    let mut time = |flag, text: &str, range| {
        m.take(flag, parse_duration(text).and_then(|it| within(it, range)))
    };
    let connect = time(
        "--guard-connect-timeout",
        &args.guard_connect_timeout,
        &CONNECT,
    );
    let response = time(
        "--guard-response-timeout",
        &args.guard_response_timeout,
        &OTHER,
    );
    let idle = time("--guard-idle-timeout", &args.guard_idle_timeout, &OTHER);

    let listen: Vec<_> = args
        .guard_listen
        .iter()
        .filter_map(|text| m.take("--guard-listen", listener(text, listeners)))
        .collect();
    let Some(text) = &args.guard else {
        let alone = args.guard_listen.is_empty()
            && !args.guard_keep_credential
            && args.guard_issuer.is_none();
        m.check("--guard", alone.then_some(()).ok_or_else(|| ALONE.into()));
        return None;
    };
    if args.guard_listen.is_empty() {
        m.check("--guard-listen", Err("required beside --guard".into()));
    }
    let upstream = m.take("--guard", origin(text, args.plaintext))?;
    let issuer = match &args.guard_issuer {
        None => None,
        Some(text) => Some(m.take("--guard-issuer", origin(text, args.plaintext))?),
    };
    let itself = listen.iter().any(|it| {
        upstream
            .authority()
            .is_some_and(|authority| authority.as_str() == it.to_string())
    });
    m.check(
        "--guard",
        (!itself).then_some(()).ok_or_else(|| ITSELF.into()),
    );
    Some(Guard {
        upstream,
        listen,
        keep_credential: args.guard_keep_credential,
        issuer,
        times: GuardTimes {
            connect: connect?,
            response: response?,
            idle: idle?,
        },
    })
}

const ALONE: &str = "required beside the other --guard settings";
const ITSELF: &str = "is where the guard itself listens";

/// Parses a URL without a path, because the request that was judged is sent on byte for byte.
fn origin(text: &str, plaintext: bool) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|e| format!("not a URL: {e}"))?;
    let authority = uri.authority().map_or("", |it| it.as_str());
    if authority.contains('@') {
        return Err("must have no user and password in it".into());
    }
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => {
            url_permitted(text, plaintext)
                .map_err(|rule| format!("tokens and answers would go there in the open: {rule}"))?;
            match uri.path_and_query() {
                Some(path) if path.as_str() != "/" => Err(format!(
                    "`{text}` must end after the host and the port: requests are sent to the path that was judged"
                )),
                _ => Ok(uri),
            }
        }
        _ => Err(format!("`{text}` is neither an http nor an https URL")),
    }
}
