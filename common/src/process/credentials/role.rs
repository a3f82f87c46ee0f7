//! This file holds the one table of the roles' names. It must not know what each role may call.

use serde::{Deserialize, Serialize};

use crate::closed::closed_list;

closed_list!(
    /// What the holder of a credential may do.
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "String", into = "&'static str")]
    Role {
        /// The holder may create, change, rotate, get and list tokens.
        Mint, "mint";
        /// The holder may feed users, orgs, members, repos and grants.
        Directory, "directory";
        /// The holder may revoke, get and list tokens, and withdraw keys.
        Revoke, "revoke";
        /// The holder may decide on tokens in the name of orgs' admins.
        Orgs, "orgs";
        /// The holder may follow the log, as verifiers do.
        Feed, "feed";
        /// The holder may read the audit trail.
        Audit, "audit";
        /// The holder may ask a verifier how it decided.
        Explain, "explain";
        /// The holder may list, get, rotate and revoke the tokens of one owner, whom the entry names.
        Own, "own";
        /// The holder may do everything.
        Admin, "admin";
    }
);

impl Role {
    /// Returns the names of all roles, for messages to people.
    pub(super) fn names() -> String {
        let words: Vec<_> = Self::ALL.iter().map(|role| role.word()).collect();
        words.join(", ")
    }
}

impl From<Role> for &'static str {
    fn from(role: Role) -> Self {
        role.word()
    }
}

impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_word(&name).ok_or_else(|| {
            let names = Self::names();
            format!("unknown role `{name}`: must be one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_and_read_by_its_name() {
        for &role in Role::ALL {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{}\"", role.word()));
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role);
        }
        let error = serde_json::from_str::<Role>("\"god\"").unwrap_err();
        let told = error.to_string();
        assert!(told.contains("`god`") && told.contains("mint"), "{told}");
    }
}
