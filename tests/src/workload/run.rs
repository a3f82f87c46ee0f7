//! How a workload begins, goes on and ends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokenward_proto::v1::{Verdict, operation::Operation as Op};
use tokio::task::JoinHandle;

use super::{
    ask::{Asker, Pool},
    call::Callers,
    change::Changer,
    record::Record,
};
use crate::{
    history::{Answer, History, Operation, Outcome, What},
    house::{
        Issuer, LIMIT, Verifier,
        hub::{Corner, op},
        level,
    },
};

/// What must have happened before it counts as going on.
const CHANGES: usize = 5;
const CHECKS: usize = 10;
/// What was taken stays away for so much longer than the bound.
const PAST: Duration = Duration::from_millis(600);
/// How many last Checks are under way at once.
const LAST: usize = 16;

pub struct Workload {
    bound: Duration,
    record: Arc<Record>,
    pool: Arc<Pool>,
    callers: Callers,
    askers: Vec<Asker>,
    corner: Corner,
    stop: Arc<AtomicBool>,
    /// Those that change something, and those that ask again and again. They end when they are told.
    tasks: Vec<JoinHandle<()>>,
    /// Those that ask what has changed. They end after all others.
    last: Vec<JoinHandle<()>>,
}

/// What has happened since a moment.
#[derive(Default, Debug)]
struct Since<'a> {
    mints: usize,
    takeaways: usize,
    /// How often each verifier allowed and denied.
    answers: BTreeMap<&'a str, [usize; 2]>,
}

impl<'a> Since<'a> {
    fn of(operations: &'a [Operation], moment: Duration) -> Self {
        let mut since = Self::default();
        for operation in operations.iter().filter(|it| it.begin >= moment) {
            match &operation.what {
                What::Mint { .. } if operation.outcome == Outcome::Done => since.mints += 1,
                What::Take(_) if operation.outcome == Outcome::Done => since.takeaways += 1,
                What::Check(check) => {
                    let [allowed, denied] = since.answers.entry(&check.verifier).or_default();
                    match check.answer {
                        Answer::Allow => *allowed += 1,
                        Answer::Deny(_) => *denied += 1,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        since
    }

    fn goes_on(&self, verifiers: usize) -> bool {
        let answer = |counts: &[usize; 2]| counts.iter().all(|&it| it >= CHECKS);
        self.mints >= CHANGES
            && self.takeaways >= CHANGES
            && self.answers.len() == verifiers
            && self.answers.values().all(answer)
    }
}

impl Workload {
    /// Begins on a healthy system, whose verifiers have this bound, and waits until it goes on.
    pub async fn begin(issuers: &[Issuer], verifiers: &[Verifier], bound: Duration) -> Self {
        let record = Arc::new(Record::new());
        let (pool, next) = Pool::new(verifiers.len());
        let pool = Arc::new(pool);
        let stop = Arc::<AtomicBool>::default();
        let corner = Corner::new("w");
        let mut hub = corner.operations();
        for name in ["eve", "dora", "carl"] {
            hub.push(op(Op::PutUser(corner.user(name))));
        }
        let first = issuers.first().expect("an issuer");
        let written = first.write(hub).await;
        for verifier in verifiers {
            let known = verifier.at(&corner.read("", "open"), &written).await;
            assert_eq!(known.verdict(), Verdict::Allow, "{known:?}");
        }
        let callers = Callers::new(
            Arc::clone(&record),
            issuers.iter().map(Issuer::operator).collect(),
        );
        let askers: Vec<_> = verifiers
            .iter()
            .enumerate()
            .map(|(number, verifier)| Asker::new(&record, verifier, number + 1))
            .collect();
        let last = askers
            .iter()
            .zip(next)
            .map(|(asker, next)| tokio::spawn(asker.clone().ask_what_changed(next)))
            .collect();
        let changer = Changer {
            callers: callers.clone(),
            pool: Arc::clone(&pool),
            corner: corner.clone(),
            stop: Arc::clone(&stop),
            hold: bound + PAST,
        };
        let mut tasks = vec![
            tokio::spawn(changer.clone().revoke_one_by_one("dora")),
            tokio::spawn(changer.clone().revoke_one_by_one("carl")),
            tokio::spawn(changer.clone().revoke_all("eve")),
            tokio::spawn(changer.clone().revoke_for_the_org("grace")),
        ];
        let turns = changer.turns().await.expect("a healthy system mints");
        for turn in turns {
            tasks.push(tokio::spawn(changer.clone().take_and_give(turn)));
        }
        for asker in &askers {
            tasks.extend(asker.rounds(&pool, &stop).map(tokio::spawn));
        }
        let workload = Self {
            bound,
            record,
            pool,
            callers,
            askers,
            corner,
            stop,
            tasks,
            last,
        };
        workload.goes_on().await;
        workload
    }

    /// Waits until more was minted and taken away, and every verifier allowed and denied more.
    pub async fn goes_on(&self) {
        let now = self.record.now();
        level("the workload goes on", async || {
            assert!(
                !self.tasks.iter().any(JoinHandle::is_finished),
                "a task of the workload ended"
            );
            self.record.look(|operations| {
                let since = Since::of(operations, now);
                match since.goes_on(self.askers.len()) {
                    true => Ok(()),
                    false => Err(format!("{since:?}, {}", self.record.trouble())),
                }
            })
        })
        .await;
    }

    /// Waits until a takeaway that begins from now on was acknowledged more than the bound ago.
    pub async fn outlasts_the_bound(&self) {
        let now = self.record.now();
        let taken = |it: &&Operation| {
            matches!(it.what, What::Take(_)) && it.outcome == Outcome::Done && it.begin >= now
        };
        level("a takeaway is older than the bound", async || {
            self.record.look(|operations| {
                let first = operations.iter().filter(taken).map(|it| it.end).min();
                match first {
                    Some(end) if end + self.bound + PAST < self.record.now() => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
        })
        .await;
    }

    /// Ends all changes, then asks every verifier for each token a last time, and returns what was seen.
    pub async fn end(self) -> History {
        self.rest().await.end().await
    }

    /// Ends all changes, and waits until all of them are answered.
    pub async fn rest(self) -> Rested {
        self.stop.store(true, SeqCst);
        join(self.tasks).await;
        Rested {
            record: self.record,
            pool: self.pool,
            callers: self.callers,
            askers: self.askers,
            corner: self.corner,
            last: self.last,
        }
    }
}

/// A workload that changes nothing more. What it has changed is asked when it ends.
pub struct Rested {
    record: Arc<Record>,
    pool: Arc<Pool>,
    callers: Callers,
    askers: Vec<Asker>,
    corner: Corner,
    last: Vec<JoinHandle<()>>,
}

impl Rested {
    /// Asks every verifier for each token a last time, and returns what was seen.
    pub async fn end(self) -> History {
        // A view with this revision has all that was acknowledged before.
        let marker = vec![op(Op::PutUser(self.corner.user("last")))];
        let revision = self.callers.mark(marker).await;
        let revision = revision.expect("issuers that write");
        let questions = self.pool.all();
        drop(self.pool);
        join(self.last).await;
        let asked = questions
            .iter()
            .flat_map(|asked| self.askers.iter().map(move |asker| (asker, asked)));
        stream::iter(asked)
            .for_each_concurrent(LAST, |(asker, asked)| {
                asker.ask_at_the_end(asked, &revision)
            })
            .await;
        self.record.history()
    }
}

async fn join(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        let ended = tokio::time::timeout(LIMIT * 2, task).await;
        ended.expect("a task ends").expect("no task fails");
    }
}
