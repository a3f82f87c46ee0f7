//! Decides which requests the verifier answers itself, in one place for all doors. It is pure, and must not
//! know what the answers are.

use hyper::{Method, Uri, http::request::Parts};

use super::routes::{Body, Request, Routed, Table};

/// This is a request to a route of our own.
pub(super) enum Own<'a> {
    /// A proxy asks about another request.
    ForwardAuth,
    /// An operator asks about a token.
    Introspect,
    /// A client asks about its credential at the hub's own route. The guard answers this too, since the
    /// server behind isn't given the credential.
    Client(Ask<'a>),
}

pub(super) enum Ask<'a> {
    WhoAmI,
    AuthCheck(Routed<'a>),
}

impl<'a> Own<'a> {
    /// Goes by the method and the path, with or without the hub's prefix, which a proxy may have removed.
    /// `None` means that the request is to no route of our own.
    pub(super) fn find(table: &'a Table, head: &'a Parts) -> Option<Self> {
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

/// Returns the path of a target. It is empty for a whole URL, which a proxy must reduce to its path.
pub(super) fn path(uri: &Uri) -> &str {
    match uri.authority() {
        None => uri.path(),
        Some(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::routes::Place;

    fn told(prefix: &str, method: &str, target: &str) -> &'static str {
        let mut place = Place::default();
        if !prefix.is_empty() {
            place.under(prefix).unwrap();
        }
        let table = Table::hub().unwrap().placed(place);
        let request = hyper::Request::builder().method(method).uri(target);
        let (head, ()) = request.body(()).unwrap().into_parts();
        match Own::find(&table, &head) {
            None => "none",
            Some(Own::ForwardAuth) => "forward auth",
            Some(Own::Introspect) => "introspect",
            Some(Own::Client(Ask::WhoAmI)) => "whoami",
            Some(Own::Client(Ask::AuthCheck(_))) => "auth-check",
        }
    }

    #[test]
    fn our_own_routes_are_told_by_method_and_path() {
        for (row, expected) in [
            ("GET /auth", "forward auth"),
            ("POST /auth/acme/llm", "forward auth"),
            ("GET /auth?proxy=nginx", "forward auth"),
            ("GET /authx", "none"),
            ("GET /api/whoami-v2", "whoami"),
            ("HEAD /api/whoami-v2?x", "whoami"),
            ("POST /api/whoami-v2", "none"),
            ("GET /api/whoami-v2/", "none"),
            ("GET /api/%77hoami-v2", "none"),
            ("GET http://hub/api/whoami-v2", "none"),
            ("GET http://hub/auth", "none"),
            ("POST /oauth/introspect", "introspect"),
            ("GET /oauth/introspect", "none"),
            ("GET /api/models/acme/llm/auth-check?x=1", "auth-check"),
            ("HEAD /api/models/acme/llm/auth-check/write", "auth-check"),
            ("POST /api/models/acme/llm/auth-check", "none"),
            ("GET http://hub/api/models/acme/llm/auth-check", "none"),
            ("GET /api/models/acme/llm", "none"),
            ("OPTIONS *", "none"),
        ] {
            let (method, target) = row.split_once(' ').unwrap();
            assert_eq!(told("", method, target), expected, "{row}");
            // A proxy may have removed the hub's prefix.
            assert_eq!(told("/hub", method, target), expected, "{row}");
        }
        assert_eq!(told("/hub", "GET", "/hub/api/whoami-v2"), "whoami");
        assert_eq!(told("/hub", "GET", "/hub/auth"), "none");
    }
}
