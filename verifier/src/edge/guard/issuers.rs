//! Finds the requests that the issuer answers to everybody, and no server behind does: for the realm's
//! public keys, and from finders of leaked tokens. They are judged like all others, and the hub's table
//! opens them. This file must not know what the issuer answers.

use hyper::{Method, Uri, http::request::Parts};

use crate::edge::{own::path, routes::Table};

/// Returns the path at the issuer. `None` means that the request isn't the issuer's, or is spelled
/// otherwise.
pub(super) fn uri(table: &Table, head: &Parts) -> Option<Uri> {
    let inside = table.place().inside(path(&head.uri))?;
    let uri = match (&head.method, &*inside) {
        (&Method::POST, "/api/credentials/revoke") => "/api/credentials/revoke",
        (&Method::GET | &Method::HEAD, "/.well-known/jwks.json") => "/.well-known/jwks.json",
        _ => return None,
    };
    Some(Uri::from_static(uri))
}
