//! A proxy with the check built in, for where no other stands: a laptop, a test, a sidecar.
//!
//! Decides nothing: each request is judged like everywhere, and then sent to the one server behind, or
//! answered here. What is sent is what was judged; both bodies stream.
//!
//! | module | says |
//! |---|---|
//! | [`door`] | the way of a request: judged, sent on, answered |
//! | [`held`] | how much of a request's body is at hand |
//! | [`head`] | what of a request's head goes through |
//! | [`body`] | that a body keeps moving |
//! | [`cors`] | what pages of other origins may read |
//! | [`connector`] | that a connection to the server behind does too |
//! | [`upstream`] | how the server behind is reached, and how long that may take |
//! | [`issuers`] | what the issuer answers, not the server behind |
//!
//! Why no proxy library: those that are kept up join paths, forward upgrades, trust the caller's
//! `X-Forwarded-*`, retry, and bring TLS along; what is left of them is what stands in `upstream`.
//! hyper and its client do the rest.

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
