//! Operator credentials: who calls, and in which roles. What a role may do is said where it is asked
//! for.
//!
//! A credential is a name, one or two digests (two while it is being changed), and roles. A user
//! access token is never accepted: a token can't mint tokens.

mod entry;
mod live;
mod own;
mod role;

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{id::AccountId, status::ErrorReason};

pub use entry::{CredentialEntry, CredentialsFile};
pub use live::{LiveCredentials, read};
pub use own::Whose;
pub use role::Role;

/// Why a caller is refused. Holds nothing of what it showed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    #[error("an operator credential is needed: authorization: Bearer <credential>")]
    Unauthenticated,
    #[error("the credential shown is none that is known here")]
    Unknown,
    /// Which of them another reader would take is anybody's guess.
    #[error("authorization: must be there once, and is there more than once")]
    Twice,
    #[error(
        "a user access token is no operator credential: a token can't mint, list or revoke tokens"
    )]
    TokenAsCaller,
    #[error("credential {caller} lacks the role {role}")]
    Forbidden { caller: String, role: &'static str },
}

impl CallerError {
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Unauthenticated => ErrorReason::CredentialMissing,
            Self::Unknown => ErrorReason::CredentialUnknown,
            Self::Twice => ErrorReason::CredentialTwice,
            Self::TokenAsCaller => ErrorReason::TokenAsCredential,
            Self::Forbidden { .. } => ErrorReason::RoleMissing,
        }
    }
}

/// Every credential begins with this; user access tokens never do.
pub const CREDENTIAL_PREFIX: &str = "twc_";
/// The prefix and 32 random bytes in hexadecimal.
const CREDENTIAL_LENGTH: usize = CREDENTIAL_PREFIX.len() + 64;

/// An authenticated caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub name: String,
    /// Where the call came from, for the audit trail: an address, or `unix`.
    pub peer: String,
    roles: Vec<Role>,
    /// Of the role `own`: whose tokens it is for.
    owner: Option<AccountId>,
}

impl Caller {
    /// Whoever asks without a credential, where none is needed.
    pub fn anyone(peer: Option<std::net::SocketAddr>) -> Self {
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
    pub fn calling_from(mut self, peer: Option<std::net::SocketAddr>) -> Self {
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

#[derive(PartialEq, Eq)]
struct Credential {
    digest: [u8; 32],
    caller: Caller,
}

/// All credentials, by digest.
#[derive(PartialEq, Eq)]
pub struct Credentials(Vec<Credential>);

impl Credentials {
    /// Every mistake in the file, each naming the entry and the rule.
    pub fn parse(json: &str) -> Result<Self, Vec<String>> {
        let file: CredentialsFile =
            serde_json::from_str(json).map_err(|error| vec![error.to_string()])?;
        let mut mistakes = Vec::new();
        let mut names = HashSet::new();
        let mut digests = HashSet::new();
        let mut credentials = Vec::new();
        for (index, entry) in file.credentials.into_iter().enumerate() {
            let (owner, wrong) = entry.read();
            let told = |(field, rule)| format!("credentials[{index}].{field}: {rule}");
            mistakes.extend(wrong.into_iter().map(told));
            let mut mistake = |field: &'static str, rule: &str| {
                mistakes.push(told((field, rule.to_owned())));
            };
            if !names.insert(entry.name.clone()) {
                mistake("name", "must be unique");
            }
            let caller = Caller {
                name: entry.name,
                peer: String::new(),
                roles: entry.roles,
                owner,
            };
            for text in entry.sha256 {
                let mut digest = [0; 32];
                // What is none is among the entry's own mistakes.
                if hex::decode_to_slice(&text, &mut digest).is_ok() && !digests.insert(digest) {
                    mistake("sha256", "must not be another credential's");
                }
                credentials.push(Credential {
                    digest,
                    caller: caller.clone(),
                });
            }
        }
        if mistakes.is_empty() {
            Ok(Self(credentials))
        } else {
            Err(mistakes)
        }
    }

    /// Their names, in the order of the file.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|it| it.caller.name.as_str()).collect();
        names.dedup();
        names
    }

    /// The caller whose credential stands in `authorization: Bearer …`, by the values of all such
    /// headers: there must be one.
    pub fn caller_of<'a>(
        &self,
        authorization: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Caller, CallerError> {
        let mut values = authorization.into_iter();
        let first = values.next();
        if values.next().is_some() {
            return Err(CallerError::Twice);
        }
        self.caller(first.and_then(|value| std::str::from_utf8(value).ok()))
    }

    /// As above, by that header's one value.
    pub fn caller(&self, authorization: Option<&str>) -> Result<Caller, CallerError> {
        let secret = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, secret)| secret.trim())
            .ok_or(CallerError::Unauthenticated)?;
        if secret.is_empty() {
            return Err(CallerError::Unauthenticated);
        }
        if !secret.starts_with(CREDENTIAL_PREFIX) {
            return Err(if secret.matches('.').count() == 2 {
                CallerError::TokenAsCaller
            } else {
                CallerError::Unknown
            });
        }
        if secret.len() != CREDENTIAL_LENGTH {
            return Err(CallerError::Unknown);
        }
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        // All are compared, so the time tells nothing of which.
        let mut found = None;
        for credential in &self.0 {
            let same: Choice = credential.digest.ct_eq(&digest);
            if bool::from(same) {
                found = Some(&credential.caller);
            }
        }
        found.cloned().ok_or(CallerError::Unknown)
    }
}

/// A new secret, and the digest that goes into the file.
pub fn new_credential() -> Result<(String, String), getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let secret = format!("{CREDENTIAL_PREFIX}{}", hex::encode(bytes));
    let digest = hex::encode(Sha256::digest(secret.as_bytes()));
    Ok((secret, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(roles: &str) -> (String, Credentials) {
        let (secret, digest) = new_credential().unwrap();
        let json = format!(
            r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":{roles}}}]}}"#
        );
        (secret, Credentials::parse(&json).unwrap())
    }

    #[test]
    fn a_credential_gives_its_roles_and_no_others() {
        let (secret, credentials) = one(r#"["mint"]"#);
        assert_eq!(secret.len(), CREDENTIAL_LENGTH);
        let caller = credentials
            .caller(Some(&format!("Bearer {secret}")))
            .unwrap();
        assert_eq!(caller.name, "hub");
        assert_eq!(caller.require(&[Role::Mint]), Ok(()));
        assert_eq!(caller.require(&[Role::Revoke, Role::Mint]), Ok(()));
        assert!(caller.require(&[Role::Revoke]).is_err());
        assert!(caller.require(&[]).is_err());
        let (secret, credentials) = one(r#"["admin"]"#);
        let admin = credentials
            .caller(Some(&format!("bearer {secret}")))
            .unwrap();
        assert_eq!(admin.require(&[Role::Feed]), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let (secret, credentials) = one(r#"["mint"]"#);
        let refused = |value: &str| credentials.caller(Some(value)).unwrap_err();
        assert_eq!(credentials.caller(None), Err(CallerError::Unauthenticated));
        assert_eq!(refused(&secret), CallerError::Unauthenticated);
        assert_eq!(
            refused(&format!("Basic {secret}")),
            CallerError::Unauthenticated
        );
        assert_eq!(refused(&format!("Bearer {secret}x")), CallerError::Unknown);
        let (other, _) = new_credential().unwrap();
        assert_eq!(refused(&format!("Bearer {other}")), CallerError::Unknown);
        let shown = format!("Bearer {secret}");
        let shown = shown.as_bytes();
        assert!(credentials.caller_of([shown]).is_ok());
        let none = credentials.caller_of(std::iter::empty());
        assert_eq!(none, Err(CallerError::Unauthenticated));
        for twice in [[shown, shown], [shown, b"Basic eDp5"], [b"", shown]] {
            assert_eq!(credentials.caller_of(twice), Err(CallerError::Twice));
        }
        assert_eq!(refused("Bearer tw_aaa.bbb.ccc"), CallerError::TokenAsCaller);
    }

    #[test]
    fn all_mistakes_of_a_file_are_named() {
        let json = r#"{"credentials":[
            {"name":"","sha256":["zz"],"roles":[]},
            {"name":"a","sha256":[],"roles":["mint"]},
            {"name":"a","sha256":[],"roles":["mint"]}]}"#;
        let mistakes = Credentials::parse(json).err().unwrap().join("\n");
        for part in [
            "credentials[0].name: must be 1",
            "credentials[0].roles",
            "credentials[0].sha256: must be 64",
            "credentials[1].sha256: must hold one",
            "credentials[2].name: must be unique",
        ] {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
        assert!(Credentials::parse(r#"{"credentials":[],"more":1}"#).is_err());
    }
}
