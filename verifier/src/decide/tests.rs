//! Tests decisions over a real state with tokens that are really minted. Each guard of the promise is
//! also removed, to show the wrong ALLOW that it prevents.

mod amendments;
mod explained;
mod guards;
mod live;
mod model;
mod order;
mod strangers;

use std::sync::LazyLock;

use tokenward_common::replica::Follow;
use tokenward_common::token::MemoHasher;
use tokenward_common::{
    clock::{Clock, ManualClock, UnixMillis},
    id::{AccountId, KeyId, Name, RepoId, Serial, TokenId},
    state::record::{
        Change, Floor, FloorTarget, GateGrant, GateMode, GrantState, Member, Org, OrgRole, Record,
        RecordKey, Repo, User, Visibility,
    },
    store::Feed,
    testing::faults::FaultyFeed,
    token::{Claims, EntityKind, Prefix, Role, Scope, Scopes, SigningKey, VerifyKeys, sign},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::metrics::Metrics;

const SECOND: Duration = Duration::from_secs(1);
pub(crate) const READ: Permission = Permission::RepoContentRead;
pub(crate) const WRITE: Permission = Permission::RepoWrite;
const BOUNDS: Bounds = Bounds {
    read: Duration::from_secs(5),
    write: Duration::from_secs(2),
    infer: Duration::from_secs(5),
};
/// The store's time at the start, in seconds.
pub(crate) const START: u64 = 1_800_000_000;

pub(crate) fn kid(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed(kid("k1"), &[1; 32]).unwrap());
static OTHER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed(kid("k2"), &[2; 32]).unwrap());

pub(crate) fn key_set(keys: &[&SigningKey]) -> VerifyKeys {
    VerifyKeys::new(keys.iter().map(|key| key.public().clone())).unwrap()
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn user(id: &str, disabled: bool) -> Change {
    Change::Put(Record::User(User {
        id: account(id),
        name: name(id),
        disabled,
        service_account_of: None,
        display: Box::default(),
    }))
}

fn org(id: &str) -> Change {
    Change::Put(Record::Org(Org {
        id: account(id),
        name: name(id),
        display: Box::default(),
    }))
}

fn member(role: OrgRole) -> Change {
    Change::Put(Record::Member(Member {
        org: account("acme"),
        user: account("ada"),
        role,
    }))
}

pub(crate) fn model(id: &str, owner: &str) -> Repo {
    Repo {
        id: RepoId::parse(id).unwrap(),
        kind: RepoKind::Model,
        owner: account(owner),
        name: name(id),
        visibility: Visibility::Private,
        gate: GateMode::None,
        creator: None,
        disabled: false,
        group: None,
        org_members_gated: false,
    }
}

fn repo(repo: Repo) -> Change {
    Change::Put(Record::Repo(repo))
}

fn grant(state: GrantState) -> Change {
    Change::Put(Record::GateGrant(GateGrant {
        repo: RepoId::parse("gated").unwrap(),
        user: account("ada"),
        state,
    }))
}

pub(crate) fn revoke(serial: u64) -> Change {
    Change::Revoke(vec![Serial(serial)])
}

fn floor(id: &str) -> Change {
    Change::RaiseFloor(FloorTarget::Owner(account(id)))
}

pub(crate) fn withdraw(id: &str) -> Change {
    Change::Put(Record::WithdrawnKey(kid(id)))
}

pub(crate) fn claims(owner: &str, serial: u64, role: Role) -> Claims {
    Claims {
        iss: "https://tokens.example".into(),
        aud: "hub".into(),
        sub: account(owner),
        serial: Serial(serial),
        tid: TokenId(serial),
        name: "laptop".into(),
        iat: UnixTime(START - 100),
        exp: None,
        role,
        scopes: (role == Role::FineGrained).then(Scopes::default),
    }
}

pub(crate) fn mint(claims: &Claims) -> String {
    sign(claims, &Prefix::default(), &KEY).unwrap()
}

pub(crate) fn token(owner: &str, serial: u64, role: Role) -> String {
    mint(&claims(owner, serial, role))
}

fn model_id(id: &str) -> Resource<'_> {
    Resource::RepoId {
        kind: RepoKind::Model,
        id,
    }
}

pub(crate) fn ask<'a>(token: &'a str, id: &'a str, permission: Permission) -> Question<'a> {
    Question {
        caller: Caller::Token(token),
        resource: model_id(id),
        permission,
        min_revision: None,
        max_staleness: None,
        present_name: false,
    }
}

/// A hub, its feed, a follower, and the decider that uses the follower's view.
pub(crate) struct Hub {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) feed: Arc<FaultyFeed>,
    pub(crate) decider: Arc<Decider>,
    pub(crate) metrics: Metrics,
    stop: CancellationToken,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn decider(clock: &Arc<ManualClock>, bounds: Bounds, guards: Guards) -> Decider {
    Decider {
        replica: Arc::new(Replica::new(clock.clone())),
        keys: TrustedKeys::fixed(key_set(&[&KEY])),
        memo: Memo::new(MemoHasher::with_key(&[3; 16]), 1000).unwrap(),
        expected: Expected {
            prefix: Prefix::default(),
            issuer: "https://tokens.example".into(),
            audience: "hub".into(),
        },
        bounds,
        guards,
    }
}

impl Hub {
    /// Makes a hub where Ada is a member of Acme and owns `own`, and Acme owns the models `llm` and
    /// `gated`.
    pub(crate) fn new(guards: Guards) -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis(START * 1000)));
        let feed = FaultyFeed::new(clock.clone());
        feed.commit(vec![
            user("ada", false),
            user("bob", false),
            org("acme"),
            member(OrgRole::Write),
            repo(model("own", "ada")),
            repo(model("llm", "acme")),
            repo(Repo {
                visibility: Visibility::Public,
                gate: GateMode::Manual,
                org_members_gated: true,
                ..model("gated", "acme")
            }),
        ]);
        for _ in 0..100 {
            feed.take_serial();
        }
        Self {
            decider: Arc::new(decider(&clock, BOUNDS, guards)),
            clock,
            feed,
            metrics: Metrics::new(1),
            stop: CancellationToken::new(),
        }
    }

    /// Makes the next process of this verifier, which has no view yet.
    pub(crate) fn restarted(&self, bounds: Bounds) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            feed: Arc::clone(&self.feed),
            decider: Arc::new(decider(&self.clock, bounds, Guards::ALL)),
            metrics: Metrics::new(1),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) async fn followed(guards: Guards) -> Self {
        let hub = Self::new(guards);
        hub.follow();
        hub.fresh().await;
        hub
    }

    pub(crate) fn follow(&self) {
        let follow = Follow {
            feed: Arc::clone(&self.feed) as Arc<dyn Feed>,
            replica: Arc::clone(&self.decider.replica),
            name: "test".into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards: self.decider.guards,
            observer: Arc::new(()),
        };
        tokio::spawn(follow.run(self.stop.clone()));
    }

    /// Waits until the view is fresh as of now.
    pub(crate) async fn fresh(&self) {
        self.fresh_as_of(self.clock.boot()).await;
    }

    async fn fresh_as_of(&self, then: BootTime) {
        let as_of = || Some(self.decider.replica.view()?.freshness?.as_of);
        within(async {
            while as_of().is_none_or(|as_of| as_of < then) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Commits, then waits until the changes are applied and the view is fresh as of a later time.
    pub(crate) async fn commit(&self, changes: Vec<Change>) {
        let at = self.feed.commit(changes);
        within(self.decider.replica.reached(at.log, at.revision)).await;
        self.clock.advance(Duration::from_millis(1));
        self.fresh().await;
    }

    pub(crate) fn decide(&self, question: &Question<'_>) -> Result<Decision, Undecided> {
        let counts = self.metrics.worker(0);
        self.decider
            .decide(question, self.clock.boot(), Asker::somebody(&counts))
    }

    /// The reason of the denial, or `None` if the question is allowed.
    pub(crate) fn reason(&self, question: &Question<'_>) -> Option<Reason> {
        let decision = self.decide(question).unwrap();
        decision.verdict.err().map(|denial| denial.reason)
    }

    pub(crate) fn allows(&self, question: &Question<'_>) -> bool {
        matches!(
            self.decide(question),
            Ok(Decision {
                verdict: Ok(()),
                ..
            })
        )
    }
}

/// Waits with a long limit. Tokio's time is paused, so the limit passes only if nothing else can
/// happen.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(24 * 3600);
    tokio::time::timeout(limit, wait).await.expect("never came")
}

/// The outcome of what has nothing to wait for but its turn.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..4 {
        if let std::task::Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
    }
    panic!("it waits for something");
}
