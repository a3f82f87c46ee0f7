use tokenward_proto::v1::{
    GateMode, GrantState, GroupRole, OrgRole, RepoKind, TokenPolicy, Visibility,
};

use super::*;

fn op(line: &str) -> Op {
    parse(line).unwrap().operation.unwrap()
}

#[test]
fn every_operation_is_read() {
    let Op::PutUser(user) = op(
        r#"{"put_user":{"id":"u1","name":"ada","disabled":true,"service_account_of":"o7",
            "display":{"full_name":"Ada","email":"a@b","avatar_url":null,"is_pro":true}}}"#,
    ) else {
        panic!()
    };
    assert_eq!((user.id.as_str(), user.name.as_str()), ("u1", "ada"));
    assert!(user.disabled);
    assert_eq!(user.service_account_of, "o7");
    assert!(user.display.unwrap().is_pro);

    let Op::PutRepo(repo) = op(
        r#"{"put_repo":{"id":"m1","kind":"model","owner_id":"o7","name":"llama",
            "visibility":"public","gate":"auto","creator_id":"u1","group_id":"g1",
            "org_members_gated":true}}"#,
    ) else {
        panic!()
    };
    assert_eq!(repo.kind(), RepoKind::Model);
    assert_eq!(repo.visibility(), Visibility::Public);
    assert_eq!(repo.gate(), GateMode::Auto);
    assert!(repo.org_members_gated && !repo.disabled);
    assert_eq!(
        (repo.creator_id.as_str(), repo.group_id.as_str()),
        ("u1", "g1")
    );

    let Op::PutMember(member) =
        op(r#"{"put_member":{"org_id":"o7","user_id":"u1","role":"no_access"}}"#)
    else {
        panic!()
    };
    assert_eq!(member.role(), OrgRole::NoAccess);
    let Op::PutGateGrant(grant) =
        op(r#"{"put_gate_grant":{"repo_id":"m1","user_id":"u1","state":"accepted"}}"#)
    else {
        panic!()
    };
    assert_eq!(grant.state(), GrantState::Accepted);

    let org = op(r#"{"put_org":{"id":"o7","name":"acme","display":{"plan":"team"}}}"#);
    assert!(matches!(org, Op::PutOrg(org) if org.display.as_ref().unwrap().plan == "team"));
    assert_eq!(op(r#"{"delete_user":"u1"}"#), Op::DeleteUser("u1".into()));
    assert_eq!(op(r#"{"delete_org":"o7"}"#), Op::DeleteOrg("o7".into()));
    assert_eq!(op(r#"{"delete_repo":"m1"}"#), Op::DeleteRepo("m1".into()));
    let group = op(r#"{"put_group":{"id":"g1","org_id":"o7","name":"Research"}}"#);
    assert!(matches!(group, Op::PutGroup(it) if it.id == "g1" && it.org_id == "o7"));
    let Op::PutGroupMember(member) =
        op(r#"{"put_group_member":{"group_id":"g1","user_id":"u1","role":"contributor"}}"#)
    else {
        panic!()
    };
    assert_eq!(member.role(), GroupRole::Contributor);
    let policy = |more: &str| {
        let text =
            format!(r#"{{"put_org_policy":{{"org_id":"o7","policy":"fine_grained_only"{more}}}}}"#);
        let Op::PutOrgPolicy(policy) = op(&text) else {
            panic!()
        };
        assert_eq!(policy.policy(), TokenPolicy::FineGrainedOnly);
        policy.max_token_lifetime.map(|it| it.seconds)
    };
    assert_eq!(policy(""), None);
    assert_eq!(policy(r#","max_token_lifetime_seconds":0"#), None);
    assert_eq!(policy(r#","max_token_lifetime_seconds":60"#), Some(60));
    assert_eq!(op(r#"{"delete_group":"g1"}"#), Op::DeleteGroup("g1".into()));
    let gone = op(r#"{"delete_org_policy":"o7"}"#);
    assert_eq!(gone, Op::DeleteOrgPolicy("o7".into()));
    let key = op(r#"{"delete_group_member":{"group_id":"g1","user_id":"u1"}}"#);
    assert!(matches!(key, Op::DeleteGroupMember(key) if key.group_id == "g1"));
    let key = op(r#"{"delete_member":{"org_id":"o7","user_id":"u1"}}"#);
    assert!(matches!(key, Op::DeleteMember(key) if key.org_id == "o7" && key.user_id == "u1"));
    let key = op(r#"{"delete_gate_grant":{"repo_id":"m1","user_id":"u1"}}"#);
    assert!(matches!(key, Op::DeleteGateGrant(key) if key.repo_id == "m1" && key.user_id == "u1"));
}

#[test]
fn mistakes_name_the_field_and_the_rule() {
    for (line, said) in [
        (
            "",
            "is not a JSON object: EOF while parsing a value at column 0",
        ),
        ("[]", "is not a JSON object"),
        (r#"{"put_user":"#, "is not a JSON object: EOF"),
        ("{}", "must hold exactly one operation"),
        (
            r#"{"delete_user":"a","delete_org":"b"}"#,
            "exactly one operation",
        ),
        (r#"{"putUser":{}}"#, "putUser: is no operation"),
        (r#"{"put_user":[]}"#, "put_user: must be an object"),
        (
            r#"{"put_user":{"name":"ada"}}"#,
            "put_user.id: must not be empty",
        ),
        (
            r#"{"put_user":{"id":7,"name":"ada"}}"#,
            "put_user.id: must be a string",
        ),
        (
            r#"{"put_user":{"id":"a/b","name":"ada"}}"#,
            "put_user.id: may hold only",
        ),
        (
            r#"{"put_user":{"id":"u","name":"-ada"}}"#,
            "put_user.name: must not begin",
        ),
        (
            r#"{"put_user":{"id":"u","name":"ada","disabled":"no"}}"#,
            "put_user.disabled: must be true or false",
        ),
        (
            r#"{"put_user":{"id":"u","name":"ada","nick":"a"}}"#,
            "put_user.nick: is no field; they are id, name, disabled, service_account_of, display",
        ),
        (
            r#"{"put_user":{"id":"u","name":"ada","display":{"age":1}}}"#,
            "put_user.display.age: is no field; they are full_name, email",
        ),
        (
            r#"{"put_repo":{"id":"m","kind":"Model","owner_id":"o","name":"n"}}"#,
            "put_repo.kind: must be one of model, dataset, space,",
        ),
        (
            r#"{"put_repo":{"id":"m","kind":"model","owner_id":"o","name":"n","visibility":"public"}}"#,
            "put_repo.gate: must be one of manual, auto, none",
        ),
        (
            r#"{"put_member":{"org_id":"o","user_id":"u","role":"unspecified"}}"#,
            "put_member.role: must be one of no_access, read,",
        ),
        (
            r#"{"delete_user":{"id":"u"}}"#,
            "delete_user: must be the id, a string",
        ),
        (r#"{"delete_repo":""}"#, "delete_repo: must not be empty"),
        (
            r#"{"delete_member":{"org_id":"o"}}"#,
            "delete_member.user_id: must not be empty",
        ),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(said), "{line}\n  {error}");
    }
}
