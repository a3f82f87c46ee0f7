//! Who a token's holder is, and what orgs and their groups make of the token, as every verifier tells
//! it and as it decides.

use tokenward_proto::v1::{
    Group, GroupMember, GroupRole, Identity, Membership, OrgPolicy, OrgRole, Reason, Repo, Role,
    SecurityRestriction, TokenPolicy, UpdateTokenRequest, WhoAmIRequest, WhoAmIResponse,
    operation::Operation as Op, verifier_service_client::VerifierServiceClient,
};
use tokenward_tests::house::hub::{Corner, op};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    a_holder_is_told_from_the_state,
    a_group_admits_its_members_and_a_policy_stops_tokens,
);

/// As all verifiers tell it, by a view of at least this revision.
async fn who(site: &Site, token: &str, revision: &str) -> WhoAmIResponse {
    let mut told: Option<WhoAmIResponse> = None;
    for verifier in &site.verifiers {
        let request = WhoAmIRequest {
            token: token.into(),
            min_revision: revision.into(),
            ..WhoAmIRequest::default()
        };
        let answer = tokenward_tests::house::level("a view that knows", async || {
            let mut client = VerifierServiceClient::new(verifier.channel());
            match client.who_am_i(request.clone()).await {
                Ok(answer) => Ok(answer.into_inner()),
                Err(status) => Err(status.to_string()),
            }
        })
        .await;
        if let Some(told) = &told {
            assert_eq!(
                (&told.identity, told.reason),
                (&answer.identity, answer.reason)
            );
        }
        told = Some(answer);
    }
    told.unwrap()
}

fn identity(answer: WhoAmIResponse) -> Identity {
    answer
        .identity
        .unwrap_or_else(|| panic!("{}", answer.message))
}

async fn a_holder_is_told_from_the_state(site: Site) {
    let corner = site.corner("z1").await;
    let token = corner.fine_grained("ada", "laptop", Some("open"));
    let scopes = token.scopes.clone();
    let token = site.issuer().mint_as(token).await;
    let told = identity(who(&site, &token.secret, &token.revision).await);
    let owner = told.owner.unwrap();
    assert_eq!(
        (owner.id, owner.name),
        (corner.user_id("ada"), corner.of("ada"))
    );
    let [
        Membership {
            org,
            role,
            groups,
            restrictions,
        },
    ] = &told.orgs[..]
    else {
        panic!("{:?}", told.orgs)
    };
    assert_eq!(org.as_ref().unwrap().name, corner.of("acme"));
    assert_eq!(
        (*role, groups.len(), restrictions.len()),
        (OrgRole::Read as i32, 0, 0)
    );
    let shown = told.token.unwrap();
    assert_eq!(
        (shown.id, shown.name.as_str(), shown.role),
        (token.id.clone(), "laptop", Role::FineGrained as i32)
    );
    assert_eq!(shown.scopes, scopes);
    assert!(shown.create_time.is_some() && shown.expire_time.is_none());

    // What was changed since is what is told: the token's name, the member's role.
    let update = UpdateTokenRequest {
        token_id: token.id.clone(),
        name: Some("desk".into()),
        ..UpdateTokenRequest::default()
    };
    site.other().operator().update(update).await.unwrap();
    let revision = site
        .issuer()
        .write(vec![corner.member("ada", OrgRole::Admin)])
        .await;
    let told = identity(who(&site, &token.secret, &revision).await);
    assert_eq!(told.token.unwrap().name, "desk");
    assert_eq!(told.orgs[0].role, OrgRole::Admin as i32);

    // A refused token has a reason and no identity; a missing one is no question.
    let revision = site.issuer().revoke(&token.id).await;
    let refused = who(&site, &token.secret, &revision).await;
    assert_eq!(
        (refused.reason(), refused.identity),
        (Reason::TokenRevoked, None)
    );
    let mut client = VerifierServiceClient::new(site.verifiers[0].channel());
    let status = client.who_am_i(WhoAmIRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

fn group(corner: &Corner) -> Group {
    Group {
        id: corner.of("g-team"),
        org_id: corner.of("o-acme"),
        name: "team".into(),
    }
}

fn in_group(corner: &Corner, user: &str, role: GroupRole) -> Op {
    Op::PutGroupMember(GroupMember {
        group_id: corner.of("g-team"),
        user_id: corner.user_id(user),
        role: role.into(),
    })
}

fn policy(corner: &Corner, policy: TokenPolicy) -> Op {
    Op::PutOrgPolicy(OrgPolicy {
        org_id: corner.of("o-acme"),
        policy: policy.into(),
        ..OrgPolicy::default()
    })
}

async fn a_group_admits_its_members_and_a_policy_stops_tokens(site: Site) {
    let corner = site.corner("z2").await;
    let issuer = site.issuer();
    let ada = issuer.mint(&corner.user_id("ada"), "t", Role::Write).await;
    let secret = corner.read(&ada.secret, "secret");
    site.all(&secret, &ada.revision, "ALLOW").await;

    // Into a group that she isn't in; then in it.
    let grouped = Repo {
        group_id: corner.of("g-team"),
        ..corner.private("secret")
    };
    let closed = issuer
        .write(vec![
            op(Op::PutGroup(group(&corner))),
            op(Op::PutRepo(grouped)),
        ])
        .await;
    site.all(&secret, &closed, "NOT_FOUND").await;
    let inside = issuer
        .write(vec![op(in_group(&corner, "ada", GroupRole::Write))])
        .await;
    site.all(&secret, &inside, "ALLOW").await;
    site.all(&corner.write(&ada.secret, "secret"), &inside, "ALLOW")
        .await;
    let told = identity(who(&site, &ada.secret, &inside).await);
    let groups = &told.orgs[0].groups;
    assert_eq!(
        (groups.len(), groups[0].name.as_str(), groups[0].role),
        (1, "team", GroupRole::Write as i32)
    );

    // A policy acts on tokens that there are, for what the org owns and isn't public, and no more.
    let strict = op(policy(&corner, TokenPolicy::FineGrainedOnly));
    let strict = issuer.write(vec![strict]).await;
    site.all(&secret, &strict, "ORG_POLICY").await;
    site.all(&corner.read(&ada.secret, "open"), &strict, "ALLOW")
        .await;
    let told = identity(who(&site, &ada.secret, &strict).await);
    assert_eq!(
        told.orgs[0].restrictions,
        [SecurityRestriction::TokenPolicy as i32]
    );
    let fine = issuer
        .mint_as(corner.fine_grained("ada", "fine", Some("secret")))
        .await;
    let fine_asks = corner.read(&fine.secret, "secret");
    site.all(&fine_asks, &fine.revision, "ALLOW").await;
    let told = identity(who(&site, &fine.secret, &fine.revision).await);
    assert!(told.orgs[0].restrictions.is_empty());

    // Under approval a token that nobody approved waits.
    let approval = op(policy(&corner, TokenPolicy::AdminApproval));
    let approval = issuer.write(vec![approval]).await;
    site.all(&fine_asks, &approval, "ORG_APPROVAL_PENDING")
        .await;
    let open = issuer
        .write(vec![op(policy(&corner, TokenPolicy::Allow))])
        .await;
    site.all(&fine_asks, &open, "ALLOW").await;
    site.all(&secret, &open, "ALLOW").await;

    // Out of the group again, at once.
    let out = Op::DeleteGroupMember(tokenward_proto::v1::GroupMemberKey {
        group_id: corner.of("g-team"),
        user_id: corner.user_id("ada"),
    });
    let out = issuer.write(vec![op(out)]).await;
    site.all(&secret, &out, "NOT_FOUND").await;
}
