//! Holds what the doors of a listener need. It decides nothing.

use std::sync::Arc;

use tokenward_common::process::{Traces, credentials::LiveCredentials};

use super::WhoAmILimits;
use crate::edge::{
    bodies::{Bodies, Cuts},
    judge::Judge,
};

/// Each worker has one.
#[derive(Clone)]
pub struct HttpDoors {
    pub judge: Judge,
    /// These operators may introspect. `None` means that nobody may.
    pub operators: Option<Arc<LiveCredentials>>,
    pub traces: Traces,
    /// All workers share this room for the bodies of requests that proxies ask about.
    pub bodies: Bodies,
    pub cuts: Cuts,
    /// All workers share these limits.
    pub limits: Arc<WhoAmILimits>,
}
