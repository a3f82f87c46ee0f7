//! This file decides which credentials are known, and which caller each belongs to.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{caller::Caller, entry::CredentialsFile, error::CallerError};

/// The beginning of every credential, which user access tokens never have.
pub const CREDENTIAL_PREFIX: &str = "twc_";
/// The length of a credential in bytes: the prefix and 32 random bytes in hexadecimal.
const CREDENTIAL_LENGTH: usize = CREDENTIAL_PREFIX.len() + 64;

#[derive(PartialEq, Eq)]
struct Credential {
    digest: [u8; 32],
    caller: Caller,
}

/// All credentials, by digest.
#[derive(PartialEq, Eq)]
pub struct Credentials(Vec<Credential>);

impl Credentials {
    /// Reads the file. The error holds every mistake, each with the entry and the rule.
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
                // A text that isn't a digest is among the entry's own mistakes.
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

    /// Returns the names of all credentials, in the order of the file.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|it| it.caller.name.as_str()).collect();
        names.dedup();
        names
    }

    /// Finds the caller whose credential stands in `authorization: Bearer …`, by the values of all such
    /// headers. There must be exactly one.
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

    /// Finds the caller by the single value of the `authorization` header, if there is one.
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
        // All digests are compared, so the time doesn't reveal which one matched.
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

/// Makes a new secret, and the digest that goes into the file.
pub fn new_credential() -> Result<(String, String), getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let secret = format!("{CREDENTIAL_PREFIX}{}", hex::encode(bytes));
    let digest = hex::encode(Sha256::digest(secret.as_bytes()));
    Ok((secret, digest))
}

#[cfg(test)]
mod tests {
    use super::{super::role::Role, *};

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
