//! Tests that strangers' messages are not read, and that an issuer is never wrong while its own view is
//! behind what it or another issuer acknowledged; at worst the caller must try again.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use prometheus_client::registry::Registry;

use tokenward_common::{
    clock::{Clock, SystemClock, UnixMillis},
    id::{AccountId, KeyId, Name, RepoId, RequestId},
    process::health::Health,
    replica::{Follow, Replica},
    state::{
        key::Key,
        record::{
            Change, FloorTarget, GateMode, Record, RecordKey, Repo, RepoKind, User, Visibility,
        },
    },
    store::{
        Commit, CommitClass, Feed, PrivateWrite, Retention, Store, embedded::EmbeddedStore,
        guards::Guards,
    },
    token::{Prefix, Role, SigningKey},
};
use tokenward_proto::v1 as pb;
use tokio_util::sync::CancellationToken;
use tonic::codegen::{Service, http};

mod commits;
mod keys;
mod leaks;
mod names;
mod orgs;
mod own;
mod roles;

use crate::{
    caller::{Credentials, LiveCredentials},
    directory::Directory,
    error::Problem,
    grpc::Authenticator,
    keys::{KeyFile, KeySource, Keys, Realm, Signing},
    metrics::Metrics,
    pace::Pace,
    receipts::Receipts,
    request::Request,
    routes::{Parts, SERVICES, routes},
    tokens::{ByValue, NewToken, Tokens, wire::AccountRef},
};

/// Holds a store, and a view of it that follows only on demand.
struct Issuer {
    store: Arc<EmbeddedStore>,
    replica: Arc<Replica>,
    folder: tempfile::TempDir,
}

impl Issuer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = EmbeddedStore::open(&folder.path().join("realm"), true, clock.clone()).unwrap();
        Self {
            store,
            replica: Arc::new(Replica::new(clock)),
            folder,
        }
    }

    fn follow(&self) -> CancellationToken {
        let stop = CancellationToken::new();
        let follow = Follow {
            feed: Arc::clone(&self.store) as Arc<dyn Feed>,
            replica: Arc::clone(&self.replica),
            name: "test".into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards: Guards::ALL,
            observer: Arc::new(()),
        };
        tokio::spawn(follow.run(stop.clone()));
        stop
    }

    /// Follows up to the present head, and no further.
    async fn follow_to_the_head(&self) {
        let head = self.store.head().await.unwrap().cursor;
        let stop = self.follow();
        self.replica.reached(head.log, head.revision).await;
        stop.cancel();
        // The follower's task ends before anything else is awaited here.
        tokio::task::yield_now().await;
    }

    /// Starts the call with the old view; the view advances only once the call waits.
    async fn while_behind<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        if let Poll::Ready(done) = futures_util::poll!(call.as_mut()) {
            return done;
        }
        let stop = self.follow();
        let done = call.await;
        stop.cancel();
        done
    }

    async fn commit(&self, changes: Vec<Change>) {
        let mut request = RequestId::default();
        getrandom::fill(&mut request.0).unwrap();
        let commit = Commit {
            request,
            response: Vec::new(),
            class: CommitClass::Ordinary,
            private: changes.iter().filter_map(name_of).collect(),
            changes,
            expect: Vec::new(),
        };
        self.store.commit(commit).await.unwrap();
    }

    async fn holds(&self, key: RecordKey) -> bool {
        let found = self.store.get(&[Key::from_record_key(&key)]).await.unwrap();
        found.iter().any(Option::is_some)
    }

    fn keys(&self) -> Arc<Keys> {
        let key = SigningKey::generate(KeyId::parse("k1").unwrap()).unwrap();
        let path = self.folder.path().join("k1.pem");
        std::fs::write(&path, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let file: KeyFile = path.display().to_string().parse().unwrap();
        let realm = Realm {
            issuer: "https://t.example".into(),
            name: "hub".into(),
            prefix: Prefix::default(),
        };
        let signing = Signing::load(&realm, &KeySource::Files(vec![file]));
        Arc::new(Keys::new(signing.unwrap()))
    }

    /// Returns the parts as a running issuer has them.
    fn parts(&self, credentials: Credentials) -> Parts {
        let store: Arc<dyn Store> = self.store.clone();
        let receipts = Receipts::new(Arc::clone(&store), Arc::new(SystemClock));
        let receipts = Arc::new(receipts);
        let retention = Retention {
            time: Duration::from_secs(3600),
            entries: 1000,
            bytes: 1024 * 1024,
        };
        Parts {
            replica: Arc::clone(&self.replica),
            keys: self.keys(),
            pace: Arc::new(Pace::new(store.clone(), receipts.clone(), &retention)),
            receipts,
            store,
            authenticator: Authenticator {
                credentials: Arc::new(LiveCredentials::new(credentials)),
                clock: Arc::new(SystemClock),
                metrics: Metrics::new(&mut Registry::default()),
            },
            patience: Duration::from_millis(50),
        }
    }

    async fn delete(&self, operation: pb::operation::Operation) -> Result<(), Problem> {
        let directory = Directory {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            replica: Arc::clone(&self.replica),
        };
        let request = request();
        let operations = vec![pb::Operation {
            operation: Some(operation),
            ..pb::Operation::default()
        }];
        let write = directory.write(&request, operations);
        self.while_behind(write).await.map(drop)
    }
}

/// Returns one admin's credential, and its secret.
fn credentials() -> (Credentials, String) {
    let secret = format!("twc_{}", "0".repeat(64));
    let digest = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(secret.as_bytes()))
    };
    let json =
        format!(r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":["admin"]}}]}}"#);
    (Credentials::parse(&json).unwrap(), secret)
}

fn request() -> Request {
    let (credentials, secret) = credentials();
    let shown = format!("Bearer {secret}");
    let caller = credentials.caller(Some(&shown)).unwrap();
    let now = UnixMillis(1_800_000_000_000);
    Request::new(
        caller,
        "test",
        String::new(),
        &pb::WriteRequest::default(),
        now,
    )
    .unwrap()
}

/// Returns the name's record, as the directory writes it beside the account or repo.
fn name_of(change: &Change) -> Option<PrivateWrite> {
    let (key, holder) = match change {
        Change::Put(Record::User(user)) => {
            (Key::account_name(&user.name.folded()), user.id.as_str())
        }
        Change::Put(Record::Repo(repo)) => (
            Key::repo_name(repo.kind, &repo.owner, &repo.name.folded()),
            repo.id.as_str(),
        ),
        _ => return None,
    };
    Some(PrivateWrite::Put {
        key,
        value: holder.as_bytes().to_vec(),
    })
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn user(id: &str) -> Change {
    Change::Put(Record::User(User {
        id: account(id),
        name: Name::parse(id).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    }))
}

#[tokio::test]
async fn a_deletion_of_what_the_view_has_not_seen_yet_happens() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    issuer.follow_to_the_head().await;
    let repo = Repo {
        id: RepoId::parse("llm").unwrap(),
        kind: RepoKind::Model,
        owner: account("ada"),
        name: Name::parse("llm").unwrap(),
        visibility: Visibility::Public,
        gate: GateMode::None,
        creator: None,
        disabled: false,
        group: None,
        org_members_gated: false,
    };
    let key = RecordKey::Repo(repo.id.clone());
    issuer.commit(vec![Change::Put(Record::Repo(repo))]).await;
    let delete = pb::operation::Operation::DeleteRepo("llm".into());
    issuer.delete(delete).await.unwrap();
    assert!(!issuer.holds(key).await);
}

#[tokio::test]
async fn a_user_who_is_deleted_right_after_he_was_made_is_gone() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    issuer.follow_to_the_head().await;
    issuer.commit(vec![user("bob")]).await;
    let delete = pb::operation::Operation::DeleteUser("bob".into());
    issuer.delete(delete).await.unwrap();
    assert!(!issuer.holds(RecordKey::User(account("bob"))).await);
    let floor = RecordKey::Floor(FloorTarget::Owner(account("bob")));
    assert!(issuer.holds(floor).await);
    // The deletion of a missing record succeeds.
    let delete = pb::operation::Operation::DeleteUser("eve".into());
    issuer.delete(delete).await.unwrap();
}

#[tokio::test]
async fn nothing_is_minted_for_an_owner_who_is_gone() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    issuer.follow_to_the_head().await;
    let gone = vec![
        Change::Delete(RecordKey::User(account("ada"))),
        Change::RaiseFloor(FloorTarget::Owner(account("ada"))),
    ];
    issuer.commit(gone).await;
    let tokens = Tokens {
        store: Arc::clone(&issuer.store) as Arc<dyn Store>,
        replica: Arc::clone(&issuer.replica),
        keys: issuer.keys(),
    };
    let request = request();
    let new = NewToken {
        owner: AccountRef::Id(account("ada")),
        name: "laptop".into(),
        role: Role::Read,
        scopes: None,
        expires_at: None,
    };
    let minted = issuer.while_behind(tokens.create(&request, new)).await;
    assert!(matches!(minted, Err(Problem::NotFound(_))));
}

/// Makes a message that never ends.
fn endless() -> tonic::body::Body {
    let pieces = futures_util::stream::pending::<Result<axum::body::Bytes, Infallible>>();
    tonic::body::Body::new(axum::body::Body::from_stream(pieces))
}

#[tokio::test]
async fn a_strangers_message_is_not_read() {
    let issuer = Issuer::new();
    let (credentials, secret) = credentials();
    let parts = issuer.parts(credentials);
    let routes = routes(
        &parts,
        ByValue::default(),
        &Health::new(&SERVICES).await,
        CancellationToken::new(),
    );
    let routes = routes.unwrap().prepare();
    for path in [
        "/tokenward.v1.TokenService/CreateToken",
        "/tokenward.v1.TokenService/RevokeToken",
        "/tokenward.v1.TokenService/RevokeByValue",
        "/tokenward.v1.KeyService/WithdrawKey",
        "/tokenward.v1.AuditService/ListAuditEvents",
        "/tokenward.v1.OrgTokenService/ListOrgTokens",
        "/tokenward.v1.DirectoryService/Write",
    ] {
        let call = |bearer: &str| {
            let request = http::Request::post(path)
                .header("content-type", "application/grpc")
                .header("authorization", format!("Bearer {bearer}"))
                .body(endless());
            routes.clone().call(request.unwrap())
        };
        // The call is polled, not awaited: a known caller's message is read.
        let mut known = pin!(call(&secret));
        assert!(futures_util::poll!(known.as_mut()).is_pending());
        for stranger in ["tw_eyJ.a.b", "twc_no"] {
            let answer = call(stranger).await.unwrap();
            let status = answer.headers().get("grpc-status").unwrap();
            assert_eq!(status, "16", "{path}");
        }
        assert_eq!(status_of(known).await, "4", "{path}");
    }
    // A message that never arrives is given up, with any caller.
    for path in [
        "/tokenward.internal.v1.FeedService/Head",
        "/tokenward.internal.v1.FeedService/Snapshot",
        "/tokenward.internal.v1.FeedService/ReadLog",
        "/tokenward.internal.v1.FeedService/Confirm",
        "/tokenward.v1.DirectoryService/Export",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    ] {
        let request = http::Request::post(path)
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {secret}"))
            .body(endless());
        let call = routes.clone().call(request.unwrap());
        assert_eq!(status_of(call).await, "4", "{path}");
    }
}

async fn status_of<F>(call: F) -> String
where
    F: Future<Output = Result<http::Response<tonic::body::Body>, Infallible>>,
{
    let answer = call.await.unwrap();
    answer.headers()["grpc-status"].to_str().unwrap().into()
}
