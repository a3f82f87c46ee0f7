//! The settings of a program: flags and environment in, and every mistake in them at once.
//!
//! Decides: how a setting that is missing or wrong is told. Must not know which settings a program
//! has.

mod mistakes;
mod parse;
pub mod rules;

pub use mistakes::{Mistake, Mistakes};
pub use parse::parse;
