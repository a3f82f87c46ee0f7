//! The rules for kinds of values that only a verifier has. Each is pure: it takes a text and returns
//! the value or the broken rule.

use std::{path::Path, time::Duration};

use hyper::Uri;
use tokenward_common::{
    process::{DrainTimes, ListenAddress, listen::url_permitted, settings::rules::within},
    store::LONGEST_BOUND,
    token::Prefix,
};

use super::host::Host;
use crate::{edge::routes::Table, keys::JwksSource};

pub(super) fn no_two_alike<'a>(
    addresses: impl Iterator<Item = &'a ListenAddress>,
) -> Result<(), String> {
    let mut seen: Vec<&ListenAddress> = Vec::new();
    for address in addresses {
        // Port 0 is a different port each time.
        let any_port = matches!(address, ListenAddress::Tcp { port: 0, .. });
        if seen.contains(&address) && !any_port {
            return Err(format!("`{address}` is given twice"));
        }
        seen.push(address);
    }
    Ok(())
}

/// Checks a source of keys. A machine that can answer a plain http request for keys could mint tokens.
pub(super) fn jwks(text: String, plaintext: bool) -> Result<JwksSource, String> {
    if !text.contains("://") {
        return Ok(JwksSource::File(text.into()));
    }
    let uri: Uri = text.parse().map_err(|e| format!("`{text}`: {e}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => url_permitted(&text, plaintext)
            .map(|()| JwksSource::Url(uri))
            .map_err(|rule| format!("{rule}; or give a file")),
        _ => Err(format!(
            "`{text}` is neither a file nor an http or https URL"
        )),
    }
}

/// Checks a realm or a name. Both are parts of Redis keys and of metrics.
pub(super) fn word(text: String) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(fine) {
        Ok(text)
    } else {
        Err(format!(
            "`{text}` must be 1 to 64 characters of A-Z a-z 0-9 . _ -"
        ))
    }
}

pub(super) fn no_space(text: String) -> Result<String, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "`{text}` must have no space and no control character"
        ));
    }
    Ok(text)
}

pub(super) fn token_prefix(text: String) -> Result<String, String> {
    Prefix::parse(&text).map_err(|rule| format!("`{text}` {rule}"))?;
    Ok(text)
}

/// Reads a built-in table or a file. The mistakes in a file are reported each with its line.
pub(super) fn routes(text: &str, host: &Host<'_>) -> Result<Table, String> {
    let parsed = match Table::built_in(text) {
        Some(table) => table,
        None => {
            let table = (host.read)(Path::new(text)).map_err(|e| {
                format!("`{text}` is neither hub nor inference, nor a file that can be read: {e}")
            })?;
            Table::parse(&table)
        }
    };
    parsed.map_err(|mistakes| {
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        format!("`{text}`: {}", told.join("; "))
    })
}

/// Checks a bound. It must be at least twice the interval, so that one lost confirm is no outage.
pub(super) fn bound(
    bound: Duration,
    confirm_interval: Option<Duration>,
) -> Result<Duration, String> {
    let least = confirm_interval.unwrap_or(Duration::ZERO) * 2;
    if bound < least {
        return Err(format!("{bound:?} is under twice the --confirm-interval"));
    }
    within(bound, &(Duration::from_millis(1)..=LONGEST_BOUND))
}

/// A write can't be taken back, so nobody may set this bound longer, whatever the store does.
const LONGEST_WRITE: Duration = Duration::from_secs(5);

/// Checks the bound for permissions to write.
pub(super) fn write_bound(bound: Duration) -> Result<Duration, String> {
    if bound > LONGEST_WRITE {
        return Err(format!(
            "{bound:?} is over {LONGEST_WRITE:?}: no write is ever judged by an older view; only \
             --bound-read and --bound-infer may be longer"
        ));
    }
    Ok(bound)
}

pub(super) fn drain((delay, limit): (Duration, Duration)) -> Result<DrainTimes, String> {
    if limit <= delay {
        return Err(format!(
            "{limit:?} must be longer than --drain-delay, {delay:?}: both count from the signal"
        ));
    }
    Ok(DrainTimes { delay, limit })
}

/// Parses a size in bytes, or with a unit: `512KiB`, `8MiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1024), ("MiB", 1024 * 1024)];
    let unit = units
        .iter()
        .find_map(|(unit, of)| Some((text.strip_suffix(unit)?, *of)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let size = digits
        .parse()
        .ok()
        .and_then(|it: usize| it.checked_mul(unit));
    size.ok_or_else(|| format!("`{text}` is not a size: bytes, or a number before KiB or MiB"))
}
