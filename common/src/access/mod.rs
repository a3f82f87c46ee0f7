//! What a principal may do on a resource: the token's ceiling, cut by its owner's rights now.
//!
//! Decides who may do what. Must not know how tokens are written, where the state comes from, or
//! the time: whether the credential is genuine and live was judged before.

mod ceiling;
mod evaluate;
mod permissions;
mod refusal;
mod trace;

pub use ceiling::{Ceiling, CeilingBuilder};
pub use evaluate::{Principal, Target, evaluate, evaluate_traced};
pub use permissions::{Permission, PermissionSet};
pub use refusal::Refusal;
pub use trace::{NoTrace, Steps, Trace};
