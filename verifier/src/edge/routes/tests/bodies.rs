//! Tests what bodies and headers name.

use super::*;

#[test]
fn bodies_name_what_is_asked_for() {
    const BATCH: &str = "POST /a/b.git/info/lfs/objects/batch";
    const CREATE: &str = "POST /api/repos/create";
    const MOVE: &str = "POST /api/repos/move";
    const DELETE: &str = "DELETE /api/repos/delete";
    const COPY: &str = "POST /api/models/a/b/duplicate";
    const COPY_FILES: &str = "POST /api/models/a/b/lfs-files/duplicate";
    let table = hub();
    let rows = [
        (
            BATCH,
            r#"{"operation":"download","objects":[]}"#,
            "Model:a/b repo.content.read",
        ),
        (
            BATCH,
            r#"{"objects":[],"operation":"upload"}"#,
            "Model:a/b repo.content.write",
        ),
        // A request that does not declare that it reads counts as an upload.
        (BATCH, r#"{"objects":[]}"#, "Model:a/b repo.content.write"),
        (
            BATCH,
            r#"{"operation":"download","operation":"upload"}"#,
            "Body",
        ),
        (BATCH, r#"["download"]"#, "Body"),
        (BATCH, r#"{"operation":["download"]}"#, "Body"),
        (BATCH, "", "Body"),
        (CREATE, r#"{"name":"x"}"#, "own repo.write"),
        (
            CREATE,
            r#"{"name":"x","organization":null,"type":"space","private":true}"#,
            "own repo.write",
        ),
        (
            CREATE,
            r#"{"name":"x","organization":"acme","type":"dataset"}"#,
            "@acme repo.write",
        ),
        (CREATE, r#"{"name":"acme/x"}"#, "@acme repo.write"),
        (CREATE, r#"{"name":"acme/x","organization":"bob"}"#, "Body"),
        (CREATE, r#"{"name":"acme/x/y"}"#, "Body"),
        (CREATE, r#"{"organization":"acme"}"#, "Body"),
        (CREATE, r#"{"name":"x","type":"thing"}"#, "Body"),
        (
            MOVE,
            r#"{"fromRepo":"a/b","toRepo":"a/c","type":"model"}"#,
            "Model:a/b repo.write",
        ),
        (
            MOVE,
            r#"{"fromRepo":"a/b","toRepo":"acme/b","type":"dataset"}"#,
            "Dataset:a/b repo.write & @acme repo.write",
        ),
        (MOVE, r#"{"fromRepo":"a/b"}"#, "Body"),
        (MOVE, r#"{"toRepo":"a/b"}"#, "Body"),
        (
            DELETE,
            r#"{"name":"b","organization":"a"}"#,
            "Model:a/b repo.write",
        ),
        (
            DELETE,
            r#"{"name":"a/b","type":"space"}"#,
            "Space:a/b repo.write",
        ),
        (DELETE, r#"{"name":"b"}"#, "Body"),
        (
            COPY,
            r#"{"repository":"acme/c","private":true}"#,
            "Model:a/b repo.content.read & @acme repo.write",
        ),
        (COPY, r#"{"repository":"c"}"#, "Body"),
        (COPY, r#"{"Repository":"acme/c"}"#, "Body"),
        (
            COPY_FILES,
            r#"{"files":[],"target":{"type":"dataset","name":"acme/c"}}"#,
            "Model:a/b repo.content.read & Dataset:acme/c repo.content.write",
        ),
        (COPY_FILES, r#"{"target":{"name":"acme/c"}}"#, "Body"),
        (COPY_FILES, r#"{"target":["model","acme/c"]}"#, "Body"),
        (COPY_FILES, r#"{"target":"acme/c"}"#, "Body"),
        (
            COPY_FILES,
            r#"{"target":{"type":"model","name":"a/c","name":"acme/c"}}"#,
            "Body",
        ),
        (
            COPY_FILES,
            r#"{"target":{"type":"model","name":"a/c","Name":"acme/c"}}"#,
            "Body",
        ),
        // A field of this name with another meaning hides nothing.
        (CREATE, r#"{"name":"x","target":{"x":1}}"#, "own repo.write"),
        (
            "POST /api/collections",
            r#"{"title":"x","namespace":"acme"}"#,
            "@acme collection.write",
        ),
    ];
    for (row, body, expected) in rows {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.find(&asked(method, target, Body::Whole(body.as_bytes())));
        let told = told(route);
        let told = if told.starts_with("Body") {
            "Body"
        } else {
            &told
        };
        assert_eq!(told, expected, "{row} {body}");
    }
    for row in [BATCH, CREATE, MOVE, DELETE, COPY, COPY_FILES] {
        let (method, target) = row.split_once(' ').unwrap();
        let without = table.find(&asked(method, target, Body::Absent));
        assert_eq!(without, Err(Unrouted::NeedsBody), "{row}");
        let longer = table.find(&asked(method, target, Body::TooLong));
        assert_eq!(longer, Err(Unrouted::BodyTooLong), "{row}");
        let encoded = table.find(&asked(method, target, Body::Encoded));
        assert_eq!(encoded, Err(Unrouted::BodyEncoded), "{row}");
    }
}

/// Some programs take a field in another case for the same, and the last one counts.
#[test]
fn no_field_hides_in_another_case() {
    let table = hub();
    let (method, target) = ("POST", "/a/b.git/info/lfs/objects/batch");
    let route = |body: &str| table.find(&asked(method, target, Body::Whole(body.as_bytes())));
    let plain = r#"{"operation":"download","Objects":[],"hash_algo":"sha256"}"#;
    assert!(told(route(plain)).ends_with(" repo.content.read"));
    let others = [
        "Operation",
        "OPERATION",
        "fromrepo",
        "TYPE",
        "nameſpace",
        "KIND",
    ];
    for other in others {
        let body = format!(r#"{{"operation":"download","{other}":"upload"}}"#);
        let refused = matches!(route(&body), Err(Unrouted::Body(_)));
        assert_eq!(refused, other != "KIND", "{other}");
    }
    // An escape is not another spelling, so this is the same field twice.
    let twice = r#"{"operation":"download","\u006fperation":"upload"}"#;
    assert!(matches!(route(twice), Err(Unrouted::Body(_))));
}

#[test]
fn whoever_is_billed_is_asked_about() {
    let table = hub();
    let route = |bill_to: &[&[u8]]| {
        told(table.find(&Request {
            bill_to,
            ..asked("POST", "/v1/chat/completions", Body::Absent)
        }))
    };
    assert_eq!(route(&[b"acme"]), "@acme inference.serverless.write");
    assert_eq!(route(&[b""]), "BillTo");
    assert_eq!(route(&[b"acme", b"bob"]), "BillTo");
    assert_eq!(route(&[b"\xff"]), "BillTo");
}

#[test]
fn a_model_server_asks_for_the_model_in_the_body() {
    let table = Table::built_in("inference").unwrap().unwrap();
    let route = |body| told(table.find(&asked("POST", "/v1/completions", body)));
    let needs = "own inference.serverless.write & Model:a/b repo.content.read";
    assert_eq!(
        route(Body::Whole(br#"{"model":"a/b","prompt":"x"}"#)),
        needs
    );
    // An adapter is another model, however it is named.
    for body in [
        r#"{"model":"a/b:fastest"}"#,
        r#"{"model":"a/b","lora_path":"c/d"}"#,
        r#"{"model":"a/b","lora":[{"id":1}]}"#,
        r#"{"model":"a/b","lora_request":{"lora_name":"c","lora_int_id":1,"lora_path":"c/d"}}"#,
        r#"{"model":"a/b","adapter_id":"c/d"}"#,
        r#"{"model":"a/b","fallbacks":["c/d"]}"#,
        r#"{"model":"a/b","models":["c/d"]}"#,
        r#"{"model":"a/b","context_window_fallbacks":[{"a/b":["c/d"]}]}"#,
        r#"{"model":"a/b","\u0063ontent_policy_fallbacks":[{"a/b":["c/d"]}]}"#,
        r#"{"model":"a/b","LoRA_path":"c/d"}"#,
        r#"{"model":"a/b","lora_id":"x"}"#,
        r#"{"model":"a/b","merged_adapters":{"ids":["c/d"]}}"#,
        // TGI, LoRAX, Triton and LiteLLM also read inner fields.
        r#"{"model":"a/b","parameters":{"adapter_id":"c/d"}}"#,
        r#"{"parameters" : { "x" : 1 , "adapter_id" : "c/d" } , "model":"a/b"}"#,
        r#"{"model":"a/b","parameters":{"merged_adapters":{"ids":["c/d"]}}}"#,
        r#"{"model":"a/b","parameters":{"lora_name":"c"}}"#,
        r#"{"model":"a/b","\u0070arameters":{"\u0061dapter_id":"c/d"}}"#,
        r#"{"model":"a/b","Parameters":{"Adapter_Id":"c/d"}}"#,
        r#"{"model":"a/b","parameters":{"adapter_id":null,"adapter_id":"c/d"}}"#,
        r#"{"model":"a/b","parameters":{},"parameters":{"adapter_id":"c/d"}}"#,
        r#"{"model":"a/b","parameters":[{"adapter_id":"c/d"}],"extra_body":{"models":["c/d"]}}"#,
        r#"{"model":"a/b","extra_body":{"model":"c/d"}}"#,
        // Triton, TensorRT-LLM and LiteLLM read these.
        r#"{"model":"a/b","sampling_parameters":"{\"lora_name\":\"c\"}"}"#,
        r#"{"model":"a/b","lora_task_id":7}"#,
        r#"{"model":"a/b","deployment_id":"c"}"#,
        r#"{"model":"a/b","Model_Id":"arn:c"}"#,
        r#"{"model":"a/b","model_id":"arn:c"}"#,
        r#"{"model":"a/b","user_config":{"model_list":[]}}"#,
        r#"{"model":"a/b","extra_body":{"deployment_id":"c"}}"#,
        r#"{"model":"a/b","parameters":{"sampling_parameters":"{}"}}"#,
        // A nest is inside a nest here, or a server reads an object from a string or a list.
        r#"{"model":"a/b","extra_body":{"extra_body":{"lora":"c"}}}"#,
        r#"{"model":"a/b","extra_body":{"parameters":{"adapter_id":"c"}}}"#,
        r#"{"model":"a/b","parameters":{"x":1,"Extra_Body":{"lora":"c"}}}"#,
        r#"{"model":"a/b","parameters":"{\"adapter_id\":\"c\"}"}"#,
        r#"{"model":"a/b","parameters":[{"adapter_id":"c"}]}"#,
        r#"{"parameters" : [],"model":"a/b"}"#,
        r#"{"model":"a/b","extra_body":1}"#,
        r#"{"model":"a/b","extra_body":true}"#,
        r#"{"model":"a/b","router_settings_override":"{}"}"#,
        r#"{"model":"a/b","router_settings_override":{"fallbacks":[{"a/b":["c/d"]}]}}"#,
    ] {
        let told = route(Body::Whole(body.as_bytes()));
        assert!(told.starts_with("Body"), "{body}: {told}");
    }
    for none in [
        r#"{"model":"a/b","lora_path":null}"#,
        r#"{"model":"a/b","parameters":{"adapter_id":null,"temperature":1}}"#,
        r#"{"model":"a/b","parameters":{"adapter_id" : null},"x":1}"#,
        r#"{"model":"a/b","parameters":{"stop":["adapter_id"],"x":"adapter_id"}}"#,
        r#"{"model":"a/b","parameters":null,"adapter":{"adapter_id":"c/d"}}"#,
        r#"{"model":"a/b","extra_body":{"metadata":{"model":"c/d"}}}"#,
        r#"{"model":"a/b","extra_body":{},"user_config":null}"#,
        r#"{"model":"a/b","extra_body":{"parameters":null,"n":1},"x":{"extra_body":1}}"#,
        r#"{"model":"a/b","parameters" : null,"y":["parameters"]}"#,
        r#"{"model":"a/b","router_settings_override":{"num_retries":0}}"#,
        r#"{"model":"a/b","tools":[{"parameters":{"model":{"type":"string"}}}]}"#,
    ] {
        assert_eq!(route(Body::Whole(none.as_bytes())), needs, "{none}");
    }
    // The router accepts a provider after the name.
    let router = Table::parse("POST /v1/completions - body.model:repo.content.read").unwrap();
    let body = Body::Whole(br#"{"model":"a/b:fastest"}"#);
    let told = told(router.find(&asked("POST", "/v1/completions", body)));
    assert_eq!(told, "Model:a/b repo.content.read");
    assert!(route(Body::Whole(br#"{"prompt":"x"}"#)).starts_with("Body"));
    assert_eq!(route(Body::Absent), "NeedsBody");
}
