//! Whole-system tests, histories of callers, hostile tokens, the load generator and the benches.

pub mod bench;
pub mod generate;
pub mod history;
pub mod hostile;
pub mod house;
pub mod load;
pub mod workload;
