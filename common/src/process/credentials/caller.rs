//! Who calls, and in which roles.

use std::net::SocketAddr;

use super::{error::CallerError, role::Role};
use crate::id::AccountId;

/// An authenticated caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub name: String,
    /// Where the call came from, for the audit trail: an address, or `unix`.
    pub peer: String,
    pub(super) roles: Vec<Role>,
    /// Of the role `own`: whose tokens it is for.
    pub(super) owner: Option<AccountId>,
}

impl Caller {
    /// Whoever asks without a credential, where none is needed.
    pub fn anyone(peer: Option<SocketAddr>) -> Self {
        Self {
            name: "(anyone)".into(),
            peer: String::new(),
            roles: Vec::new(),
            owner: None,
        }
        .calling_from(peer)
    }

    /// Whoever showed a credential, and not [`Self::anyone`].
    pub fn is_known(&self) -> bool {
        !self.roles.is_empty()
    }

    #[must_use]
    pub fn calling_from(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer.map_or_else(|| "unix".into(), |peer| peer.to_string());
        self
    }

    /// Any one of the roles will do; so will `admin`. `own` never does: who takes it must ask whose
    /// tokens it is for.
    pub fn require(&self, any: &[Role]) -> Result<(), CallerError> {
        let has = |role: &Role| self.roles.contains(role) || self.roles.contains(&Role::Admin);
        if self.owner.is_none() && any.iter().any(has) {
            return Ok(());
        }
        Err(CallerError::Forbidden {
            caller: self.name.clone(),
            role: any.first().map_or("admin", |role| role.word()),
        })
    }
}
