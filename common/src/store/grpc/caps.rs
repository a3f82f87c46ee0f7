//! This file bounds what one credential of a follower may leave behind, so that it can spoil neither
//! the receipts nor the hours of last use for long, nor make the issuer slow. It must not know the
//! feed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tonic::Status;

use crate::{
    clock::{BootTime, UnixMillis},
    status::{ErrorReason, invalid},
    store::LONGEST_BOUND,
};

/// One credential may name at most this many followers. A process has a new name at each start.
const MOST_NAMES: usize = 4096;
/// A name counts among its credential's names for this long.
const KEPT: Duration = Duration::from_secs(LONGEST_BOUND.as_secs() + 60);
/// A follower answers no requests past its own bound: so much later its name is free for others.
const SPARE: Duration = Duration::from_secs(60);
const HOUR_MILLIS: u64 = 3600 * 1000;

/// The credential by which a call came. The check of the credential puts it into the call's extensions;
/// calls without a credential share one value.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct By(pub Arc<str>);

/// The credentials that named followers, and when each name was last heard from.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<FollowerNames>);

#[derive(Debug, Default)]
struct FollowerNames {
    by: HashMap<By, BTreeMap<String, BootTime>>,
    whose: HashMap<String, Owner>,
}

/// The credential that named a follower last, when it did, and for how long after that it may answer.
#[derive(Debug)]
struct Owner {
    by: By,
    heard: BootTime,
    answers: Option<Duration>,
}

impl Owner {
    fn may_answer(&self, now: BootTime) -> bool {
        let answers = self.answers.map(|bound| bound + SPARE);
        answers.is_some_and(|answers| now.since(self.heard) <= answers)
    }
}

impl Names {
    /// Admits a name. It belongs to one credential for as long as its follower may answer. Otherwise
    /// another credential could say goodbye for it, and nobody would wait for a follower that still
    /// answers. `bound`: `None` is that goodbye.
    pub(super) fn admit(
        &self,
        by: &By,
        name: &str,
        bound: Option<Duration>,
        now: BootTime,
    ) -> Result<(), Status> {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = &mut *named;
        if let Some(owner) = named.whose.get(name).filter(|owner| owner.by != *by) {
            if owner.may_answer(now) {
                return Err(ErrorReason::FollowerForeign
                    .status("follower: it is another credential's, and may still answer"));
            }
            if let Some(names) = named.by.get_mut(&owner.by) {
                names.remove(name);
            }
            named.whose.remove(name);
        }
        let owner = Owner {
            by: by.clone(),
            heard: now,
            answers: bound,
        };
        let names = named.by.entry(by.clone()).or_default();
        if let Some(heard) = names.get_mut(name) {
            *heard = now;
            named.whose.insert(name.into(), owner);
            return Ok(());
        }
        if names.len() >= MOST_NAMES {
            names.retain(|name, heard| {
                let kept = now.since(*heard) <= KEPT;
                if !kept {
                    named.whose.remove(name);
                }
                kept
            });
        }
        if names.len() >= MOST_NAMES {
            return Err(ErrorReason::FollowersTooMany.status(format!(
                "follower: this credential has named {MOST_NAMES} in an hour"
            )));
        }
        names.insert(name.into(), now);
        named.whose.insert(name.into(), owner);
        Ok(())
    }
}

/// Decodes a bound; `None` means that the follower answers no requests.
pub(super) fn bound(millis: u64) -> Result<Option<Duration>, Status> {
    let bound = Some(millis)
        .filter(|it| *it != 0)
        .map(Duration::from_millis);
    if bound.is_some_and(|bound| bound > LONGEST_BOUND) {
        return Err(invalid(
            "bound_ms",
            format!("must be at most {}", LONGEST_BOUND.as_millis()),
        ));
    }
    Ok(bound)
}

/// Reports whether an hour may be noted. Noted hours never go back, so no future hour is taken, except
/// the next one, because clocks differ.
pub(super) fn can_be(hour: u32, now: UnixMillis) -> bool {
    u64::from(hour) <= now.0 / HOUR_MILLIS + 1
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const BOUND: Option<Duration> = Some(Duration::from_secs(5));

    #[test]
    fn a_bound_is_a_verifiers() {
        assert_eq!(bound(0).unwrap(), None);
        assert_eq!(bound(5000).unwrap(), Some(Duration::from_secs(5)));
        assert_eq!(bound(3_600_000).unwrap(), Some(LONGEST_BOUND));
        for enormous in [3_600_001, 1 << 40, u64::MAX] {
            let refused = bound(enormous).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{enormous}");
        }
    }

    #[test]
    fn no_hour_is_of_the_future() {
        let now = UnixMillis(480_000 * HOUR_MILLIS + 5);
        for (hour, taken) in [
            (0, true),
            (480_000, true),
            (480_001, true),
            (480_002, false),
            (u32::MAX, false),
        ] {
            assert_eq!(can_be(hour, now), taken, "{hour}");
        }
    }

    #[test]
    fn one_credential_names_so_many_and_no_more() {
        let names = Names::default();
        let (one, other) = (By("one".into()), By("other".into()));
        let day = BootTime(u64::try_from(KEPT.as_nanos()).unwrap());
        for n in 0..MOST_NAMES {
            names
                .admit(&one, &format!("edge-{n}"), BOUND, BootTime(1))
                .unwrap();
        }
        let refused = names
            .admit(&one, "one-more", BOUND, BootTime(2))
            .unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        // A known name is still admitted, and so are the names of other credentials.
        names.admit(&one, "edge-7", BOUND, BootTime(2)).unwrap();
        names.admit(&other, "another", BOUND, BootTime(2)).unwrap();
        names
            .admit(&one, "one-more", BOUND, BootTime(day.0 + 2))
            .unwrap();
        let named = names.0.lock().unwrap();
        assert_eq!(named.by[&one].len(), 2);
        assert_eq!(named.whose.len(), 3);
    }

    /// A goodbye by another credential would be worst: nobody would wait for a follower that still
    /// answers.
    #[test]
    fn no_other_credential_speaks_for_a_follower() {
        let names = Names::default();
        let (one, other) = (By("one".into()), By("other".into()));
        let admit = |by: &By, bound, at: u64| {
            let admitted = names.admit(by, "edge", bound, BootTime(at));
            admitted.map_err(|status| status.code())
        };
        let foreign = Err(Code::PermissionDenied);
        let answers = u64::try_from((BOUND.unwrap() + SPARE).as_nanos()).unwrap();
        admit(&one, BOUND, 1).unwrap();
        admit(&one, BOUND, 5).unwrap();
        for by in [&other, &By::default()] {
            assert_eq!(admit(by, None, answers + 5), foreign);
        }
        // Past its bound the follower answers no requests any more, so the name is free.
        admit(&other, BOUND, answers + 6).unwrap();
        assert_eq!(admit(&one, BOUND, answers + 7), foreign);
        // The name is also free after a goodbye: a process that starts again may have another
        // credential.
        admit(&other, None, answers + 8).unwrap();
        admit(&one, BOUND, answers + 9).unwrap();
        assert_eq!(admit(&other, BOUND, answers + 10), foreign);
        let named = names.0.lock().unwrap();
        assert!(named.by[&other].is_empty());
        assert_eq!(named.whose.len(), 1);
    }
}
