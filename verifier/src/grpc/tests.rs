//! Calls the service without a network.

mod batches;
mod bounds;
mod misplaced;
mod streams;
mod wire;

use prometheus_client::encoding::text::encode;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Serial, TokenId},
    process::credentials::{Credentials, LiveCredentials, Role, new_credential},
    state::record::{Amendment, Change, Record, Settings},
    store::{Used, guards::Guards},
    token::{Claims, Prefix, Role as TokenRole, SigningKey, sign},
};
use tokenward_proto::v1::{
    CheckRequest, CheckResponse, Reason, RepoKind, RepoRef, Resource, Verdict,
    check_request::Caller, resource::Resource as Thing,
};

use tonic::{Code, metadata::MetadataMap};

use super::*;
use crate::{
    decide::tests::{Hub, START, at_once, claims, key_set, kid, mint, revoke, token, withdraw},
    keys::TrustedKeys,
    metrics::ProcessFigures,
    serve::Connections,
};

const DAY: u64 = 24 * 3600;

fn service(hub: &Hub) -> VerifierGrpc {
    VerifierGrpc {
        decider: Arc::clone(&hub.decider),
        counts: hub.metrics.worker(0),
        usage: Arc::default(),
        expiry_warning: Duration::from_secs(7 * DAY),
        operators: None,
        shutdown: Shutdown::default(),
        traces: Traces::off(),
    }
}

fn model(id: &str) -> Resource {
    Resource {
        resource: Some(Thing::Repo(RepoRef {
            kind: RepoKind::Model.into(),
            id: id.into(),
            name: String::new(),
        })),
    }
}

fn question(token: &str, id: &str) -> CheckRequest {
    CheckRequest {
        caller: Some(Caller::Token(token.into())),
        resource: Some(model(id)),
        permission: "repo.content.read".into(),
        ..CheckRequest::default()
    }
}

/// Sends the request as its bytes.
fn check(service: &VerifierGrpc, request: &CheckRequest) -> Result<CheckResponse, Status> {
    check_as(service, request, MetadataMap::new())
}

fn check_as(
    service: &VerifierGrpc,
    request: &CheckRequest,
    metadata: MetadataMap,
) -> Result<CheckResponse, Status> {
    let mut call = Request::new(request.encode_to_vec());
    *call.metadata_mut() = metadata;
    let answer = at_once(Arc::new(service.clone()).check(call))?;
    Ok(CheckResponse::decode(&*answer).unwrap())
}

pub(crate) fn scraped(hub: &Hub) -> String {
    let registry = hub.metrics.registry(ProcessFigures {
        view_age: Box::new(|| None),
        revision: Box::new(|| 0),
        following: Arc::default(),
        memo_entries: Box::new(|| 0),
        connections: Arc::new(Connections::new(1)),
        keys_unusable: Box::new(|| 0),
        bounds: [("read", Duration::from_secs(5)); 3],
    });
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(kid(name), &[seed; 32]).unwrap()
}

fn signed_by(key: &SigningKey, serial: u64) -> String {
    sign(
        &claims("ada", serial, TokenRole::Write),
        &Prefix::default(),
        key,
    )
    .unwrap()
}

/// A hub whose verifier has these keys, where no fetch has settled that they are complete.
async fn unsettled(keys: &[&SigningKey]) -> Hub {
    let mut hub = Hub::new(Guards::ALL);
    let trusted = TrustedKeys::default();
    trusted.store(Arc::new(key_set(keys)));
    Arc::get_mut(&mut hub.decider).unwrap().keys = trusted;
    hub.follow();
    hub.fresh().await;
    hub
}

/// The value of the first metric whose line begins with this text.
fn counted(hub: &Hub, begins: &str) -> u64 {
    let text = scraped(hub);
    let line = text.lines().find(|line| line.starts_with(begins));
    let number = line.unwrap_or_else(|| panic!("{begins} in {text}"));
    number.rsplit(' ').next().unwrap().parse().unwrap()
}

fn mortal(serial: u64, left: u64) -> String {
    mint(&Claims {
        exp: Some(tokenward_common::clock::UnixTime(START + left)),
        ..claims("ada", serial, TokenRole::Write)
    })
}

#[tokio::test(start_paused = true)]
async fn a_near_end_is_warned_of_and_a_far_one_is_not() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let far = check(&service, &question(&mortal(7, 8 * DAY), "own"));
    let far = far.unwrap();
    assert_eq!((far.warning.as_str(), far.verdict()), ("", Verdict::Allow));
    assert_eq!(far.principal.unwrap().expire_time, None);
    let near = mortal(8, 3 * DAY);
    // A denied token is warned too, because it is genuine and live.
    for id in ["own", "missing"] {
        let answer = check(&service, &question(&near, id)).unwrap();
        let told = "the token ends in 3 days, on 2027-01-18T08:00:00Z; rotate it or make a new one \
                    before then";
        assert_eq!(answer.warning, told);
        let end = answer.principal.unwrap().expire_time.unwrap();
        assert_eq!(end.seconds as u64, START + 3 * DAY);
    }
    // A value that was rotated out has a newer value already.
    let replaced = Change::Put(Record::Amendment(Amendment {
        token: TokenId(10),
        owner: AccountId::parse("ada").unwrap(),
        settings: Settings {
            name: "t".into(),
            role: TokenRole::Write,
            scopes: None,
        },
        expiries: vec![(Serial(10), UnixTime(START + DAY))],
    }));
    hub.commit(vec![replaced]).await;
    let answer = check(&service, &question(&mortal(10, 3 * DAY), "own")).unwrap();
    let told = "the token was replaced, and this value of it ends in 1 day, on ";
    assert!(answer.warning.starts_with(told), "{}", answer.warning);
    assert!(answer.warning.ends_with("; use the new value"));

    let never = check(
        &service,
        &question(&token("ada", 9, TokenRole::Read), "own"),
    );
    assert_eq!(never.unwrap().warning, "");
    let silent = VerifierGrpc {
        expiry_warning: Duration::ZERO,
        ..service
    };
    let answer = check(&silent, &question(&near, "own")).unwrap();
    assert_eq!(answer.warning, "");
}

#[tokio::test(start_paused = true)]
async fn a_use_is_noted_once_an_hour_and_only_of_live_tokens() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let live = token("ada", 7, TokenRole::Write);
    let dead = token("ada", 8, TokenRole::Write);
    hub.commit(vec![revoke(8)]).await;
    for _ in 0..3 {
        for text in [&live, &dead] {
            check(&service, &question(text, "own")).unwrap();
        }
    }
    let hour = u32::try_from(START / 3600).unwrap();
    let noted = |hour| {
        vec![Used {
            token: TokenId(7),
            hour,
        }]
    };
    assert_eq!(service.usage.take(), noted(hour));
    // The use in this hour was already noted.
    check(&service, &question(&live, "own")).unwrap();
    assert_eq!(service.usage.take(), []);
    hub.clock.advance(Duration::from_secs(3600));
    hub.fresh().await;
    check(&service, &question(&live, "own")).unwrap();
    assert_eq!(service.usage.take(), noted(hour + 1));
}

fn with_operators(service: &VerifierGrpc, role: Role) -> (VerifierGrpc, String) {
    let (secret, digest) = new_credential().unwrap();
    let role = serde_json::to_string(&role).unwrap();
    let json =
        format!(r#"{{"credentials":[{{"name":"eve","sha256":["{digest}"],"roles":[{role}]}}]}}"#);
    let operators = Credentials::parse(&json).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let service = VerifierGrpc {
        operators: Some(Arc::new(LiveCredentials::new(operators))),
        ..service.clone()
    };
    (service, secret)
}

fn explain(
    service: &VerifierGrpc,
    question: &CheckRequest,
    secret: Option<&str>,
) -> Result<CheckResponse, Status> {
    let request = CheckRequest {
        explain: true,
        ..question.clone()
    };
    let mut metadata = MetadataMap::new();
    if let Some(secret) = secret {
        let value = format!("Bearer {secret}").parse().unwrap();
        metadata.insert("authorization", value);
    }
    check_as(service, &request, metadata)
}

#[tokio::test(start_paused = true)]
async fn an_explanation_is_for_those_who_may_have_it() {
    let hub = Hub::followed(Guards::ALL).await;
    let nobody = service(&hub);
    let text = token("ada", 7, TokenRole::Read);
    let asked = question(&text, "own");
    let code = |answer: Result<CheckResponse, Status>| answer.unwrap_err();
    let status = code(explain(&nobody, &asked, None));
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("--operators"), "{status:?}");

    let (mints, secret) = with_operators(&nobody, Role::Mint);
    let status = code(explain(&mints, &asked, Some(&secret)));
    assert_eq!(status.code(), Code::PermissionDenied);
    for shown in [None, Some(text.as_str()), Some("twc_no")] {
        let status = code(explain(&mints, &asked, shown));
        assert_eq!(status.code(), Code::Unauthenticated, "{shown:?}");
    }
    let refused = "tokenward_verifier_checks_total{verdict=\"error\",reason=\"explain_refused\"}";
    assert_eq!(counted(&hub, refused), 5);

    for role in [Role::Explain, Role::Admin] {
        let (explains, secret) = with_operators(&nobody, role);
        let answer = explain(&explains, &asked, Some(&secret)).unwrap();
        assert_eq!(answer.verdict(), Verdict::Allow);
        let names: Vec<_> = answer.explanation.iter().map(|step| &*step.name).collect();
        assert_eq!(
            names,
            [
                "view",
                "token",
                "key",
                "revocation",
                "floor",
                "owner",
                "amendment",
                "resource",
                "visibility",
                "rights",
                "ceiling",
                "disabled"
            ]
        );
        let write = CheckRequest {
            permission: "repo.write".into(),
            ..asked.clone()
        };
        let answer = explain(&explains, &write, Some(&secret)).unwrap();
        let last = answer.explanation.last().unwrap();
        assert_eq!(
            (&*last.name, last.refused()),
            ("ceiling", Reason::TokenRole)
        );
        let refusing = |step: &&pb::Step| step.refused() != Reason::Unspecified;
        assert_eq!(answer.explanation.iter().filter(refusing).count(), 1);
        // A request without `explain` gets no explanation.
        assert!(
            check(&explains, &asked.clone())
                .unwrap()
                .explanation
                .is_empty()
        );
    }
}
