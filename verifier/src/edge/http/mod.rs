//! Leads requests to the doors that use HTTP, and has what these doors share. It decides nothing.
//!
//! | path | door |
//! |---|---|
//! | `/auth`, `/auth/…` | [`forward_auth`]: a proxy asks before it forwards |
//! | `/api/whoami-v2` | [`whoami`]: who owns the token |
//! | `/api/{kinds}/…/auth-check[/write]` | [`own`]: whether the token may read or write |
//! | `POST /oauth/introspect` | [`introspect`]: whether a token is live, for operators |
//!
//! The second and the third are in [`own`], because the guard answers them too. [`super::own`] decides
//! which path belongs to which door.

mod door_request;
mod doors;
mod forward_auth;
mod introspect;
mod limit;
mod own;
mod serve;
#[cfg(test)]
mod tests;
mod whoami;

pub(super) use door_request::{fresh_id, response};
pub use doors::HttpDoors;
pub(super) use own::answer as answer_own;
pub use whoami::WhoAmILimits;
