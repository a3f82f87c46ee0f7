//! The doors that speak HTTP: which request goes to which, and what all of them have in common.
//!
//! | path | door |
//! |---|---|
//! | `/auth`, `/auth/…` | [`forward_auth`]: a proxy asks before it forwards |
//! | `/api/whoami-v2` | [`whoami`]: whose token is it |
//! | `/api/{kinds}/…/auth-check[/write]` | [`own`]: may it read, may it write |
//! | `POST /oauth/introspect` | [`introspect`]: is it live, for operators |
//!
//! [`own`] has the second and the third, which the guard answers too. Which path is whose is said in
//! [`super::own`].

mod asked;
mod doors;
mod forward_auth;
mod introspect;
mod limit;
mod own;
mod serve;
#[cfg(test)]
mod tests;
mod whoami;

pub(super) use asked::{fresh_id, response};
pub use doors::HttpDoors;
pub(super) use own::answer as answer_own;
pub use whoami::WhoAmILimits;
