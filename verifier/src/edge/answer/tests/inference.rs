//! Tests what clients of inference servers get as refusals.

use super::*;

#[test]
fn clients_of_inference_servers_are_told_in_their_way() {
    let rows = [
        (
            denied(false, Reason::OrgPolicy, repo(CONTENT)),
            "permission_error",
            Some("org_policy"),
        ),
        (
            denied(false, Reason::TokenScope, account(WRITE)),
            "permission_error",
            Some("token_scope"),
        ),
        (
            denied(false, Reason::NotFound, repo(CONTENT)),
            "not_found_error",
            Some("not_found"),
        ),
        (
            denied(false, Reason::TokenRevoked, None),
            "authentication_error",
            Some("invalid_api_key"),
        ),
        (
            other(Outcome::LoginRequired),
            "authentication_error",
            Some("login_required"),
        ),
        (
            other(Outcome::Unrouted(Unrouted::Unknown)),
            "permission_error",
            None,
        ),
        (
            other(Outcome::Unrouted(Unrouted::BillTo)),
            "invalid_request_error",
            None,
        ),
        (
            other(Outcome::Undecided(Undecided::NotYet)),
            "overloaded_error",
            None,
        ),
    ];
    for (judgement, kind, code) in rows {
        let judgement = Judgement {
            dialect: Dialect::Inference,
            ..judgement
        };
        let answer = answer(&judgement, "", "r1");
        let said = header(&answer, "x-error-message").unwrap();
        let expected = serde_json::json!({
            "type": "error",
            "error": { "type": kind, "message": said, "code": code, "param": null },
            "message": said,
            "request_id": "r1",
        });
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(told, expected);
        assert_eq!(header(&answer, "request-id"), Some("r1"));
        // No browser may open a password window over the chat.
        let challenge = header(&answer, "www-authenticate");
        assert!(challenge.is_none_or(|it| !it.contains("Basic")));
    }
}
