//! Handles floors: serials up to which all tokens of a target are refused.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, Serial},
    state::{
        ApplyError, State,
        accounts::Accounts,
        codec::{DecodeError, Stored, optional},
        held::Held,
    },
};

/// States whose tokens a floor refuses.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FloorTarget {
    /// Refuses all tokens of the realm.
    Realm,
    /// Refuses all tokens of this owner.
    Owner(AccountId),
    /// Refuses this owner's tokens, but only for what this org owns.
    OwnerInOrg {
        /// Names the account that the tokens act for.
        owner: AccountId,
        /// Names the org that refuses the tokens; other orgs are not affected.
        org: AccountId,
    },
    /// Refuses everybody's tokens, but only for what this org owns.
    Org(AccountId),
}

/// Refuses every value of the target up to and including a serial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    /// States whose tokens the floor refuses; there is at most one floor for each target.
    pub target: FloorTarget,
    /// Holds the highest serial that is refused; a lower serial that arrives later changes nothing.
    pub serial: Serial,
}

impl FloorTarget {
    /// Returns the target whose owner and org have these rows.
    pub(in crate::state) fn of_rows(
        accounts: &Accounts,
        owner: Option<u32>,
        org: Option<u32>,
    ) -> Option<Self> {
        let id = |row| accounts.id(row);
        Some(match (owner, org) {
            (None, None) => Self::Realm,
            (Some(owner), None) => Self::Owner(id(owner)?),
            (Some(owner), Some(org)) => Self::OwnerInOrg {
                owner: id(owner)?,
                org: id(org)?,
            },
            (None, Some(org)) => Self::Org(id(org)?),
        })
    }
}

impl Held for Floor {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.raise_floor(&self.target, self.serial)
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn stored(state: &State, target: &FloorTarget) -> Option<Self> {
        Some(Self {
            target: target.clone(),
            serial: state.raised_floor(target)?,
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        let realm = state.revocations.realm_floor().map(|serial| Self {
            target: FloorTarget::Realm,
            serial,
        });
        let others = state.revocations.floors();
        let others = others.filter_map(|(owner, org, serial)| {
            let target = FloorTarget::of_rows(accounts, owner, org)?;
            Some(Self { target, serial })
        });
        realm.into_iter().chain(others)
    }

    fn count(state: &State) -> u64 {
        state.revocations.floor_count()
    }
}

impl Stored for Floor {
    type Message = pb::Floor;

    fn to_message(&self) -> Self::Message {
        pb::Floor {
            serial: self.serial.0,
            ..pb::Floor::default()
        }
    }

    fn name_message(message: &mut Self::Message, target: &FloorTarget) {
        message.target = Some(target_to_proto(target));
    }

    fn from_message(floor: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            target: target_from_proto(floor.target.unwrap_or_default())?,
            serial: Serial(floor.serial),
        })
    }
}

pub(in crate::state) fn target_to_proto(target: &FloorTarget) -> pb::FloorTarget {
    let (owner_id, org_id) = match target {
        FloorTarget::Realm => (String::new(), String::new()),
        FloorTarget::Owner(owner) => (owner.to_string(), String::new()),
        FloorTarget::OwnerInOrg { owner, org } => (owner.to_string(), org.to_string()),
        FloorTarget::Org(org) => (String::new(), org.to_string()),
    };
    pb::FloorTarget { owner_id, org_id }
}

pub(in crate::state) fn target_from_proto(
    target: pb::FloorTarget,
) -> Result<FloorTarget, DecodeError> {
    let owner = optional("floor.owner_id", &target.owner_id)?;
    let org = optional("floor.org_id", &target.org_id)?;
    Ok(match (owner, org) {
        (None, None) => FloorTarget::Realm,
        (Some(owner), None) => FloorTarget::Owner(owner),
        (Some(owner), Some(org)) => FloorTarget::OwnerInOrg { owner, org },
        (None, Some(org)) => FloorTarget::Org(org),
    })
}
