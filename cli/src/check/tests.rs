use tokenward_proto::v1::Principal;

use super::*;

fn answer(verdict: Verdict, reason: Reason, message: &str) -> CheckResponse {
    CheckResponse {
        verdict: verdict.into(),
        reason: reason.into(),
        message: message.into(),
        revision: "ab.42".into(),
        age: Some(to_proto(Duration::from_micros(1_500))),
        ..CheckResponse::default()
    }
}

#[test]
fn allowed() {
    let mut answer = answer(Verdict::Allow, Reason::Unspecified, "");
    answer.principal = Some(Principal {
        owner_id: "u1".into(),
        token_id: "1042".into(),
        expire_time: None,
    });
    assert_eq!(exit(&answer).unwrap(), Exit::Ok);
    assert_eq!(
        text(&answer),
        "ALLOW\nrevision  ab.42\nage       1.5ms\nowner     u1\ntoken     1042\n"
    );
    assert_eq!(value(&answer)["allowed"], true);
    assert_eq!(value(&answer)["age_seconds"], 0.0015);
    assert_eq!(value(&answer)["principal"]["token_id"], "1042");
}

#[test]
fn denied() {
    let answer = answer(Verdict::Deny, Reason::TokenScope, "add repo.write");
    assert_eq!(exit(&answer).unwrap(), Exit::Denied);
    assert!(text(&answer).starts_with("DENY token_scope: add repo.write\nrevision  ab.42\n"));
    assert_eq!(value(&answer)["allowed"], false);
    assert_eq!(value(&answer)["reason"], "token_scope");
}

#[test]
fn what_ends_soon_and_how_it_was_decided_are_told() {
    let step = |name: &str, record: &str, refused: Reason| Step {
        name: name.into(),
        record: record.into(),
        refused: refused.into(),
    };
    let mut answer = answer(Verdict::Deny, Reason::OwnerRole, "ask an admin");
    answer.warning = "the token ends in 2 days".into();
    answer.principal = Some(Principal {
        owner_id: "u1".into(),
        token_id: "1042".into(),
        expire_time: Some(prost_types::Timestamp {
            seconds: 1_801_396_800,
            nanos: 0,
        }),
    });
    answer.explanation = vec![
        step("token", "1042 of u1", Reason::Unspecified),
        step("rights", "read", Reason::OwnerRole),
    ];
    assert_eq!(
        text(&answer),
        "\
DENY owner_role: ask an admin
revision  ab.42
age       1.5ms
owner     u1
token     1042
expires   2027-01-31T12:00:00Z
warning   the token ends in 2 days

   STEP    RECORD
1  token   1042 of u1
2  rights  read -> owner_role
"
    );
    let value = value(&answer);
    assert_eq!(value["warning"], "the token ends in 2 days");
    assert_eq!(value["principal"]["expire_time"], "2027-01-31T12:00:00Z");
    assert_eq!(value["explanation"][1]["refused"], "owner_role");
    assert_eq!(value["explanation"][0]["refused"], Value::Null);
}

#[test]
fn who_may_not_ask_is_told_where_to_be_listed() {
    let refused = || Failure::new(Exit::Credential, "no");
    assert!(operators(refused(), true).next.contains("--operators"));
    assert!(operators(refused(), false).next.is_empty());
    let late = operators(Failure::late("the verifier"), true);
    assert!(!late.next.contains("--operators"), "{}", late.next);
}

#[test]
fn no_verdict_is_no_permission() {
    assert!(exit(&answer(Verdict::Unspecified, Reason::Unspecified, "")).is_err());
    let mut newer = answer(Verdict::Allow, Reason::Unspecified, "");
    newer.verdict = 7;
    assert!(exit(&newer).is_err());
}
