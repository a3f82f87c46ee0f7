//! By a token minted before: what its owner lost is refused by every verifier.

use std::time::Duration;

use prost_types::Timestamp;
use tokenward_common::clock::{Clock, SystemClock};
use tokenward_proto::v1::{
    CreateTokenRequest, GateMode, GrantState, OrgRole, Repo, Role, User, Visibility, WriteRequest,
    operation::Operation as Op,
};
use tokenward_tests::house::{hub::op, level};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    a_member_who_leaves,
    a_role_that_is_lowered,
    an_owner_who_is_disabled,
    an_owner_who_is_deleted_and_made_again,
    a_repo_made_private,
    a_repo_deleted_and_made_again,
    an_org_deleted,
    a_gate_that_closes,
    a_token_that_expires,
);

async fn a_member_who_leaves(site: Site) {
    let corner = site.corner("t1").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Write)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let revision = site.other().write(vec![corner.no_member("ada")]).await;
    site.all(&question, &revision, "NOT_FOUND").await;
    site.all(&corner.read(&token.secret, "open"), &revision, "ALLOW")
        .await;
    // What comes back gives it back: rights are judged now.
    let back = vec![corner.member("ada", OrgRole::Read)];
    let revision = site.issuer().write(back).await;
    site.all(&question, &revision, "ALLOW").await;
}

async fn a_role_that_is_lowered(site: Site) {
    let corner = site.corner("t2").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("grace"), "t", Role::Write)
        .await;
    let write = corner.write(&token.secret, "open");
    let read = corner.read(&token.secret, "secret");
    site.all(&write, &token.revision, "ALLOW").await;
    let lower = vec![corner.member("grace", OrgRole::Read)];
    let revision = site.other().write(lower).await;
    site.all(&write, &revision, "OWNER_ROLE").await;
    site.all(&read, &revision, "ALLOW").await;
    let lower = vec![corner.member("grace", OrgRole::NoAccess)];
    let revision = site.issuer().write(lower).await;
    site.all(&write, &revision, "OWNER_ROLE").await;
    site.all(&read, &revision, "NOT_FOUND").await;
}

async fn an_owner_who_is_disabled(site: Site) {
    let corner = site.corner("t3").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let ada = |disabled| {
        let ada = corner.user("ada");
        vec![op(Op::PutUser(User { disabled, ..ada }))]
    };
    let (open, notes) = (corner.read(&token.secret, "open"), {
        let notes = corner.read(&token.secret, "open");
        tokenward_proto::v1::CheckRequest {
            resource: Some(corner.notes()),
            ..notes
        }
    });
    site.all(&notes, &token.revision, "ALLOW").await;
    let revision = site.other().write(ada(true)).await;
    site.all(&open, &revision, "OWNER_DISABLED").await;
    site.all(&notes, &revision, "OWNER_DISABLED").await;
    let revision = site.issuer().write(ada(false)).await;
    site.all(&notes, &revision, "ALLOW").await;
}

async fn an_owner_who_is_deleted_and_made_again(site: Site) {
    let corner = site.corner("t4").await;
    let ada = corner.user_id("ada");
    let old = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&old.secret, "open");
    site.all(&question, &old.revision, "ALLOW").await;
    let delete = vec![op(Op::DeleteUser(ada.clone()))];
    let revision = site.other().write(delete).await;
    site.all(&question, &revision, "OWNER_UNKNOWN").await;
    let again = vec![op(Op::PutUser(corner.user("ada")))];
    // An id is never used again, whichever issuer is asked.
    for issuer in [site.issuer(), site.other()] {
        let request = WriteRequest {
            request_id: String::new(),
            operations: again.clone(),
        };
        let refused = issuer.operator().write(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let says = "operations[0].put_user.id: was deleted";
        assert!(refused.message().starts_with(says), "{refused:?}");
    }
    site.all(&question, &revision, "OWNER_UNKNOWN").await;
}

async fn a_repo_made_private(site: Site) {
    let corner = site.corner("t5").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("linus"), "t", Role::Write)
        .await;
    let question = corner.read(&token.secret, "open");
    let anonymous = corner.read("", "open");
    site.all(&question, &token.revision, "ALLOW").await;
    site.all(&anonymous, &token.revision, "ALLOW").await;
    let private = Repo {
        visibility: Visibility::Private.into(),
        ..corner.model("open")
    };
    let revision = site.other().write(vec![op(Op::PutRepo(private))]).await;
    site.all(&question, &revision, "NOT_FOUND").await;
    site.all(&anonymous, &revision, "NOT_FOUND").await;
}

async fn a_repo_deleted_and_made_again(site: Site) {
    let corner = site.corner("t6").await;
    let scoped = corner.fine_grained("ada", "scoped", Some("secret"));
    let scoped = site.issuer().mint_as(scoped).await;
    let plain = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let [scoped, plain_read] =
        [&scoped.secret, &plain.secret].map(|secret| corner.read(secret, "secret"));
    site.all(&scoped, &plain.revision, "ALLOW").await;
    let delete = vec![op(Op::DeleteRepo(corner.of("m-secret")))];
    let revision = site.other().write(delete).await;
    site.all(&scoped, &revision, "NOT_FOUND").await;
    site.all(&plain_read, &revision, "NOT_FOUND").await;
    // The same name, another thing: a scope on the old one gives nothing.
    let again = Repo {
        id: corner.of("m-other"),
        ..corner.private("secret")
    };
    let revision = site.issuer().write(vec![op(Op::PutRepo(again))]).await;
    site.all(&scoped, &revision, "NOT_FOUND").await;
    site.all(&plain_read, &revision, "ALLOW").await;
}

async fn an_org_deleted(site: Site) {
    let corner = site.corner("t7").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("grace"), "t", Role::Write)
        .await;
    let question = corner.write(&token.secret, "open");
    site.all(&question, &token.revision, "ALLOW").await;
    let delete = vec![op(Op::DeleteOrg(corner.of("o-acme")))];
    let revision = site.other().write(delete).await;
    site.all(&question, &revision, "NOT_FOUND").await;
}

async fn a_gate_that_closes(site: Site) {
    let corner = site.corner("t8").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("linus"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "gated");
    site.all(&question, &token.revision, "ALLOW").await;
    for (operation, wanted) in [
        (
            corner.grant("gated", "linus", GrantState::Rejected),
            "GATE_REJECTED",
        ),
        (
            corner.grant("gated", "linus", GrantState::Accepted),
            "ALLOW",
        ),
        (corner.no_grant("gated", "linus"), "GATE_NOT_REQUESTED"),
        (
            corner.grant("gated", "linus", GrantState::Pending),
            "GATE_PENDING",
        ),
    ] {
        let revision = site.other().write(vec![operation]).await;
        site.all(&question, &revision, wanted).await;
    }
    // A gate put before what was open.
    let open = corner.read(&token.secret, "open");
    let gated = Repo {
        gate: GateMode::Auto.into(),
        ..corner.model("open")
    };
    let revision = site.other().write(vec![op(Op::PutRepo(gated))]).await;
    site.all(&open, &revision, "GATE_NOT_REQUESTED").await;
}

async fn a_token_that_expires(site: Site) {
    let corner = site.corner("t9").await;
    let in_two_seconds = SystemClock.unix().seconds().0 + 2;
    let request = CreateTokenRequest {
        owner_id: corner.user_id("ada"),
        name: "short".into(),
        role: Role::Read.into(),
        expire_time: Some(Timestamp {
            seconds: i64::try_from(in_two_seconds).unwrap(),
            nanos: 0,
        }),
        ..CreateTokenRequest::default()
    };
    let token = site.issuer().mint_as(request).await;
    let question = corner.read(&token.secret, "secret");
    site.soon(&question, "TOKEN_EXPIRED").await;
    // A verifier's time is the store's, ahead by at most a confirm's round trip: never behind it.
    let round_trip = Duration::from_secs(1);
    assert!(SystemClock.unix().plus(round_trip).seconds().0 >= in_two_seconds);
    // Seen as genuine and found live before, and now refused for good.
    site.all(&question, &token.revision, "TOKEN_EXPIRED").await;
    // The issuer's own clock may be behind the verifiers' time by as much.
    level("the token is listed as expired", async || {
        let tokens = site.other().tokens(&corner.user_id("ada")).await;
        match tokens[0].state().as_str_name() {
            "TOKEN_STATE_EXPIRED" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}
