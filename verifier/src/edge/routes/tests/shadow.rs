//! Tests that a rule that asks about a model must stand above the rules that take its requests and ask
//! about none.

use super::*;

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = Table::parse(text).err().unwrap_or_default();
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_hub_s_rules_stand_below_those_of_model_servers() {
    for one in ["", "@model * acme/secret-70b\n"] {
        let found = mistakes(&format!("{one}@include hub\n@include inference"));
        let (first, second) = match one {
            "" => (1, 2),
            _ => (2, 3),
        };
        let mistake = format!(
            "line {second}: `POST /v1/chat/completions` asks about a model, and `POST \
             /v1/chat/completions` of line {first} takes its requests first and asks about none: put \
             line {second} above line {first} (@include inference comes first)"
        );
        assert_eq!(found, [mistake]);
        let right = format!("{one}@include inference\n@include hub");
        assert_eq!(mistakes(&right), [""; 0]);
        let table = Table::parse(&right).unwrap();
        for path in ["chat/completions", "completions", "embeddings", "responses"] {
            let target = format!("/v1/{path}");
            let body = Body::Whole(br#"{"model":"acme/secret-70b"}"#);
            let route = table.find(&asked("POST", &target, body));
            assert_eq!(
                told(route),
                "own inference.serverless.write & Model:acme/secret-70b repo.content.read"
            );
        }
    }
}

#[test]
fn what_takes_a_model_s_requests_first_is_refused() {
    let body = "POST /v1/x - body.model:repo.content.read";
    let path = "POST /m/{model}:predict - path.model:repo.content.read";
    for (first, rule) in [
        ("* /{rest?} - visitor", body),
        ("POST /v1/{any} - open", body),
        ("GET,POST /{path} ?all identity", body),
        ("POST /{any}/x - self:inference.serverless.write", body),
        ("POST /{account}/{rest} - account:job.write", body),
        ("POST /m/a/{rest} - identity", path),
        ("POST /m/{any} - identity", path),
        (
            "GET /v1/x - open",
            "* /{rest} - query.model:repo.content.read",
        ),
        (
            "POST /{repo}/y - dataset:repo.content.read",
            "POST /{any}/b/y - body.model:repo.content.read",
        ),
        (
            "POST /v1/x ?a=1 open",
            "POST /v1/x ?a body.served-model:repo.content.read",
        ),
    ] {
        let found = mistakes(&format!("# A table.\n{first}\n\n{rule}"));
        assert_eq!(found.len(), 1, "{first}: {found:?}");
        assert!(found[0].starts_with("line 4: "), "{found:?}");
        assert!(found[0].contains("of line 2 takes"), "{found:?}");
        assert_eq!(mistakes(&format!("{rule}\n{first}")), [""; 0], "{first}");
    }
    for (first, rule) in [
        ("GET /v1/x - open", body),
        ("POST /v1/x/{rest} - open", body),
        ("POST /v1/y - open", body),
        ("POST /V1/x - open", body),
        // The rule above asks about a model itself.
        ("POST /v1/x - model:a/b:repo.content.read", body),
        ("POST /v1/x - served:repo.content.read", body),
        ("POST /{rest} - body.served-model:repo.content.read", body),
        // No owner is called v1.
        ("POST /{repo} - dataset:repo.content.read", body),
        ("POST /{id}/git-upload-pack - model:repo.content.read", path),
        ("POST /m/list - identity", path),
        ("POST /{kinds}/{any} - identity", body),
        (
            "POST /v1/x ?a=1 open",
            "POST /v1/x ?a=2 body.model:repo.content.read",
        ),
        // Such a rule is skipped if no line names the model.
        (
            "POST /v1/x - identity",
            "POST /v1/x - served:repo.content.read",
        ),
    ] {
        let found = mistakes(&format!("{first}\n{rule}"));
        assert_eq!(found, [""; 0], "{first}");
    }
    let served = "POST /v1/x - identity\nPOST /v1/x - served:repo.content.read\n@model * a/b";
    assert_eq!(mistakes(served).len(), 1);
}
