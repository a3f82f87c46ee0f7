//! What the doors of a listener need.

use std::sync::Arc;

use tokenward_common::process::{Traces, credentials::LiveCredentials};

use super::WhoAmILimits;
use crate::edge::{
    bodies::{Bodies, Cuts},
    judge::Judge,
};

/// One worker's.
#[derive(Clone)]
pub struct HttpDoors {
    pub judge: Judge,
    /// Who may introspect. `None`: nobody.
    pub operators: Option<Arc<LiveCredentials>>,
    pub traces: Traces,
    /// Of the requests that proxies ask about; all workers' together.
    pub bodies: Bodies,
    pub cuts: Cuts,
    /// All workers' together.
    pub limits: Arc<WhoAmILimits>,
}
