//! Tests when an answer comes, and where it is served.

use super::*;

#[tokio::test(start_paused = true)]
async fn without_a_fresh_view_it_is_503_and_no_failed_call() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let ask_now = || ask(&door, READ, &[("authorization", &reads)]);
    assert_eq!(status(&ask_now()), 200);
    // No confirm arrives in between.
    hub.clock.advance(Duration::from_secs(6));
    let late = ask_now();
    assert_eq!(status(&late), 503);
    assert_eq!(late.status.as_ref().unwrap().code, 14);
    assert_eq!(metadata(&late, "outcome").unwrap(), "undecided");
    assert_eq!(headers(&denied(late).headers)["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn whoever_gave_up_gets_no_late_ok() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let ask_within = |timeout: &str| {
        let request = shown(http(READ, &[("authorization", &reads)]), &[]);
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", timeout.parse().unwrap());
        check(&door, &request.encode_to_vec(), &metadata)
    };
    assert_eq!(status(&read(&ask_within("500m").unwrap())), 200);
    let over = ask_within("0n").unwrap_err();
    assert_eq!(over.code(), tonic::Code::DeadlineExceeded);
    let rows = [
        ("1H", Some(3_600_000)),
        ("2M", Some(120_000)),
        ("3S", Some(3000)),
        ("00000500m", Some(500)),
        ("000000500m", None),
        ("500", None),
        ("500m", Some(500)),
        ("m", None),
        ("", None),
        ("-1S", None),
        ("1.5S", None),
    ];
    for (text, millis) in rows {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().unwrap());
        let told = patience(&metadata);
        // Nine digits are one too many, and eight are allowed.
        let millis = if text == "00000500m" {
            Some(500)
        } else {
            millis
        };
        assert_eq!(told, millis.map(Duration::from_millis), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_counted_by_door() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    for credential in [&reads, &reads, "Bearer x"] {
        ask(&door, READ, &[("authorization", credential)]);
    }
    let registry = hub.metrics.registry(crate::metrics::ProcessFigures {
        view_age: Box::new(|| None),
        revision: Box::new(|| 0),
        following: Arc::default(),
        memo_entries: Box::new(|| 0),
        connections: Arc::new(crate::serve::Connections::new(1)),
        keys_unusable: Box::new(|| 0),
        bounds: [("read", Duration::from_secs(5)); 3],
    });
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "door_requests_total{door=\"ext_authz\",outcome=\"allowed\"} 2",
        "door_requests_total{door=\"ext_authz\",outcome=\"unauthenticated\"} 1",
        "checks_total{verdict=\"allow\",reason=\"\"} 2",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn it_is_served_beside_the_verifier_on_every_listener() {
    let hub = hub().await;
    let door = door(&hub);
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("s").display());
    let bind = |text: &str| text.parse::<ListenAddress>().unwrap().bind().unwrap();
    let listeners = vec![bind("127.0.0.1:0"), bind(&unix)];
    let shutdown = Shutdown::start(DrainTimes {
        delay: Duration::ZERO,
        limit: Duration::from_secs(3600),
    });
    let (health, limits) = (Health::new(&SERVICES).await, Limits::DEFAULT);
    let verifier = crate::grpc::VerifierGrpc {
        decider: Arc::clone(&hub.decider),
        counts: hub.metrics.worker(0),
        usage: Arc::default(),
        expiry_warning: Duration::ZERO,
        operators: None,
        shutdown: shutdown.clone(),
        traces: Traces::off(),
    };
    let verifier = crate::grpc::VerifierServer::new(verifier, limits.bounds());
    let envoy = EnvoyServer::new(door, limits.bounds());
    let routes = verifier_and_envoy_routes(verifier, envoy, &health, &limits.bounds()).unwrap();
    let mut plane =
        DataPlane::start(listeners, 1, limits, &shutdown, |_| Ok(routes.clone())).unwrap();
    let reads = bearer(&token("ada", 7, Role::Read));
    for address in plane.addresses() {
        let url = match address {
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
            tcp => format!("http://{tcp}"),
        };
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = AuthorizationClient::new(channel);
        let asked = shown(http(READ, &[("authorization", &reads)]), &[]);
        assert_eq!(
            status(&client.check(asked).await.unwrap().into_inner()),
            200
        );
        let bad = shown(http(READ, &[]), &[]);
        assert_eq!(status(&client.check(bad).await.unwrap().into_inner()), 401);
    }
    // The service is also reported to a client that lists the served services.
    let channel = Endpoint::from_shared(format!("http://{}", plane.addresses()[0])).unwrap();
    let mut client = ServerReflectionClient::new(channel.connect().await.unwrap());
    let symbol = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(ENVOY.into())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([symbol]));
    let answer = answers.await.unwrap().into_inner().message().await;
    let answer = answer.unwrap().unwrap().message_response;
    assert!(matches!(
        answer,
        Some(MessageResponse::FileDescriptorResponse(_))
    ));
    drop(client);
    shutdown.drain();
    plane.ended().await.unwrap();
}
