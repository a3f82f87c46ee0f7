//! The roles: the one table of their names.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Role {
    /// Create, change, rotate, get and list tokens.
    Mint,
    /// Feed users, orgs, members, repos, grants.
    Directory,
    /// Revoke, get and list tokens; withdraw keys.
    Revoke,
    /// Decide on tokens in the name of orgs' admins.
    Orgs,
    /// Follow the log: verifiers.
    Feed,
    /// Read the audit trail.
    Audit,
    /// Ask a verifier how it decided.
    Explain,
    /// List, get, rotate and revoke the tokens of one owner, whom the entry names.
    Own,
    /// Everything.
    Admin,
}

impl Role {
    pub const ALL: [Self; 9] = [
        Self::Mint,
        Self::Directory,
        Self::Revoke,
        Self::Orgs,
        Self::Feed,
        Self::Audit,
        Self::Explain,
        Self::Own,
        Self::Admin,
    ];

    /// As the file has it, and the command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Directory => "directory",
            Self::Revoke => "revoke",
            Self::Orgs => "orgs",
            Self::Feed => "feed",
            Self::Audit => "audit",
            Self::Explain => "explain",
            Self::Own => "own",
            Self::Admin => "admin",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// All of them, for people.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl From<Role> for &'static str {
    fn from(role: Role) -> Self {
        role.name()
    }
}

impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| {
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
        for role in Role::ALL {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{}\"", role.name()));
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), role);
        }
        let error = serde_json::from_str::<Role>("\"god\"").unwrap_err();
        let told = error.to_string();
        assert!(told.contains("`god`") && told.contains("mint"), "{told}");
    }
}
