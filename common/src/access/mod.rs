//! Decides what a principal may do on a resource: what the token's ceiling and its owner's rights now both
//! allow.
//!
//! This module must not know how tokens are written, where the state comes from, or the time: whether the
//! credential is genuine and live was judged before.

mod advice;
mod ceiling;
mod describe;
mod evaluate;
mod names;
mod org_gate;
mod pattern;
mod permissions;
mod reach;
mod refusal;
mod rights;
mod rules;
mod set;
mod trace;
mod vocabulary;

pub use ceiling::{Ceiling, CeilingBuilder};
pub use evaluate::{Principal, Target, evaluate, evaluate_missing, evaluate_traced};
pub use org_gate::{TokenFacts, org_gate};
pub use pattern::{MAX_PATTERN, MAX_PATTERNS};
pub use permissions::{Classic, Permission, PermissionClass, Right};
pub use refusal::Refusal;
pub use set::PermissionSet;
pub use trace::{NoTrace, Steps, Trace};
pub use vocabulary::{PERMISSION_NAME_RULE, is_permission_name, listed, with_article};
