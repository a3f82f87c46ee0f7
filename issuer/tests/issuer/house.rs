//! One embedded store, and as many issuers on it as a test needs.

use std::{fs, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokenward_common::{
    clock::{Clock, SystemClock, UnixMillis},
    id::KeyId,
    replica::{Follow, Replica},
    store::{Feed, Store, embedded::EmbeddedStore, guards::Guards},
    token::{Prefix, SigningKey},
};
use tokenward_issuer::{
    caller::{Caller, Credentials},
    directory::Directory,
    error::Problem,
    keys::{KeyFile, KeySource, Keys, Realm, Signing},
    request::Request,
    tokens::{NewToken, Tokens, wire::AccountRef},
};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};
use tokio_util::sync::CancellationToken;

pub(crate) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

pub(crate) struct House {
    _dir: TempDir,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) keys: Arc<Keys>,
    caller: Caller,
    stop: CancellationToken,
}

/// One issuer's parts, with a view of its own.
pub(crate) struct Issuer {
    pub(crate) directory: Directory,
    pub(crate) tokens: Tokens,
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = EmbeddedStore::open(&dir.path().join("hub.redb"), true, clock).unwrap();
        let key = SigningKey::generate(KeyId::parse("k1").unwrap()).unwrap();
        let path = dir.path().join("k1.pem");
        fs::write(&path, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let file: KeyFile = path.display().to_string().parse().unwrap();
        let realm = Realm {
            issuer: "https://issuer.test".into(),
            name: "hub".into(),
            prefix: Prefix::default(),
        };
        let signing = Signing::load(&realm, &KeySource::Files(vec![file])).unwrap();
        Self {
            _dir: dir,
            store,
            keys: Arc::new(Keys::new(signing)),
            caller: caller(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) async fn issuer(&self) -> Issuer {
        let replica = Arc::new(Replica::new(Arc::new(SystemClock)));
        let follow = Follow {
            feed: Arc::clone(&self.store) as Arc<dyn Feed>,
            replica: Arc::clone(&replica),
            name: "test".into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(50),
            guards: Guards::ALL,
            observer: Arc::new(()),
        };
        tokio::spawn(follow.run(self.stop.clone()));
        let head = self.store.head().await.unwrap().cursor;
        tokio::time::timeout(
            Duration::from_secs(20),
            replica.reached(head.log, head.revision),
        )
        .await
        .unwrap();
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        Issuer {
            directory: Directory {
                store: Arc::clone(&store),
                replica: Arc::clone(&replica),
            },
            tokens: Tokens {
                store,
                replica,
                keys: Arc::clone(&self.keys),
            },
        }
    }

    /// A call with this request id (empty: none) and this body.
    pub(crate) fn call(&self, id: &str, body: &impl prost::Message) -> Request {
        self.call_at(id, body, NOW)
    }

    pub(crate) fn call_at(&self, id: &str, body: &impl prost::Message, now: UnixMillis) -> Request {
        Request::new(self.caller.clone(), "Test/Call", id.to_owned(), body, now).unwrap()
    }

    pub(crate) async fn write(&self, issuer: &Issuer, operations: Vec<Op>) -> Result<(), Problem> {
        let operations: Vec<_> = operations.into_iter().map(operation).collect();
        let body = pb::WriteRequest {
            request_id: String::new(),
            operations: operations.clone(),
        };
        let request = self.call("", &body);
        issuer.directory.write(&request, operations).await.map(drop)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn caller() -> Caller {
    let (secret, digest) = tokenward_issuer::caller::new_credential().unwrap();
    let json =
        format!(r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":["admin"]}}]}}"#);
    Credentials::parse(&json)
        .unwrap()
        .caller(Some(&format!("Bearer {secret}")))
        .unwrap()
}

pub(crate) fn operation(operation: Op) -> pb::Operation {
    pb::Operation {
        operation: Some(operation),
        ..pb::Operation::default()
    }
}

pub(crate) fn user(id: &str, name: &str) -> Op {
    Op::PutUser(pb::User {
        id: id.into(),
        name: name.into(),
        ..pb::User::default()
    })
}

pub(crate) fn org(id: &str, name: &str) -> Op {
    Op::PutOrg(pb::Org {
        id: id.into(),
        name: name.into(),
        ..pb::Org::default()
    })
}

pub(crate) fn model(id: &str, owner: &str, name: &str) -> Op {
    Op::PutRepo(pb::Repo {
        id: id.into(),
        kind: pb::RepoKind::Model.into(),
        owner_id: owner.into(),
        name: name.into(),
        visibility: pb::Visibility::Private.into(),
        gate: pb::GateMode::None.into(),
        ..pb::Repo::default()
    })
}

pub(crate) fn new_token(owner: &str, name: &str) -> NewToken {
    NewToken {
        owner: AccountRef::Name(owner.into()),
        name: name.into(),
        role: tokenward_common::token::Role::Read,
        scopes: None,
        expires_at: None,
    }
}
