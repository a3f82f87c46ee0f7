//! Measures what a decision costs, in process.

use std::{hint::black_box, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use crossbeam_utils::CachePadded;
use tokenward_common::{
    access::Permission,
    clock::SystemClock,
    id::KeyId,
    replica::{Follow, Replica},
    state::record::RepoKind,
    store::guards::Guards,
    token::{MemoHasher, SigningKey, VerifyKeys, sign},
};
use tokenward_verifier::{
    config::Bounds,
    decide::{Caller, Decider, Question, Resource},
    keys::TrustedKeys,
    memo::Memo,
    metrics::{Counts, Metrics},
    strangers::Asker,
};
use tokio_util::sync::CancellationToken;

use super::{
    Counting, Row, cost,
    feed::{HubFeed, Pace},
    hub::{self, Hub},
    now, quantile, ratio, since, spread,
};

/// The number of tokens in a busy moment: all of them fit in the nearest cache.
const HOT: usize = 16;
const LONGEST_START: Duration = Duration::from_secs(60);

/// The inside of a verifier, which follows a feed on a thread of its own.
pub(super) struct Inside {
    pub(super) hub: Hub,
    pub(super) key: SigningKey,
    pub(super) decider: Decider,
    counts: Arc<CachePadded<Counts>>,
    stop: CancellationToken,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A token, and the repo that is requested with it.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) token: String,
    pub(super) owner: String,
    pub(super) name: String,
}

impl Inside {
    pub(super) fn start(hub: Hub, pace: Pace, memo: usize) -> Result<Self> {
        let key = SigningKey::from_seed(KeyId::parse("bench")?, &[5; 32])?;
        let replica = Arc::new(Replica::new(Arc::new(SystemClock)));
        let stop = CancellationToken::new();
        let follow = Follow {
            feed: Arc::new(HubFeed::new(hub, pace)),
            replica: Arc::clone(&replica),
            name: "bench".into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards: Guards::ALL,
            observer: Arc::new(()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stopped = stop.clone();
        thread::spawn(move || runtime.block_on(follow.run(stopped)));
        let begun = now();
        while replica.age().is_none() {
            ensure!(since(begun) < LONGEST_START, "no view");
            thread::sleep(Duration::from_millis(5));
        }
        let bound = Duration::from_secs(5);
        Ok(Self {
            hub,
            decider: Decider {
                replica,
                keys: TrustedKeys::fixed(VerifyKeys::new([key.public().clone()])?),
                memo: Memo::new(MemoHasher::random()?, memo)?,
                expected: hub::expected()?,
                bounds: Bounds {
                    read: bound,
                    write: bound,
                    infer: bound,
                },
                guards: Guards::ALL,
            },
            key,
            counts: Metrics::new(1).worker(0),
            stop,
        })
    }

    pub(super) fn asked(&self, serial: u64) -> Result<Asked> {
        let claims = self.hub.claims(serial)?;
        let (owner, name) = self.hub.readable(serial);
        Ok(Asked {
            token: sign(&claims, &self.decider.expected.prefix, &self.key)?,
            owner,
            name,
        })
    }

    pub(super) fn decide(&self, asked: &Asked) -> bool {
        let question = Question {
            caller: Caller::Token(&asked.token),
            resource: Resource::RepoName {
                kind: RepoKind::Model,
                owner: &asked.owner,
                name: &asked.name,
            },
            permission: Permission::RepoContentRead,
            min_revision: None,
            max_staleness: None,
            present_name: false,
        };
        self.decider
            .decide(&question, now(), Asker::somebody(&self.counts))
            .is_ok_and(|decision| decision.verdict.is_ok())
    }

    fn all_allowed(&self, asked: &[Asked]) -> Result<()> {
        ensure!(asked.iter().all(|asked| self.decide(asked)), "a denial");
        Ok(())
    }
}

/// Measures decisions on a few tokens. Each figure includes one reading of the clock, as in a Check.
pub fn hot(allocator: &Counting) -> Result<Vec<Row>> {
    let inside = Inside::start(Hub::of(100_000), Pace::default(), 1 << 16)?;
    // Tokens with an odd serial have a role, those with an even one have scopes.
    let of = |first: usize| {
        (0..HOT)
            .map(|number| inside.asked((first + 2 * number) as u64))
            .collect::<Result<Vec<_>>>()
    };
    let (asked, scoped) = (of(1)?, of(2)?);
    inside.all_allowed(&asked)?;
    inside.all_allowed(&scoped)?;
    let decide = |index: usize| {
        asked
            .get(index % HOT)
            .is_some_and(|asked| inside.decide(asked))
    };
    let with_scopes = super::cost(500, 800, |index| {
        scoped
            .get(index % HOT)
            .is_some_and(|asked| inside.decide(asked))
    });
    let cost = super::cost(500, 800, decide);
    let clock = super::cost(300, 1600, |_| now());
    let parts = parts(&inside, &asked)?;

    // The follower's thread allocates now and then, so the check uses many short spans: most contain no
    // such allocation.
    let spans = 101;
    let free = (0..spans)
        .filter(|_| {
            let before = allocator.total_allocated();
            for index in 0..1000 {
                black_box(decide(index));
            }
            allocator.total_allocated() == before
        })
        .count();
    let verdict = if free > spans / 2 { "none" } else { "some" };
    let mut rows = vec![
        Row::new(
            format!(
                "decision, hot (16 tokens of {} bytes, role read)",
                length(&asked)
            ),
            "350 ns",
            cost.to_string(),
        ),
        Row::new(
            format!(
                "decision, hot (16 tokens of {} bytes, one scope)",
                length(&scoped)
            ),
            "350 ns",
            with_scopes.to_string(),
        ),
        Row::new("of that, the reading of the clock", "", clock.to_string()),
        Row::new(
            "decision, hot: allocations",
            "none",
            format!("{verdict} ({free} of {spans} spans of 1,000 without one)"),
        ),
    ];
    rows.extend(parts);
    Ok(rows)
}

fn length(asked: &[Asked]) -> usize {
    asked.iter().map(|asked| asked.token.len()).sum::<usize>() / asked.len().max(1)
}

/// Measures the parts of a hot decision.
fn parts(inside: &Inside, asked: &[Asked]) -> Result<Vec<Row>> {
    let memo = &inside.decider.memo;
    let at = |index: usize| asked.get(index % HOT);
    let key = cost(300, 1600, |index| {
        at(index).map(|asked| memo.key(&asked.token))
    });
    let keys: Vec<_> = asked.iter().map(|asked| memo.key(&asked.token)).collect();
    let found = cost(300, 1600, |index| {
        keys.get(index % HOT).and_then(|key| memo.get(*key))
    });
    let view = cost(300, 1600, |_| {
        inside.decider.replica.view().map(|view| view.freshness)
    });
    let view_now = inside.decider.replica.view().context("no view")?;
    let state = &view_now.state;
    let owners: Vec<_> = (1..=HOT as u64)
        .map(|serial| hub::user_id(serial % inside.hub.users))
        .collect();
    let owner = cost(300, 1600, |index| {
        owners.get(index % HOT).map(|id| state.account_by_id(id))
    });
    let repo = cost(300, 1600, |index| {
        at(index).map(|asked| state.repo_by_name(RepoKind::Model, &asked.owner, &asked.name))
    });
    let told = |what: &str, cost: super::Cost| Row::new(format!("- {what}"), "", cost.to_string());
    Ok(vec![
        told("keyed hash of the token", key),
        told("memo look-up", found),
        told("taking the view", view),
        told("account by id", owner),
        told("repo by name", repo),
    ])
}

/// Measures decisions over a million tokens, all genuine and in the memo. The request is in the cache, as
/// one that was just received is: reading it from memory is no cost of the decision.
pub fn uniform() -> Result<Vec<Row>> {
    const TOKENS: u64 = 1_000_000;
    const ROUNDS: usize = 15_000;
    const RECEIVED: usize = 32;
    let inside = Inside::start(Hub::of(1_000_000), Pace::default(), 3_000_000)?;
    let asked = (1..=TOKENS)
        .map(|serial| inside.asked(serial))
        .collect::<Result<Vec<_>>>()?;
    inside.all_allowed(&asked)?;
    let (mut next, mut received) = (0, Vec::new());
    let mut of_received = |operation: &dyn Fn(&Asked)| {
        let round = |_| {
            received.clear();
            received.extend(
                (next..next + RECEIVED as u64)
                    .filter_map(|number| asked.get((spread(number) % TOKENS) as usize).cloned()),
            );
            next += RECEIVED as u64;
            super::round(RECEIVED, |index| received.get(index).map(operation))
        };
        super::cost_of((0..ROUNDS).map(round).collect())
    };
    let memo = &inside.decider.memo;
    let view = inside.decider.replica.view().context("no view")?;
    let state = &view.state;
    let known = |asked: &Asked| memo.get(memo.key(&asked.token));
    let parts = [
        of_received(&|asked| {
            black_box(memo.key(&asked.token));
        }),
        of_received(&|asked| drop(black_box(known(asked)))),
        of_received(&|asked| {
            black_box(known(asked).and_then(|known| state.known_account(&known.account)));
        }),
        of_received(&|asked| {
            black_box(state.repo_by_name(RepoKind::Model, &asked.owner, &asked.name));
        }),
    ];
    // The follower waits while the view is held.
    drop(view);
    let hits = memo.len();
    let whole = of_received(&|asked| {
        black_box(inside.decide(asked));
    });
    let what = [
        "keyed hash of the token",
        "the same, and memo look-up",
        "the same, and account by id",
        "repo by name",
    ];
    let whole = Row::new(
        "decision, uniform over 1 M tokens, the request in the cache",
        "none",
        format!("{whole}; {hits} in the memo"),
    );
    let parts = what.iter().zip(parts);
    let parts = parts.map(|(what, cost)| Row::new(format!("- {what}"), "", cost.to_string()));
    Ok([whole].into_iter().chain(parts).collect())
}

/// Compares a token that was never seen with the bare signature check: once with a directory that fits in
/// the cache, once with one where each owner's rows come from memory.
pub fn unseen() -> Result<Vec<Row>> {
    let small = unseen_in(Hub::of(2_000))?;
    let large = unseen_in(Hub::of(100_000))?;
    Ok(vec![
        Row::new(
            "decision, token not seen before, over verify_strict",
            "1.05",
            small,
        ),
        Row::new(
            "the same, each of an owner that was not asked for before",
            "",
            large,
        ),
    ])
}

fn unseen_in(hub: Hub) -> Result<String> {
    const ROUNDS: usize = 1000;
    const COUNT: usize = 8;
    let inside = Inside::start(hub, Pace::default(), 1 << 16)?;
    let asked = (1..=(ROUNDS * COUNT) as u64)
        .map(|serial| inside.asked(serial))
        .collect::<Result<Vec<_>>>()?;
    let bare = super::token::Bare::new(&inside.key, asked.iter().map(|asked| &*asked.token))?;
    let (decision, verify, ratio) = ratio(
        ROUNDS,
        COUNT,
        |index| asked.get(index).is_some_and(|asked| inside.decide(asked)),
        |index| bare.verify(index),
    );
    inside.all_allowed(&asked)?;
    Ok(format!("{ratio:.3} ({decision} over {verify})"))
}

/// Measures the 99th percentile of a decision, idle and while changes arrive, in turn.
pub fn stall() -> Result<Vec<Row>> {
    let hub = Hub::of(1_000_000);
    let paces =
        [(0, 0), (10_000, 1), (100, 100)].map(|(entries_per_second, changes_per_entry)| Pace {
            entries_per_second,
            changes_per_entry,
        });
    let mut insides = Vec::new();
    for pace in paces {
        let inside = Inside::start(hub, pace, 1 << 16)?;
        let asked = (1..=1000)
            .map(|serial| inside.asked(serial))
            .collect::<Result<Vec<_>>>()?;
        inside.all_allowed(&asked)?;
        insides.push((inside, asked));
    }
    // Each follower works while another verifier is measured, so its CPU time is in every figure.
    let mut best = [(Duration::MAX, Duration::MAX, Duration::MAX); 3];
    const SPAN: usize = 50_000;
    for _ in 0..40 {
        for ((inside, asked), best) in insides.iter().zip(&mut best) {
            let mut took = Vec::with_capacity(SPAN);
            for index in 0..SPAN {
                let Some(asked) = asked.get(index % 1000) else {
                    break;
                };
                let start = now();
                black_box(inside.decide(asked));
                took.push(since(start));
            }
            took.sort_unstable();
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|of| quantile(&took, of));
            *best = (best.0.min(p50), best.1.min(p99), best.2.min(p999));
        }
    }
    let [idle, single, batched] = best;
    let over = |p99: Duration| p99.as_nanos() as f64 / idle.1.as_nanos() as f64;
    let bar = "2 x idle";
    Ok(vec![
        Row::new("decide, idle: p50, p99, p99.9", "", format!("{idle:?}")),
        Row::new(
            "p99 of decide while 10,000 changes/s apply, one an entry",
            bar,
            format!("{:.2} x ({single:?})", over(single.1)),
        ),
        Row::new(
            "the same, 100 an entry",
            bar,
            format!("{:.2} x ({batched:?})", over(batched.1)),
        ),
    ])
}
