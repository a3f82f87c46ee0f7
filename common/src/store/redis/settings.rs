//! This file decides whether a server keeps what it acknowledges. Every new connection of an issuer is
//! checked, because the server behind an address may be another one than before. It must not know the
//! realm.

use redis::{aio::MultiplexedConnection, cmd};

use crate::store::redis::{
    dial::Replication,
    durable::Majority,
    options::OpenOptions,
    reply::{pairs, parse_number},
    trouble::Trouble,
};

/// The settings that must have these values; otherwise acknowledged commits can be forgotten.
const NEEDED: [(&str, &str); 4] = [
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    ("no-appendfsync-on-rewrite", "no"),
    ("maxmemory-policy", "noeviction"),
];
/// What the scripts write reaches Redis' log as these commands.
const LOGGED: [&[&str]; 13] = [
    &["XADD", "k", "*", "f", "v"],
    &["XTRIM", "k", "MAXLEN", "1"],
    &["HSET", "k", "f", "v"],
    &["HDEL", "k", "f"],
    &["HINCRBY", "k", "f", "1"],
    &["SET", "k", "v", "PXAT", "1"],
    &["SETBIT", "k", "1", "1"],
    &["SETRANGE", "k", "0", "v"],
    &["SADD", "k", "m"],
    &["ZADD", "k", "0", "m"],
    &["ZREM", "k", "m"],
    &["COPY", "k", "l"],
    // Redis logs PEXPIRE as PEXPIREAT.
    &["PEXPIREAT", "k", "1"],
];
/// Below these values a bucket of records takes about three times the memory, which is worth a warning.
const PACKED: [(&str, u64); 2] = [
    ("hash-max-listpack-entries", 512),
    ("hash-max-listpack-value", 256),
];

/// A primary that heard nothing from its replicas for this many seconds must refuse writes: less than
/// half of the default bound, so that a primary that was cut off is quiet before views grow old.
const MOST_LAG: u64 = 2;

pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    options: &OpenOptions,
    majority: Majority,
) -> Result<(), Trouble> {
    if options.managed {
        return Ok(());
    }
    let wrong = wrong(connection, majority).await?;
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

/// Checks the settings of a connection that was checked before, because they may change while it lives.
pub(super) async fn check_again(
    connection: &mut MultiplexedConnection,
    options: &OpenOptions,
    majority: Majority,
) -> Result<(), Trouble> {
    if options.managed || options.allow_volatile {
        return Ok(());
    }
    match wrong(connection, majority).await? {
        wrong if wrong.is_empty() => Ok(()),
        wrong => Err(Trouble::Volatile(wrong.join("; "))),
    }
}

/// Checks that no more nodes take part than the majority was counted from: half of more nodes is no
/// majority of them. Issuers and followers check it: a follower that counts from too few would take the
/// answer of a primary that was cut off. A replica of a single server is nobody's business unless it may take
/// over.
pub(super) fn check_replicas(
    replication: Option<&Replication>,
    majority: Majority,
    fails_over: bool,
    options: Option<&OpenOptions>,
) -> Result<(), Trouble> {
    let vouched = options.is_some_and(|options| options.allow_volatile || options.managed);
    let replicas = replication.map_or(0, |replication| replication.replicas);
    if replicas < majority.nodes() || vouched {
        return Ok(());
    }
    if majority.nodes() == 1 && !fails_over {
        return Ok(());
    }
    Err(Trouble::Volatile(format!(
        "it has {replicas} replicas, which are more data nodes than the {} that a majority is \
         counted from: set --store-nodes to their number with the primary",
        majority.nodes()
    )))
}

async fn wrong(
    connection: &mut MultiplexedConnection,
    majority: Majority,
) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    let replicas = majority.replicas();
    if replicas > 0 {
        let is = read(connection, "min-replicas-to-write").await?;
        if parse_number(is.as_bytes()).is_none_or(|is| is < replicas) {
            wrong.push(format!(
                "min-replicas-to-write is {is}, set it to {replicas} or more"
            ));
        }
        let is = read(connection, "min-replicas-max-lag").await?;
        // A lag of 0 would switch both off.
        if parse_number(is.as_bytes()).is_none_or(|is| is == 0 || is > MOST_LAG) {
            wrong.push(format!(
                "min-replicas-max-lag is {is}, set it to 1 or {MOST_LAG}"
            ));
        }
    }
    for (name, needed) in NEEDED {
        let is = read(connection, name).await?;
        if is != needed {
            wrong.push(format!("{name} is {is}, set it to {needed}"));
        }
    }
    if let Some(command) = not_replayed(connection).await? {
        wrong.push(format!(
            "its user default may not run {command}, and Redis replays its log as that user: at the \
             next start it would drop every commit; write `user default off ~* &* +@all`"
        ));
    }
    Ok(wrong)
}

/// Finds a command of the log that Redis would not replay when it starts. Redis then checks the rights
/// of its user `default`, even if nobody may be that user, and drops a transaction that this user may
/// not run (redis issue 14541).
async fn not_replayed(
    connection: &mut MultiplexedConnection,
) -> Result<Option<&'static str>, Trouble> {
    for words in LOGGED {
        let answer: String = cmd("ACL")
            .arg("DRYRUN")
            .arg("default")
            .arg(words)
            .query_async(connection)
            .await
            .map_err(|error| {
                Trouble::Refused(format!(
                    "whether it takes its log back when it starts can't be asked (give the issuers' \
                     user +acl|dryrun; a managed server is opened as such): {error}"
                ))
            })?;
        if answer != "OK" {
            return Ok(words.first().copied());
        }
    }
    Ok(None)
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
