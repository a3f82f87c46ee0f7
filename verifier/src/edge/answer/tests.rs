//! Tests every row of the mapping in every form.

mod inference;

use tokenward_common::{access::Permission, id::TokenId, state::record::RepoKind, token::Role};
use tokenward_proto::v1::Reason;

use super::*;
use crate::{
    decide::{Denial, Undecided},
    edge::{
        judge::Outcome,
        path::TargetError,
        principal::Principal,
        routes::{Need, Thing, Unrouted},
    },
};

const CONTENT: Permission = Permission::RepoContentRead;
const WRITE: Permission = Permission::RepoContentWrite;

fn denied(anonymous: bool, reason: Reason, need: Option<Need>) -> Judgement {
    Judgement {
        outcome: Outcome::Denied {
            denial: Denial {
                reason,
                message: "told".into(),
            },
            need,
            billed: None,
        },
        dialect: Dialect::Hub,
        offers_pr: false,
        creates: None,
        unseen: false,
        anonymous,
        principal: None,
        view: None,
    }
}

fn grpc_answer(judgement: &Judgement) -> Answer {
    Answer::grpc_refused(&refusal(judgement, "").unwrap(), "r1")
}

fn other(outcome: Outcome) -> Judgement {
    Judgement {
        outcome,
        ..denied(true, Reason::Unspecified, None)
    }
}

fn repo(permission: Permission) -> Option<Need> {
    Some(Need {
        on: Thing::Repo {
            kind: RepoKind::Dataset,
            owner: "acme".into(),
            name: "set".into(),
        },
        permission,
    })
}

fn account(permission: Permission) -> Option<Need> {
    Some(Need {
        on: Thing::Account("acme".into()),
        permission,
    })
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut found = answer.headers.iter().filter(|(known, _)| *known == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

type Row = (
    bool,
    Reason,
    Option<Need>,
    u16,
    Option<&'static str>,
    &'static str,
);

/// Each row has whether the caller is anonymous, the reason and the need, and then the status, the code and
/// the message.
fn rows() -> Vec<Row> {
    use Reason::*;
    const NOT_LISTED: &str =
        "Access to dataset acme/set is restricted and you are not in the authorized list. ";
    let gate = |rest: &str| -> &'static str { format!("{NOT_LISTED}{rest}").leak() };
    let (gone, gated) = (Some("RepoNotFound"), Some("GatedRepo"));
    let bad = "Invalid credentials in Authorization header";
    let nobody = "Invalid username or password.";
    let mut rows = vec![
        (true, NotFound, repo(CONTENT), 401, gone, nobody),
        (true, NotFound, repo(WRITE), 401, gone, nobody),
        (true, NotFound, account(WRITE), 401, None, nobody),
        (
            false,
            NotFound,
            repo(CONTENT),
            404,
            gone,
            "Repository not found",
        ),
        (
            false,
            NotFound,
            repo(WRITE),
            404,
            gone,
            "Repository not found",
        ),
        (false, NotFound, account(WRITE), 404, None, "told"),
        (
            true,
            LoginRequired,
            repo(CONTENT),
            401,
            gated,
            "Access to dataset acme/set is restricted. You must have access to it and be authenticated \
             to access it. Please log in.",
        ),
        (true, LoginRequired, repo(WRITE), 401, None, "told"),
        (true, LoginRequired, account(WRITE), 401, None, nobody),
        (
            false,
            GateNotRequested,
            repo(CONTENT),
            403,
            gated,
            gate("Visit https://hub.example/datasets/acme/set to ask for access."),
        ),
        (
            false,
            GatePending,
            repo(CONTENT),
            403,
            gated,
            gate("Your request is awaiting a review from the repo authors."),
        ),
        (
            false,
            GateRejected,
            repo(CONTENT),
            403,
            gated,
            gate("Your request has been rejected by the repo authors."),
        ),
        (
            false,
            TokenGatedFlag,
            repo(CONTENT),
            403,
            gated,
            "Please enable access to public gated repositories in your fine-grained token settings to \
             view this repository.",
        ),
        (
            false,
            ResourceDisabled,
            repo(CONTENT),
            403,
            None,
            "Access to this resource is disabled.",
        ),
        (
            false,
            TokenRole,
            repo(WRITE),
            403,
            None,
            "you must use a write token to upload to a repository: told",
        ),
        (false, TokenRole, account(WRITE), 403, None, "told"),
        (false, TokenScope, repo(WRITE), 403, None, "told"),
        (false, OwnerRole, repo(WRITE), 403, None, "told"),
    ];
    for reason in [OrgPolicy, OrgApprovalPending, OrgDenied, OrgRevoked] {
        rows.push((false, reason, repo(WRITE), 403, None, "told"));
        rows.push((false, reason, account(WRITE), 403, None, "told"));
        // On a download, a client without a code would blame the network, and a gate's code would be wrong
        // because there is no gate.
        rows.push((false, reason, repo(CONTENT), 403, gone, "told"));
    }
    for reason in [
        TokenMalformed,
        TokenKeyUnknown,
        TokenSignature,
        TokenClaims,
        TokenExpired,
        TokenRevoked,
        TokenKeyWithdrawn,
        OwnerUnknown,
        OwnerDisabled,
    ] {
        rows.push((false, reason, repo(CONTENT), 401, None, bad));
        rows.push((false, reason, None, 401, None, bad));
    }
    rows
}

#[test]
fn each_denial_has_its_status_code_and_sentence() {
    for (anonymous, reason, need, status, code, message) in rows() {
        let judgement = denied(anonymous, reason, need.clone());
        let answer = answer(&judgement, "https://hub.example", "r1");
        let row = format!("{anonymous} {reason:?} {need:?}");
        assert!(!answer.allowed, "{row}");
        assert_eq!(answer.status, status, "{row}");
        assert_eq!(header(&answer, "x-error-code"), code, "{row}");
        assert_eq!(header(&answer, "x-error-message"), Some(message), "{row}");
        assert_eq!(header(&answer, "x-request-id"), Some("r1"), "{row}");
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(told, serde_json::json!({ "error": message }), "{row}");
        let scope = matches!(
            reason,
            Reason::TokenRole | Reason::TokenScope | Reason::TokenGatedFlag
        );
        let challenge = match (status, need.is_some() && reason != Reason::NotFound) {
            (401, _) if message == "Invalid credentials in Authorization header" => {
                Some(format!("{BASIC}, {BEARER}, error=\"invalid_token\""))
            }
            (401, _) => Some(format!("{BASIC}, {BEARER}")),
            (403, true) if scope => Some(format!("{BEARER}, error=\"insufficient_scope\"")),
            _ => None,
        };
        let told = header(&answer, "www-authenticate");
        assert_eq!(told, challenge.as_deref(), "{row}");
    }
}

#[test]
fn every_reason_is_refused_in_every_form() {
    let reasons = (0..200).filter_map(|number| Reason::try_from(number).ok());
    for reason in reasons {
        for need in [None, repo(CONTENT), account(WRITE)] {
            for anonymous in [true, false] {
                let judgement = denied(anonymous, reason, need.clone());
                let plain = answer(&judgement, "", "r1");
                assert!(!plain.allowed && plain.status >= 400, "{reason:?}");
                assert!(
                    plain.clone().for_nginx(Dialect::Hub).status >= 400,
                    "{reason:?}"
                );
                let grpc = grpc_answer(&judgement);
                assert!(!grpc.allowed, "{reason:?}");
                assert_ne!(header(&grpc, "grpc-status"), Some("0"), "{reason:?}");
            }
        }
    }
}

#[test]
fn how_a_credential_is_not_good_is_not_told() {
    let told = |reason| answer(&denied(false, reason, repo(CONTENT)), "", "r1");
    let malformed = told(Reason::TokenMalformed);
    for reason in [
        Reason::TokenExpired,
        Reason::TokenRevoked,
        Reason::OwnerDisabled,
    ] {
        assert_eq!(told(reason), malformed);
    }
}

#[test]
fn the_mend_fits_the_request() {
    let offered = Judgement {
        offers_pr: true,
        ..denied(false, Reason::OwnerRole, repo(WRITE))
    };
    let told = |judgement: &Judgement| refusal(judgement, "").unwrap().message;
    assert_eq!(
        told(&offered),
        "pass `create_pr=1` as a query parameter to create a Pull Request: told"
    );
    let created = Judgement {
        creates: Some(RepoKind::Space),
        ..denied(false, Reason::OwnerRole, account(Permission::RepoWrite))
    };
    assert_eq!(
        told(&created),
        "You don't have the rights to create a space under the namespace acme: told"
    );
    let billed = other(Outcome::Denied {
        denial: Denial {
            reason: Reason::TokenScope,
            message: "told".into(),
        },
        need: account(Permission::InferenceServerlessWrite),
        billed: Some("org acme".into()),
    });
    assert_eq!(
        told(&billed),
        "This authentication method does not have sufficient permissions to call Inference Providers \
         on behalf of org acme: told"
    );
}

#[test]
fn what_counts_as_an_upload_says_so() {
    let told = |anonymous, reason, permission| {
        let judgement = Judgement {
            unseen: true,
            dialect: Dialect::Lfs,
            ..denied(anonymous, reason, repo(permission))
        };
        answer(&judgement, "", "id").body
    };
    for (anonymous, reason) in [
        (false, Reason::TokenRole),
        (false, Reason::OwnerRole),
        (true, Reason::LoginRequired),
    ] {
        let body = told(anonymous, reason, WRITE);
        assert!(body.contains("counts as an upload"), "{body}");
    }
    // A thing that may not be seen gets the same bytes as a thing that does not exist. A gate is always
    // reported as a gate.
    for (anonymous, reason, permission) in [
        (true, Reason::NotFound, WRITE),
        (false, Reason::NotFound, WRITE),
        (false, Reason::TokenExpired, WRITE),
        (false, Reason::GateNotRequested, CONTENT),
    ] {
        let body = told(anonymous, reason, permission);
        assert!(!body.contains("upload"), "{body}");
    }
}

#[test]
fn what_is_no_denial_is_kept_apart() {
    let late = Undecided::NotYet;
    let rows = [
        (other(Outcome::LoginRequired), 401),
        (other(Outcome::Moved("/a/b".into())), 307),
        (other(Outcome::Undecided(late)), 503),
        (other(Outcome::Unrouted(Unrouted::Unknown)), 403),
        (other(Outcome::Unrouted(Unrouted::NeedsBody)), 403),
        (other(Outcome::Unrouted(Unrouted::BodyTooLong)), 413),
        (other(Outcome::Unrouted(Unrouted::BillTo)), 400),
        (
            other(Outcome::Unrouted(Unrouted::Target(TargetError::Dots))),
            400,
        ),
    ];
    for (judgement, status) in rows {
        let answer = answer(&judgement, "", "r1");
        assert_eq!(answer.status, status, "{judgement:?}");
        assert_eq!(header(&answer, "x-error-code"), None);
        assert!(header(&answer, "x-error-message").is_some());
        assert_eq!(header(&answer, "retry-after").is_some(), status == 503);
    }
}

#[test]
fn git_and_its_large_files_are_asked_for_a_password_and_told_in_their_way() {
    let of = |dialect, anonymous| {
        let judgement = Judgement {
            dialect,
            ..denied(anonymous, Reason::NotFound, repo(CONTENT))
        };
        answer(&judgement, "", "r1")
    };
    let git = of(Dialect::Git, true);
    assert_eq!(git.status, 401);
    assert!(
        header(&git, "www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
    assert!(
        header(&git, "content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(git.body, "Invalid username or password.\n");
    let lfs = of(Dialect::Lfs, true);
    for name in ["www-authenticate", "lfs-authenticate"] {
        assert!(header(&lfs, name).unwrap().starts_with("Basic "));
    }
    assert_eq!(lfs.body, r#"{"message":"Invalid username or password."}"#);
    let hidden = of(Dialect::Git, false);
    assert_eq!(hidden.status, 404);
    assert_eq!(header(&hidden, "www-authenticate"), None);
}

/// OpenAI's clients show the text in `error`, and Anthropic's show the text beside it.
#[test]
fn nginx_is_told_in_a_header_what_it_cannot_take() {
    let cases = [
        (denied(false, Reason::NotFound, repo(CONTENT)), 403, "404"),
        (denied(true, Reason::NotFound, repo(CONTENT)), 401, "401"),
        (denied(false, Reason::OwnerRole, repo(WRITE)), 403, "403"),
        (other(Outcome::Undecided(Undecided::NotYet)), 403, "503"),
        (other(Outcome::Unrouted(Unrouted::BillTo)), 403, "400"),
        (other(Outcome::Moved("/a/b".into())), 403, "307"),
        (other(Outcome::Allowed), 200, "200"),
    ];
    for (judgement, status, meant) in cases {
        let answer = answer(&judgement, "", "r1").for_nginx(Dialect::Lfs);
        assert_eq!(answer.status, status, "{judgement:?}");
        let form = (status != 200).then_some("lfs");
        assert_eq!(header(&answer, FORM), form, "{judgement:?}");
        assert_eq!(header(&answer, STATUS), Some(meant), "{judgement:?}");
    }
}

#[test]
fn grpc_callers_are_told_in_grpc() {
    let rows = [
        (denied(true, Reason::NotFound, repo(CONTENT)), "16"),
        (denied(false, Reason::TokenExpired, repo(CONTENT)), "16"),
        (denied(false, Reason::NotFound, repo(CONTENT)), "5"),
        (denied(false, Reason::TokenScope, account(WRITE)), "7"),
        (other(Outcome::Undecided(Undecided::NotYet)), "14"),
        (other(Outcome::Unrouted(Unrouted::BillTo)), "3"),
        (other(Outcome::Unrouted(Unrouted::BodyTooLong)), "3"),
        (other(Outcome::Unrouted(Unrouted::BodyEncoded)), "3"),
        (other(Outcome::Unrouted(Unrouted::Unknown)), "7"),
    ];
    for (judgement, code) in rows {
        let answer = grpc_answer(&judgement);
        assert_eq!(header(&answer, "grpc-status"), Some(code), "{judgement:?}");
        assert_eq!(header(&answer, "content-type"), Some("application/grpc"));
        assert_eq!((answer.status, answer.allowed), (200, false));
        assert!(answer.body.is_empty());
    }
    assert_eq!(grpc_message("100% sure"), "100%25 sure");
}

#[test]
fn what_is_allowed_goes_on_with_its_principal() {
    let allowed = Judgement {
        principal: Some(Principal {
            subject: "ada".into(),
            token: TokenId(7),
            role: Role::FineGrained,
            org: Some("acme".into()),
        }),
        ..other(Outcome::Allowed)
    };
    let known = answer(&allowed, "", "r1");
    assert!(known.allowed);
    assert_eq!(header(&known, "x-tokenward-subject"), Some("ada"));
    assert_eq!(header(&known, "x-tokenward-token-id"), Some("7"));
    assert_eq!(header(&known, "x-tokenward-role"), Some("fineGrained"));
    assert_eq!(header(&known, "x-tokenward-org"), Some("acme"));
    assert_eq!(answer(&other(Outcome::Allowed), "", "r1").headers, []);
}

#[test]
fn nothing_that_a_request_names_breaks_a_header() {
    let need = Need {
        on: Thing::Repo {
            kind: RepoKind::Model,
            owner: "a\r\nset-cookie: \"x\\".into(),
            name: "\u{e4}".repeat(5000).into(),
        },
        permission: CONTENT,
    };
    let judgement = denied(false, Reason::GateNotRequested, Some(need));
    let message = refusal(&judgement, "").unwrap().message;
    assert!(message.len() <= 600, "{}", message.len());
    assert!(message.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    assert!(!message.contains(['"', '\\']), "{message}");
}

#[test]
fn a_request_id_is_kept_only_if_it_is_fit_for_a_log() {
    assert_eq!(
        request_id(Some(b"Root=1-abc"), || panic!("not needed")),
        "Root=1-abc"
    );
    for bad in [&b""[..], b"a b", b"a\n", &[b'a'; 129]] {
        assert_eq!(request_id(Some(bad), || 255), format!("{:032x}", 255));
    }
}
