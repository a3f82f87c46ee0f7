//! The verifier's edges read requests as proxies and clients make them, and write answers as those read
//! them. They decide nothing: every door puts its questions to the one decision through [`judge`].
//!
//! | module | contents |
//! |---|---|
//! | [`credential`] | which credential a request carries |
//! | [`bodies`] | what a body contains, read only as far as that takes |
//! | [`path`] | what a target names, if it can be read in only one way |
//! | [`unjudged`] | what could pass a door without a judgement |
//! | [`own`] | which requests are answered here |
//! | [`routes`] | which permissions a request needs |
//! | [`judge`] | puts these questions to the decision |
//! | [`answer`] | writes the outcome as a status, headers and a body |
//! | [`envoy`] | the door for Envoy's external authorization |
//! | [`http`] | the doors that use HTTP/1.1 |
//! | [`guard`] | a proxy of our own that contains the check |
//! | [`principal`] | the headers that name the principal to the server behind |

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

/// Makes a random number for a request id that the caller did not give. Without randomness it is zero,
/// which is harmless: that id finds nothing in a log.
fn chance() -> u128 {
    let mut chance = [0; 16];
    let _ = getrandom::fill(&mut chance);
    u128::from_be_bytes(chance)
}
