//! Whole-system tests, the load generator, the benches.

pub mod bench;
pub mod house;
pub mod load;
