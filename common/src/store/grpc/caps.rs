//! What one credential of a follower may leave behind: bounded, so that it can spoil neither the
//! receipts nor the hours of last use for long, nor make the issuer slow.

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

/// Names of followers of one credential. A process has a new one at each start.
const MOST_NAMES: usize = 4096;
/// How long a name counts among its credential's.
const KEPT: Duration = Duration::from_secs(LONGEST_BOUND.as_secs() + 60);
/// Past its own bound a follower answers nobody: so much later its name is free for others.
const SPARE: Duration = Duration::from_secs(60);
const HOUR_MILLIS: u64 = 3600 * 1000;

/// By whose credential a call came. Put into the call's extensions by who checked it; calls without
/// one share one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct By(pub Arc<str>);

/// Who named followers, and when each name was heard of last.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<FollowerNames>);

#[derive(Debug, Default)]
struct FollowerNames {
    by: HashMap<By, BTreeMap<String, BootTime>>,
    whose: HashMap<String, Owner>,
}

/// Who named a follower last, when, and for how long after that it may answer.
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
    /// A name is one credential's for as long as its follower may answer: another could say goodbye
    /// for it, and nobody would wait for what still answers. `bound`: `None` is that goodbye.
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

/// `None`: it answers nobody.
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

/// Hours never go back, so none from the future is taken: but for clocks that differ, the next.
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
        // Who is known goes on, and so do others.
        names.admit(&one, "edge-7", BOUND, BootTime(2)).unwrap();
        names.admit(&other, "another", BOUND, BootTime(2)).unwrap();
        names
            .admit(&one, "one-more", BOUND, BootTime(day.0 + 2))
            .unwrap();
        let named = names.0.lock().unwrap();
        assert_eq!(named.by[&one].len(), 2);
        assert_eq!(named.whose.len(), 3);
    }

    /// Least of all with a goodbye, after which nobody would wait for what it still answers.
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
        // Past its bound it answers nobody any more: the name is free.
        admit(&other, BOUND, answers + 6).unwrap();
        assert_eq!(admit(&one, BOUND, answers + 7), foreign);
        // And so it is once it has said goodbye: a process that starts again may have another credential.
        admit(&other, None, answers + 8).unwrap();
        admit(&one, BOUND, answers + 9).unwrap();
        assert_eq!(admit(&other, BOUND, answers + 10), foreign);
        let named = names.0.lock().unwrap();
        assert!(named.by[&other].is_empty());
        assert_eq!(named.whose.len(), 1);
    }
}
