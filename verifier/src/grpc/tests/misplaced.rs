//! A permission on a resource where it means nothing is refused as a mistake, whether the resource
//! exists or not, in every method.

use tokenward_proto::v1::{
    AccountRef, BatchCheckRequest, CheckStreamResponse, Question,
    batch_check_request::Caller as BatchCaller, check_stream_response::Result as Streamed,
};

use super::*;

const RULE: &str = "permission: inference.serverless.write means nothing on a model; it is asked on \
                    user and org";

fn asking(permission: &str, resource: Resource) -> CheckRequest {
    CheckRequest {
        resource: Some(resource),
        permission: permission.into(),
        ..question(&token("ada", 7, TokenRole::Write), "own")
    }
}

fn account(name: &str) -> Resource {
    Resource {
        resource: Some(Thing::Account(AccountRef {
            name: name.into(),
            id: String::new(),
        })),
    }
}

#[tokio::test(start_paused = true)]
async fn check_names_the_kinds_for_what_is_there_and_what_is_not() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    for id in ["own", "llm", "gated", "missing"] {
        let asked = asking("inference.serverless.write", model(id));
        let refused = check(&service, &asked).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{id}");
        assert_eq!(refused.message(), RULE, "{id}");
    }
    for name in ["ada", "acme", "nobody"] {
        let asked = asking("repo.metadata.read", account(name));
        let refused = check(&service, &asked).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{name}");
        let told = "repo.metadata.read means nothing on a user or org; it is asked on model, ";
        assert!(refused.message().contains(told), "{refused:?}");
    }
    // Whether an account is a user or an org is known only once it is found.
    let asked = asking("org.read", account("ada"));
    let answer = check(&service, &asked).unwrap();
    assert_eq!(answer.reason(), Reason::NotFound);
    // The refusal needs neither the keys nor the view.
    hub.feed.away(true);
    hub.clock.advance(Duration::from_secs(60));
    let asked = asking("org.read", model("own"));
    let refused = check(&service, &asked).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn one_of_a_batch_takes_no_answer_from_the_others() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let of = |permission: &str, id: &str| Question {
        caller: None,
        resource: Some(model(id)),
        permission: permission.into(),
    };
    let request = BatchCheckRequest {
        caller: Some(BatchCaller::Token(token("ada", 7, TokenRole::Write))),
        questions: vec![
            of("repo.content.read", "own"),
            of("inference.serverless.write", "own"),
            of("inference.serverless.write", "missing"),
            of("repo.content.read", "missing"),
        ],
        ..BatchCheckRequest::default()
    };
    let denied = "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"not_found\"";
    let before = counted(&hub, denied);
    let answer = service.batch_check(Request::new(request)).await;
    let answers = answer.unwrap().into_inner().answers;
    assert_eq!(counted(&hub, denied), before + 1);
    let [allowed, mistaken, missing, denied] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!((allowed.verdict(), &allowed.error), (Verdict::Allow, &None));
    assert_eq!((denied.reason(), &denied.error), (Reason::NotFound, &None));
    assert_eq!(mistaken, missing);
    assert_eq!(mistaken.verdict(), Verdict::Deny);
    assert_eq!(mistaken.reason(), Reason::Unspecified);
    let error = mistaken.error.as_ref().unwrap();
    assert_eq!(Code::from(error.code), Code::InvalidArgument);
    assert_eq!((&*error.message, &*mistaken.message), (RULE, RULE));
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let asked = [
        asking("inference.serverless.write", model("own")),
        asking("inference.serverless.write", model("missing")),
        asking("repo.content.read", model("own")),
    ];
    let asked = asked.map(|asked| Ok(asked.encode_to_vec()));
    let answers = stream::answers(service, Peer::UNKNOWN, tokio_stream::iter(asked), None);
    let answers: Vec<_> = futures_util::StreamExt::collect(answers).await;
    let mut answers = answers.into_iter().map(|answer| {
        let answer = CheckStreamResponse::decode(&*answer.unwrap()).unwrap();
        answer.result.unwrap()
    });
    for _ in 0..2 {
        let Some(Streamed::Error(error)) = answers.next() else {
            panic!("no error");
        };
        assert_eq!(Code::from(error.code), Code::InvalidArgument);
        assert_eq!(error.message, RULE);
    }
    let Some(Streamed::Response(answer)) = answers.next() else {
        panic!("no answer");
    };
    assert_eq!(answer.verdict(), Verdict::Allow);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_permission_is_refused_with_the_nearest() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    for (asked, told) in [
        ("repo.contents.read", "; did you mean repo.content.read?"),
        ("REPO.WRITE", "; did you mean repo.write?"),
        ("resourcegroup.write", "; did you mean resourceGroup.write?"),
        ("entirely.other", "that this verifier knows"),
    ] {
        let refused = check(&service, &asking(asked, model("own"))).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().ends_with(told), "{refused:?}");
    }
}
