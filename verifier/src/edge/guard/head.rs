//! Decides what makes a request's head unfit to be sent on, what is removed before the judgement, and what
//! is added after it. It is pure, and must not know the judgement.
//!
//! The rest of the head is what is judged and what is sent. Everything that could make the server behind
//! see another request than the judged one is refused or removed.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use hyper::{
    HeaderMap, Method, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT,
        FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
    http::{request::Parts, uri::Authority},
};

use crate::{
    edge::{
        credential::API_KEY,
        principal::{Principal, folded, is_ours},
        unjudged::{ADAPTER, ADAPTER_RULE, BODY_RULE, has_no_place_for_body, says_body},
    },
    serve::Ambiguous,
};

/// These headers are for one connection (RFC 9110, section 7.6.1, and headers that older programs treat
/// so).
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Some servers take the method, the path or the caller's address from these. The request would then differ
/// from the judged one, and only the guard may set the address.
const REPLACED: [HeaderName; 20] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-original-path"),
    HeaderName::from_static("x-envoy-original-path"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-rewrite-uri"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-path"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-script-name"),
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-real-ip"),
    FORWARDED,
];

/// These headers are meant for the server, so `Connection` must not be able to remove them.
const END_TO_END: [HeaderName; 8] = [
    AUTHORIZATION,
    KEY,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TRANSFER_ENCODING,
    BILL_TO,
];

/// The router bills the account in this header, so it is part of what is judged.
pub(super) const BILL_TO: HeaderName = HeaderName::from_static("x-hf-bill-to");

/// An inference server reads a credential from this header too.
pub(super) const KEY: HeaderName = HeaderName::from_static(API_KEY);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Says why a request isn't sent on for any caller. The text repeats nothing of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(
        "the request can be read in more than one way: each line must end in CR LF, the target have no \
         fragment, and one Content-Length, or Transfer-Encoding: chunked, say how long it is"
    )]
    Ambiguous,
    #[error("{BODY_RULE}")]
    Body,
    #[error("the Host header must be there once, with a host and perhaps a port")]
    Host,
    #[error("the headers Authorization and X-Api-Key must not be there twice")]
    Credential,
    #[error("{ADAPTER_RULE}")]
    Adapter,
    #[error(
        "the Connection header must list the names of headers that are for this connection alone"
    )]
    Connection,
    #[error("the Expect header may only say 100-continue")]
    Expectation,
    #[error(
        "upgrades and tunnels, such as WebSocket and CONNECT, are not forwarded: ask the server \
         itself, or another proxy"
    )]
    Upgrade,
}

impl Unfit {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Ambiguous
            | Self::Body
            | Self::Host
            | Self::Credential
            | Self::Adapter
            | Self::Connection => 400,
            Self::Expectation => 417,
            Self::Upgrade => 501,
        }
    }
}

pub(super) fn check(head: &Parts) -> Result<(), Unfit> {
    let coding = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).into_iter();
    if head.extensions.get::<Ambiguous>().is_some() || !codings.all(coding) {
        return Err(Unfit::Ambiguous);
    }
    let values = |name: &'static str| {
        let values = head.headers.get_all(name).into_iter();
        values.map(HeaderValue::as_bytes)
    };
    if has_no_place_for_body(head.method.as_str()) && says_body(values) {
        return Err(Unfit::Body);
    }
    let mut hosts = head.headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => {}
        (None, _) if head.version == Version::HTTP_10 => {}
        _ => return Err(Unfit::Host),
    }
    let count = |name| head.headers.get_all(name).into_iter().count();
    if count(AUTHORIZATION) > 1 || count(KEY) > 1 {
        return Err(Unfit::Credential);
    }
    if head.headers.contains_key(ADAPTER) {
        return Err(Unfit::Adapter);
    }
    let named = read_named_headers(&head.headers).ok_or(Unfit::Connection)?;
    if named.iter().any(|name| END_TO_END.contains(name)) {
        return Err(Unfit::Connection);
    }
    let known = |expected: &HeaderValue| expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !head.headers.get_all(EXPECT).into_iter().all(known) {
        return Err(Unfit::Expectation);
    }
    if head.method == Method::CONNECT {
        return Err(Unfit::Upgrade);
    }
    // Some clients offer HTTP/2 with every request, and an offer may be ignored.
    let offer = |upgrade: &HeaderValue| upgrade.as_bytes().eq_ignore_ascii_case(b"h2c");
    match head.headers.get_all(UPGRADE).into_iter().all(offer) {
        true => Ok(()),
        false => Err(Unfit::Upgrade),
    }
}

/// Removes headers that are for this connection only, that only a door may set, or that could turn the
/// request into another. [`check`] must run first.
pub(super) fn clean(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // The guard answers this header itself when it reads the body.
    headers.remove(EXPECT);
    for name in &REPLACED {
        headers.remove(name);
    }
    // Many servers read `_` as `-`, and some also a dot and other characters. A name that differs here
    // would be the same name there.
    let dropped = |name: &&HeaderName| {
        let name = name.as_str();
        is_ours(name) || name.contains('_') || is_known_otherwise(name)
    };
    let dropped: Vec<_> = headers.keys().filter(dropped).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Returns whether the name is another spelling of a header that has a meaning here.
fn is_known_otherwise(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is = |known: &str| folded(name.as_bytes()).eq(known.bytes());
    let any = |known: &[HeaderName]| known.iter().any(|known| is(known.as_str()));
    let known = || is(ADAPTER) || any(&REPLACED) || any(&END_TO_END) || any(&HOP_BY_HOP);
    !name.bytes().all(plain) && known()
}

/// Removes the headers of one connection, from requests and from answers.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in read_named_headers(headers).unwrap_or_default() {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Holds what a door adds to a request that it lets through.
pub(super) struct Said<'a> {
    pub(super) principal: Option<&'a Principal>,
    pub(super) peer: Option<IpAddr>,
    pub(super) request_id: &'a str,
    pub(super) keep_credential: bool,
    /// This is set if the request goes to the issuer. The session of the server behind means nothing to the
    /// issuer, and is a credential.
    pub(super) to_issuer: bool,
    /// The body arrived in chunks, so its length isn't known.
    pub(super) chunked: bool,
}

pub(super) fn complete(headers: &mut HeaderMap, said: &Said<'_>) {
    if !said.keep_credential || said.to_issuer {
        headers.remove(AUTHORIZATION);
        headers.remove(KEY);
    }
    if said.to_issuer {
        headers.remove(COOKIE);
    }
    if said.chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
    // The listener has no TLS.
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(peer) = said.peer {
        put(headers, X_FORWARDED_FOR, &peer.to_string());
    }
    put(headers, X_REQUEST_ID, said.request_id);
    headers.append(VIA, HeaderValue::from_static("1.1 tokenward"));
    for (name, value) in said.principal.iter().flat_map(|it| it.headers()) {
        put(headers, HeaderName::from_static(name), &value);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Returns the headers that `Connection` lists. `None` means that it can't be read.
fn read_named_headers(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let listed = value.to_str().ok()?.split(',').map(str::trim);
        for name in listed.filter(|name| !name.is_empty()) {
            names.push(HeaderName::try_from(name).ok()?);
        }
    }
    Some(names)
}

fn is_host(value: &HeaderValue) -> bool {
    let authority = value.to_str().ok().map(str::parse::<Authority>);
    matches!(authority, Some(Ok(authority)) if !authority.as_str().contains('@'))
}
