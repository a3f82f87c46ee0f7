//! The table that is built in, row by row, and what other tables may say.

use super::*;

/// `model:ada/own repo.write & own job.write`, or the name of what else it is.
fn told(route: Result<Route, Unrouted>) -> String {
    let route = match route {
        Ok(route) => route,
        Err(why) => return format!("{why:?}"),
    };
    let needs = match route.access {
        Access::Needs(needs) => needs,
        other => return format!("{other:?}"),
    };
    let one = |need: &Need| {
        let on = match &need.on {
            Thing::Repo { kind, owner, name } => format!("{kind:?}:{owner}/{name}"),
            Thing::Account(name) => format!("@{name}"),
            Thing::Own => "own".into(),
        };
        format!("{on} {}", need.permission.name())
    };
    needs.iter().map(one).collect::<Vec<_>>().join(" & ")
}

fn asked<'a>(method: &'a str, target: &'a str, body: Body<'a>) -> Request<'a> {
    Request {
        method,
        target,
        body,
        bill_to: &[],
    }
}

fn hub() -> Table {
    Table::hub().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

#[test]
fn the_built_in_tables_are_right() {
    assert!(hub().rules.len() > 100);
    for name in ["hub", "inference"] {
        assert!(Table::built_in(name).unwrap().is_ok());
    }
}

#[test]
fn each_route_of_the_hub_takes_what_it_should() {
    const PR: &str = "Model:a/b repo.content.read & Model:a/b discussion.write";
    let table = hub();
    let rows = [
        ("GET /api/whoami-v2", "Identity"),
        ("HEAD /api/whoami-v2", "Identity"),
        ("GET /api/agent-harnesses", "Open"),
        ("POST /api/credentials/revoke", "Open"),
        ("POST /api/validate-yaml", "Open"),
        ("POST /oauth/token", "Open"),
        ("GET /api/models", "Visitor"),
        ("GET /api/datasets?search=x&limit=5", "Visitor"),
        // Metadata.
        ("GET /api/models/a/b", "Model:a/b repo.metadata.read"),
        ("HEAD /api/models/a/b", "Model:a/b repo.metadata.read"),
        (
            "GET /api/datasets/a/b/revision/main",
            "Dataset:a/b repo.metadata.read",
        ),
        (
            "GET /api/spaces/a/b/tree/main?recursive=true&expand=false",
            "Space:a/b repo.metadata.read",
        ),
        (
            "GET /api/kernels/a/b/tree/refs%2Fpr%2F1/x%2Fy",
            "Kernel:a/b repo.metadata.read",
        ),
        ("GET /api/models/a/b/refs", "Model:a/b repo.metadata.read"),
        (
            "GET /api/models/a/b/compare/main..dev",
            "Model:a/b repo.metadata.read",
        ),
        (
            "POST /api/models/a/b/paths-info/main",
            "Model:a/b repo.metadata.read",
        ),
        // Content.
        (
            "GET /a/b/resolve/main/config.json",
            "Model:a/b repo.content.read",
        ),
        (
            "HEAD /a/b/resolve/main/config.json",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /datasets/a/b/resolve/refs%2Fconvert%2Fparquet/x/y.parquet",
            "Dataset:a/b repo.content.read",
        ),
        (
            "GET /spaces/a/b/raw/main/app.py",
            "Space:a/b repo.content.read",
        ),
        (
            "GET /api/resolve-cache/models/a/b/0123/x/y",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/models/a/b/auth-check",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/datasets/a/b/auth-check/write",
            "Dataset:a/b repo.content.write",
        ),
        (
            "GET /api/models/a/b/xet-read-token/main",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/models/a/b/xet-write-token/main",
            "Model:a/b repo.content.write",
        ),
        ("GET /api/models/a/b/xet-write-token/None?create_pr=1", PR),
        ("GET /api/models/a/b/jwt", "Model:a/b repo.content.read"),
        (
            "GET /api/models/a/b/jwt?write",
            "Model:a/b repo.content.write",
        ),
        (
            "GET /api/models/a/b/jwt?write=false",
            "Model:a/b repo.content.write",
        ),
        // Commits.
        (
            "POST /api/models/a/b/preupload/main",
            "Model:a/b repo.content.write",
        ),
        ("POST /api/models/a/b/preupload/main?create_pr=1", PR),
        (
            "POST /api/models/a/b/commit/main",
            "Model:a/b repo.content.write",
        ),
        ("POST /api/models/a/b/commit/main?create_pr=1", PR),
        (
            "POST /api/models/a/b/commit/main?create_pr=0",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr=1&create_pr=0",
            "Target(Parameter)",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr[]=1",
            "Target(Parameter)",
        ),
        (
            "GET /Acme/LLM/resolve/Main/README.md",
            "Model:Acme/LLM repo.content.read",
        ),
        (
            "POST /api/models/Acme/LLM/discussions/3/comment/Ab1/edit",
            "Model:Acme/LLM discussion.write",
        ),
        ("GET /api/models/a/b/commit/main", "Unknown"),
        (
            "DELETE /api/models/a/b/branch/x%2Fy",
            "Model:a/b repo.write",
        ),
        ("PUT /api/models/a/b/settings", "Model:a/b repo.write"),
        ("GET /api/spaces/a/b/secrets", "Space:a/b repo.write"),
        ("GET /api/models/a/b/secrets", "Unknown"),
        (
            "GET /api/models/a/b/user-access-request/pending",
            "Model:a/b repo.access.read",
        ),
        (
            "POST /api/models/a/b/user-access-request/grant",
            "Model:a/b repo.write",
        ),
        (
            "GET /api/models/a/b/discussions/3",
            "Model:a/b repo.metadata.read",
        ),
        (
            "POST /api/models/a/b/discussions/3/comment",
            "Model:a/b discussion.write",
        ),
        (
            "POST /api/models/a/b/discussions/3/merge",
            "Model:a/b repo.write",
        ),
        ("POST /a/b/ask-access", "Unknown"),
        // Others.
        (
            "GET /api/collections/a/b-123",
            "Collection:a/b-123 collection.read",
        ),
        (
            "DELETE /api/collections/a/b-123/items/9",
            "Collection:a/b-123 collection.write",
        ),
        (
            "GET /api/buckets/a/b/tree/x",
            "Bucket:a/b repo.content.read",
        ),
        (
            "GET /buckets/a/b/resolve/x/y",
            "Bucket:a/b repo.content.read",
        ),
        ("POST /api/buckets/a/b/batch", "Bucket:a/b repo.write"),
        ("POST /api/buckets/a/b", "@a repo.write"),
        ("GET /api/settings/webhooks", "own user.webhooks.read"),
        (
            "POST /api/settings/webhooks/1/disable",
            "own user.webhooks.write",
        ),
        ("GET /api/organizations/acme/members", "@acme org.read"),
        (
            "PUT /api/organizations/acme/members/bob/role",
            "@acme org.write",
        ),
        (
            "GET /api/organizations/acme/settings/tokens",
            "@acme org.write",
        ),
        (
            "POST /api/organizations/acme/settings/tokens/revoke",
            "@acme org.write",
        ),
        ("POST /api/jobs/acme", "@acme job.write"),
        ("GET /api/jobs/acme/1/logs", "@acme job.read"),
        (
            "POST /api/inference-endpoints/acme/auth-check/read",
            "@acme inference.endpoints.read",
        ),
        (
            "POST /api/inference-endpoints/acme/ep/auth-check/infer",
            "Endpoint:acme/ep inference.endpoints.infer.write",
        ),
        (
            "PUT /v2/endpoint/acme/ep",
            "Endpoint:acme/ep inference.endpoints.write",
        ),
        // Git.
        (
            "GET /a/b/info/refs?service=git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /a/b.git/info/refs?service=git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /datasets/a/b.git/info/refs?service=git-receive-pack",
            "Dataset:a/b repo.content.write",
        ),
        ("GET /a/b/info/refs", "Unknown"),
        ("GET /a/b/info/refs?service=git-upload-archive", "Unknown"),
        (
            "GET /a/b/info/refs?service=git-upload-pack&service=git-receive-pack",
            "Target(Parameter)",
        ),
        (
            "POST /a/b.git/git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        ("POST /a/b/git-receive-pack", "Model:a/b repo.content.write"),
        ("GET /a/b/git-receive-pack", "Unknown"),
        ("GET /a/b.git/info/lfs/locks", "Model:a/b repo.content.read"),
        (
            "POST /a/b.git/info/lfs/locks/verify",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /a/b.git/info/lfs/verify",
            "Model:a/b repo.content.write",
        ),
        // Only git cuts it off.
        (
            "GET /a/b.git/resolve/main/x",
            "Model:a/b.git repo.content.read",
        ),
        // Inference.
        ("GET /v1/models", "Visitor"),
        ("GET /v1/models/a/b", "Visitor"),
        (
            "POST /v1/chat/completions",
            "own inference.serverless.write",
        ),
        (
            "POST /cerebras/v1/chat/completions",
            "own inference.serverless.write",
        ),
        (
            "POST /hf-inference/models/a/b",
            "own inference.serverless.write & Model:a/b repo.metadata.read",
        ),
        (
            "POST /hf-inference/models/a/b/pipeline/feature-extraction",
            "own inference.serverless.write & Model:a/b repo.metadata.read",
        ),
        // From before there were owners.
        ("GET /api/models/gpt2", "Model:/gpt2 repo.metadata.read"),
        (
            "GET /api/models/gpt2/revision/main",
            "Model:/gpt2 repo.metadata.read",
        ),
        (
            "GET /gpt2/resolve/main/config.json",
            "Model:/gpt2 repo.content.read",
        ),
        (
            "GET /datasets/squad/resolve/main/x",
            "Dataset:/squad repo.content.read",
        ),
        (
            "POST /gpt2.git/git-upload-pack",
            "Model:/gpt2 repo.content.read",
        ),
    ];
    for (row, expected) in rows {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.route(&asked(method, target, Body::Absent));
        assert_eq!(told(route), expected, "{row}");
    }
}

#[test]
fn what_fits_nothing_or_could_be_read_otherwise_is_refused() {
    let table = hub();
    for row in [
        "GET /",
        "GET /a/b",
        "GET /a/b/c/d/e",
        "OPTIONS /api/models/a/b",
        "get /api/models/a/b",
        "CONNECT /api/models/a/b",
        "DELETE /api/models/a/b",
        "POST /api/models/a/b",
        "GET /metrics",
        // Another case is another word.
        "GET /API/models/a/b",
        "GET /api/Models/a/b",
        "GET /api/models/a/b/Tree/main",
        "GET /a/b/Resolve/main/x",
        "GET /Datasets/b/resolve/main/x",
        "GET /api/models/a/REFS",
        // Read without regard to case, these are other requests than they seem.
        "POST /api/models/a/b/discussions/3/Merge",
        "POST /a/b.git/info/lfs/objects/Batch",
        "POST /api/buckets/a/b/Paths-Info",
        "POST /api/Repos/create",
        "POST /a/b.GIT/Git-Upload-Pack",
        // Slashes hidden where there may be none.
        "GET /a%2Fb/resolve/main/x",
        "GET /api%2Fmodels/a/b",
        "GET /api/models/a%2Fb",
        "GET /api/models/a%2Fb/refs",
        "GET /a/b%2Fresolve/main/x",
        "GET /api/models/a/b/discussions%2F3",
        "POST /api/models/a/b/discussions/3%2Fmerge",
        "POST /api/models/a/b/discussions/3/merge%2Fx",
        "POST /api/models/a/b/discussions/3/hide",
        "GET /api/organizations/a/billing/x%2F..y",
        // No name before the suffix.
        "POST /a/.git/git-upload-pack",
    ] {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.route(&asked(method, target, Body::Absent));
        assert_eq!(told(route), "Unknown", "{row}");
    }
    for row in [
        "//a/b/resolve/main/x",
        "/a/../b/resolve/main/x",
        "/%61pi/models/a/b",
    ] {
        let route = table.route(&asked("GET", row, Body::Absent));
        assert!(matches!(route, Err(Unrouted::Target(_))), "{row}");
    }
}

#[test]
fn bodies_name_what_is_asked_for() {
    const BATCH: &str = "POST /a/b.git/info/lfs/objects/batch";
    const CREATE: &str = "POST /api/repos/create";
    const MOVE: &str = "POST /api/repos/move";
    const DELETE: &str = "DELETE /api/repos/delete";
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
        // Nothing that reads needs to be told so.
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
            "POST /api/collections",
            r#"{"title":"x","namespace":"acme"}"#,
            "@acme collection.write",
        ),
    ];
    for (row, body, expected) in rows {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.route(&asked(method, target, Body::whole(body.as_bytes())));
        let told = told(route);
        let told = if told.starts_with("Body") {
            "Body"
        } else {
            &told
        };
        assert_eq!(told, expected, "{row} {body}");
    }
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(MAX_BODY));
    for row in [BATCH, CREATE, MOVE, DELETE] {
        let (method, target) = row.split_once(' ').unwrap();
        let without = table.route(&asked(method, target, Body::Absent));
        assert_eq!(without, Err(Unrouted::NeedsBody), "{row}");
        let longer = table.route(&asked(method, target, Body::whole(long.as_bytes())));
        assert_eq!(longer, Err(Unrouted::BodyTooLong), "{row}");
    }
}

#[test]
fn whoever_is_billed_is_asked_about() {
    let table = hub();
    let route = |bill_to: &[&[u8]]| {
        told(table.route(&Request {
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
    let route = |body| told(table.route(&asked("POST", "/v1/completions", body)));
    let needs = "own inference.serverless.write & Model:a/b repo.content.read";
    assert_eq!(
        route(Body::whole(br#"{"model":"a/b","prompt":"x"}"#)),
        needs
    );
    assert_eq!(route(Body::whole(br#"{"model":"a/b:fastest"}"#)), needs);
    assert!(route(Body::whole(br#"{"prompt":"x"}"#)).starts_with("Body"));
    assert_eq!(route(Body::Absent), "NeedsBody");
}

#[test]
fn another_hub_has_another_table() {
    let text = "@legacy classics\n@hub https://hub.example/\n\
                GET /files/{account}/{path?} - account:org.repos.read\n@include hub\n";
    let table = Table::parse(text).unwrap();
    let route = |target| told(table.route(&asked("GET", target, Body::Absent)));
    assert_eq!(route("/files/acme/x"), "@acme org.repos.read");
    assert_eq!(
        route("/api/models/gpt2"),
        "Model:classics/gpt2 repo.metadata.read"
    );
    assert_eq!(table.hub_url(), "https://hub.example");
    // Its words are no owners any more.
    assert_eq!(route("/Files/b/resolve/main/x"), "Unknown");
}

#[test]
fn mistakes_name_the_line_and_the_rule() {
    let rows = [
        ("", "no rule"),
        ("GET /a", "must have methods"),
        ("GET /a -", "needs: missing"),
        ("FETCH /a - open", "`FETCH` must be one of"),
        ("GET a - open", "must begin with a slash"),
        ("GET /a/{what} - open", "`{what}` is neither"),
        ("GET /a//b - open", "`` is neither"),
        ("GET /{rest}/a - open", "must be the last"),
        ("GET /{id}/{id} - open", "more than one repo"),
        ("GET /a x=1 open", "`x=1` must be"),
        ("GET /a - all", "`all` must be open"),
        ("GET /a - it:repo.write", "`it` is no thing"),
        ("GET /a - self:repo.wrote", "`repo.wrote` is no permission"),
        ("GET /a - repo:repo.write", "names no repo"),
        (
            "GET /a/{id} - repo:repo.write",
            "doesn't say the repo's kind",
        ),
        ("GET /a - account:job.read", "names no account"),
        ("GET /a - body.to:repo.write", "beside another"),
        ("[docs]", "a section must be"),
        ("@include docs", "`docs` is not built in"),
        ("@legacy", "must be @include hub"),
    ];
    for (line, told) in rows {
        let mistakes = Table::parse(&format!("# text\n{line}\n")).unwrap_err();
        let text = mistakes[0].to_string();
        assert!(text.contains(told), "{line}: {text}");
        if !line.is_empty() {
            assert!(text.starts_with("line 2: "), "{text}");
        }
    }
    let both = Table::parse("GET /a\nGET /b\n").unwrap_err();
    assert_eq!(both.len(), 2);
}
