//! Each answer says how old its view was allowed to be.

use tokenward_proto::v1::{
    BatchCheckRequest, Question, WhoAmIRequest, batch_check_request::Caller as BatchCaller,
};

use super::*;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test(start_paused = true)]
async fn the_bound_that_applied_stands_beside_the_age() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let token = token("ada", 7, TokenRole::Write);
    let asked = |permission: &str, max_staleness| CheckRequest {
        permission: permission.into(),
        max_staleness,
        ..question(&token, "own")
    };
    // The hub's bounds are 5 s for reading and 2 s for writing. A question may only shorten them.
    for (permission, asks, bound) in [
        ("repo.content.read", None, 5),
        ("repo.write", None, 2),
        ("repo.content.read", seconds(60), 5),
        ("repo.write", seconds(1), 1),
    ] {
        let answer = check(&service, &asked(permission, asks)).unwrap();
        assert!(answer.age.is_some());
        assert_eq!(answer.bound, seconds(bound), "{permission} {asks:?}");
    }
    let batch = |permissions: &[&str], max_staleness| BatchCheckRequest {
        caller: Some(BatchCaller::Token(token.clone())),
        questions: permissions
            .iter()
            .map(|permission| Question {
                caller: None,
                resource: Some(model("own")),
                permission: (*permission).into(),
            })
            .collect(),
        max_staleness,
        ..BatchCheckRequest::default()
    };
    for (permissions, asks, bound) in [
        (&["repo.content.read"][..], None, 5),
        (&["repo.content.read", "repo.write"], None, 2),
        (&["repo.content.read", "repo.write"], seconds(1), 1),
    ] {
        let request = Request::new(batch(permissions, asks));
        let answer = service.batch_check(request).await.unwrap().into_inner();
        assert_eq!(answer.bound, seconds(bound), "{permissions:?}");
    }
    for (asks, bound) in [(None, 5), (seconds(1), 1), (seconds(9), 5)] {
        let request = WhoAmIRequest {
            token: token.clone(),
            max_staleness: asks,
            ..WhoAmIRequest::default()
        };
        let answer = service.who_am_i(&Request::new(request)).await.unwrap();
        assert_eq!(answer.into_inner().bound, seconds(bound));
    }
}
