//! What the table of cases can't ask: names that nobody knows, shown as they were given; an org's
//! decisions as its admins see them; a service account that outlives who made it.

use tokenward_proto::v1::{
    ApproveOrgTokenRequest, CreateTokenRequest, DenyOrgTokenRequest, EntityKind,
    ListOrgTokensRequest, OrgPolicy, OrgRole, OrgToken, OrgTokenState, RevokeOrgTokenRequest, Role,
    Scope, Scopes, SecurityRestriction, TokenPolicy, User, WhoAmIRequest, WhoAmIResponse,
    operation::Operation as Op, org_token_service_client::OrgTokenServiceClient,
    verifier_service_client::VerifierServiceClient,
};
use tokenward_tests::house::{
    hub::{Corner, READ, WRITE, op, question},
    level,
};
use tonic::{Code, Request, Status};

use crate::site::{Site, on_both_stores};

on_both_stores!(
    unknown_names_are_kept_and_grant_nothing,
    an_org_decides_on_a_token,
    a_service_account_outlives_who_made_it,
);

async fn who(site: &Site, token: &str, revision: &str) -> WhoAmIResponse {
    level("a view that knows", async || {
        let request = WhoAmIRequest {
            token: token.into(),
            min_revision: revision.into(),
            ..WhoAmIRequest::default()
        };
        let mut client = VerifierServiceClient::new(site.verifiers[0].channel());
        let answer = client.who_am_i(request).await;
        answer
            .map(|it| it.into_inner())
            .map_err(|it| it.to_string())
    })
    .await
}

fn on_org(corner: &Corner, permissions: &[&str]) -> Scope {
    Scope {
        entity_kind: EntityKind::Org.into(),
        entity_id: corner.of("o-acme"),
        permissions: permissions.iter().map(|&name| name.into()).collect(),
        ..Scope::default()
    }
}

async fn unknown_names_are_kept_and_grant_nothing(site: Site) {
    let corner = site.corner("p1").await;
    let mut request = corner.fine_grained("grace", "t", None);
    let unknown = ["repo.everything", "REPO.WRITE", "repo", "org.write.all"];
    let scopes = Scopes {
        scoped: vec![on_org(&corner, &unknown)],
        global: vec!["world.write".into(), "discussion.write".into()],
        ..Scopes::default()
    };
    request.scopes = Some(scopes.clone());
    let warned = CreateTokenRequest {
        name: "warned".into(),
        ..request.clone()
    };
    let warned = site.issuer().operator().create(warned).await.unwrap();
    let warnings = warned.warnings;
    let named = unknown.iter().chain(&["world.write"]);
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    for (warning, name) in warnings.iter().zip(named) {
        let told = format!("permissions: {name} is no permission that is known");
        let global = format!("scopes.global: {name} is no permission that is known");
        assert!(
            warning.contains(&told) || warning.contains(&global),
            "{warning}"
        );
    }
    let token = site.issuer().mint_as(request).await;
    let shown = site.other().operator().token(&token.id).await;
    assert_eq!(shown.scopes.as_ref(), Some(&scopes));
    let told = who(&site, &token.secret, &token.revision).await;
    let told = told.identity.unwrap().token.unwrap();
    assert_eq!(told.scopes.as_ref(), Some(&scopes));
    // Of an admin's: whatever they might be taken for, they are not.
    for permission in [READ, WRITE] {
        let asked = question(&token.secret, corner.by_name("secret"), permission);
        site.all(&asked, &token.revision, "NOT_FOUND").await;
    }
    for permission in ["org.read", "org.write"] {
        let asked = question(&token.secret, corner.account("acme"), permission);
        site.all(&asked, &token.revision, "TOKEN_SCOPE").await;
    }
}

/// What an org's admins ask, by the hub's back end.
struct Admin<'a>(&'a Site, String);

impl Admin<'_> {
    async fn ask(&self, token_id: &str, what: &str) -> Result<(OrgTokenState, String), Status> {
        let bearer = format!("Bearer {}", self.0.house.credential("hub"));
        let bearer: tonic::metadata::AsciiMetadataValue = bearer.parse().unwrap();
        let bearing = move |mut call: Request<()>| {
            call.metadata_mut().insert("authorization", bearer.clone());
            Ok(call)
        };
        let channel = self.0.other().channel();
        let mut orgs = OrgTokenServiceClient::with_interceptor(channel, bearing);
        let (org_id, token_id) = (self.1.clone(), token_id.to_owned());
        let request_id = String::new();
        let (token, revision) = match what {
            "approve" => {
                let request = ApproveOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..ApproveOrgTokenRequest::default()
                };
                let answer = orgs.approve_org_token(request).await?.into_inner();
                (answer.token, answer.revision)
            }
            "deny" => {
                let request = DenyOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..DenyOrgTokenRequest::default()
                };
                let answer = orgs.deny_org_token(request).await?.into_inner();
                (answer.token, answer.revision)
            }
            "revoke" => {
                let request = RevokeOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..RevokeOrgTokenRequest::default()
                };
                let answer = orgs.revoke_org_token(request).await?.into_inner();
                (answer.token, answer.revision)
            }
            _ => {
                let request = ListOrgTokensRequest {
                    org_id,
                    include_revoked: what == "list all",
                    ..ListOrgTokensRequest::default()
                };
                let all = orgs.list_org_tokens(request).await?.into_inner().tokens;
                let is = |it: &OrgToken| it.token.as_ref().is_some_and(|it| it.id == token_id);
                let found = all.into_iter().find(is);
                let missing = || Status::not_found("not listed");
                (Some(found.ok_or_else(missing)?), String::new())
            }
        };
        Ok((token.unwrap().org_state(), revision))
    }
}

fn approval(corner: &Corner) -> Op {
    Op::PutOrgPolicy(OrgPolicy {
        org_id: corner.of("o-acme"),
        policy: TokenPolicy::AdminApproval.into(),
        ..OrgPolicy::default()
    })
}

async fn an_org_decides_on_a_token(site: Site) {
    use OrgTokenState::{Approved, Denied, Pending, Revoked};
    let corner = site.corner("p2").await;
    let admin = Admin(&site, corner.of("o-acme"));
    site.issuer().write(vec![op(approval(&corner))]).await;
    let own = site
        .issuer()
        .mint_as(corner.fine_grained("grace", "own", Some("secret")))
        .await;
    // Made by an admin of the org, who can't revoke what they call with: that is no token.
    assert_eq!(admin.ask(&own.id, "list").await.unwrap().0, Approved);
    let answers = corner.read(&own.secret, "secret");
    site.all(&answers, &own.revision, "ALLOW").await;

    let token = site
        .issuer()
        .mint_as(corner.fine_grained("ada", "t", Some("secret")))
        .await;
    let asked = corner.read(&token.secret, "secret");
    let told = async |revision: &str| {
        let told = who(&site, &token.secret, revision).await;
        told.identity.unwrap().orgs[0].restrictions.clone()
    };
    let policy = vec![SecurityRestriction::TokenPolicy as i32];
    assert_eq!(admin.ask(&token.id, "list").await.unwrap().0, Pending);
    site.all(&asked, &token.revision, "ORG_APPROVAL_PENDING")
        .await;
    assert_eq!(told(&token.revision).await, policy);

    for (what, state, word, closed) in [
        ("deny", Denied, "ORG_DENIED", &policy),
        ("approve", Approved, "ALLOW", &vec![]),
        ("deny", Denied, "ORG_DENIED", &policy),
        ("approve", Approved, "ALLOW", &vec![]),
        (
            "revoke",
            Revoked,
            "ORG_REVOKED",
            &vec![SecurityRestriction::TokenRevoked as i32],
        ),
    ] {
        let (is, revision) = admin.ask(&token.id, what).await.unwrap();
        assert_eq!(is, state, "{what}");
        site.all(&asked, &revision, word).await;
        assert_eq!(&told(&revision).await, closed, "{what}");
    }
    // For ever: there is no way back, and it is seen only by who asks for it.
    for what in ["approve", "deny"] {
        let refused = admin.ask(&token.id, what).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    }
    assert!(admin.ask(&token.id, "list").await.is_err());
    assert_eq!(admin.ask(&token.id, "list all").await.unwrap().0, Revoked);
    let again = admin.ask(&token.id, "revoke").await.unwrap();
    assert_eq!(again.0, Revoked);
    let free = Op::DeleteOrgPolicy(corner.of("o-acme"));
    let free = site.issuer().write(vec![op(free)]).await;
    site.all(&asked, &free, "ORG_REVOKED").await;
    // And of that org alone.
    site.all(&corner.read(&token.secret, "open"), &free, "ALLOW")
        .await;
    // A new one starts anew.
    let pending = site.issuer().write(vec![op(approval(&corner))]).await;
    site.issuer().revoke(&token.id).await;
    let new = site
        .issuer()
        .mint_as(corner.fine_grained("ada", "t", Some("secret")))
        .await;
    assert_ne!(pending, new.revision);
    assert_eq!(admin.ask(&new.id, "list").await.unwrap().0, Pending);
}

async fn a_service_account_outlives_who_made_it(site: Site) {
    let corner = site.corner("p3").await;
    let bot = User {
        service_account_of: corner.of("o-acme"),
        ..corner.user("bot")
    };
    site.issuer().write(vec![op(Op::PutUser(bot))]).await;
    let mut request = corner.fine_grained("bot", "ci", None);
    request.scopes = Some(Scopes {
        scoped: vec![on_org(&corner, &[WRITE])],
        ..Scopes::default()
    });
    let token = site.issuer().mint_as(request.clone()).await;
    let asked = corner.write(&token.secret, "secret");
    site.all(&asked, &token.revision, "ALLOW").await;
    // Of no other kind.
    request.name = "classic".into();
    request.role = Role::Write.into();
    request.scopes = None;
    let refused = site.issuer().operator().create(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let says = "role: must be fine-grained: the owner is a service account";
    assert_eq!(refused.message(), says);
    // Every admin leaves, every member is deleted: it is the org's.
    let mut gone = vec![
        corner.member("grace", OrgRole::Read),
        corner.no_member("ada"),
    ];
    gone.extend(["grace", "ada"].map(|user| op(Op::DeleteUser(corner.user_id(user)))));
    let gone = site.other().write(gone).await;
    site.all(&asked, &gone, "ALLOW").await;
    // With its org it ends.
    let deleted = vec![op(Op::DeleteOrg(corner.of("o-acme")))];
    let deleted = site.other().write(deleted).await;
    site.all(&asked, &deleted, "OWNER_UNKNOWN").await;
}
