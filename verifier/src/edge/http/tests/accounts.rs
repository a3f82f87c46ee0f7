//! Tests who owns a token and what it may do: whoami, auth-check, introspection.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

#[tokio::test(start_paused = true)]
async fn whoami_has_every_field_that_clients_need() {
    let running = hub().await;
    let display = UserDisplay {
        full_name: "Ada L.".into(),
        email: "ada@acme.example".into(),
        avatar_url: "https://hub.example/a.png".into(),
        is_pro: true,
    };
    let named = User {
        id: AccountId::parse("ada").unwrap(),
        name: Name::parse("ada").unwrap(),
        disabled: false,
        service_account_of: None,
        display: display.encode_to_vec().into(),
    };
    running
        .hub
        .commit(vec![Change::Put(Record::User(named))])
        .await;
    let ask = |text: &str| running.get("/api/whoami-v2", &[("Authorization", &bearer(text))]);
    let told = ask(&token("ada", 7, Role::Read));
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, Some("application/json"))
    );
    let expected = json!({
        "type": "user",
        "id": "ada",
        "name": "ada",
        "fullname": "Ada L.",
        "email": "ada@acme.example",
        "avatarUrl": "https://hub.example/a.png",
        "isPro": true,
        "orgs": [{
            "type": "org",
            "id": "acme",
            "name": "acme",
            "fullname": "acme",
            "avatarUrl": "",
            "roleInOrg": "write",
        }],
        "auth": {
            "type": "access_token",
            "accessToken": {
                "displayName": "laptop",
                "role": "read",
                "createdAt": "2027-01-15T07:58:20Z",
            },
        },
    });
    assert_eq!(told.json(), expected);

    let scoped = Claims {
        exp: Some(tokenward_common::clock::UnixTime(
            crate::decide::tests::START + 3600,
        )),
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind: EntityKind::ResourceGroup,
                id: "g1".into(),
                permissions: vec!["repo.write".into(), "not.known".into()],
                patterns: Vec::new(),
            }],
            global: vec!["discussion.write".into()],
            can_read_gated_repos: true,
        }),
        ..claims("ada", 8, Role::FineGrained)
    };
    let told = ask(&mint(&scoped)).json();
    assert_eq!(told.get("email"), None);
    assert_eq!(told["auth"]["expiresAt"], "2027-01-15T09:00:00Z");
    let access = &told["auth"]["accessToken"];
    assert_eq!(access["role"], "fineGrained");
    assert_eq!(
        access["fineGrained"],
        json!({
            "scoped": [{
                "entity": { "_id": "g1", "type": "resource-group" },
                "permissions": ["repo.write", "not.known"],
            }],
            "global": ["discussion.write"],
            "canReadGatedRepos": true,
        })
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_nobody_is_told_so() {
    let running = hub().await;
    let nobody = running.get("/api/whoami-v2", &[]);
    assert_eq!((nobody.status, nobody.header("x-error-code")), (401, None));
    let revoked = token("ada", 7, Role::Read);
    running.hub.commit(vec![revoke(7)]).await;
    let refused = running.get("/api/whoami-v2", &[("Authorization", &bearer(&revoked))]);
    let told = "Invalid credentials in Authorization header";
    assert_eq!(
        (refused.status, refused.header("x-error-message")),
        (401, Some(told))
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn auth_check_asks_for_reading_and_for_writing() {
    // The answer does not depend on what the table has for other requests.
    let running = start("@legacy acme\n@include inference", "127.0.0.1:0", None).await;
    let reads = bearer(&token("ada", 7, Role::Read));
    let writes = bearer(&token("ada", 8, Role::Write));
    let bob = bearer(&token("bob", 9, Role::Write));
    let rows = [
        ("acme/llm/auth-check", Some(&reads), 200),
        ("acme/llm/auth-check/write", Some(&reads), 403),
        ("acme/llm/auth-check/write", Some(&writes), 200),
        ("acme/llm/auth-check", Some(&bob), 404),
        ("acme/gated/auth-check", Some(&bob), 403),
        ("acme/open/auth-check", None, 200),
        ("acme/open/auth-check/write", None, 401),
        ("acme/llm/auth-check", None, 401),
        ("llm/auth-check", Some(&reads), 200),
    ];
    for (path, credential, status) in rows {
        let headers = credential.map(|it| ("Authorization", &**it));
        let told = running.get(&format!("/api/models/{path}"), headers.as_slice());
        assert_eq!(told.status, status, "{path}");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn introspection_is_for_operators() {
    let (secret, digest) = new_credential().unwrap();
    let (weak, weak_digest) = new_credential().unwrap();
    let role = |role| serde_json::to_string(&role).unwrap();
    let json = format!(
        r#"{{"credentials":[{{"name":"eve","sha256":["{digest}"],"roles":[{}]}},
                            {{"name":"max","sha256":["{weak_digest}"],"roles":[{}]}}]}}"#,
        role(CallerRole::Explain),
        role(CallerRole::Mint)
    );
    let operators = Credentials::parse(&json).unwrap();
    let running = start("@include hub", "127.0.0.1:0", Some(operators)).await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let ask = |authorization: &str, kind, body: &str| {
        let headers = [("Authorization", authorization), kind];
        running.ask("POST /oauth/introspect", &headers, body)
    };
    let live = token("ada", 7, Role::Read);
    let dead = token("ada", 8, Role::Read);
    running.hub.commit(vec![revoke(8)]).await;
    let body = format!("token={live}");
    let told = ask(&bearer(&secret), form, &body);
    assert_eq!(told.status, 200);
    let expected = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": "ada",
        "username": "ada",
        "iss": "https://tokens.example",
        "aud": "hub",
        "iat": 1_799_999_900,
        "token_id": "7",
        "role": "read",
    });
    assert_eq!(told.json(), expected);
    for body in [format!("token={dead}"), "token=nonsense".into()] {
        let told = ask(&bearer(&secret), form, &body);
        assert_eq!(
            (told.status, told.json()),
            (200, json!({ "active": false }))
        );
    }
    // OAuth's clients send the credential like this, under any user name.
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    for password in [secret.clone(), secret.replace('_', "%5F")] {
        let shown = basic(format!("my:{password}"));
        assert_eq!(ask(&shown, form, &body).json(), expected);
    }
    for (shown, status) in [
        (format!("my:{weak}"), 403),
        (format!("{secret}:"), 401),
        (format!("{secret}:x"), 401),
        (format!("my:{live}"), 401),
    ] {
        let told = ask(&basic(shown), form, &body);
        assert_eq!(told.status, status);
    }
    let plain = ("Content-Type", "application/json");
    assert_eq!(ask(&bearer(&secret), plain, &body).status, 400);
    assert_eq!(ask(&bearer(&secret), form, "").status, 400);
    assert_eq!(ask(&bearer(&weak), form, &body).status, 403);
    for other in [bearer(&live), "Basic x".into()] {
        assert_eq!(ask(&other, form, &body).status, 401);
    }
    assert_eq!(
        running.ask("POST /oauth/introspect", &[form], &body).status,
        401
    );
    running.end().await;

    let nobody = hub().await;
    let headers = [("Authorization", &*bearer(&secret)), form];
    let told = nobody.ask("POST /oauth/introspect", &headers, &body);
    assert_eq!(told.status, 401);
    assert!(told.body.contains("--operators"));
    nobody.end().await;
}
