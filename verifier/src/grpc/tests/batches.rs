use tokenward_proto::v1::{
    Anonymous, BatchCheckRequest, BatchCheckResponse, Question,
    batch_check_request::Caller as BatchCaller, question::Caller as OwnCaller,
};

use super::*;

fn of(id: &str, own: Option<&str>) -> Question {
    Question {
        caller: own.map(|text| OwnCaller::Token(text.into())),
        resource: Some(model(id)),
        permission: "repo.content.read".into(),
    }
}

fn batch(token: Option<&str>, questions: Vec<Question>) -> BatchCheckRequest {
    BatchCheckRequest {
        caller: token.map(|text| BatchCaller::Token(text.into())),
        questions,
        ..BatchCheckRequest::default()
    }
}

async fn ask(
    service: &VerifierGrpc,
    request: BatchCheckRequest,
) -> Result<BatchCheckResponse, Status> {
    let answer = service.batch_check(Request::new(request)).await;
    answer.map(Response::into_inner)
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_check_in_order_and_each_is_counted() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let shared = mortal(7, 2 * DAY);
    let [bob, dead] = [("bob", 8), ("ada", 9)].map(|(who, n)| token(who, n, TokenRole::Write));
    hub.commit(vec![revoke(9)]).await;
    let asked = [
        ("own", None),
        ("llm", Some(&bob)),
        ("own", Some(&dead)),
        ("missing", None),
        ("gated", None),
        ("own", Some(&bob)),
    ];
    let mut expected = Vec::new();
    for (id, own) in asked {
        let alone = check(&service, &super::question(own.unwrap_or(&shared), id));
        expected.push(alone.unwrap());
    }
    let allowed = "tokenward_verifier_checks_total{verdict=\"allow\"";
    let gone = "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"not_found\"";
    let revoked = "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"token_revoked\"";
    let before = [allowed, gone, revoked].map(|line| counted(&hub, line));
    let questions = asked.map(|(id, own)| of(id, own.map(String::as_str)));
    let answer = ask(&service, batch(Some(&shared), questions.to_vec())).await;
    let answer = answer.unwrap();
    let after = [allowed, gone, revoked].map(|line| counted(&hub, line));
    assert_eq!(
        [
            after[0] - before[0],
            after[1] - before[1],
            after[2] - before[2]
        ],
        [1, 3, 1]
    );
    assert_eq!(answer.answers.len(), expected.len());
    for ((got, alone), (id, own)) in answer.answers.iter().zip(&expected).zip(asked) {
        assert_eq!(
            (got.verdict, got.reason, &got.message),
            (alone.verdict, alone.reason, &alone.message),
            "{id}"
        );
        let principal = own.and(alone.principal.clone());
        assert_eq!(got.principal, principal, "{id}");
    }
    assert_eq!(answer.revision, expected[0].revision);
    assert_eq!(answer.principal, expected[0].principal);
    assert_eq!(answer.warning, expected[0].warning);
    assert!(answer.warning.contains("in 2 days"));
}

#[tokio::test(start_paused = true)]
async fn each_token_is_verified_once() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let tokens: Vec<_> = (1..=40)
        .map(|serial| token("ada", serial, TokenRole::Write))
        .collect();
    let questions = (0..1000)
        .map(|at| of("own", Some(&tokens[at % 40])))
        .collect();
    let answer = ask(&service, batch(None, questions)).await.unwrap();
    assert_eq!(answer.answers.len(), 1000);
    assert!(
        answer
            .answers
            .iter()
            .all(|one| one.verdict() == Verdict::Allow)
    );
    assert_eq!(counted(&hub, "tokenward_verifier_memo_misses_total"), 40);
    assert_eq!(counted(&hub, "tokenward_verifier_memo_hits_total"), 0);
    // Bad tokens are in no memo, and yet each is looked at once.
    let bad = vec![of("own", Some("rubbish")); 5];
    ask(&service, batch(None, bad)).await.unwrap();
    assert_eq!(counted(&hub, "tokenward_verifier_memo_misses_total"), 41);
}

#[tokio::test(start_paused = true)]
async fn a_bad_question_is_named_by_its_place() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let good = token("ada", 7, TokenRole::Write);
    let with = |at: usize, bad: Question| {
        let mut questions = vec![of("own", None); 20];
        questions[at] = bad;
        batch(Some(&good), questions)
    };
    let unset = Question {
        resource: None,
        ..of("own", None)
    };
    let unknown = Question {
        permission: "repo.fly".into(),
        ..of("own", None)
    };
    for (request, told) in [
        (with(17, unknown), "questions[17].permission: "),
        (with(3, unset), "questions[3].resource: "),
        (with(0, of("own", Some(""))), "questions[0].token: "),
        (batch(None, vec![of("own", None)]), "questions[0].caller: "),
        (batch(Some(""), vec![of("own", None)]), "token: "),
        (batch(Some(&good), Vec::new()), "questions: must be 1 to"),
        (
            batch(Some(&good), vec![of("own", None); 1001]),
            "questions: must be 1 to",
        ),
        (
            BatchCheckRequest {
                min_revision: "x".into(),
                ..batch(Some(&good), vec![of("own", None)])
            },
            "min_revision: ",
        ),
    ] {
        let status = ask(&service, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(told), "{told} {status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_or_none() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let good = token("ada", 7, TokenRole::Write);
    let write = Question {
        permission: "repo.write".into(),
        ..of("own", None)
    };
    let reads = || batch(Some(&good), vec![of("own", None), of("llm", None)]);
    let mixed = || batch(Some(&good), vec![of("own", None), write.clone()]);
    hub.feed.away(true);
    // The view is past the bound of writes, but within the bound of reads.
    hub.clock.advance(Duration::from_secs(3));
    assert_eq!(ask(&service, reads()).await.unwrap().answers.len(), 2);
    let status = ask(&service, mixed()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let stale = "tokenward_verifier_checks_total{verdict=\"error\",reason=\"view_stale\"}";
    assert_eq!(counted(&hub, stale), 1);
    let nobody = BatchCheckRequest {
        caller: Some(BatchCaller::Anonymous(Anonymous {})),
        ..reads()
    };
    let answer = ask(&service, nobody).await.unwrap();
    assert_eq!(answer.answers[0].reason(), Reason::NotFound);
    assert_eq!(answer.principal, None);
}

/// Each answer is in its place. A token that can't be judged yet removes no other answer, and is
/// neither allowed nor denied.
#[tokio::test(start_paused = true)]
async fn an_unsettled_key_is_an_error_of_its_own_questions() {
    let hub = unsettled(&[&key("k1", 1)]).await;
    hub.commit(vec![revoke(9), withdraw("k3")]).await;
    let service = service(&hub);
    let good = token("ada", 7, TokenRole::Write);
    let [new, revoked] = [7, 9].map(|serial| signed_by(&key("k2", 2), serial));
    let dead = token("ada", 9, TokenRole::Write);
    let withdrawn = signed_by(&key("k3", 3), 7);
    let asked = [
        (Some(&*new), None),
        (None, Some(Reason::Unspecified)),
        (Some(&*revoked), None),
        (Some(&*dead), Some(Reason::TokenRevoked)),
        // The log's word is final.
        (Some(&*withdrawn), Some(Reason::TokenKeyWithdrawn)),
        (Some("rubbish"), Some(Reason::TokenMalformed)),
        (Some(&*new), None),
        (None, Some(Reason::Unspecified)),
    ];
    let error = "tokenward_verifier_checks_total{verdict=\"error\",reason=\"key_unsettled\"";
    let questions = asked.map(|(own, _)| of("own", own)).to_vec();
    let answer = ask(&service, batch(Some(&good), questions)).await.unwrap();
    assert_eq!(answer.answers.len(), asked.len());
    for (got, (own, expected)) in answer.answers.iter().zip(asked) {
        let verdict = match expected {
            None => Verdict::Unspecified,
            Some(Reason::Unspecified) => Verdict::Allow,
            Some(_) => Verdict::Deny,
        };
        assert_eq!(got.verdict(), verdict, "{got:?}");
        assert_eq!(got.reason(), expected.unwrap_or_default(), "{got:?}");
        let alone = check(&service, &super::question(own.unwrap_or(&good), "own"));
        let error = got.error.as_ref().map(|it| (it.code, it.message.clone()));
        let alone = alone
            .err()
            .map(|it| (it.code().into(), it.message().into()));
        assert_eq!(error, alone, "as Check has it");
        assert_eq!(error.is_none(), expected.is_some());
    }
    assert_eq!(counted(&hub, error), 6, "three of the batch, three alone");
    // The view is reported whichever question came first.
    assert!(!answer.revision.is_empty() && answer.age.is_some());
    let principal = answer.principal.unwrap();
    assert_eq!(principal.owner_id, "ada");
}

/// The client's retry policy sees this status, as it does with Check.
#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_can_be_judged_is_unavailable() {
    let hub = unsettled(&[&key("k1", 1)]).await;
    let service = service(&hub);
    let [shared, own] = [7, 8].map(|serial| signed_by(&key("k2", 2), serial));
    let questions = || vec![of("own", None), of("own", Some(&own)), of("llm", None)];
    let status = ask(&service, batch(Some(&shared), questions())).await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let alone = check(&service, &super::question(&shared, "own")).unwrap_err();
    assert_eq!(status.message(), alone.message());
    // An anonymous caller needs no key.
    let mut questions = questions();
    let nobody = OwnCaller::Anonymous(Anonymous {});
    questions[2].caller = Some(nobody);
    let answer = ask(&service, batch(Some(&shared), questions)).await;
    let answers = answer.unwrap().answers;
    assert_eq!(answers[2].reason(), Reason::NotFound);
    assert!(answers[..2].iter().all(|it| it.error.is_some()));
}

/// The limit on messages must allow this batch.
#[test]
fn the_largest_batch_with_one_token_fits() {
    let name = "n".repeat(96);
    let longest = Question {
        caller: None,
        resource: Some(Resource {
            resource: Some(Thing::Repo(RepoRef {
                kind: RepoKind::Model.into(),
                name: format!("{name}/{name}"),
                id: String::new(),
            })),
        }),
        permission: "repo.content.read".into(),
    };
    let token = "t".repeat(tokenward_common::token::MAX_TOKEN);
    let largest = batch(Some(&token), vec![longest; 1000]);
    let len = prost::Message::encoded_len(&largest);
    let limit = crate::serve::Limits::DEFAULT.message_bytes;
    assert!(len <= limit && len * 2 > limit, "{len}");
}
