//! Tests the built-in table row by row, and what other tables may contain.

mod bodies;
mod hub_routes;
mod index;
mod models;
mod names;
mod shadow;
mod unseen;

use super::*;

/// Describes a route as `model:ada/own repo.write & own job.write`, or by the name of its kind.
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
        // A word in another case is another word.
        "GET /API/models/a/b",
        "GET /api/Models/a/b",
        "GET /api/models/a/b/Tree/main",
        "GET /a/b/Resolve/main/x",
        "GET /Datasets/b/resolve/main/x",
        "GET /api/models/a/REFS",
        // A server that ignores the case would take these for other requests.
        "POST /api/models/a/b/discussions/3/Merge",
        "POST /a/b.git/info/lfs/objects/Batch",
        "POST /api/buckets/a/b/Paths-Info",
        "POST /api/Repos/create",
        "POST /a/b.GIT/Git-Upload-Pack",
        // These slashes are encoded where none may be.
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
        // There is no name before the suffix.
        "POST /a/.git/git-upload-pack",
    ] {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.find(&asked(method, target, Body::Absent));
        assert_eq!(told(route), "Unknown", "{row}");
    }
    for row in [
        "//a/b/resolve/main/x",
        "/a/../b/resolve/main/x",
        "/%61pi/models/a/b",
    ] {
        let route = table.find(&asked("GET", row, Body::Absent));
        assert!(matches!(route, Err(Unrouted::Target(_))), "{row}");
    }
}

/// A file may have any name, while words and other names must be spelled plainly.
#[test]
fn an_odd_spelling_is_a_file_s_only() {
    let table = hub();
    let route = |row: &str| {
        let (method, target) = row.split_once(' ').unwrap();
        table.find(&asked(method, target, Body::Absent))
    };
    for odd in [
        "a%2Db",
        "a%5Cb",
        "a%2520b",
        "a%252Fb",
        "%74ree",
        "a%25%32%30b",
    ] {
        for row in [
            format!("GET /a/b/resolve/main/{odd}"),
            format!("GET /a/b/resolve/main/x/{odd}/y"),
            format!("GET /api/models/a/b/tree/main/{odd}"),
            format!("GET /api/buckets/a/b/tree/{odd}"),
            format!("GET /a/b/raw/{odd}/x"),
        ] {
            assert!(route(&row).is_ok(), "{row}");
        }
        for row in [
            format!("GET /a/{odd}/resolve/main/x"),
            format!("GET /{odd}/b/resolve/main/x"),
            format!("GET /api/models/a/{odd}"),
            format!("GET /api/models/a/b/{odd}/main/x"),
            format!("GET /api/settings/webhooks/{odd}"),
            format!("POST /api/models/a/b/discussions/{odd}/merge"),
            format!("GET /nowhere/{odd}"),
        ] {
            assert!(matches!(route(&row), Err(Unrouted::Target(_))), "{row}");
        }
    }
    // For a program that compares words after decoding, these are words and not files.
    for row in [
        "GET /api/buckets/a/b/%78et-write-token",
        "GET /%61pi/models/a/b",
        "POST /a/b.git/info/lfs/objects/%62atch",
    ] {
        assert!(matches!(route(row), Err(Unrouted::Target(_))), "{row}");
    }
}

#[test]
fn another_hub_has_another_table() {
    let text = "@legacy classics\n@hub https://hub.example/\n\
                GET /files/{account}/{path?} - account:org.repos.read\n@include hub\n";
    let table = Table::parse(text).unwrap();
    let route = |target| told(table.find(&asked("GET", target, Body::Absent)));
    assert_eq!(route("/files/acme/x"), "@acme org.repos.read");
    assert_eq!(
        route("/api/models/gpt2"),
        "Model:classics/gpt2 repo.metadata.read"
    );
    assert_eq!(table.hub_url(), "https://hub.example");
    // The table's words are no longer owners.
    assert_eq!(route("/Files/b/resolve/main/x"), "Unknown");
    // The program's setting takes precedence over the table's.
    let mut place = Place::default();
    place.at("https://other.example/").unwrap();
    assert_eq!(table.placed(place).hub_url(), "https://other.example");
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
        ("GET /a - self:repo.wrote", "did you mean repo.write?"),
        // This rule would never let anybody through.
        (
            "GET /a/{id} - model:inference.serverless.write",
            "model: inference.serverless.write means nothing on a model; it is asked on user and org",
        ),
        (
            "GET /{kinds}/{id} - repo:collection.read",
            "repo: collection.read means nothing there",
        ),
        (
            "GET /a - self:org.read",
            "self: org.read means nothing there",
        ),
        (
            "GET /a - billed:repo.metadata.read",
            "nothing on a user or org",
        ),
        (
            "GET /{account} - account:repo.metadata.read",
            "nothing on a user or org",
        ),
        ("POST /a - body.model:job.read", "means nothing on a model"),
        (
            "POST /a - body.repo:org.read",
            "org.read means nothing there",
        ),
        (
            "POST /a - body.namespace:repo.metadata.read",
            "nothing on a user or org",
        ),
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

/// Before a route is known, the path decides which kind of client reads the refusal.
#[test]
fn what_has_no_route_is_told_in_the_form_of_its_family() {
    let hub = Table::hub().unwrap();
    let inference = Table::built_in("inference").unwrap().unwrap();
    let own = Table::parse("[hub]\nGET /x - open\n[inference]\nPOST /v1/y - identity\n").unwrap();
    for (target, dialect) in [
        ("/acme/llm/info/refs?service=git-upload-pack", Dialect::Git),
        ("/acme/../llm.git/info/refs", Dialect::Git),
        ("/a%2Fb//git-receive-pack", Dialect::Git),
        ("/git-upload-pack", Dialect::Git),
        ("/acme/%00.git/info/lfs/objects/batch", Dialect::Lfs),
        ("/acme/llm/info/lfs/locks/verify?x=1", Dialect::Lfs),
        ("/api/models/acme//llm", Dialect::Hub),
        ("/acme/llm/resolve/main/a?x=/info/refs", Dialect::Hub),
        ("/v1/chat/completions", Dialect::Inference),
        ("/v1/../x", Dialect::Inference),
        ("/v1", Dialect::Hub),
        ("", Dialect::Hub),
        ("*", Dialect::Hub),
        ("http://elsewhere/info/refs", Dialect::Git),
    ] {
        assert_eq!(hub.dialect_of(target), dialect, "{target}");
        // This table has no rules of that family.
        assert_eq!(inference.dialect_of(target), Dialect::Inference, "{target}");
    }
    assert_eq!(own.dialect_of("/v1/y/../z"), Dialect::Inference);
    assert_eq!(own.dialect_of("/x.git/info/refs"), Dialect::Hub);
}
