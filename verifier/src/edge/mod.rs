//! The verifier's edges: requests as proxies and clients make them, and answers as they read them.
//!
//! Decides nothing: every door asks the one decision, by way of [`judge`].
//!
//! | module | says |
//! |---|---|
//! | [`credential`] | which credential a request carries |
//! | [`bodies`] | what a body says, read as far as that takes |
//! | [`path`] | what its target names, if that can be read in one way only |
//! | [`unjudged`] | what could pass beside the judgement |
//! | [`own`] | which requests are answered here |
//! | [`routes`] | which permissions it takes |
//! | [`judge`] | puts these before the decision |
//! | [`answer`] | how what was decided is put: status, headers, body |
//! | [`envoy`] | the door that speaks Envoy's external authorization |
//! | [`http`] | the doors that speak HTTP/1.1 |
//! | [`guard`] | a proxy of our own, with the check in place |
//! | [`principal`] | which headers tell the server behind who asks |

pub mod answer;
pub mod bodies;
pub mod credential;
pub mod envoy;
pub mod guard;
pub mod http;
pub mod judge;
mod own;
pub mod path;
pub mod principal;
pub mod routes;
mod unjudged;

/// For ids that nobody gave. Without chance it is zero: such an id finds nothing in a log, and does no
/// harm.
fn chance() -> u128 {
    let mut chance = [0; 16];
    let _ = getrandom::fill(&mut chance);
    u128::from_be_bytes(chance)
}
