//! Whether a server keeps what it acknowledges: asked of every new connection of an issuer, for the
//! server behind an address may be another one than before.

use redis::{aio::MultiplexedConnection, cmd};

use crate::store::redis::{
    link::Trouble,
    options::OpenOptions,
    reply::{pairs, parse_number},
};

/// What must be so, or acknowledged commits can be forgotten.
const NEEDED: [(&str, &str); 4] = [
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
    ("maxmemory-policy", "noeviction"),
];
/// Below these a bucket of records takes about three times the memory: worth a warning.
const PACKED: [(&str, u64); 2] = [
    ("hash-max-listpack-entries", 512),
    ("hash-max-listpack-value", 256),
];

pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    options: &OpenOptions,
) -> Result<(), Trouble> {
    if options.managed {
        return Ok(());
    }
    let mut wrong = Vec::new();
    for (name, needed) in NEEDED {
        let is = read(connection, name).await?;
        if is != needed {
            wrong.push(format!("{name} is {is}, set it to {needed}"));
        }
    }
    for (name, least) in PACKED {
        let is = read(connection, name).await?;
        if parse_number(is.as_bytes()).is_some_and(|is| is < least) {
            tracing::info!("Redis spends memory: {name} is {is}, set it to {least} or more");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join("; ");
    if options.allow_volatile {
        tracing::warn!("Redis may forget what it acknowledges, as allowed: {wrong}");
        return Ok(());
    }
    Err(Trouble::Volatile(wrong))
}

async fn read(connection: &mut MultiplexedConnection, name: &str) -> Result<String, Trouble> {
    let answer = cmd("CONFIG")
        .arg("GET")
        .arg(name)
        .query_async(connection)
        .await
        .map_err(|error| {
            Trouble::Refused(format!(
                "its settings can't be read (a managed server is opened as such): {error}"
            ))
        })?;
    let found = pairs(answer).unwrap_or_default();
    let value = found.into_iter().next().map(|(_, value)| value);
    Ok(value.map_or_else(
        || "unknown".to_owned(),
        |value| String::from_utf8_lossy(&value).into_owned(),
    ))
}
