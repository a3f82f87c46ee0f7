use hyper::Request;

use super::*;

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(Method::POST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn what_could_be_read_in_two_ways_is_unfit() {
    let host = ("host", "hub:80");
    let rows: [(&[_], Result<(), Unfit>); 27] = [
        (&[host], Ok(())),
        (&[("host", "[::1]:80")], Ok(())),
        (&[], Err(Unfit::Host)),
        (&[host, host], Err(Unfit::Host)),
        (&[("host", "")], Err(Unfit::Host)),
        (&[("host", "a b")], Err(Unfit::Host)),
        (&[("host", "a@b")], Err(Unfit::Host)),
        (&[("host", "a/b")], Err(Unfit::Host)),
        (
            &[host, ("authorization", "a"), ("authorization", "a")],
            Err(Unfit::Credential),
        ),
        (
            &[host, ("x-api-key", "a"), ("x-api-key", "a")],
            Err(Unfit::Credential),
        ),
        (&[host, ("connection", "X-Api-Key")], Err(Unfit::Connection)),
        (
            &[host, ("X-Amzn-SageMaker-Adapter-Identifier", "a/b")],
            Err(Unfit::Adapter),
        ),
        (&[host, ("expect", "100-Continue")], Ok(())),
        (&[host, ("expect", "200-ok")], Err(Unfit::Expectation)),
        (&[host, ("connection", "close, x-mine,")], Ok(())),
        (&[host, ("transfer-encoding", "Chunked")], Ok(())),
        (
            &[host, ("transfer-encoding", "gzip, chunked")],
            Err(Unfit::Ambiguous),
        ),
        (&[host, ("connection", "Host")], Err(Unfit::Connection)),
        (
            &[
                host,
                ("connection", "close"),
                ("connection", "authorization"),
            ],
            Err(Unfit::Connection),
        ),
        (
            &[host, ("connection", "X-HF-Bill-To")],
            Err(Unfit::Connection),
        ),
        (
            &[host, ("connection", "content-length")],
            Err(Unfit::Connection),
        ),
        (
            &[host, ("connection", "Content-Type")],
            Err(Unfit::Connection),
        ),
        (
            &[host, ("connection", "content-encoding")],
            Err(Unfit::Connection),
        ),
        (&[host, ("connection", "a b")], Err(Unfit::Connection)),
        (
            &[host, ("upgrade", "websocket"), ("connection", "upgrade")],
            Err(Unfit::Upgrade),
        ),
        (&[host, ("upgrade", "h2c, websocket")], Err(Unfit::Upgrade)),
        (
            &[
                host,
                ("upgrade", "h2c"),
                ("connection", "Upgrade, HTTP2-Settings"),
            ],
            Ok(()),
        ),
    ];
    for (headers, fit) in rows {
        assert_eq!(check(&head(headers)), fit, "{headers:?}");
    }
    let mut doubtful = head(&[host]);
    doubtful.extensions.insert(Ambiguous);
    assert_eq!(check(&doubtful), Err(Unfit::Ambiguous));
    let mut tunnel = head(&[host]);
    tunnel.method = Method::CONNECT;
    assert_eq!(check(&tunnel), Err(Unfit::Upgrade));
    let mut old = head(&[]);
    old.version = Version::HTTP_10;
    assert_eq!(check(&old), Ok(()));
}

#[test]
fn who_asks_for_something_sends_no_body() {
    let host = ("host", "hub");
    let bodies = [("content-length", "5"), ("transfer-encoding", "chunked")];
    let none = [host, ("content-length", "0")];
    for method in [Method::GET, Method::HEAD, Method::TRACE] {
        let of = |headers: &[(&str, &str)]| {
            let mut head = head(headers);
            head.method = method.clone();
            head
        };
        for body in bodies {
            assert_eq!(check(&of(&[host, body])), Err(Unfit::Body), "{method}");
        }
        assert_eq!(check(&of(&none)), Ok(()), "{method}");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let mut with = head(&[host, bodies[0]]);
        with.method = method;
        assert_eq!(check(&with), Ok(()));
    }
    assert_eq!(Unfit::Body.status(), 400);
}

#[test]
fn what_is_for_this_connection_or_only_ours_to_say_is_removed() {
    let removed = [
        ("connection", "close, X-Mine"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic eDp5"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("trailer", "x-late"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
        ("x-tokenward-subject", "root"),
        ("x-tokenward_role", "write"),
        ("x_hf_bill_to", "acme"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/acme/llm"),
        ("x-original-path", "/acme/llm"),
        ("x-envoy-original-path", "/acme/llm"),
        ("x-rewrite-uri", "/acme/llm"),
        ("x-forwarded-path", "/acme/llm"),
        ("x-script-name", "/acme"),
        ("x.tokenward.subject", "root"),
        ("x~tokenward~subject", "root"),
        ("x.hf.bill~to", "acme"),
        ("x.original.url", "/acme/llm"),
        ("x.amzn.sagemaker.adapter.identifier", "a/b"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-prefix", "/x"),
        ("forwarded", "for=1.2.3.4"),
    ];
    let kept = [
        ("host", "hub"),
        ("authorization", "Bearer t"),
        ("x-api-key", "t"),
        ("x-hf-bill-to", "acme"),
        ("content-type", "text/plain"),
        ("cookie", "a=b"),
        ("x.mine", "1"),
    ];
    let all: Vec<_> = removed.iter().chain(&kept).copied().collect();
    let mut headers = head(&all).headers;
    clean(&mut headers);
    assert_eq!(headers, head(&kept).headers);
}
