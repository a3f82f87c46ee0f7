//! Tests what Envoy shows of a request, and what its settings declare for a route.

use super::*;

#[tokio::test(start_paused = true)]
async fn headers_come_in_either_form_and_two_credentials_are_none() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let raw = |values: &[&[u8]]| {
        let headers = values.iter().map(|value| HeaderValue {
            key: "Authorization".into(),
            value: String::new(),
            raw_value: value.to_vec(),
        });
        HttpRequest {
            header_map: Some(HeaderMap {
                headers: headers.collect(),
            }),
            ..http(READ, &[])
        }
    };
    let text = HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![HeaderValue {
                key: "authorization".into(),
                value: reads.clone(),
                raw_value: Vec::new(),
            }],
        }),
        ..http(READ, &[])
    };
    let both = HttpRequest {
        header_map: text.header_map.clone(),
        ..http(READ, &[("authorization", &reads)])
    };
    let joined = format!("{reads},{reads}");
    let adapter = ("x-amzn-sagemaker-adapter-identifier", "acme/open");
    let rows = [
        (raw(&[reads.as_bytes()]), 200),
        (text, 200),
        (http(READ, &[("authorization", &reads), adapter]), 400),
        (raw(&[reads.as_bytes(), reads.as_bytes()]), 401),
        (raw(&[reads.as_bytes(), b""]), 401),
        (raw(&[b"Bearer \xff"]), 401),
        (raw(&[b""]), 401),
        (both, 401),
        // Envoy joins two headers into one like this.
        (http(READ, &[("authorization", &joined)]), 401),
        (http(READ, &[("authorization", "")]), 401),
        (
            http(
                READ,
                &[("authorization", &reads), ("AUTHORIZATION", &reads)],
            ),
            401,
        ),
    ];
    for (number, (http, expected)) in rows.into_iter().enumerate() {
        assert_eq!(ask_with(&door, http, &[]), expected, "row {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_pass_beside_the_judgement_is_refused() {
    const OPTIONS: &str = "OPTIONS /acme/llm/resolve/main/x";
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let ask = |row: &str, header: (&str, &str), body: &str| {
        let headers = [("authorization", &*reads), header];
        let http = HttpRequest {
            body: body.into(),
            ..http(row, &headers)
        };
        ask_with(&door, http, &[])
    };
    for (header, body, expected) in [
        (("content-length", "0"), "", 200),
        (("x-envoy-auth-partial-body", "false"), "", 200),
        (("content-length", "2"), "", 400),
        (("transfer-encoding", "chunked"), "", 400),
        (("x-envoy-auth-partial-body", "false"), "{}", 400),
        (("upgrade", "websocket"), "", 200),
        (("upgrade", "h2c"), "", 400),
        (("Upgrade", "websocket, H2C"), "", 400),
        (("http2-settings", "AAMAAABkAAQAAP__"), "", 400),
    ] {
        assert_eq!(ask(READ, header, body), expected, "{header:?} {body}");
    }
    assert_ne!(ask(OPTIONS, ("content-length", "2"), ""), 400);
}

#[tokio::test(start_paused = true)]
async fn a_body_counts_when_it_is_there_whole() {
    const BATCH: &str = "POST /acme/llm.git/info/lfs/objects/batch";
    const CREATE: &str = "POST /api/repos/create";
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let writes = bearer(&token("ada", 8, Role::Write));
    let download = r#"{"operation":"download"}"#;
    let upload = r#"{"operation":"upload"}"#;
    let mine = r#"{"name":"x"}"#;
    let foreign = r#"{"name":"x","organization":"bob"}"#;
    let long = format!("{download}{}", " ".repeat(64 * 1024 - download.len()));
    let whole = |body: &str| body.len().to_string();
    let rows = [
        (BATCH, &reads, download, whole(download), "false", 200),
        (BATCH, &reads, download, String::new(), "false", 200),
        (BATCH, &reads, upload, whole(upload), "false", 403),
        (BATCH, &writes, upload, whole(upload), "false", 200),
        // The rest of this body may have other content.
        (BATCH, &reads, download, whole(download), "true", 413),
        (BATCH, &reads, download, "9000".into(), "false", 413),
        (BATCH, &reads, download, "x".into(), "false", 413),
        (BATCH, &reads, &long, whole(&long), "false", 200),
        (BATCH, &reads, &long, String::new(), "false", 413),
        // The proxy has a body that it doesn't show, or there may be one. The request counts as an upload.
        (BATCH, &reads, "", "24".into(), "", 403),
        (BATCH, &reads, "", String::new(), "", 403),
        (BATCH, &writes, "", "24".into(), "", 200),
        (BATCH, &writes, "", String::new(), "", 200),
        // A body that is empty, incomplete or unreadable is not taken for an upload, and the request is
        // refused.
        (BATCH, &writes, "", "0".into(), "", 400),
        (BATCH, &writes, "", String::new(), "false", 400),
        (BATCH, &writes, "", "24".into(), "false", 413),
        (BATCH, &writes, "", "24".into(), "true", 413),
        (BATCH, &writes, "", "x".into(), "", 413),
        (BATCH, &writes, "", "24,24".into(), "", 413),
        (BATCH, &writes, upload, "9000".into(), "false", 413),
        (BATCH, &writes, &long[1..], whole(&long[1..]), "false", 400),
        (BATCH, &writes, "[]", "2".into(), "false", 400),
        // Without a body nothing is known of a repo that is to be created.
        (CREATE, &writes, "", "24".into(), "", 403),
        (CREATE, &writes, mine, whole(mine), "false", 200),
        (CREATE, &reads, mine, whole(mine), "false", 403),
        (CREATE, &writes, foreign, whole(foreign), "false", 403),
    ];
    for (number, (row, credential, body, length, partial, expected)) in rows.into_iter().enumerate()
    {
        let mut headers = vec![("authorization", credential.as_str())];
        if !length.is_empty() {
            headers.push(("content-length", &length));
        }
        if !partial.is_empty() {
            headers.push(("x-envoy-auth-partial-body", partial));
        }
        let text = HttpRequest {
            body: body.into(),
            ..http(row, &headers)
        };
        let raw = HttpRequest {
            raw_body: body.into(),
            ..http(row, &headers)
        };
        for http in [text, raw] {
            assert_eq!(ask_with(&door, http, &[]), expected, "row {number}");
        }
    }
}

/// Envoy would report a status that isn't in its list as 403.
#[test]
fn envoy_has_a_word_for_every_refusal() {
    use tokenward_proto::envoy::r#type::v3::StatusCode;
    for status in [307, 400, 401, 403, 404, 413, 414, 415, 429, 503] {
        assert!(StatusCode::try_from(status).is_ok(), "{status}");
    }
}

/// The beginning of a body without a length may look whole.
#[tokio::test(start_paused = true)]
async fn what_ends_where_envoy_cuts_is_no_whole_body() {
    const BATCH: &str = "POST /acme/llm.git/info/lfs/objects/batch";
    let hub = hub().await;
    let reads = bearer(&token("ada", 7, Role::Read));
    let download = r#"{"operation":"download"}"#;
    let (short, long) = (64 * 1024, 1024 * 1024);
    let set = EnvoyDoor {
        cuts: Cuts::new(vec![short, long]).unwrap(),
        ..door(&hub)
    };
    for (door, length, expected) in [
        (&door(&hub), short - 1, 200),
        (&door(&hub), short, 413),
        (&door(&hub), short + 1, 413),
        (&set, short - 1, 200),
        (&set, short, 413),
        (&set, short + 1, 200),
        (&set, long - 1, 200),
        (&set, long, 413),
        (&set, long + 1, 413),
    ] {
        let body = download.to_owned() + &" ".repeat(length - download.len());
        let headers = [
            ("authorization", &*reads),
            ("x-envoy-auth-partial-body", "false"),
        ];
        let http = HttpRequest {
            raw_body: body.clone().into(),
            ..http(BATCH, &headers)
        };
        assert_eq!(ask_with(door, http, &[]), expected, "{length}");
        let length = length.to_string();
        let told = [headers[0], headers[1], ("content-length", &*length)];
        let http = HttpRequest {
            raw_body: body.into(),
            ..super::http(BATCH, &told)
        };
        assert_eq!(ask_with(door, http, &[]), 200, "{length}, as it says");
    }
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_compressed_body_is_judged_by_what_it_says() {
    const BATCH: &str = "POST /acme/llm.git/info/lfs/objects/batch";
    const OPEN: &str = "POST /acme/open.git/info/lfs/objects/batch";
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let (download, upload) = (r#"{"operation":"download"}"#, r#"{"operation":"upload"}"#);
    let twice = r#"{"operation":"download","operation":"upload"}"#;
    let spaces = |count: usize| zipped(&(download.to_owned() + &" ".repeat(count)));
    let mut members = zipped(download);
    members.extend(zipped(" "));
    let rows = [
        (BATCH, &*reads, "gzip", zipped(download), 200),
        (BATCH, &reads, "GZIP", zipped(download), 200),
        (BATCH, &reads, "gzip", zipped(upload), 403),
        (BATCH, &reads, "gzip", zipped(twice), 400),
        (BATCH, &reads, "gzip", spaces(60_000), 200),
        (BATCH, &reads, "gzip", spaces(1024 * 1024), 413),
        (BATCH, &reads, "gzip", members, 415),
        (BATCH, &reads, "gzip", download.into(), 415),
        (BATCH, &reads, "deflate", zipped(download), 415),
        (BATCH, &reads, "gzip, gzip", zipped(download), 415),
        // Only a little of a stranger's body is scanned.
        (OPEN, "", "gzip", zipped(download), 200),
        (OPEN, "", "gzip", spaces(1024 * 1024), 401),
        // No route reads this body.
        (
            "POST /acme/llm.git/git-upload-pack",
            &reads,
            "gzip",
            b"x".into(),
            200,
        ),
    ];
    for (number, (row, credential, coding, body, expected)) in rows.into_iter().enumerate() {
        let length = body.len().to_string();
        let mut headers = vec![
            ("content-length", &*length),
            ("content-encoding", coding),
            ("x-envoy-auth-partial-body", "false"),
        ];
        if !credential.is_empty() {
            headers.push(("authorization", credential));
        }
        let http = HttpRequest {
            raw_body: body,
            ..http(row, &headers)
        };
        assert_eq!(ask_with(&door, http, &[]), expected, "row {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_s_settings_say_what_it_takes() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let bob = bearer(&token("bob", 9, Role::Write));
    let model = |permission| [("resource", "model:acme/llm"), ("permission", permission)];
    let fixed = model("repo.content.read");
    // The path does not count here, whatever it is.
    for path in ["GET /metrics", "POST /generate", "GET /a/../b"] {
        for (credential, expected) in [(&reads, 200), (&bob, 404)] {
            let http = http(path, &[("authorization", credential)]);
            assert_eq!(ask_with(&door, http, &fixed), expected, "{path}");
        }
        assert_eq!(ask_with(&door, http(path, &[]), &fixed), 401);
    }
    let asked = || http(READ, &[("authorization", &reads)]);
    let rows: [(&[(&str, &str)], u16); 8] = [
        (&model("repo.write"), 403),
        (
            &[("resource", "self"), ("permission", "user.webhooks.read")],
            200,
        ),
        (&[("routes", "hub")], 200),
        (&[("routes", "inference")], 403),
        (&[("somebody", "else's")], 200),
        // An incomplete setting closes the route.
        (&[("resource", "model:acme/open")], 403),
        (&[("permission", "repo.content.read")], 403),
        (&[("routes", "of mine")], 403),
    ];
    for (extensions, expected) in rows {
        assert_eq!(
            ask_with(&door, asked(), extensions),
            expected,
            "{extensions:?}"
        );
    }
    let infer = |model: &str, credential: &str| {
        let body = format!(r#"{{"model":"{model}"}}"#);
        HttpRequest {
            raw_body: body.into(),
            ..http(
                "POST /v1/chat/completions",
                &[("authorization", credential)],
            )
        }
    };
    let inference = [("routes", "inference")];
    for (model, credential, expected) in [
        ("acme/llm", &reads, 200),
        ("acme/none", &reads, 404),
        ("acme/llm", &bob, 404),
        ("acme/open", &bob, 200),
    ] {
        let http = infer(model, credential);
        assert_eq!(ask_with(&door, http, &inference), expected, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_may_stand_apart_but_not_differ() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let refs = "GET /acme/llm.git/info/refs";
    let upload = "service=git-upload-pack";
    let rows = [
        (format!("{refs}?{upload}"), "", 200),
        (refs.into(), upload, 200),
        (format!("{refs}?{upload}"), upload, 200),
        (format!("{refs}?{upload}"), "service=git-receive-pack", 400),
        (refs.into(), "service=git-receive-pack", 403),
        (refs.into(), "", 403),
    ];
    for (row, query, expected) in rows {
        let http = HttpRequest {
            query: query.into(),
            ..http(&row, &[("authorization", &reads)])
        };
        assert_eq!(ask_with(&door, http, &[]), expected, "{row} {query}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_name_is_answered_with_the_present_one_and_never_let_through() {
    use tokenward_common::{
        id::{AccountId, Name, RepoId},
        state::record::{Redirect, RepoKind},
    };
    let hub = hub().await;
    let name = |text| Name::parse(text).unwrap();
    let big = Repo {
        name: name("big"),
        ..model("llm", "acme")
    };
    let redirect = Redirect::Repo {
        kind: RepoKind::Model,
        owner: AccountId::parse("acme").unwrap(),
        name: name("llm"),
        to: RepoId::parse("llm").unwrap(),
    };
    let changes = [Record::Repo(big), Record::Redirect(redirect)];
    hub.commit(changes.map(Change::Put).to_vec()).await;
    let door = door(&hub);
    let ada = format!("Bearer {}", token("ada", 7, Role::Read));
    let headers = [("authorization", ada.as_str())];
    for row in [READ, "GET /acme/BIG/resolve/main/x"] {
        let told = ask(&door, row, &headers);
        assert_eq!(status(&told), 307, "{row}");
        assert_ne!(told.status.unwrap().code, 0);
        let Some(HttpResponse::DeniedResponse(denied)) = told.http_response else {
            panic!("{row}");
        };
        let location = denied.headers.iter().find_map(|it| {
            let header = it.header.as_ref()?;
            (header.key == "location").then(|| header.value.clone())
        });
        assert_eq!(location.as_deref(), Some("/acme/big/resolve/main/x"));
    }
    assert_eq!(status(&ask(&door, READ, &[])), 401);
    // A gRPC client follows no redirect. The old name is not found, and a name in any case is.
    let grpc = [headers[0], ("content-type", "application/grpc")];
    assert_ne!(status(&ask(&door, READ, &grpc)), 307);
    assert_eq!(
        status(&ask(&door, "GET /acme/BIG/resolve/main/x", &grpc)),
        200
    );
    // A route that names its resource itself gives no redirect either.
    let fixed = [
        ("resource", "model:acme/llm"),
        ("permission", "repo.content.read"),
    ];
    assert_eq!(ask_with(&door, http("GET /x", &headers), &fixed), 404);
}
