//! This file makes a realm, which is done once and on purpose.

use redis::{Value, cmd};

use super::{
    feed::RedisFeed,
    layout::Keys,
    options::{OpenError, OpenOptions},
    place::RedisPlace,
    reply::{bytes, list},
    script,
    trouble::Trouble,
};

/// One step looks at this many keys; other clients of Redis wait meanwhile.
const LOOKED_AT: u64 = 1000;
/// A call whose answer was lost twice is tried this many more times.
const MORE_TRIES: usize = 3;

/// Makes the realm where nothing of it is left, not even a key that a wiped or half restored realm
/// kept.
pub(super) async fn make(
    place: &RedisPlace,
    realm: &str,
    options: &OpenOptions,
) -> Result<(), OpenError> {
    let keys = Keys::new(realm).ok_or(OpenError::Realm)?;
    let feed = RedisFeed::checked(place, keys, options)?;
    if known(&feed).await? || !create(&feed).await? {
        return Err(OpenError::Known);
    }
    Ok(())
}

pub(super) async fn known(feed: &RedisFeed) -> Result<bool, OpenError> {
    // A realm's name has no characters with a meaning in a pattern.
    let pattern = format!("{}*", feed.keys.prefix);
    let mut place = b"0".to_vec();
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(&place).arg("MATCH").arg(&pattern);
        scan.arg("COUNT").arg(LOOKED_AT);
        let answer = feed.link.query(&scan).await.map_err(trouble)?;
        let odd = || OpenError::Store("SCAN was answered by something else".into());
        let answer = list(answer).map_err(|_| odd())?;
        let Ok([next, found]) = <[Value; 2]>::try_from(answer) else {
            return Err(odd());
        };
        if !list(found).map_err(|_| odd())?.is_empty() {
            return Ok(true);
        }
        place = bytes(next).map_err(|_| odd())?;
        if place == b"0" {
            return Ok(false);
        }
    }
}

/// Returns `false` if the realm is there. The call is repeated when its answer was lost: the log id
/// that is drawn here tells this process' own realm from another's.
pub(super) async fn create(feed: &RedisFeed) -> Result<bool, OpenError> {
    let mut log = [0; 16];
    getrandom::fill(&mut log).map_err(|error| OpenError::Store(error.to_string()))?;
    let mut call = cmd("EVAL");
    call.arg(script::CREATE).arg(2);
    call.arg(&feed.keys.head)
        .arg(&feed.keys.log)
        .arg(log.as_slice());
    let mut answer = feed.link.query_write(&call).await;
    for _ in 0..MORE_TRIES {
        if !matches!(answer, Err(Trouble::Lost { .. })) {
            break;
        }
        answer = feed.link.query_write(&call).await;
    }
    let answer = answer.map_err(trouble)?.proven();
    let answer = answer.map_err(|error| OpenError::Unavailable(error.to_string()))?;
    match bytes(answer).unwrap_or_default().as_slice() {
        b"made" => Ok(true),
        b"there" => Ok(false),
        _ => Err(OpenError::Store(
            "its log is there without its head: restore it, or delete what is left".into(),
        )),
    }
}

pub(super) fn trouble(trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Volatile(wrong) => OpenError::Volatile(wrong),
        other => OpenError::Unavailable(other.to_string()),
    }
}
