//! More than a program can do: floods of false tokens, streams that nobody reads, a crowd of followers.
//! `tests/bench-overload` measures the same at length.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use prost::Message as _;
use tokenward_common::{
    clock::SystemClock,
    id::RevisionToken,
    replica::{Follow, Replica},
    store::{
        grpc::{Credential, GrpcFeed},
        guards::Guards,
    },
};
use tokenward_proto::v1::{
    CheckRequest, Role, check_request::Caller, verifier_service_client::VerifierServiceClient,
};
use tokenward_tests::{
    house::{Feed, House, Minted, Store, hub::Corner, word},
    load::{Load, Pace, Report, Target, run, strangers::signature},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Endpoint};

use crate::memory::peak;

/// MiB over what the program held before: room for calls in flight and their spans. The tokens of the flood
/// have half as many bytes again, and remembered they would take twice as many.
const FLAT: u64 = 24;
const FLOOD: u64 = 100_000;
const CALLS: u64 = 1500;
const STREAMS: usize = 100;
/// What a stream that nobody reads would ask, if it were read on.
const QUESTIONS: usize = 20_000;
const FOLLOWERS: usize = 1000;

fn token(question: &CheckRequest) -> &str {
    match &question.caller {
        Some(Caller::Token(token)) => token,
        _ => panic!("a token"),
    }
}

async fn load(address: &str, question: &CheckRequest, pace: Pace, requests: u64) -> Report {
    let message = question.encode_to_vec();
    let varied = match pace {
        Pace::Closed => vec![signature(&message, token(question)).unwrap()],
        Pace::Open { .. } => Vec::new(),
    };
    let load = Load {
        target: Target::Tcp(address.parse().unwrap()),
        connections: 4,
        in_flight: 32,
        pace,
        path: "/tokenward.v1.VerifierService/Check".into(),
        streamed: false,
        http: false,
        messages: vec![message],
        varied,
        warmup: 0,
        requests,
        limit: Duration::from_secs(60),
        server: None,
    };
    let ran = tokio::task::spawn_blocking(move || run(&load));
    ran.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_false_tokens_takes_nothing_from_the_others() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let corner = Corner::new("flood");
    issuer.write(corner.operations()).await;
    let Minted {
        secret, revision, ..
    } = issuer
        .mint(&corner.user_id("ada"), "good", Role::Read)
        .await;
    let question = corner.read(&secret, "secret");
    let answer = verifier.at(&question, &revision).await;
    assert_eq!(word(&Ok(answer)), "ALLOW");
    let before = peak(verifier.program.id());
    let pace = Pace::Open { per_second: 500.0 };
    let (good, flood) = tokio::join!(
        load(&verifier.address, &question, pace, CALLS),
        load(&verifier.address, &question, Pace::Closed, FLOOD)
    );
    assert_eq!((good.allowed, good.failed()), (CALLS, 0), "{good}");
    assert_eq!(flood.allowed, 0, "{flood}");
    // Each is looked at and denied, or told to wait once they take too much time, and nothing else.
    let exhausted = flood.errors[Code::ResourceExhausted as usize];
    assert!(flood.denied > 0, "{flood}");
    assert_eq!(flood.denied + exhausted, FLOOD, "{flood}");
    let grown = peak(verifier.program.id()).saturating_sub(before);
    assert!(grown <= FLAT, "{grown} MiB");
}

/// A verifier takes no question while nobody takes the answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_is_not_read_on() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let before = peak(verifier.program.id());
    let endpoint = Endpoint::from_shared(format!("http://{}", verifier.address)).unwrap();
    let channel = endpoint.initial_stream_window_size(1).connect().await;
    let channel = channel.unwrap();
    let question = CheckRequest {
        caller: Some(Caller::Token("tw_eyJnobodys".into())),
        permission: "repo.content.read".into(),
        ..CheckRequest::default()
    };
    let taken = Arc::new(AtomicUsize::new(0));
    let opened = (0..STREAMS).map(|_| {
        let taken = Arc::clone(&taken);
        let questions = std::iter::repeat_n(question.clone(), QUESTIONS);
        let counted = questions.inspect(move |_| _ = taken.fetch_add(1, Relaxed));
        let mut client = VerifierServiceClient::new(channel.clone());
        async move {
            client
                .check_stream(futures_util::stream::iter(counted))
                .await
        }
    });
    let held = join_all(opened).await;
    assert!(held.iter().all(Result::is_ok));
    verifier.serving().await;
    let taken = taken.load(Relaxed);
    assert!(
        taken < STREAMS * QUESTIONS / 2,
        "{taken} questions are on their way"
    );
    let grown = peak(verifier.program.id()).saturating_sub(before);
    assert!(grown <= FLAT, "{grown} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_followers_hear_of_a_revocation() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let corner = Corner::new("crowd");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    let stop = CancellationToken::new();
    let views: Vec<_> = (0..FOLLOWERS)
        .map(|number| {
            let endpoint = Endpoint::from_shared(format!("http://{}", issuer.address)).unwrap();
            let credential = Credential::bearer(&house.credential("followers")).unwrap();
            let replica = Arc::new(Replica::new(Arc::new(SystemClock)));
            let follow = Follow {
                feed: Arc::new(GrpcFeed::new(endpoint, credential)),
                replica: Arc::clone(&replica),
                name: format!("follower-{number}"),
                bound: None,
                usage: Arc::default(),
                confirm_interval: Duration::from_millis(500),
                guards: Guards::ALL,
                observer: Arc::new(()),
            };
            tokio::spawn(follow.run(stop.clone()));
            replica
        })
        .collect();
    let reach = async |revision: &str| {
        let at = RevisionToken::parse(revision).unwrap();
        let all = join_all(views.iter().map(|it| it.reached(at.log, at.revision)));
        let heard = tokio::time::timeout(Duration::from_secs(60), all).await;
        heard.expect("all of them hear of it");
    };
    reach(&token.revision).await;
    let before = peak(issuer.program.id());
    for _ in 0..5 {
        let token = issuer.mint(&corner.user_id("ada"), "u", Role::Read).await;
        reach(&issuer.revoke(&token.id).await).await;
    }
    let grown = peak(issuer.program.id()).saturating_sub(before);
    assert!(grown <= FLAT, "{grown} MiB");
    stop.cancel();
}
