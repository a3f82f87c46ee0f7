//! Decides which requests could carry something past their judgement, with one rule for all doors. Three
//! things can: a body, where servers differ over whether there is one and so over where the next request
//! begins; the offer of a connection whose requests nobody would check; and the name of another model. It
//! is pure, and must not know the route.
//!
//! Some proxies remove these headers before they ask. This module cannot judge what it isn't shown.

pub(super) const BODY_RULE: &str = "a GET, HEAD or TRACE with a body is not forwarded: servers differ over where the next request \
     begins (RFC 9110, section 9.3.1)";

pub(super) const TUNNEL_RULE: &str = "HTTP2-Settings, or an Upgrade to h2c, must not be there: what came through the connection that they \
     ask for would be judged by nobody";

/// In this header vLLM, at SageMaker's path, takes another model than the request names.
pub(super) const ADAPTER: &str = "x-amzn-sagemaker-adapter-identifier";
pub(super) const ADAPTER_RULE: &str = "X-Amzn-SageMaker-Adapter-Identifier must not be there: it would name \
     another model than the one that is judged";

/// Returns the rule that a request breaks, by the values of its headers and by whether some of a body is
/// shown.
pub(super) fn rule<'a, V: Iterator<Item = &'a [u8]>>(
    method: &str,
    values: impl Fn(&'static str) -> V,
    shows_body: bool,
) -> Option<&'static str> {
    if values(ADAPTER).next().is_some() {
        return Some(ADAPTER_RULE);
    }
    if has_no_place_for_body(method) && (shows_body || says_body(&values)) {
        return Some(BODY_RULE);
    }
    let mut upgrades = values("upgrade");
    let offers = values("http2-settings").next().is_some() || upgrades.any(holds_h2c);
    offers.then_some(TUNNEL_RULE)
}

/// Returns whether servers may overlook a body of a request with this method.
pub(super) fn has_no_place_for_body(method: &str) -> bool {
    ["GET", "HEAD", "TRACE"].contains(&method)
}

pub(super) fn says_body<'a, V: Iterator<Item = &'a [u8]>>(
    values: impl Fn(&'static str) -> V,
) -> bool {
    let is_zero = |length: &[u8]| length.iter().all(|it| *it == b'0');
    !values("content-length").all(is_zero) || values("transfer-encoding").next().is_some()
}

/// Returns whether `h2c` occurs anywhere in the value, because servers parse lists in many ways.
fn holds_h2c(value: &[u8]) -> bool {
    value
        .windows(3)
        .any(|part| part.eq_ignore_ascii_case(b"h2c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_pass_beside_the_judgement_breaks_a_rule() {
        let (body, tunnel) = (Some(BODY_RULE), Some(TUNNEL_RULE));
        let none: &[(&str, &str)] = &[];
        for (method, headers, shows_body, expected) in [
            ("GET", none, false, None),
            ("GET", &[("content-length", "0")], false, None),
            ("GET", &[("content-length", "00")], false, None),
            ("GET", &[("content-length", "5")], false, body),
            ("GET", &[("content-length", "0, 5")], false, body),
            (
                "GET",
                &[("content-length", "0"), ("content-length", "5")],
                false,
                body,
            ),
            ("HEAD", &[("transfer-encoding", "chunked")], false, body),
            ("TRACE", none, true, body),
            ("OPTIONS", &[("content-length", "5")], true, None),
            ("POST", &[("transfer-encoding", "chunked")], true, None),
            ("DELETE", &[("content-length", "5")], false, None),
            ("GET", &[("upgrade", "websocket")], false, None),
            ("GET", &[("upgrade", "h2c")], false, tunnel),
            ("POST", &[("upgrade", "websocket, H2C")], false, tunnel),
            (
                "GET",
                &[("upgrade", "websocket"), ("upgrade", "h2c")],
                false,
                tunnel,
            ),
            ("GET", &[("http2-settings", "")], false, tunnel),
            ("POST", &[(ADAPTER, "acme/llm")], false, Some(ADAPTER_RULE)),
        ] {
            let values = |name: &'static str| {
                let named = headers.iter().filter(move |(known, _)| *known == name);
                named.map(|(_, value)| value.as_bytes())
            };
            let told = rule(method, values, shows_body);
            assert_eq!(told, expected, "{method} {headers:?} {shows_body}");
        }
    }
}
