//! A token that is updated or rotated is another at once, at every verifier; and whoever races.

use tokenward_proto::v1::{
    EntityKind, Role, RotateTokenRequest, Scope, Scopes, TokenState, UpdateTokenRequest,
};
use tokenward_tests::house::{
    Minted,
    hub::{Corner, READ, WRITE},
};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    an_update_acts_at_once_and_keeps_the_string,
    a_rotation_refuses_the_old_value_at_once,
    an_overlap_ends_by_itself,
    a_rotation_repeated_is_one_rotation,
    rotate_against_revoke_leaves_nothing_alive,
    rotate_against_update_loses_neither,
    a_floor_against_rotations_leaves_nothing_alive,
    two_issuers_on_one_token,
    what_can_not_be_changed_is_said,
);

fn scopes(corner: &Corner, model: &str, permission: &str) -> Option<Scopes> {
    Some(Scopes {
        scoped: vec![Scope {
            entity_kind: EntityKind::Model.into(),
            entity_id: corner.of(&format!("m-{model}")),
            permissions: vec![permission.into()],
            ..Scope::default()
        }],
        ..Scopes::default()
    })
}

async fn an_update_acts_at_once_and_keeps_the_string(site: Site) {
    let corner = site.corner("c1").await;
    let token = corner.fine_grained("grace", "t", None);
    let token = site.issuer().mint_as(token).await;
    let (read, write) = (
        corner.read(&token.secret, "secret"),
        corner.write(&token.secret, "secret"),
    );
    site.all(&read, &token.revision, "NOT_FOUND").await;
    let mut last = token.revision.clone();
    for (permission, reads, writes) in [
        (WRITE, "ALLOW", "ALLOW"),
        (READ, "ALLOW", "TOKEN_SCOPE"),
        ("no.such", "NOT_FOUND", "NOT_FOUND"),
        (READ, "ALLOW", "TOKEN_SCOPE"),
    ] {
        let request = UpdateTokenRequest {
            token_id: token.id.clone(),
            scopes: scopes(&corner, "secret", permission),
            ..UpdateTokenRequest::default()
        };
        let updated = site.other().operator().update(request).await.unwrap();
        assert_ne!(updated.revision, last);
        last = updated.revision;
        site.all(&read, &last, reads).await;
        site.all(&write, &last, writes).await;
    }
    // A name alone: the scopes stay; and it is unique.
    let rename = |name: &str| UpdateTokenRequest {
        token_id: token.id.clone(),
        name: Some(name.into()),
        ..UpdateTokenRequest::default()
    };
    let grace = corner.user_id("grace");
    site.issuer().mint(&grace, "taken", Role::Read).await;
    let refused = site.issuer().operator().update(rename("taken")).await;
    assert_eq!(refused.unwrap_err().code(), Code::AlreadyExists);
    let renamed = site
        .issuer()
        .operator()
        .update(rename("new"))
        .await
        .unwrap();
    site.all(&read, &renamed.revision, "ALLOW").await;
    let shown = site.other().operator().token(&token.id).await;
    assert_eq!(shown.name, "new");
    assert_eq!(shown.scopes, scopes(&corner, "secret", READ));
    // The old name is free again.
    site.other().mint(&grace, "t", Role::Read).await;
    // Its role: then it is a classic token, and stays one.
    let role = UpdateTokenRequest {
        token_id: token.id.clone(),
        role: Role::Read.into(),
        ..UpdateTokenRequest::default()
    };
    let updated = site.issuer().operator().update(role).await.unwrap();
    site.all(&read, &updated.revision, "ALLOW").await;
    site.all(&write, &updated.revision, "TOKEN_ROLE").await;
    // What was in force goes into the next value.
    let next = site.issuer().operator().rotated(&token.id, 0).await;
    site.all(&read, &next.revision, "TOKEN_REVOKED").await;
    let (read, write) = (
        corner.read(&next.secret, "secret"),
        corner.write(&next.secret, "secret"),
    );
    site.all(&read, &next.revision, "ALLOW").await;
    site.all(&write, &next.revision, "TOKEN_ROLE").await;
}

async fn a_rotation_refuses_the_old_value_at_once(site: Site) {
    let corner = site.corner("c2").await;
    let before = corner.fine_grained("ada", "t", Some("secret"));
    let before = site.issuer().mint_as(before).await;
    let old = site.issuer().operator().token(&before.id).await;
    let mut values = vec![before];
    for _ in 0..5 {
        let next = site.other().operator().rotated(&values[0].id, 0).await;
        assert_eq!(next.id, values[0].id, "the same token");
        for value in &values {
            assert_ne!(value.secret, next.secret);
            let dead = corner.read(&value.secret, "secret");
            site.all(&dead, &next.revision, "TOKEN_REVOKED").await;
        }
        let live = corner.read(&next.secret, "secret");
        site.all(&live, &next.revision, "ALLOW").await;
        values.push(next);
    }
    // All settings are as before; what a value is of itself is not.
    let mut new = site.issuer().operator().token(&old.id).await;
    assert!(new.rotate_time.is_some() && new.overlap_end_time.is_none());
    assert!(values[5].secret.ends_with(&new.last_four));
    new.last_four.clone_from(&old.last_four);
    new.rotate_time = None;
    new.last_used_time = old.last_used_time;
    assert_eq!(new, old);
    // Revoked once, every value is.
    let revision = site.issuer().revoke(&old.id).await;
    for value in &values {
        let dead = corner.read(&value.secret, "secret");
        site.all(&dead, &revision, "TOKEN_REVOKED").await;
    }
}

/// Also when no issuer runs any more.
async fn an_overlap_ends_by_itself(mut site: Site) {
    let corner = site.corner("c3").await;
    let ada = corner.user_id("ada");
    let old = site.issuer().mint(&ada, "t", Role::Read).await;
    let new = site.issuer().operator().rotated(&old.id, 2).await;
    let of = |value: &Minted| corner.read(&value.secret, "secret");
    site.all(&of(&new), &new.revision, "ALLOW").await;
    let shown = site.other().operator().token(&old.id).await;
    assert!(shown.overlap_end_time.is_some());
    // The old value is good meanwhile, and then not: an issuer has nothing to do with it.
    let answer = site.verifiers[0].at(&of(&old), &new.revision).await;
    assert!(
        matches!(
            answer.reason().as_str_name(),
            "REASON_UNSPECIFIED" | "REASON_TOKEN_EXPIRED"
        ),
        "{answer:?}"
    );
    let on_redis = site.issuers.len() > 1;
    if on_redis {
        for issuer in &mut site.issuers {
            issuer.program.kill();
        }
        // The third follows an issuer: without one it may not answer for ever.
        site.verifiers.pop();
    }
    site.soon(&of(&old), "TOKEN_EXPIRED").await;
    site.soon(&of(&new), "ALLOW").await;
}

async fn a_rotation_repeated_is_one_rotation(site: Site) {
    let corner = site.corner("c4").await;
    let ada = corner.user_id("ada");
    let old = site.issuer().mint(&ada, "t", Role::Read).await;
    let request = RotateTokenRequest {
        request_id: "once".into(),
        token_id: old.id.clone(),
        ..RotateTokenRequest::default()
    };
    let (mut one, mut two) = (site.issuer().operator(), site.other().operator());
    let (first, second) = tokio::join!(one.rotate(request.clone()), two.rotate(request.clone()));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.secret, second.secret);
    assert_eq!(first.revision, second.revision);
    let third = one.rotate(request.clone()).await.unwrap();
    assert_eq!(third.secret, first.secret);
    let live = corner.read(&first.secret, "secret");
    site.all(&live, &first.revision, "ALLOW").await;
    // Rotated away since: its secret is not given again.
    let next = one.rotated(&old.id, 0).await;
    let fourth = two.rotate(request.clone()).await.unwrap();
    assert_eq!(fourth.secret, "");
    site.all(&live, &next.revision, "TOKEN_REVOKED").await;
    let other = RotateTokenRequest {
        token_id: next.id.clone(),
        expire_time: Some(prost_types::Timestamp {
            seconds: 4_000_000_000,
            nanos: 0,
        }),
        ..request
    };
    let refused = one.rotate(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
}

/// Whoever is first: once both have answered, every value that was ever handed out is refused.
async fn rotate_against_revoke_leaves_nothing_alive(site: Site) {
    let corner = site.corner("c5").await;
    let ada = corner.user_id("ada");
    let (mut rotations, mut refusals) = (0, 0);
    for round in 0..30 {
        let old = site
            .issuer()
            .mint(&ada, &format!("t{round}"), Role::Read)
            .await;
        let (mut rotating, mut revoking) = (site.issuer().operator(), site.other().operator());
        let request = RotateTokenRequest {
            token_id: old.id.clone(),
            ..RotateTokenRequest::default()
        };
        let (rotated, revoked) = tokio::join!(rotating.rotate(request), async {
            let request = tokenward_proto::v1::RevokeTokenRequest {
                token_id: old.id.clone(),
                ..Default::default()
            };
            revoking
                .revoke(request)
                .await
                .expect("never fails for a conflict")
        });
        let mut values = vec![old.secret.clone()];
        let mut revision = revoked.revision;
        match rotated {
            Ok(new) => {
                rotations += 1;
                values.push(new.secret);
                revision = newer(&new.revision, &revision).to_owned();
            }
            Err(status) => {
                refusals += 1;
                let known = [Code::FailedPrecondition, Code::Aborted];
                assert!(known.contains(&status.code()), "{status}");
            }
        }
        for value in values {
            let dead = corner.read(&value, "secret");
            site.all(&dead, &revision, "TOKEN_REVOKED").await;
        }
        let shown = site.issuer().operator().token(&old.id).await;
        assert_eq!(shown.state(), TokenState::Revoked);
    }
    assert!(rotations + refusals == 30);
}

/// Both happen, one after the other: the new value has the settings, whoever was first.
async fn rotate_against_update_loses_neither(site: Site) {
    let corner = site.corner("c6").await;
    for round in 0..20 {
        let token = corner.fine_grained("grace", &format!("t{round}"), Some("open"));
        let old = site.issuer().mint_as(token).await;
        let (mut rotating, mut updating) = (site.issuer().operator(), site.other().operator());
        let overlap = i64::from(round % 2 == 0) * 600;
        let request = UpdateTokenRequest {
            token_id: old.id.clone(),
            scopes: scopes(&corner, "secret", READ),
            ..UpdateTokenRequest::default()
        };
        let (new, updated) =
            tokio::join!(rotating.rotated(&old.id, overlap), updating.update(request));
        let updated = updated.unwrap();
        let shown = site.issuer().operator().token(&old.id).await;
        assert_eq!(shown.scopes, scopes(&corner, "secret", READ));
        assert!(new.secret.ends_with(&shown.last_four));
        for revision in [&new.revision, &updated.revision] {
            let live = corner.read(&new.secret, "secret");
            let answer = site.verifiers[0].at(&live, revision).await;
            drop(answer);
        }
        let live = corner.read(&new.secret, "secret");
        site.soon(&live, "ALLOW").await;
        let dead = corner.read(&old.secret, "secret");
        let wanted = ["TOKEN_REVOKED", "ALLOW"][usize::from(overlap > 0)];
        site.soon(&dead, wanted).await;
    }
}

/// All tokens are revoked while they are being rotated and minted: what was handed out before the
/// floor was acknowledged is refused after.
async fn a_floor_against_rotations_leaves_nothing_alive(site: Site) {
    let corner = site.corner("c7").await;
    let ada = corner.user_id("ada");
    for round in 0..10 {
        let old = site
            .issuer()
            .mint(&ada, &format!("t{round}"), Role::Read)
            .await;
        let mut rotating = site.issuer().operator();
        let mut revoking = site.other().operator();
        let request = RotateTokenRequest {
            token_id: old.id.clone(),
            ..RotateTokenRequest::default()
        };
        let (rotated, revision) =
            tokio::join!(rotating.rotate(request), revoking.revoke_all_of(&ada));
        let dead = corner.read(&old.secret, "secret");
        for verifier in &site.verifiers {
            let answer = verifier.at(&dead, &revision).await;
            assert_eq!(answer.reason().as_str_name(), "REASON_TOKEN_REVOKED");
        }
        if let Ok(new) = rotated {
            // Acknowledged before the floor, or its serial is beneath it: either way it is dead.
            let dead = corner.read(&new.secret, "secret");
            let at = newer(&new.revision, &revision);
            site.all(&dead, at, "TOKEN_REVOKED").await;
        }
        let shown = site.issuer().tokens(&ada).await;
        assert!(
            shown
                .iter()
                .all(|token| token.state() == TokenState::Revoked)
        );
        assert!(shown.iter().all(|token| token.revoke_time.is_some()));
    }
    // Later ones are not concerned.
    let new = site.issuer().mint(&ada, "after", Role::Read).await;
    site.all(&corner.read(&new.secret, "secret"), &new.revision, "ALLOW")
        .await;
}

fn newer<'a>(one: &'a str, two: &'a str) -> &'a str {
    let number = |text: &str| text.rsplit('.').next().unwrap().parse::<u64>().unwrap();
    if number(one) > number(two) { one } else { two }
}

/// Many rotations of one token at once, on both issuers: each is handed out alone, and one is left.
async fn two_issuers_on_one_token(site: Site) {
    let corner = site.corner("c8").await;
    let ada = corner.user_id("ada");
    let old = site.issuer().mint(&ada, "t", Role::Read).await;
    let mut values = vec![old.secret.clone()];
    for _ in 0..6 {
        let (mut one, mut two) = (site.issuer().operator(), site.other().operator());
        let request = || RotateTokenRequest {
            token_id: old.id.clone(),
            ..RotateTokenRequest::default()
        };
        let (first, second) = tokio::join!(one.rotate(request()), two.rotate(request()));
        values.extend([first, second].into_iter().flatten().map(|it| it.secret));
    }
    let last = site.issuer().operator().rotated(&old.id, 0).await;
    assert!(values.len() > 6, "at least one of each two");
    for value in &values {
        let dead = corner.read(value, "secret");
        site.all(&dead, &last.revision, "TOKEN_REVOKED").await;
    }
    let live = corner.read(&last.secret, "secret");
    site.all(&live, &last.revision, "ALLOW").await;
}

async fn what_can_not_be_changed_is_said(site: Site) {
    let corner = site.corner("c9").await;
    let ada = corner.user_id("ada");
    let classic = site.issuer().mint(&ada, "t", Role::Read).await;
    let mut operator = site.issuer().operator();
    let update = |id: &str| UpdateTokenRequest {
        token_id: id.into(),
        ..UpdateTokenRequest::default()
    };
    let wrong = [
        (update(&classic.id), "name: set at least one"),
        (
            UpdateTokenRequest {
                role: Role::Write.into(),
                ..update(&classic.id)
            },
            "role: only a fine-grained",
        ),
        (
            UpdateTokenRequest {
                scopes: scopes(&corner, "secret", READ),
                ..update(&classic.id)
            },
            "scopes: only a fine-grained",
        ),
        (
            UpdateTokenRequest {
                name: Some(String::new()),
                ..update(&classic.id)
            },
            "name: must be 1 to 100",
        ),
        (update("x"), "token_id: must be"),
    ];
    for (request, text) in wrong {
        let status = operator.update(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with(text), "{status}");
    }
    let overlap = |seconds, nanos| RotateTokenRequest {
        token_id: classic.id.clone(),
        overlap: Some(prost_types::Duration { seconds, nanos }),
        ..RotateTokenRequest::default()
    };
    for request in [overlap(-1, 0), overlap(1, 1), overlap(7 * 86400 + 1, 0)] {
        let status = operator.rotate(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with("overlap: must be"), "{status}");
    }
    let missing = RotateTokenRequest {
        token_id: "999999".into(),
        ..RotateTokenRequest::default()
    };
    let status = operator.rotate(missing).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    site.issuer().revoke(&classic.id).await;
    let status = operator.rotate(overlap(0, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let rename = UpdateTokenRequest {
        name: Some("new".into()),
        ..update(&classic.id)
    };
    let status = operator.update(rename).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    // Nothing of all that was done.
    let shown = operator.token(&classic.id).await;
    assert_eq!((shown.name.as_str(), shown.rotate_time), ("t", None));
}
