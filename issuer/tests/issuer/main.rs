//! The issuer's domain over a real store: what is written, what is refused, and what happens when
//! two issuers write at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: a failure ends them"
)]

mod by_value;
mod directory;
mod floors;
mod held;
mod house;
mod import;
mod names;
mod race;
mod races;
mod reading;
mod tokens;
