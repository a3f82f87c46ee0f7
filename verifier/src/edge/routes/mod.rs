//! Finds the permissions that a request needs. One table decides it, and it is data: `hub.tsv` explains how
//! to read it.
//!
//! This module decides what is asked, never whether it is allowed, and must not know the caller. A request
//! that fits no rule is refused.

mod auth_check;
mod body;
mod condition;
mod cors;
mod index;
mod methods;
mod mistake;
mod models;
mod pattern;
mod place;
mod preflight;
mod request;
mod reserved;
mod route;
mod routed;
mod rule;
mod scan;
mod shadow;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod unseen;

pub use body::Body;
pub use mistake::Mistake;
pub use place::Place;
pub use preflight::Page;
pub use request::Request;
pub use route::{Access, Dialect, Need, Route, Thing, Unrouted};
pub use routed::{Routed, Routing};
pub use scan::Scan;
pub use table::Table;
