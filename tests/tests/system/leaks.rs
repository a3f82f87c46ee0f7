//! Values that leaked, what ends soon, when tokens were seen, and who did all that.

use std::{collections::BTreeSet, time::Duration};

use tokenward_proto::v1::{
    AuditEvent, CreateTokenRequest, ListAuditEventsRequest, ListExpiringTokensRequest, Role,
    TokenState,
};
use tokenward_tests::house::{self, level};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    leaked_values_are_refused_and_nothing_is_told,
    anybody_has_leaked_values_revoked,
    slow_finders_keep_nobody_out,
    what_ends_soon_is_listed,
    tokens_that_are_used_are_seen_to_be,
    who_did_what_is_kept,
);

/// From an address of loopback: the call's head, that a body of so many bytes comes, and so many of it.
async fn half_sent(address: &str, from: u8, declared: usize, sent: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!(
        "POST /api/credentials/revoke HTTP/1.1\r\nhost: h\r\ncontent-length: {declared}\r\n\r\n"
    );
    let begun = [head.into_bytes(), vec![b' '; sent]].concat();
    // Who is put out may be so before all of it is written.
    let patience = Duration::from_secs(20);
    let _ = tokio::time::timeout(patience, stream.write_all(&begun)).await;
    stream
}

/// Four addresses hold nearly all that a body may have, and many a little: whoever else finds a leaked
/// token has it revoked.
async fn slow_finders_keep_nobody_out(site: Site) {
    const LARGEST: usize = 16 * 1024 * 1024;
    let corner = site.corner("l6").await;
    let issuer = site.issuer();
    let mut held = Vec::new();
    // More than are read at once, and more bytes than are held.
    for from in 100..170 {
        for _ in 0..4 {
            held.push(half_sent(&issuer.http, from, 100, 50).await);
        }
    }
    for from in 10..16 {
        held.push(half_sent(&issuer.http, from, LARGEST, LARGEST - 1).await);
    }
    for number in 0..5 {
        let token = issuer
            .mint(&corner.user_id("ada"), &format!("t{number}"), Role::Read)
            .await;
        let body = serde_json::json!({ "credentials": [&token.secret] }).to_string();
        let answer = house::http::post(&issuer.http, "/api/credentials/revoke", &body);
        assert_eq!(answer, Some((202, "{}".to_owned())), "{number}");
        site.soon(&corner.read(&token.secret, "secret"), "TOKEN_REVOKED")
            .await;
    }
    drop(held);
}

/// The hub's public endpoint: no credential, one answer, whatever was sent.
async fn anybody_has_leaked_values_revoked(site: Site) {
    let corner = site.corner("l5").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let send = |values: &[&str]| {
        let body = serde_json::json!({ "credentials": values }).to_string();
        house::http::post(&site.issuer().http, "/api/credentials/revoke", &body).unwrap()
    };
    let nothing = send(&["hf_nonsense"]);
    assert_eq!(nothing, (202, "{}".to_owned()));
    // Found inside what is sent.
    let quoted = format!("HF_TOKEN=\"{}\",", token.secret);
    assert_eq!(send(&["hf_nonsense", &quoted]), nothing);
    site.soon(&question, "TOKEN_REVOKED").await;
    // Again is no error, and neither is what looks like a token; the trail has what was revoked once, by
    // nobody known, and nothing of calls that revoked nothing.
    assert_eq!(send(&[&token.secret]), nothing);
    assert_eq!(send(&["hf_eyJa.b.c"]), nothing);
    let trail = site.issuer().operator().trail().await;
    let of_token = |event: &&AuditEvent| event.token_id == token.id && event.caller == "(anyone)";
    let revoked: Vec<_> = trail.iter().filter(of_token).collect();
    assert_eq!(revoked.len(), 1, "{trail:?}");
    assert_eq!(revoked[0].method, "POST /api/credentials/revoke");
    let nobodys = trail.iter().filter(|event| event.caller == "(anyone)");
    assert_eq!(nobodys.count(), 2, "the token's record, and the call's");
    assert!(revoked[0].peer.starts_with("127.0.0.1:"), "{revoked:?}");

    // What is no such list is refused, and not repeated.
    let many = vec!["x"; 1001];
    let long = "x".repeat(4097);
    for (status, body) in [send(&[]), send(&many), send(&[&long]), send(&["", "x"])] {
        assert_eq!(status, 400, "{body}");
        assert!(!body.contains("xxxx"), "{body}");
    }
    for body in [
        "",
        "{}",
        "[]",
        r#"{"credentials":"hf_secretSecret"}"#,
        r#"{"credentials":[7]}"#,
    ] {
        let path = "/api/credentials/revoke";
        let (status, told) = house::http::post(&site.issuer().http, path, body).unwrap();
        assert_eq!(status, 400, "{told}");
        assert!(
            told.contains("credentials: ") && !told.contains("ecret"),
            "{told}"
        );
    }
}

async fn leaked_values_are_refused_and_nothing_is_told(site: Site) {
    let corner = site.corner("l1").await;
    let ada = corner.user_id("ada");
    let mut tokens = Vec::new();
    for number in 0..40 {
        tokens.push(
            site.issuer()
                .mint(&ada, &format!("t{number}"), Role::Read)
                .await,
        );
    }
    let kept = site.issuer().mint(&ada, "kept", Role::Read).await;
    // A value that was replaced, in its overlap; and one that was replaced before.
    let rotated = site.issuer().mint(&ada, "rotated", Role::Read).await;
    let new = site.issuer().operator().rotated(&rotated.id, 3600).await;
    let replaced = site.issuer().mint(&ada, "replaced", Role::Read).await;
    let newer = site.issuer().operator().rotated(&replaced.id, 0).await;
    let mut values: Vec<String> = tokens.iter().map(|token| token.secret.clone()).collect();
    values.push(rotated.secret.clone());
    values.push(replaced.secret.clone());
    // Twice, changed, cut, foreign, long.
    values.push(tokens[0].secret.clone());
    let mut changed = kept.secret.clone();
    changed.replace_range(20..21, if &changed[20..21] == "A" { "B" } else { "A" });
    values.push(changed);
    values.push(kept.secret[..kept.secret.len() - 1].to_owned());
    values.push("hf_abcdefghijklmnopqrstuvwxyzabcdefgh".into());
    values.push("é".repeat(4096));
    let mut operator = site.other().operator();
    let revision = operator.revoke_values(values.clone()).await.unwrap();
    for token in &tokens {
        let dead = corner.read(&token.secret, "secret");
        site.all(&dead, &revision, "TOKEN_REVOKED").await;
    }
    for (value, wanted) in [
        (&kept.secret, "ALLOW"),
        (&rotated.secret, "TOKEN_REVOKED"),
        (&new.secret, "ALLOW"),
        (&replaced.secret, "TOKEN_REVOKED"),
        (&newer.secret, "ALLOW"),
    ] {
        site.all(&corner.read(value, "secret"), &revision, wanted)
            .await;
    }
    let listed = site.issuer().tokens(&ada).await;
    let revoked = |id: &str| {
        listed
            .iter()
            .any(|it| it.id == id && it.state() == TokenState::Revoked)
    };
    assert!(tokens.iter().all(|token| revoked(&token.id)));
    assert!(!revoked(&kept.id) && !revoked(&new.id) && !revoked(&newer.id));

    // The answer is a revision, whatever was found; again is harmless.
    let again = operator.revoke_values(values).await.unwrap();
    let nothing = operator
        .revoke_values(vec!["nothing".into()])
        .await
        .unwrap();
    assert!(again != revision && nothing != again);
    // As many as may be, and as long.
    let most = vec!["x".repeat(4096); 1000];
    operator.revoke_values(most).await.unwrap();
    for (values, text) in [
        (vec![], "values: must be 1 to 1000"),
        (vec!["x".into(); 1001], "values: must be 1 to 1000"),
        (
            vec!["x".into(), String::new()],
            "values[1]: must be 1 to 4096",
        ),
        (vec!["x".repeat(4097)], "values[0]: must be 1 to 4096"),
    ] {
        let status = operator.revoke_values(values).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(text), "{status}");
    }
    // One notice for each token.
    let trail = operator.trail().await;
    let notices = trail
        .iter()
        .filter(|event| event.method == "TokenService/RevokeByValue" && !event.token_id.is_empty());
    let ids: Vec<_> = notices.map(|event| event.token_id.clone()).collect();
    let distinct: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!((ids.len(), distinct.len()), (40, 40));
}

async fn what_ends_soon_is_listed(site: Site) {
    let corner = site.corner("l2").await;
    let ada = corner.user_id("ada");
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let day = 86_400;
    let mint = async |name: &str, days: Option<i64>| {
        let request = CreateTokenRequest {
            owner_id: ada.clone(),
            name: name.into(),
            role: Role::Read.into(),
            expire_time: days.map(|days| prost_types::Timestamp {
                seconds: now + days * day,
                nanos: 0,
            }),
            ..CreateTokenRequest::default()
        };
        site.issuer().mint_as(request).await
    };
    let far = mint("far", Some(40)).await;
    let near = mint("near", Some(10)).await;
    let nearer = mint("nearer", Some(5)).await;
    let gone = mint("gone", Some(6)).await;
    mint("never", None).await;
    site.issuer().revoke(&gone.id).await;
    let list = async |days: i64, owner: &str| {
        let request = ListExpiringTokensRequest {
            within: Some(prost_types::Duration {
                seconds: days * day,
                nanos: 0,
            }),
            owner_id: owner.into(),
            ..ListExpiringTokensRequest::default()
        };
        let tokens = site.other().operator().expiring(request).await;
        tokens.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(list(30, &ada).await, [nearer.id.clone(), near.id.clone()]);
    assert_eq!(
        list(50, "").await,
        [nearer.id.clone(), near.id.clone(), far.id.clone()]
    );
    assert_eq!(list(1, "").await, Vec::<String>::new());
    assert_eq!(
        list(50, &corner.user_id("grace")).await,
        Vec::<String>::new()
    );
    // An end that moved stands once.
    let request = tokenward_proto::v1::RotateTokenRequest {
        token_id: nearer.id.clone(),
        expire_time: Some(prost_types::Timestamp {
            seconds: now + 45 * day,
            nanos: 0,
        }),
        ..Default::default()
    };
    let new = site.issuer().operator().rotate(request).await.unwrap();
    assert_eq!(list(50, "").await, [near.id, far.id, nearer.id]);
    // A caller is warned before the end, and only then.
    let soon = mint("soon", Some(2)).await;
    for verifier in &site.verifiers {
        let answer = verifier
            .at(&corner.read(&soon.secret, "secret"), &soon.revision)
            .await;
        assert!(answer.warning.contains("ends in"), "{answer:?}");
        assert!(answer.principal.unwrap().expire_time.is_some());
        let answer = verifier
            .at(&corner.read(&new.secret, "secret"), &new.revision)
            .await;
        assert!(answer.warning.is_empty(), "{answer:?}");
    }
}

/// By the hour, and without a write for each check.
async fn tokens_that_are_used_are_seen_to_be(site: Site) {
    let corner = site.corner("l3").await;
    let ada = corner.user_id("ada");
    let used = site.issuer().mint(&ada, "used", Role::Read).await;
    let unused = site.issuer().mint(&ada, "unused", Role::Read).await;
    let revoked = site.issuer().mint(&ada, "revoked", Role::Read).await;
    let revision = site.issuer().revoke(&revoked.id).await;
    site.all(
        &corner.read(&revoked.secret, "secret"),
        &revision,
        "TOKEN_REVOKED",
    )
    .await;
    site.all(
        &corner.read(&used.secret, "secret"),
        &used.revision,
        "ALLOW",
    )
    .await;
    let issuer = site.other();
    let seen = level("the token is seen to be used", async || {
        let token = issuer.operator().token(&used.id).await;
        token.last_used_time.ok_or_else(|| "never seen".to_owned())
    })
    .await;
    assert_eq!(seen.seconds % 3600, 0);
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((0..7200).contains(&(now - seen.seconds)), "{seen:?}");
    let listed = site.issuer().tokens(&ada).await;
    let of = |id: &str| {
        listed
            .iter()
            .find(|token| token.id == id)
            .unwrap()
            .last_used_time
    };
    assert_eq!(of(&used.id), Some(seen));
    assert_eq!((of(&unused.id), of(&revoked.id)), (None, None));
}

async fn who_did_what_is_kept(site: Site) {
    let corner = site.corner("l4").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let new = site.other().operator().rotated(&token.id, 0).await;
    let mut revoker = site
        .issuer()
        .caller(Some(&site.house.credential("revoker")));
    revoker.revoke_and_wait(&token.id).await;
    revoker.revoke_all_of(&ada).await;
    let trail = site.issuer().operator().trail().await;
    let row = |method: &str| {
        trail
            .iter()
            .rev()
            .find(|event| event.method == method)
            .unwrap_or_else(|| panic!("{method} in {trail:?}"))
    };
    for (method, caller) in [
        ("TokenService/CreateToken", "hub"),
        ("TokenService/RotateToken", "hub"),
        ("TokenService/RevokeToken", "revoker"),
    ] {
        let event = row(method);
        assert_eq!(event.caller, caller);
        assert_eq!(
            (event.token_id.as_str(), event.role()),
            (token.id.as_str(), Role::Read)
        );
        assert_eq!(
            (event.owner_id.as_str(), event.key_id.as_str()),
            (ada.as_str(), "k1")
        );
        assert!(event.peer.starts_with("127."), "{event:?}");
        assert!(event.time.is_some());
    }
    assert!(
        new.secret
            .ends_with(&row("TokenService/RotateToken").last_four)
    );
    assert!(
        token
            .secret
            .ends_with(&row("TokenService/CreateToken").last_four)
    );
    assert_eq!(row("TokenService/RevokeUserTokens").owner_id, ada);
    assert!(row("DirectoryService/Write").operations > 0);
    assert!(trail.iter().all(|event| !event.caller.is_empty()));
    let ids: BTreeSet<_> = trail.iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids.len(), trail.len());
    // Later ones come after a page that was the last.
    let request = ListAuditEventsRequest {
        page_size: 1000,
        ..ListAuditEventsRequest::default()
    };
    let mut operator = site.issuer().operator();
    let page = operator
        .audit
        .list_audit_events(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(!page.more);
    site.issuer().mint(&ada, "later", Role::Read).await;
    let next = ListAuditEventsRequest {
        page_token: page.next_page_token,
        ..request
    };
    let page = operator
        .audit
        .list_audit_events(next)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.events.len(), 1);
    // It is for those who may read it.
    let refused = revoker
        .audit
        .list_audit_events(ListAuditEventsRequest::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}
