//! This file trims the front of the log, and deletes receipts of followers that are gone and ends of
//! tokens that ended. It must not know what the changes mean.

use redis::cmd;

use crate::{
    clock::UnixMillis,
    id::{LogId, TokenId},
    store::{
        FeedError, Retention,
        redis::{
            feed::RedisFeed,
            layout::expiry,
            reply::{StoredEntry, bytes, corrupt, list, parse_number, receipts},
        },
    },
};

/// A follower that sent no confirm for this long is forgotten, in ms.
const RECEIPTS_KEPT: u64 = 24 * 3600 * 1000;

pub(super) async fn trim(
    feed: &RedisFeed,
    log: LogId,
    retention: &Retention,
) -> Result<(), FeedError> {
    let head = feed.stored_head().await?;
    if head.head.cursor.log != log {
        return Err(FeedError::Lost("the realm has another log".into()));
    }
    let now = time(feed).await?;
    forget_followers(feed, now).await?;
    forget_expiries(feed, now).await?;
    let Some(mut first) = entry(feed, "-", "+").await? else {
        return Ok(());
    };
    let (front, last) = (first.revision.0, head.head.cursor.revision.0);

    let by_count = last.saturating_sub(retention.entries) + 1;
    let millis = u64::try_from(retention.time.as_millis()).unwrap_or(u64::MAX);
    let oldest = now.0.saturating_sub(millis);
    let by_time = search(feed, front, last, |entry| Ok(entry.time()?.0 >= oldest)).await?;
    // The `bytes` of an entry count everything up to and including the entry. So the kept part begins
    // after the first entry that leaves few enough bytes.
    let floor = head.bytes.saturating_sub(retention.bytes);
    let by_bytes = if first.bytes()?.saturating_sub(first.size()?) >= floor {
        front
    } else {
        search(feed, front, last, |entry| Ok(entry.bytes()? >= floor)).await? + 1
    };

    let cut = by_count.max(by_time).max(by_bytes);
    if cut > front {
        let mut trim = cmd("XTRIM");
        trim.arg(&feed.keys.log)
            .arg("MINID")
            .arg(format!("{cut}-0"));
        feed.link.query(&trim).await?;
    }
    Ok(())
}

async fn forget_followers(feed: &RedisFeed, now: UnixMillis) -> Result<(), FeedError> {
    let all = feed
        .link
        .query(cmd("HGETALL").arg(&feed.keys.receipts))
        .await?;
    for receipt in receipts(all)? {
        if (receipt.mark / 1000).saturating_add(RECEIPTS_KEPT) < now.0 {
            feed.link
                .query(cmd("HDEL").arg(&feed.keys.receipts).arg(receipt.follower))
                .await?;
        }
    }
    Ok(())
}

/// Deletes the ends of tokens that have ended: no forecast lists them.
async fn forget_expiries(feed: &RedisFeed, now: UnixMillis) -> Result<(), FeedError> {
    let before = expiry(now.seconds(), TokenId(0));
    let mut forget = cmd("ZREMRANGEBYLEX");
    forget.arg(&feed.keys.expiries).arg("-");
    forget.arg([b"(", before.as_slice()].concat());
    feed.link.query(&forget).await?;
    Ok(())
}

/// Finds the first revision in the range for which `holds` is true, or the one past the end. Once it is
/// true, it must stay true for all later revisions.
async fn search(
    feed: &RedisFeed,
    from: u64,
    to: u64,
    mut holds: impl FnMut(&mut StoredEntry) -> Result<bool, FeedError>,
) -> Result<u64, FeedError> {
    let (mut low, mut high) = (from, to + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let id = format!("{middle}-0");
        let mut entry = entry(feed, &id, &id)
            .await?
            .ok_or_else(|| FeedError::Unavailable("trimmed by another".into()))?;
        if holds(&mut entry)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

async fn entry(feed: &RedisFeed, from: &str, to: &str) -> Result<Option<StoredEntry>, FeedError> {
    let mut ask = cmd("XRANGE");
    ask.arg(&feed.keys.log)
        .arg(from)
        .arg(to)
        .arg("COUNT")
        .arg(1);
    let found = StoredEntry::list(feed.link.query(&ask).await?)?;
    Ok(found.into_iter().next())
}

async fn time(feed: &RedisFeed) -> Result<UnixMillis, FeedError> {
    let mut numbers = Vec::new();
    for part in list(feed.link.query(&cmd("TIME")).await?)? {
        numbers.push(parse_number(&bytes(part)?).ok_or_else(|| corrupt("the time"))?);
    }
    match numbers.as_slice() {
        [seconds, micros] => Ok(UnixMillis(seconds * 1000 + micros / 1000)),
        _ => Err(corrupt("the time")),
    }
}
