//! Strings that are no tokens, through the pure function and through a live verifier: the same
//! answer, and a reason. What is asked for is public: nobody is taken for anonymous instead.

use futures_util::{StreamExt as _, stream};
use prost_types::Timestamp;
use tokenward_common::{
    clock::{Clock as _, SystemClock},
    token::{Expected, KeyDocument, Prefix, TokenError, verify},
};
use tokenward_proto::v1::{
    CheckRequest, CheckResponse, Reason, check_request::Caller,
    verifier_service_client::VerifierServiceClient,
};
use tokenward_tests::{
    hostile::Genuine,
    house::{House, Verifier, hub::question, level, word},
};
use tonic::{Code, Status};

use crate::site::Site;

const AT_ONCE: usize = 32;

/// What `verify` alone says; what it takes for genuine is refused later.
fn pure(house: &House, keys: &KeyDocument, token: &str) -> Option<Reason> {
    let expected = Expected {
        prefix: Prefix::default(),
        issuer: "https://tokens.test".into(),
        audience: house.realm().into(),
    };
    match verify(token, &expected, &keys.keys) {
        Ok(_) => None,
        Err(TokenError::Malformed) => Some(Reason::TokenMalformed),
        Err(TokenError::KeyUnknown) => Some(Reason::TokenKeyUnknown),
        Err(TokenError::Signature) => Some(Reason::TokenSignature),
        Err(TokenError::Claims) => Some(Reason::TokenClaims),
    }
}

/// A key that nobody has heard of is asked for before a token is refused for it.
async fn settled(verifier: &Verifier, question: &CheckRequest) -> Result<CheckResponse, Status> {
    level("the answer is settled", async || {
        match verifier.check(question).await {
            Err(status) if status.code() == Code::Unavailable => Err(status.to_string()),
            answer => Ok(answer),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_tokens_are_refused_with_a_reason() {
    let site = Site::embedded().await;
    let corner = site.corner("y1").await;
    let mut request = corner.fine_grained("grace", "hostile", Some("open"));
    let end = SystemClock.unix().seconds().0 + 86_400;
    request.expire_time = Some(Timestamp {
        seconds: i64::try_from(end).unwrap(),
        nanos: 0,
    });
    let minted = site.issuer().mint_as(request).await;
    let open = corner.by_name("open");
    let ask = |token: &str| question(token, open.clone(), "repo.content.read");
    site.all(&ask(""), &minted.revision, "ALLOW").await;
    site.all(&ask(&minted.secret), &minted.revision, "ALLOW")
        .await;

    let pem = std::fs::read_to_string(site.house.path("k1.pem")).unwrap();
    let corpus = Genuine::new(&minted.secret, "tw_", &pem).corpus();
    assert!(corpus.len() > 4000, "{}", corpus.len());
    let keys = KeyDocument::parse(site.issuer().jwks().as_bytes()).unwrap();
    assert_eq!(pure(&site.house, &keys, &minted.secret), None);

    let (verifier, ask) = (&site.verifiers[0], &ask);
    let asked = corpus
        .iter()
        .map(|case| async move { (case, settled(verifier, &ask(&case.token)).await) });
    let answers: Vec<_> = stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(answers.len(), corpus.len());
    for (case, answer) in answers {
        let is = word(&answer);
        let wanted = case.refused.as_str_name().replace("REASON_", "");
        let refused = is.starts_with("TOKEN_") && (is == wanted || wanted == "UNSPECIFIED");
        assert!(refused, "{}: {is}, not {wanted}", case.name);
        let alone = pure(&site.house, &keys, &case.token);
        let alone = alone.map_or("TOKEN_EXPIRED".into(), |it| {
            it.as_str_name().replace("REASON_", "")
        });
        assert_eq!(is, alone, "{}", case.name);
        assert!(!answer.unwrap().message.is_empty(), "{}", case.name);
    }
    // None of it changed anything.
    site.all(&ask(&minted.secret), &minted.revision, "ALLOW")
        .await;
}

/// Of a key that was withdrawn nothing is taken, however genuine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_key_is_refused_by_name() {
    let site = Site::embedded().await;
    let corner = site.corner("y2").await;
    let token = site
        .issuer()
        .mint_as(corner.fine_grained("grace", "t", Some("open")))
        .await;
    let asked = question(&token.secret, corner.by_name("open"), "repo.content.read");
    site.all(&asked, &token.revision, "ALLOW").await;
    let revision = site.issuer().operator().withdraw("k1").await;
    site.all(&asked, &revision, "TOKEN_KEY_WITHDRAWN").await;
    let mut forged = token.secret.clone();
    forged.replace_range(forged.len() - 10.., "AAAAAAAAAA");
    let asked = question(&forged, corner.by_name("open"), "repo.content.read");
    // Not even whether its signature was right.
    for answer in site.answers(&asked, &revision).await {
        let is = word(&Ok(answer));
        assert!(
            ["TOKEN_KEY_WITHDRAWN", "TOKEN_SIGNATURE"].contains(&is.as_str()),
            "{is}"
        );
    }
}

/// What a process holds at most since it began, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Strings of 1 MiB and of 200 KB, hundreds at once: refused, and the verifier's memory stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_strings_take_no_memory() {
    let site = Site::embedded().await;
    let corner = site.corner("y3").await;
    let verifier = &site.verifiers[0];
    let open = corner.by_name("open");
    let ask = |size: usize| CheckRequest {
        caller: Some(Caller::Token("tw_eyJ".repeat(size / 6))),
        ..question("", open.clone(), "repo.content.read")
    };
    let flood = async |size: usize, count: usize| {
        let asked = (0..count).map(|_| async {
            let mut client = VerifierServiceClient::new(verifier.channel());
            client.check(ask(size)).await
        });
        stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
    };
    // What serving so many connections and buffers takes at all.
    flood(4096, 400).await;
    flood(200_000, 100).await;
    let before = peak(verifier.program.id());
    for answer in flood(200_000, 1000).await {
        let answer = answer.map(|it| it.into_inner());
        assert_eq!(word(&answer), "TOKEN_MALFORMED");
    }
    for answer in flood(1 << 20, 300).await {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    }
    let after = peak(verifier.program.id());
    // 200 MB and 300 MB went in.
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");
    let good = site
        .issuer()
        .mint_as(corner.fine_grained("grace", "t", Some("open")))
        .await;
    let asked = question(&good.secret, open.clone(), "repo.content.read");
    site.all(&asked, &good.revision, "ALLOW").await;
}
