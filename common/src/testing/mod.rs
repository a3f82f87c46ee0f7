//! What tests of this crate and of others use: the suite that every store and feed is held to, and a feed
//! that fails as a test says. No shipped program has it; the stage `pure` of `tests/run` proves that.
//!
//! It is a folder and no crate: the unit tests of `replica` use the feed, and a crate that depends on this
//! one would bring them a second copy of `Feed`, which is another type. Must not know what a program does.

pub mod conformance;
pub mod faults;
