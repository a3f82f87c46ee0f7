//! What is revoked is refused by every verifier, for ever.

use tokenward_proto::v1::{Role, TokenState, Verdict};

use crate::site::{Site, on_both_stores};

on_both_stores!(
    a_revoked_token_is_refused_everywhere,
    a_revocation_arrives_without_being_asked_for,
    others_are_left_alone,
);

async fn a_revoked_token_is_refused_everywhere(site: Site) {
    let corner = site.corner("r1").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    for answer in site.answers(&question, &token.revision).await {
        assert_eq!(answer.verdict(), Verdict::Allow, "{answer:?}");
        let principal = answer.principal.unwrap();
        assert_eq!(principal.owner_id, corner.user_id("ada"));
        assert_eq!(principal.token_id, token.id);
        assert!(answer.message.is_empty());
    }
    // Whoever minted it, any issuer revokes it.
    let revision = site.other().revoke(&token.id).await;
    for answer in site.answers(&question, &revision).await {
        assert_eq!(answer.verdict(), Verdict::Deny);
        assert_eq!(answer.reason().as_str_name(), "REASON_TOKEN_REVOKED");
        assert!(answer.principal.is_none());
        assert!(answer.message.contains("was revoked"), "{answer:?}");
    }
    for issuer in &site.issuers {
        let tokens = issuer.tokens(&corner.user_id("ada")).await;
        assert_eq!(tokens[0].state(), TokenState::Revoked);
        assert!(tokens[0].revoke_time.is_some());
    }
}

async fn a_revocation_arrives_without_being_asked_for(site: Site) {
    let corner = site.corner("r2").await;
    let ada = corner.user_id("ada");
    for number in 0..10 {
        let name = format!("t{number}");
        let token = site.issuer().mint(&ada, &name, Role::Write).await;
        let question = corner.read(&token.secret, "secret");
        site.soon(&question, "ALLOW").await;
        site.other().revoke(&token.id).await;
        site.soon(&question, "TOKEN_REVOKED").await;
        // Not even once more, on any of a verifier's threads.
        for _ in 0..10 {
            site.soon(&question, "TOKEN_REVOKED").await;
        }
    }
}

async fn others_are_left_alone(site: Site) {
    let corner = site.corner("r3").await;
    let ada = corner.user_id("ada");
    let mut tokens = Vec::new();
    for number in 0..20 {
        let issuer = &site.issuers[number % site.issuers.len()];
        tokens.push(issuer.mint(&ada, &format!("t{number}"), Role::Read).await);
    }
    let mut revision = String::new();
    for token in tokens.iter().step_by(2) {
        revision = site.issuer().revoke(&token.id).await;
    }
    for (number, token) in tokens.iter().enumerate() {
        let wanted = ["TOKEN_REVOKED", "ALLOW"][number % 2];
        let question = corner.read(&token.secret, "secret");
        site.all(&question, &revision, wanted).await;
    }
}
