//! Decides whether a request is a browser's preflight: without a credential, it asks whether a page of
//! another origin may call. It is pure, and must not know who sends the later request.

use hyper::{
    HeaderMap,
    header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN},
};

use super::{Request, Table, Unrouted};

/// Holds what a browser declares about a page's request.
#[derive(Debug)]
pub struct Page<'a> {
    /// These are the values of all `Origin` headers.
    pub origin: Vec<&'a [u8]>,
    /// These are the values of all `Access-Control-Request-Method` headers.
    pub method: Vec<&'a [u8]>,
}

impl<'a> Page<'a> {
    pub fn from_headers(headers: &'a HeaderMap) -> Self {
        let values = |name| {
            let values = headers.get_all(name).into_iter();
            values.map(HeaderValue::as_bytes).collect()
        };
        Self {
            origin: values(ORIGIN),
            method: values(ACCESS_CONTROL_REQUEST_METHOD),
        }
    }
}

impl Table {
    /// Returns the origin, if its pages may call.
    pub fn origin<'o>(&self, origin: &[&'o [u8]]) -> Option<&'o str> {
        let [origin] = origin else {
            return None;
        };
        let origin = std::str::from_utf8(origin).ok()?;
        self.cors.has(origin).then_some(origin)
    }

    /// Returns whether a browser asks if a page may send a request that has a route here. Nothing else of
    /// the request counts, since the request itself is judged when it arrives.
    pub fn is_preflight(&self, request: &Request<'_>, page: &Page<'_>) -> bool {
        let ([method], "OPTIONS", Some(_)) =
            (&*page.method, request.method, self.origin(&page.origin))
        else {
            return false;
        };
        let Ok(method) = std::str::from_utf8(method) else {
            return false;
        };
        let asked = self.find(&Request { method, ..*request });
        !matches!(asked, Err(Unrouted::Unknown | Unrouted::Target(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::routes::Body;

    const PAGE: &str = "https://chat.example";

    type Values = &'static [&'static str];

    fn asks(table: &str, method: &str, target: &str, origin: &[&str], wanted: &[&str]) -> bool {
        let table = Table::parse(table).unwrap();
        let origin: Vec<_> = origin.iter().map(|it| it.as_bytes()).collect();
        let wanted: Vec<_> = wanted.iter().map(|it| it.as_bytes()).collect();
        let request = Request {
            method,
            target,
            body: Body::Absent,
            bill_to: &[],
        };
        let page = Page {
            origin,
            method: wanted,
        };
        table.is_preflight(&request, &page)
    }

    #[test]
    fn a_page_may_ask_where_its_origin_stands_in_the_table() {
        let table = "@cors https://chat.example http://localhost:3000\n@include inference\n";
        let chat = "/v1/chat/completions";
        let rows: [(&str, &str, Values, Values, bool); 13] = [
            ("OPTIONS", chat, &[PAGE], &["POST"], true),
            ("OPTIONS", chat, &["http://localhost:3000"], &["POST"], true),
            ("OPTIONS", "/v1/models", &[PAGE], &["GET"], true),
            ("POST", chat, &[PAGE], &["POST"], false),
            ("OPTIONS", chat, &[], &["POST"], false),
            ("OPTIONS", chat, &[PAGE], &[], false),
            ("OPTIONS", chat, &[PAGE, PAGE], &["POST"], false),
            ("OPTIONS", chat, &[PAGE], &["POST", "GET"], false),
            (
                "OPTIONS",
                chat,
                &["https://chat.example.evil"],
                &["POST"],
                false,
            ),
            ("OPTIONS", chat, &["https://Chat.example"], &["POST"], false),
            ("OPTIONS", chat, &["null"], &["POST"], false),
            ("OPTIONS", chat, &[PAGE], &["DELETE"], false),
            ("OPTIONS", "/v1/../metrics", &[PAGE], &["GET"], false),
        ];
        for (method, target, origin, wanted, expected) in rows {
            let told = asks(table, method, target, origin, wanted);
            assert_eq!(told, expected, "{method} {target} {origin:?} {wanted:?}");
        }
        assert!(!asks(
            "@include inference",
            "OPTIONS",
            chat,
            &[PAGE],
            &["POST"]
        ));
    }

    #[test]
    fn an_origin_has_no_path_and_no_star() {
        for line in [
            "@cors",
            "@cors *",
            "@cors chat.example",
            "@cors https://",
            "@cors https://chat.example/",
            "@cors https://Chat.example",
            "@cors https://a.example https://b.example/x",
        ] {
            assert!(
                Table::parse(&format!("{line}\n@include hub")).is_err(),
                "{line}"
            );
        }
    }
}
