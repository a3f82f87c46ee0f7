//! What the issuer answers to anybody, and no server behind does: the realm's public keys, and whoever
//! finds leaked tokens. Judged like everything: open, by the hub's table.

use hyper::{Method, Uri, http::request::Parts};

use crate::edge::{own::path, routes::Table};

/// Where the issuer has it. `None`: it isn't the issuer's, or it is spelled otherwise.
pub(super) fn uri(table: &Table, head: &Parts) -> Option<Uri> {
    let inside = table.place().inside(path(&head.uri))?;
    let uri = match (&head.method, &*inside) {
        (&Method::POST, "/api/credentials/revoke") => "/api/credentials/revoke",
        (&Method::GET | &Method::HEAD, "/.well-known/jwks.json") => "/.well-known/jwks.json",
        _ => return None,
    };
    Some(Uri::from_static(uri))
}
