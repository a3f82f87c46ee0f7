//! Decides which answers a browser gets for pages that call from another origin. It is pure, and must not
//! know whether a request is allowed: what pages send is judged like everything.

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

/// A browser need not ask again for this many seconds.
const REMEMBERED: &str = "600";

/// Answers a browser's preflight. `None` means that the request is not one, or that its page may not call.
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
    let page = Page::from_headers(&head.headers);
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
    // The page may send all headers that it names. Those that must not pass are removed or refused when
    // they arrive.
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

/// Returns the origin of the calling page, if the table lists it.
pub(super) fn origin(table: &Table, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = table.origin(&values(headers, &ORIGIN))?;
    HeaderValue::from_str(origin).ok()
}

/// Lets the page read an answer, including a refusal. A header that the server behind has set stays.
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
