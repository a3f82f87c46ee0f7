//! Tests tokens that reach an org: what the org requires of them, and what it decides.

use tokenward_common::{
    id::TokenId,
    state::record::{Approval, Group, Member, Org, OrgPolicy, OrgRole, OrgTokenView, TokenPolicy},
    token::{EntityKind, Scope, Scopes},
};

use super::*;
use crate::tokens::{Decision, Listing, Order, Rotation, Update};
use tokenward_common::id::GroupId;

const DAY: u64 = 24 * 3600;
/// `request` has this time.
const NOW: u64 = 1_800_000_000;

struct World {
    issuer: Issuer,
    tokens: Tokens,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn org(id: &str) -> Change {
    Change::Put(Record::Org(Org {
        id: account(id),
        name: Name::parse(id).unwrap(),
        display: Box::default(),
    }))
}

fn member(org: &str, user: &str, role: OrgRole) -> Change {
    let (org, user) = (account(org), account(user));
    Change::Put(Record::Member(Member { org, user, role }))
}

fn policy(org: &str, policy: TokenPolicy, days: Option<u64>) -> Change {
    Change::Put(Record::OrgPolicy(OrgPolicy {
        org: account(org),
        policy,
        max_lifetime: days.map(|days| Duration::from_secs(days * DAY)),
    }))
}

fn scope(kind: EntityKind, id: &str, permission: &str) -> Scope {
    Scope {
        kind,
        id: id.into(),
        permissions: vec![permission.into()],
        patterns: Vec::new(),
    }
}

impl World {
    /// Makes acme with ada, an admin, bob, a member, a group and a repo; it requires approval. Initech
    /// requires nothing.
    async fn new() -> Self {
        let issuer = Issuer::new();
        let repo = Repo {
            id: RepoId::parse("llm").unwrap(),
            kind: RepoKind::Model,
            owner: account("acme"),
            name: Name::parse("llm").unwrap(),
            visibility: Visibility::Private,
            gate: GateMode::None,
            creator: None,
            disabled: false,
            group: None,
            org_members_gated: false,
        };
        let group = Group {
            id: GroupId::parse("g1").unwrap(),
            org: account("acme"),
            name: Name::parse("Research").unwrap(),
        };
        issuer
            .commit(vec![
                user("ada"),
                user("bob"),
                org("acme"),
                org("initech"),
                member("acme", "ada", OrgRole::Admin),
                member("acme", "bob", OrgRole::Read),
                Change::Put(Record::Repo(repo)),
                Change::Put(Record::Group(group)),
                policy("acme", TokenPolicy::AdminApproval, None),
            ])
            .await;
        let stop = issuer.follow();
        let tokens = Tokens {
            store: Arc::clone(&issuer.store) as Arc<dyn Store>,
            replica: Arc::clone(&issuer.replica),
            keys: issuer.keys(),
        };
        let head = issuer.store.head().await.unwrap().cursor;
        issuer.replica.reached(head.log, head.revision).await;
        Self {
            issuer,
            tokens,
            stop,
        }
    }

    async fn mint(&self, owner: &str, name: &str, scoped: Vec<Scope>) -> Result<TokenId, Problem> {
        self.mint_until(owner, name, scoped, None).await
    }

    async fn mint_until(
        &self,
        owner: &str,
        name: &str,
        scoped: Vec<Scope>,
        seconds: Option<u64>,
    ) -> Result<TokenId, Problem> {
        let new = NewToken {
            owner: AccountRef::Id(account(owner)),
            name: name.into(),
            role: Role::FineGrained,
            scopes: Some(Scopes {
                scoped,
                global: Vec::new(),
                can_read_gated_repos: false,
            }),
            expires_at: seconds.map(|seconds| tokenward_common::clock::UnixTime(NOW + seconds)),
        };
        let minted = self.tokens.create(&request(), new).await?;
        Ok(minted.token.id)
    }

    /// Returns the record that the store holds.
    async fn view(&self, org: &str, token: TokenId) -> Option<OrgTokenView> {
        let org = account(org);
        let key = Key::from_record_key(&RecordKey::OrgTokenView { org, token });
        let found = self.issuer.store.get(std::slice::from_ref(&key)).await;
        let stored = found.unwrap().pop().flatten()?;
        match tokenward_common::state::codec::join(&key, &stored.value).unwrap() {
            Record::OrgTokenView(view) => Some(view),
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, org: &str, token: TokenId) -> Option<Approval> {
        self.view(org, token).await.map(|view| view.state)
    }

    async fn decide(&self, token: TokenId, decision: Decision) -> Result<Approval, Problem> {
        let org = by_id("acme");
        let request = request();
        let decided = self.tokens.decide(&request, order(&org, token, decision));
        decided.await.map(|(shown, _)| shown.state.unwrap())
    }

    async fn listed(&self, ended_too: bool) -> Vec<(TokenId, Option<Approval>)> {
        self.listed_of(None, ended_too).await
    }

    async fn listed_of(
        &self,
        owner: Option<&str>,
        ended_too: bool,
    ) -> Vec<(TokenId, Option<Approval>)> {
        let now = tokenward_common::clock::UnixTime(NOW);
        let (org, owner) = (by_id("acme"), owner.map(by_id));
        let listing = listing(&org, owner.as_ref(), ended_too);
        let page = self.tokens.list_for_org(listing, now);
        let tokens = page.await.unwrap().0.into_iter();
        tokens.map(|it| (it.shown.token.id, it.state)).collect()
    }
}

fn by_id(id: &str) -> AccountRef {
    AccountRef::Id(account(id))
}

fn order(org: &AccountRef, token: TokenId, decision: Decision) -> Order<'_> {
    Order {
        org,
        token,
        decision,
        found: false,
    }
}

fn listing<'a>(org: &'a AccountRef, owner: Option<&'a AccountRef>, ended_too: bool) -> Listing<'a> {
    Listing {
        org,
        owner,
        after: None,
        limit: 100,
        ended_too,
    }
}

#[tokio::test]
async fn a_token_that_reaches_an_org_waits_for_its_approval() {
    let world = World::new().await;
    let ways = [
        (EntityKind::Org, "acme"),
        (EntityKind::Model, "llm"),
        (EntityKind::ResourceGroup, "g1"),
    ];
    for (kind, id) in ways {
        let scopes = || vec![scope(kind, id, "repo.write")];
        let bobs = world.mint("bob", id, scopes()).await.unwrap();
        let view = world.view("acme", bobs).await.unwrap();
        assert_eq!(
            (view.state, view.owner),
            (Approval::Pending, account("bob"))
        );
        // An admin's own token is approved when it is made.
        let adas = world.mint("ada", id, scopes()).await.unwrap();
        assert_eq!(world.state("acme", adas).await, Some(Approval::Approved));
    }
    // An org that doesn't require approval has no decision to make.
    let other = vec![scope(EntityKind::Org, "initech", "repo.write")];
    let other = world.mint("bob", "other", other).await.unwrap();
    assert_eq!(world.state("initech", other).await, None);
    assert_eq!(world.state("acme", other).await, None);
    assert_eq!(world.listed(false).await.len(), 6);
    let refused = world.decide(other, Decision::Approve).await;
    assert!(
        matches!(refused, Err(Problem::NotFound(_))),
        "{:?}",
        refused
    );
}

#[tokio::test]
async fn what_an_org_revoked_it_never_approves() {
    use Approval::{Approved, Denied, Revoked};
    let world = World::new().await;
    let scopes = vec![
        scope(EntityKind::Org, "acme", "repo.write"),
        scope(EntityKind::User, "bob", "repo.write"),
    ];
    let token = world.mint("bob", "laptop", scopes).await.unwrap();
    for (decision, state) in [
        (Decision::Approve, Approved),
        (Decision::Deny, Denied),
        (Decision::Approve, Approved),
        (Decision::Revoke, Revoked),
        (Decision::Revoke, Revoked),
    ] {
        assert_eq!(world.decide(token, decision).await, Ok(state));
        assert_eq!(world.state("acme", token).await, Some(state));
    }
    for decision in [Decision::Approve, Decision::Deny] {
        let refused = world.decide(token, decision).await;
        assert!(matches!(refused, Err(Problem::Precondition(..))));
    }
    assert_eq!(world.listed(false).await, []);
    assert_eq!(world.listed(true).await, [(token, Some(Revoked))]);
    // The org sees only the scopes that reach it, and the token stays good for the others.
    let now = tokenward_common::clock::UnixTime(NOW);
    let acme = by_id("acme");
    let page = world.tokens.list_for_org(listing(&acme, None, true), now);
    let shown = page.await.unwrap().0.pop().unwrap().shown;
    assert!(!shown.revoked);
    assert_eq!(shown.scopes.unwrap().scoped.len(), 1);
}

#[tokio::test]
async fn a_decision_asked_twice_is_made_once() {
    let world = World::new().await;
    let scopes = vec![scope(EntityKind::Org, "acme", "repo.write")];
    let token = world.mint("bob", "laptop", scopes).await.unwrap();
    let same = || Request {
        text: "r-1".into(),
        id: RequestId([7; 16]),
        ..request()
    };
    let decide = |request, decision| {
        let tokens = world.tokens.clone();
        let acme = AccountRef::Id(account("acme"));
        async move { tokens.decide(&request, order(&acme, token, decision)).await }
    };
    let (_, first) = decide(same(), Decision::Approve).await.unwrap();
    decide(request(), Decision::Deny).await.unwrap();
    let (shown, again) = decide(same(), Decision::Approve).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(shown.state, Some(Approval::Denied));
}

#[tokio::test]
async fn a_change_of_what_was_approved_asks_anew() {
    let world = World::new().await;
    let scopes = vec![scope(EntityKind::Org, "acme", "repo.content.read")];
    let token = world.mint("bob", "laptop", scopes).await.unwrap();
    world.decide(token, Decision::Approve).await.unwrap();
    let update = |name: Option<&str>, permission: Option<&str>| Update {
        name: name.map(Into::into),
        role: None,
        scopes: permission.map(|permission| pb::Scopes {
            scoped: vec![pb::Scope {
                entity_kind: pb::EntityKind::Org.into(),
                entity_id: "acme".into(),
                permissions: vec![permission.into()],
                endpoint_patterns: Vec::new(),
            }],
            ..Default::default()
        }),
    };
    for (change, state) in [
        (update(Some("desktop"), None), Approval::Approved),
        (update(None, Some("repo.content.read")), Approval::Approved),
        (update(None, Some("repo.write")), Approval::Pending),
    ] {
        let updated = world.tokens.update(&request(), token, change).await;
        updated.unwrap();
        assert_eq!(world.state("acme", token).await, Some(state));
    }
    // A denied or revoked token stays so.
    world.decide(token, Decision::Deny).await.unwrap();
    let narrower = update(None, Some("repo.content.read"));
    let updated = world.tokens.update(&request(), token, narrower).await;
    updated.unwrap();
    assert_eq!(world.state("acme", token).await, Some(Approval::Denied));
}

#[tokio::test]
async fn a_token_lives_no_longer_than_its_orgs_allow() {
    let world = World::new().await;
    let short = policy("acme", TokenPolicy::Allow, Some(90));
    world.issuer.commit(vec![short]).await;
    let scopes = || vec![scope(EntityKind::Model, "llm", "repo.write")];
    let too_long = "expire_time: the org acme allows at most 90 days";
    for seconds in [None, Some(90 * DAY + 1)] {
        let minted = world.mint_until("bob", "laptop", scopes(), seconds).await;
        assert_eq!(minted.unwrap_err().to_string(), too_long);
    }
    let end = Some(90 * DAY);
    let minted = world.mint_until("bob", "laptop", scopes(), end).await;
    minted.unwrap();
    let elsewhere = vec![scope(EntityKind::Org, "initech", "repo.write")];
    world.mint("bob", "free", elsewhere).await.unwrap();
    // A new value of an older token may live no longer either; with an allowed end it is made.
    let no_limit = policy("acme", TokenPolicy::Allow, None);
    world.issuer.commit(vec![no_limit]).await;
    let old = world.mint("bob", "old", scopes()).await.unwrap();
    let short = policy("acme", TokenPolicy::Allow, Some(90));
    world.issuer.commit(vec![short]).await;
    let rotation = |expires_at| Rotation {
        expires_at,
        ..Rotation::default()
    };
    let refused = world.tokens.rotate(&request(), old, rotation(None)).await;
    assert_eq!(refused.err().unwrap().to_string(), too_long);
    let end = Some(tokenward_common::clock::UnixTime(NOW + 90 * DAY));
    let rotated = world.tokens.rotate(&request(), old, rotation(end)).await;
    rotated.unwrap();
    // The org may allow more from one moment to the next.
    let free = policy("acme", TokenPolicy::Allow, None);
    world.issuer.commit(vec![free]).await;
    world.mint("bob", "endless", scopes()).await.unwrap();
}

/// A `read` or `write` token reaches all orgs of its owner, and is listed by owner.
#[tokio::test]
async fn a_members_classic_token_is_revoked_for_the_org() {
    let world = World::new().await;
    let classic = |name: &str| NewToken {
        owner: AccountRef::Id(account("bob")),
        name: name.into(),
        role: Role::Write,
        scopes: None,
        expires_at: None,
    };
    let minted = world.tokens.create(&request(), classic("old")).await;
    let minted = minted.unwrap();
    let (token, secret) = (minted.token.id, minted.secret.unwrap());
    let scoped = vec![scope(EntityKind::Org, "acme", "repo.write")];
    let fine = world.mint("bob", "fine", scoped).await.unwrap();
    let pending = Some(Approval::Pending);
    assert_eq!(world.listed(false).await, [(fine, pending)]);
    let bobs = [(token, pending), (fine, pending)];
    assert_eq!(world.listed_of(Some("bob"), false).await, bobs);
    assert_eq!(world.listed_of(Some("ada"), false).await, []);
    for decision in [Decision::Approve, Decision::Deny] {
        let refused = world.decide(token, decision).await;
        assert!(matches!(refused, Err(Problem::Precondition(..))));
    }

    // After bob left the org, his token reaches nothing there, but a caller that holds it may still revoke
    // it.
    let (org, user) = (account("acme"), account("bob"));
    let left = Change::Delete(RecordKey::Member { org, user });
    world.issuer.commit(vec![left]).await;
    let refused = world.decide(token, Decision::Revoke).await;
    assert!(matches!(refused, Err(Problem::NotFound(_))), "{refused:?}");
    assert_eq!(world.tokens.parse_value(&secret), Ok(token));
    for wrong in ["", &secret[1..], &"x".repeat(4097)] {
        assert!(world.tokens.parse_value(wrong).is_err());
    }
    let acme = by_id("acme");
    let found = Order {
        found: true,
        ..order(&acme, token, Decision::Revoke)
    };
    let decided = world.tokens.decide(&request(), found).await.unwrap();
    assert_eq!(decided.0.state, Some(Approval::Revoked));
    assert_eq!(world.state("acme", token).await, Some(Approval::Revoked));
}
