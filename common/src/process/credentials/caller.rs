//! This file decides which roles an authenticated caller has. It must not know what each role may call.

use super::{error::CallerError, role::Role};
use crate::{id::AccountId, process::admission::Peer};

/// A caller: the holder of a credential, or anyone where none is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub name: String,
    /// The origin of the call for the audit trail: an address, or `unix`.
    pub peer: String,
    pub(super) roles: Vec<Role>,
    /// The owner whose tokens the caller may see and change, if it has the role `own`.
    pub(super) owner: Option<AccountId>,
}

impl Caller {
    /// Returns the caller for a call without a credential, where none is needed.
    pub fn anyone(peer: &Peer) -> Self {
        Self {
            name: "(anyone)".into(),
            peer: String::new(),
            roles: Vec::new(),
            owner: None,
        }
        .calling_from(peer)
    }

    /// Whether the caller showed a credential, and so is not [`Self::anyone`].
    pub fn is_known(&self) -> bool {
        !self.roles.is_empty()
    }

    #[must_use]
    pub fn calling_from(mut self, peer: &Peer) -> Self {
        self.peer = peer.to_string();
        self
    }

    /// Requires one of the roles; `admin` has them all. A caller with `own` never passes: a method that
    /// accepts `own` must find out whose tokens it is for.
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
