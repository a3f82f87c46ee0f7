//! What a browser is told of pages that call from another origin. What they send is judged as ever. Pure.

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, HeaderName, HeaderValue,
        ORIGIN, VARY,
    },
    http::request::Parts,
};

use crate::edge::{
    answer::Answer,
    routes::{Body, Page, Request, Table},
};

/// In seconds: how long a browser needn't ask again.
const REMEMBERED: &str = "600";

/// The answer to a browser that asks beforehand; `None`: it doesn't, or its page may not.
pub(super) fn preflight(table: &Table, head: &Parts, target: &str) -> Option<Answer> {
    if head.method != Method::OPTIONS {
        return None;
    }
    let request = Request {
        method: head.method.as_str(),
        target,
        body: Body::Absent,
        bill_to: &[],
    };
    let page = Page::of_headers(&head.headers);
    if !table.is_preflight(&request, &page) {
        return None;
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut headers = vec![
        (
            "access-control-allow-origin",
            table.origin(&page.origin)?.into(),
        ),
        ("access-control-allow-methods", text(page.method.first()?)),
        ("access-control-max-age", REMEMBERED.into()),
        (
            "vary",
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers".into(),
        ),
    ];
    // What it names it may send: what may not go on is taken out or refused when it comes.
    if let [names] = values(&head.headers, &ACCESS_CONTROL_REQUEST_HEADERS)[..] {
        headers.push(("access-control-allow-headers", text(names)));
    }
    Some(Answer {
        status: StatusCode::NO_CONTENT.as_u16(),
        allowed: true,
        headers,
        body: String::new(),
    })
}

/// Whose page it is that asks, if its origin stands in the table.
pub(super) fn origin(table: &Table, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = table.origin(&values(headers, &ORIGIN))?;
    HeaderValue::from_str(origin).ok()
}

/// So that the page may read an answer, a refusal too. What the server behind says of it stays.
pub(super) fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    let values = headers.get_all(name).into_iter();
    values.map(HeaderValue::as_bytes).collect()
}
