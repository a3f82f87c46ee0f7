//! Reads a request as Envoy shows it. It is pure, and must not know the route table. A part that is shown
//! twice or incompletely is never given the harmless reading.

use std::borrow::Cow;

use tokenward_proto::envoy::service::auth::v3::CheckRequest;

use crate::edge::{
    bodies::{Coding, Cuts, PARTIAL, coding, is_json, is_whole},
    credential::{API_KEY, Shown},
    principal::is_ours,
    routes::Body,
    unjudged,
};

/// Its fields are borrowed from a decoded message, or from a message's bytes.
#[derive(Default)]
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(super) struct EnvoyRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Envoy fills only one of the two bodies.
    pub(super) text_body: &'a [u8],
    pub(super) raw_body: &'a [u8],
    /// Each header has a name and a value. The names are UTF-8.
    pub(super) headers: Vec<(&'a [u8], &'a [u8])>,
    /// Each name occurs once.
    pub(super) extensions: Vec<(&'a str, &'a str)>,
}

impl<'a> EnvoyRequest<'a> {
    /// `None` means that the message is not about an HTTP request.
    pub(super) fn from_message(request: &'a CheckRequest) -> Option<Self> {
        let attributes = request.attributes.as_ref()?;
        let http = attributes.request.as_ref()?.http.as_ref()?;
        let extensions = attributes.context_extensions.iter();
        let headers = http.headers.iter();
        let mut asked = Self {
            method: &http.method,
            path: &http.path,
            query: &http.query,
            text_body: http.body.as_bytes(),
            raw_body: &http.raw_body,
            headers: headers.map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect(),
            extensions: extensions.map(|(k, v)| (&**k, &**v)).collect(),
        };
        for header in http.header_map.iter().flat_map(|map| &map.headers) {
            asked.hear(
                header.key.as_bytes(),
                header.value.as_bytes(),
                &header.raw_value,
            );
        }
        Some(asked)
    }

    /// Adds a header in Envoy's other form, which has two fields for the value. If both are filled and
    /// differ, the header counts twice.
    pub(super) fn hear(&mut self, name: &'a [u8], value: &'a [u8], raw: &'a [u8]) {
        if raw.is_empty() || !value.is_empty() {
            self.headers.push((name, value));
        }
        if !raw.is_empty() && raw != value {
            self.headers.push((name, raw));
        }
    }

    pub(super) fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter();
        let named = named.filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| *value)
    }

    pub(super) fn first(&self, name: &'static str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    pub(super) fn credentials(&self) -> Shown<'a> {
        Shown::from_values(self.values("authorization"), self.values(API_KEY))
    }

    /// Returns the target with its query, which Envoy's `HttpRequest.path` contains. If the query is also
    /// shown separately, it must be the same. Otherwise the target is empty, and has no route.
    pub(super) fn target(&self) -> Cow<'a, str> {
        let (path, query) = (self.path, self.query);
        match path.split_once('?') {
            _ if query.is_empty() => Cow::Borrowed(path),
            None => Cow::Owned(format!("{path}?{query}")),
            Some((_, own)) if own == query => Cow::Borrowed(path),
            Some(_) => Cow::Borrowed(""),
        }
    }

    /// Returns the body and its encoding. The encoding counts only if the whole body is shown.
    pub(super) fn body(&self, cuts: &Cuts) -> (Body<'a>, Coding) {
        match coding(self.values("content-encoding")) {
            None => (self.body_if(false, cuts), Coding::Plain),
            Some(coding) => (self.body_if(true, cuts), coding),
        }
    }

    fn body_if(&self, readable: bool, cuts: &Cuts) -> Body<'a> {
        let bytes = match self.raw_body {
            [] => self.text_body,
            raw => raw,
        };
        // Envoy sets this header whenever it shows a body, even an empty one.
        let said = is_whole(self.values(PARTIAL));
        let (shows, partial) = (said.is_some(), said == Some(false));
        match (self.length(), bytes.len()) {
            _ if partial => Body::TooLong,
            (Ok(Some(0)), 0) => Body::Whole(bytes),
            (Ok(None), 0) if shows => Body::Whole(bytes),
            // Envoy isn't set to show bodies.
            (Ok(_), 0) if !shows => Body::Unseen,
            _ if !readable || !is_json(self.values("content-type")) => Body::Encoded,
            (Ok(Some(length)), shown) if length == shown => Body::Whole(bytes),
            // Without a length, Envoy may have cut the body at its limit.
            (Ok(None), shown) if !cuts.may_end(shown) => Body::Whole(bytes),
            _ => Body::TooLong,
        }
    }

    /// Returns the value of `Content-Length`, if the header is present.
    fn length(&self) -> Result<Option<usize>, ()> {
        let mut values = self.values("content-length");
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let text = std::str::from_utf8(value).map_err(|_| ())?;
                text.parse().map(Some).map_err(|_| ())
            }
            (Some(_), Some(_)) => Err(()),
        }
    }

    /// Returns the rule that the request breaks by carrying something past its judgement.
    pub(super) fn unjudged(&self) -> Option<&'static str> {
        let shows_body = !self.text_body.is_empty() || !self.raw_body.is_empty();
        unjudged::rule(self.method, |name| self.values(name), shows_body)
    }

    /// Returns whether the content type is gRPC's. Such a client reads errors in gRPC's form.
    pub(super) fn is_grpc(&self) -> bool {
        self.first("content-type").is_some_and(|value| {
            let rest = value.strip_prefix(b"application/grpc");
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        })
    }

    /// Returns the caller's own headers of the names that only doors may set.
    pub(super) fn forged(&self) -> impl Iterator<Item = &'a str> {
        let names = self.headers.iter().map(|(name, _)| *name);
        let forged = names.filter(|name| is_ours(name));
        forged.filter_map(|name| std::str::from_utf8(name).ok())
    }
}
