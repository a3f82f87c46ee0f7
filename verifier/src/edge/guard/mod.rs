//! This proxy has the check built in. It is for places without another proxy: a laptop, a test, a sidecar.
//!
//! It decides nothing: each request is judged as at every door, and is then sent to the one server behind
//! or answered here. It sends exactly what was judged, and both bodies stream.
//!
//! | module | contents |
//! |---|---|
//! | [`door`] | takes a request through: judged, sent on, answered |
//! | [`held`] | how much of a request's body has been read |
//! | [`head`] | which headers of a request pass |
//! | [`body`] | ends a body that stops moving |
//! | [`cors`] | what pages of other origins may read |
//! | [`connector`] | ends a connection to the server behind that stops moving |
//! | [`upstream`] | how the server behind is reached, and how long that may take |
//! | [`times`] | the settings of how long the server behind may take |
//! | [`issuers`] | which requests the issuer answers instead of the server behind |
//!
//! No proxy library is used: the maintained ones join paths, forward upgrades, trust the caller's
//! `X-Forwarded-*`, and retry. What remains without that is the code in `upstream`, and hyper and its client
//! do the rest.

mod body;
mod connector;
mod cors;
mod door;
mod head;
mod held;
mod issuers;
#[cfg(test)]
mod tests;
mod times;
mod upstream;

pub use door::Guard;
pub use times::GuardTimes;
pub use upstream::Upstream;
