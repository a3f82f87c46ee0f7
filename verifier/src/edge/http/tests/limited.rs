//! Tests how often whoami answers.

use super::*;

async fn limited(owners: u32, peers: u32) -> Running {
    let limits = WhoAmILimits::new(owners, peers);
    started("@include hub", "127.0.0.1:0", None, limits).await
}

impl Running {
    fn whoami(&self, token: &str) -> Told {
        self.get("/api/whoami-v2", &[("Authorization", &bearer(token))])
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_limited_by_all_its_tokens_and_no_other_by_them() {
    let running = limited(3, 0).await;
    let (one, other) = (token("ada", 7, Role::Read), token("ada", 8, Role::Write));
    let policy = r#""fixed window";"whoami";q=3;w=300"#;
    for (token, left) in [(&one, 2), (&other, 1), (&one, 0)] {
        let told = running.whoami(token);
        assert_eq!(told.status, 200);
        let standing = told.header("ratelimit").unwrap();
        assert!(
            standing.starts_with(&format!("\"whoami\";r={left};t=")),
            "{standing}"
        );
        assert_eq!(told.header("ratelimit-policy"), Some(policy));
        assert_eq!(told.header("retry-after"), None);
    }
    for token in [&one, &other] {
        let told = running.whoami(token);
        assert_eq!(told.status, 429, "{}", told.body);
        let wait = told.header("retry-after").unwrap();
        let standing = format!("\"whoami\";r=0;t={wait}");
        assert_eq!(told.header("ratelimit"), Some(standing.as_str()));
        assert!(
            told.json()["error"]
                .as_str()
                .unwrap()
                .contains("this account")
        );
        assert!(told.header("x-error-message").is_some());
    }
    assert_eq!(running.whoami(&token("bob", 9, Role::Read)).status, 200);
    // A check does not count toward the limit.
    for _ in 0..5 {
        let headers = [("Authorization", bearer(&one))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let told = running.auth("GET", "/acme/llm/resolve/main/x", &headers);
        assert_eq!((told.status, told.header("ratelimit")), (200, None));
    }
    running.hub.clock.advance(Duration::from_secs(300));
    running.hub.commit(Vec::new()).await;
    assert_eq!(running.whoami(&one).status, 200);
    let hub = running.end().await;
    let text = crate::grpc::tests::scraped(&hub);
    let line = "tokenward_verifier_door_requests_total{door=\"whoami\",outcome=\"limited\"} 2";
    assert!(text.lines().any(|it| it == line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn bad_credentials_run_out_and_cost_nobody_an_answer() {
    let running = limited(3, 5).await;
    let ada = token("ada", 7, Role::Read);
    running.hub.commit(vec![revoke(8)]).await;
    let revoked = token("ada", 8, Role::Read);
    for n in 0..5 {
        let bad = ["tw_nonsense", &revoked][n % 2];
        assert_eq!(running.whoami(bad).status, 401);
    }
    for _ in 0..50 {
        let told = running.whoami(&revoked);
        assert_eq!(told.status, 429);
        assert!(!told.body.contains("account"), "{}", told.body);
    }
    assert_eq!(running.get("/api/whoami-v2", &[]).status, 429);
    // This live token comes from the same address, and its owner also owns the revoked one.
    for left in ["r=2", "r=1", "r=0"] {
        let told = running.whoami(&ada);
        assert_eq!(told.status, 200);
        assert!(told.header("ratelimit").unwrap().contains(left));
    }
    running.end().await;
}
