//! Finds the method and the target of the request that a proxy asks about, by the headers of each proxy. It
//! is pure, and must not know any route.

use hyper::{HeaderMap, header::HeaderValue, http::uri::Authority};

use crate::edge::bodies::{Cuts, PARTIAL, is_whole};

const METHODS: [&str; 2] = ["x-original-method", "x-forwarded-method"];
/// The target headers have the same positions as the method headers. ingress-nginx sends a whole URL.
const TARGETS: [&[&str]; 2] = [&["x-original-uri", URL], &["x-forwarded-uri"]];
const URL: &str = "x-original-url";

pub(super) const WRONG: &str = "the original request must stand in X-Original-Method and X-Original-URI (or \
                                X-Original-URL), in X-Forwarded-Method and X-Forwarded-Uri, or, for \
                                Envoy, behind /auth, each once; where it is said more than once it must \
                                be the same";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::edge::http) struct Original<'a> {
    pub(in crate::edge::http) method: &'a str,
    /// The target is as on the original's request line.
    pub(in crate::edge::http) target: &'a str,
}

/// Returns some target that a header names. It is only for the form of a refusal.
pub(super) fn any(headers: &HeaderMap) -> &str {
    let said = |name: &&str| {
        let text = headers.get(*name)?.to_str().ok()?;
        target(name, text)
    };
    let mut names = TARGETS.iter().flat_map(|names| names.iter());
    names.find_map(said).unwrap_or_default()
}

/// Returns the request if all headers that name one agree. `None` means that no header does, that two
/// differ, or that one can't be read.
pub(super) fn agreed<'a>(
    headers: &'a HeaderMap,
    envoy: Option<Original<'a>>,
) -> Option<Original<'a>> {
    let mut found = envoy;
    for (method, names) in METHODS.iter().zip(TARGETS) {
        let method = said(headers, method)?;
        let mut target_said = false;
        for name in names {
            let Some(text) = said(headers, name)? else {
                continue;
            };
            target_said = true;
            let this = Original {
                method: method?,
                target: target(name, text)?,
            };
            if found.is_some_and(|before| before != this) {
                return None;
            }
            found = Some(this);
        }
        if method.is_some() && !target_said {
            return None;
        }
    }
    found
}

/// Returns the part of a URL after the host. The client chooses the host, so it must be a valid one, or the
/// path could begin elsewhere.
fn target<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    if name != URL {
        return Some(text);
    }
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))?;
    let (host, _) = rest.split_once('/')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let is_host = !host.is_empty() && host.bytes().all(plain) && host.parse::<Authority>().is_ok();
    rest.get(host.len()..).filter(|_| is_host)
}

/// Returns how much of a body of `length` bytes the proxy shows. Most proxies show none. Envoy reports
/// whether it shows all.
pub(super) fn is_shown(headers: &HeaderMap, length: usize, cuts: &Cuts) -> Extent {
    let values = headers.get_all(PARTIAL).into_iter();
    match (is_whole(values.map(HeaderValue::as_bytes)), length) {
        (Some(false), _) => Extent::InPart,
        (None, 0) => Extent::Not,
        (Some(true), length) if cuts.may_end(length) => Extent::InPart,
        _ => Extent::Whole,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    Not,
    InPart,
    Whole,
}

/// `None` means that the header occurs more than once or is not text.
#[expect(
    clippy::option_option,
    reason = "what is wrong, what is not there, what is"
)]
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(HeaderValue::to_str(value).ok()?)),
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn told(headers: &[(&'static str, &str)], envoy: Option<(&str, &str)>) -> Option<String> {
        let map = map(headers);
        let envoy = envoy.map(|(method, target)| Original { method, target });
        agreed(&map, envoy).map(|it| format!("{} {}", it.method, it.target))
    }

    /// These are exactly the headers that each proxy sends, together with the caller's own.
    #[test]
    fn each_proxy_s_own_headers_say_what_was_asked() {
        let ingress_nginx = [
            ("x-request-id", "5f0f"),
            ("host", "tokenward-verifier.tokenward.svc.cluster.local"),
            (
                "x-original-url",
                "https://hub.example:8443/a/b/resolve/main/x?y=/z",
            ),
            ("x-original-method", "PUT"),
            ("x-sent-from", "nginx-ingress-controller"),
            ("x-real-ip", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-auth-request-redirect", "/a/b/resolve/main/x?y=/z"),
            ("authorization", "Bearer t"),
        ];
        let traefik = [
            ("host", "verifier:8482"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "hub.example"),
            ("x-forwarded-method", "PUT"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-server", "traefik-0"),
            ("x-forwarded-uri", "/a/b/resolve/main/x?y=/z"),
            ("x-real-ip", "192.0.2.1"),
            ("accept-encoding", "gzip"),
        ];
        let caddy = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "hub.example"),
            ("x-forwarded-method", "PUT"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-uri", "/a/b/resolve/main/x?y=/z"),
        ];
        let nginx = [
            ("x-original-method", "PUT"),
            ("x-original-uri", "/a/b/resolve/main/x?y=/z"),
        ];
        let envoy = [
            ("host", "hub.example"),
            ("x-envoy-internal", "true"),
            ("x-forwarded-for", "192.0.2.1"),
            ("content-length", "0"),
        ];
        let expected = Some("PUT /a/b/resolve/main/x?y=/z");
        for headers in [&ingress_nginx[..], &traefik, &caddy, &nginx] {
            assert_eq!(told(headers, None).as_deref(), expected, "{headers:?}");
        }
        let target = ("PUT", "/a/b/resolve/main/x?y=/z");
        assert_eq!(told(&envoy, Some(target)).as_deref(), expected);
        // These are the caller's own headers, in every other spelling.
        let other = "/a/c/resolve/main/x";
        let (uri, url) = (
            ("x-original-uri", other),
            ("x-original-url", "http://h/a/c"),
        );
        let forwarded = [("x-forwarded-method", "PUT"), ("x-forwarded-uri", other)];
        for (headers, envoy) in [
            (&ingress_nginx[..], None),
            (&traefik, None),
            (&nginx, None),
            (&envoy, Some(target)),
        ] {
            for forged in [
                &[uri][..],
                &[url],
                &[("x-original-method", "GET"), uri],
                &[("x-original-method", "PUT"), url],
                &[("x-original-method", "DELETE")],
                &[("x-forwarded-method", "GET")],
                &forwarded,
            ] {
                let both = [headers, forged].concat();
                assert_eq!(told(&both, envoy), None, "{both:?}");
            }
        }
        assert_eq!(told(&[], None), None);
    }

    #[test]
    fn a_whole_url_has_one_host_and_one_path() {
        let of = |url| {
            told(
                &[("x-original-method", "GET"), ("x-original-url", url)],
                None,
            )
        };
        for (url, expected) in [
            ("http://hub/a", "GET /a"),
            (
                "https://hub.example:443/a%2Fb?c=http://d/e",
                "GET /a%2Fb?c=http://d/e",
            ),
            ("http://[::1]:80/", "GET /"),
            ("http://hub//a", "GET //a"),
        ] {
            assert_eq!(of(url).as_deref(), Some(expected), "{url}");
        }
        for url in [
            "/a",
            "hub/a",
            "http:///a",
            "http://hub",
            "http://a?b/c",
            "http://a#b/c",
            "http://a@b/c",
            "http://a%2f/b",
            "http://a b/c",
            "ftp://hub/a",
            "HTTP://hub/a",
            "",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn a_body_is_all_there_or_none_or_too_long() {
        let of = |said: &[&str], length| {
            let headers: Vec<_> = said.iter().map(|it| (PARTIAL, *it)).collect();
            is_shown(&map(&headers), length, &Cuts::default())
        };
        let rows: [(&[&str], usize, Extent); 10] = [
            (&[], 0, Extent::Not),
            (&[], 2, Extent::Whole),
            (&[], 10 * 65_536, Extent::Whole),
            (&["false"], 0, Extent::Whole),
            (&["false"], 2, Extent::Whole),
            (&["true"], 2, Extent::InPart),
            (&["false", "true"], 2, Extent::InPart),
            (&["false"], 65_535, Extent::Whole),
            (&["false"], 65_536, Extent::InPart),
            (&["false"], 65_537, Extent::InPart),
        ];
        for (said, length, expected) in rows {
            assert_eq!(of(said, length), expected, "{said:?} {length}");
        }
    }
}
