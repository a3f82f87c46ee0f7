//! The replicated state: everything but the token that a decision needs, folded from one log.
//!
//! Decides what a change does to the state. Must not know stores, the network, or the clock.

pub mod codec;
pub mod key;
pub mod record;
