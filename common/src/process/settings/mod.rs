//! This module reads a program's settings from flags and environment, and returns all mistakes at once.
//!
//! It decides how a missing or wrong setting is reported. It must not know which settings a program
//! has.

mod mistakes;
mod parse;
pub mod rules;

pub use mistakes::{Mistake, Mistakes};
pub use parse::parse;
