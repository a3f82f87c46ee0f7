//! The verifier: answers `Check` from memory, and never later than its view can prove.
//!
//! | module | decides | must not know |
//! |---|---|---|
//! | [`config`] | names, defaults and limits of the settings | what they are used for |
//! | [`metrics`] | names of the metrics | what the numbers mean |
//! | [`serve`] | threads, connections, their limits, the drain | what is asked and answered |

pub mod config;
pub mod metrics;
pub mod serve;
