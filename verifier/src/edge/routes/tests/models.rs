//! Tests which model is asked about before model servers: by the body, the path, or a table's own word.

use super::*;

const NEEDS: &str = "own inference.serverless.write & Model:a/b repo.content.read";

fn parse(text: &str) -> Table {
    Table::parse(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn route(table: &Table, row: &str, body: Body<'_>) -> String {
    let (method, target) = row.split_once(' ').unwrap();
    told(table.find(&asked(method, target, body)))
}

/// These rows have a few routes of each server. The table has all of them.
#[test]
fn each_way_to_put_a_prompt_asks_for_the_model() {
    let table = Table::built_in("inference").unwrap().unwrap();
    let body = Body::Whole(br#"{"model":"a/b","prompt":"x"}"#);
    for row in [
        "POST /v1/chat/completions",
        "POST /v1/messages",
        "POST /v1/messages/count_tokens",
        "POST /v1/rerank",
        "PUT /v1/rerank",
        "POST /v1/score",
        "POST /v1/audio/speech",
        "POST /tokenize",
        "POST /api/chat",
        "POST /openai/v1/embeddings",
    ] {
        assert_eq!(route(&table, row, body), NEEDS, "{row}");
        assert_eq!(route(&table, row, Body::Unseen), "NeedsBody", "{row}");
        assert!(route(&table, row, Body::Whole(b"{}")).starts_with("Body"));
    }
    for row in [
        "POST /v2/models/a%2Fb/infer",
        "POST /v2/models/a/b/infer",
        "POST /v1/models/a/b:predict",
        "POST /v1/models/a%2Fb:explain",
    ] {
        assert_eq!(route(&table, row, Body::Unseen), NEEDS, "{row}");
    }
    for end in ["chat/completions", "completions", "embeddings"] {
        for row in [
            format!("POST /engines/a%2Fb/{end}"),
            format!("POST /openai/deployments/a/b/{end}"),
        ] {
            assert_eq!(route(&table, &row, body), NEEDS, "{row}");
            assert_eq!(route(&table, &row, Body::Unseen), "NeedsBody", "{row}");
            let other = Body::Whole(br#"{"fallbacks":["c/secret"]}"#);
            let told = route(&table, &row, other);
            assert!(told.starts_with("Body(\"lora"), "{row}: {told}");
        }
    }
    for row in [
        "POST /v2/models/a%2Fb/versions/1/generate_stream",
        "POST /v2/models/a/b/versions/1/generate",
        "POST /v2/models/a/b/generate",
    ] {
        assert_eq!(route(&table, row, body), NEEDS, "{row}");
        assert_eq!(route(&table, row, Body::Unseen), "NeedsBody", "{row}");
        for adapter in [
            br#"{"text_input":"x","parameters":{"lora_name":"c/secret"}}"#.as_slice(),
            br#"{"text_input":"x","sampling_parameters":"{\"lora_name\":\"c\"}"}"#,
            br#"{"text_input":"x","lora_task_id":7}"#,
        ] {
            let told = route(&table, row, Body::Whole(adapter));
            assert!(told.starts_with("Body"), "{row}: {told}");
        }
    }
    for row in [
        "GET /v1/models",
        "GET /v1/models/a/b",
        "GET /v1/models/a%2Fb",
        "GET /v2/models/a%2Fb/config",
        "GET /info",
        "POST /api/show",
    ] {
        assert_eq!(route(&table, row, Body::Unseen), "Identity", "{row}");
    }
    assert_eq!(route(&table, "GET /", Body::Unseen), "Open");
    let unnamed = route(&table, "POST /v2/models/llama-3/infer", body);
    assert_eq!(unnamed, "PathModel");
    // The request names no model where the door looks. These routes are open only before a server of one
    // model, which the table must name.
    for row in [
        "POST /",
        "POST /generate",
        "POST /embed",
        "POST /invocations",
        "POST /v1/audio/transcriptions",
        "POST /v1/images/edits",
        "GET /v1/responses/resp_1",
        "GET /v1/realtime",
        "GET /v1/realtime?model=a%2Fb",
        "POST /inference.GRPCInferenceService/ModelInfer",
    ] {
        for body in [body, Body::Encoded, Body::Unseen] {
            assert_eq!(route(&table, row, body), "OneModel", "{row}");
        }
    }
    // These routes are for the operator of the server.
    for row in [
        "GET /metrics",
        "POST /v1/load_lora_adapter",
        "POST /api/pull",
        "POST /v2/repository/index",
        "GET /slots",
        "POST /sleep",
        "POST /v2/models/a/b/infer/x",
        "POST /v2/models/a%2Fb%2Fc/d/infer",
        "POST /v1/models/a/b:unload",
        "POST /v1/models/a/b",
    ] {
        assert_eq!(route(&table, row, body), "Unknown", "{row}");
    }
}

#[test]
fn a_server_s_own_name_leads_to_the_repo() {
    let lines = "@model llama-3 a/b\n@model my:tag a/b\n@model lab/base a/b\n@include inference";
    let table = parse(lines);
    let chat = |model: &str| {
        let body = format!(r#"{{"model":"{model}"}}"#);
        route(
            &table,
            "POST /v1/chat/completions",
            Body::Whole(body.as_bytes()),
        )
    };
    for model in ["llama-3", "my:tag", "lab/base", "a/b"] {
        assert_eq!(chat(model), NEEDS, "{model}");
    }
    for model in [
        "Llama-3",
        "llama-3:x",
        "a/b:x",
        "my",
        "",
        "a/b/c",
        "llama-3/",
        // A server that ignores the case takes this for its own model, while the hub takes it for another
        // repo.
        "LAB/base",
        "lab/BASE",
        "lab/base:x",
        "LAB/base:x",
    ] {
        assert!(chat(model).starts_with("Body"), "{model}");
    }
    for row in [
        "POST /v2/models/llama-3/infer",
        "POST /v1/models/llama-3:predict",
    ] {
        assert_eq!(route(&table, row, Body::Unseen), NEEDS, "{row}");
    }
    for row in [
        "POST /v2/models/LAB%2Fbase/infer",
        "POST /v2/models/LLAMA-3/infer",
        "POST /v1/models/LAB/base:predict",
    ] {
        assert_eq!(route(&table, row, Body::Unseen), "PathModel", "{row}");
    }
    // There may be other models, so no model is assumed.
    assert_eq!(route(&table, "POST /embed", Body::Unseen), "OneModel");
}

#[test]
fn at_the_router_a_name_in_another_case_is_no_name_and_its_provider() {
    let table = parse("@model c/d:fast a/b\nPOST /x - body.model:repo.content.read");
    for (model, told) in [
        ("c/d:fast", "Model:a/b repo.content.read"),
        ("c/d:other", "Model:c/d repo.content.read"),
        ("c/d", "Model:c/d repo.content.read"),
    ] {
        let body = format!(r#"{{"model":"{model}"}}"#);
        let body = Body::Whole(body.as_bytes());
        assert_eq!(route(&table, "POST /x", body), told, "{model}");
    }
    for model in ["c/d:Fast", "C/d:fast"] {
        let body = format!(r#"{{"model":"{model}"}}"#);
        let told = route(&table, "POST /x", Body::Whole(body.as_bytes()));
        assert!(told.contains("spelled otherwise"), "{model}: {told}");
    }
}

/// For a server of one model no body is read.
#[test]
fn a_server_of_one_model_is_that_model() {
    let table = parse("@model * a/b\n@include inference");
    for row in [
        "POST /v1/chat/completions",
        "POST /v2/models/anything/infer",
        "POST /engines/anything/completions",
        "POST /",
        "PUT /generate",
        "POST /v1/audio/transcriptions",
        "GET /v1/responses/resp_1",
        "POST /tei.v1.Embed/EmbedStream",
    ] {
        for body in [
            Body::Unseen,
            Body::Absent,
            Body::TooLong,
            Body::Whole(br#"{"model":"mine/open"}"#),
        ] {
            assert_eq!(route(&table, row, body), NEEDS, "{row}");
        }
    }
    assert_eq!(route(&table, "GET /metrics", Body::Unseen), "Unknown");
    // For a server of several models there is no such rule, so the next rule decides.
    let rules = "POST /x - served:repo.content.read\nPOST /x - body.model:repo.metadata.read";
    let body = Body::Whole(br#"{"model":"c/d"}"#);
    for (line, needs) in [
        ("", "Model:c/d repo.metadata.read"),
        ("@model c a/b\n", "Model:c/d repo.metadata.read"),
        ("@model * a/b\n", "Model:a/b repo.content.read"),
    ] {
        let table = parse(&format!("{line}{rules}"));
        assert_eq!(route(&table, "POST /x", body), needs, "{line}");
    }
}

/// The query is for a server that takes the model only from there, and from no later message.
#[test]
fn a_query_may_name_the_model_once() {
    let line = "GET /v1/realtime - query.model:repo.content.read";
    let table = parse(&format!("@model llama-3 c/d\n{line}"));
    for (query, told) in [
        ("?model=a%2Fb", "Model:a/b repo.content.read"),
        ("?model=a/b&x=1", "Model:a/b repo.content.read"),
        ("?model=llama-3", "Model:c/d repo.content.read"),
        ("", "QueryModel"),
        ("?model", "QueryModel"),
        ("?model=", "QueryModel"),
        ("?model=Llama-3", "QueryModel"),
        ("?model=a/b:x", "QueryModel"),
        ("?model=a/b&model=c/d", "Target(Parameter)"),
        ("?model=a/b&Model=c/d", "Target(Parameter)"),
        ("?model=a/b;model=c/d", "Target(Parameter)"),
        ("?model=a/b&model[]=c/d", "Target(Parameter)"),
        ("?%6dodel=a/b", "Target(Needless)"),
    ] {
        let row = format!("GET /v1/realtime{query}");
        assert_eq!(route(&table, &row, Body::Unseen), told, "{query}");
    }
    let one = parse(&format!("@model * c/d\n{line}"));
    let told = route(&one, "GET /v1/realtime?model=a/b", Body::Unseen);
    assert_eq!(told, "Model:c/d repo.content.read");
}

#[test]
fn a_rule_may_name_what_it_asks_about() {
    let table = parse(
        "* / - model:acme/llm:repo.content.read\n\
         POST /x - account:acme:job.write & dataset:acme/set:repo.content.read\n\
         GET /{rest} - self:job.read",
    );
    for method in ["GET", "POST"] {
        let row = format!("{method} /");
        let root = route(&table, &row, Body::Unseen);
        assert_eq!(root, "Model:acme/llm repo.content.read");
    }
    assert_eq!(
        route(&table, "POST /x", Body::TooLong),
        "@acme job.write & Dataset:acme/set repo.content.read"
    );
    assert_eq!(route(&table, "GET /y/z", Body::Absent), "own job.read");
    for (line, told) in [
        ("GET /a - model:acme:repo.content.read", "is no thing"),
        ("GET /a - model:a/b/c:repo.content.read", "is no thing"),
        ("GET /a - thing:a/b:repo.content.read", "is no thing"),
        ("GET /a - account::job.read", "is no thing"),
        ("GET /a - path.model:repo.content.read", "names no {model}"),
        (
            "GET /a - path.served-model:repo.content.read",
            "names no {model}",
        ),
        ("GET /{model}/{model} - open", "more than one model"),
        ("GET /{model}:Up - open", "neither a word"),
        ("@model a b", "must be owner/name"),
        ("@model a", "must be @include hub"),
        ("@model a b/c d", "must be @include hub"),
    ] {
        let mistakes = Table::parse(line).unwrap_err();
        assert!(
            mistakes[0].to_string().contains(told),
            "{line}: {mistakes:?}"
        );
    }
    for name in ["a", "*"] {
        let twice = format!("@model {name} b/c\n@model {name} b/d\nGET / - open");
        let mistakes = Table::parse(&twice).unwrap_err();
        assert_eq!(
            mistakes[0].to_string(),
            format!("line 2: @model {name}: said twice")
        );
    }
}
