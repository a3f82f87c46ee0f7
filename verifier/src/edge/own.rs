//! Which requests are answered here, whatever stands behind: the one place that says so. Pure.

use hyper::{Method, Uri, http::request::Parts};

use super::routes::{Body, Request, Routed, Table};

/// A request to a route of our own.
pub(super) enum Own<'a> {
    /// A proxy asks about another request.
    ForwardAuth,
    /// An operator asks about a token.
    Introspect,
    /// A client asks about its credential, where the hub's own route would be: the guard answers this
    /// too, since the server behind isn't given the credential.
    Client(Ask<'a>),
}

pub(super) enum Ask<'a> {
    WhoAmI,
    AuthCheck(Routed<'a>),
}

impl<'a> Own<'a> {
    /// Goes by the method and the path, which may stand under the hub's prefix or not: a proxy may have
    /// taken it off. `None`: the request is to no route of our own.
    pub(super) fn of(table: &'a Table, head: &'a Parts) -> Option<Self> {
        let path = path(&head.uri);
        if path == "/auth" || path.starts_with("/auth/") {
            return Some(Self::ForwardAuth);
        }
        let is_got = matches!(head.method, Method::GET | Method::HEAD);
        match table.place().inside(path).as_deref().unwrap_or(path) {
            "/oauth/introspect" if head.method == Method::POST => Some(Self::Introspect),
            "/api/whoami-v2" if is_got => Some(Self::Client(Ask::WhoAmI)),
            "" => None,
            _ if is_got => {
                let request = Request {
                    method: head.method.as_str(),
                    target: head.uri.path_and_query()?.as_str(),
                    body: Body::Absent,
                    bill_to: &[],
                };
                let routed = Routed::auth_check(table, request)?;
                Some(Self::Client(Ask::AuthCheck(routed)))
            }
            _ => None,
        }
    }
}

/// The path of a target. It is empty for a whole URL, which a proxy must have cut down to its path.
pub(super) fn path(uri: &Uri) -> &str {
    match uri.authority() {
        None => uri.path(),
        Some(_) => "",
    }
}
