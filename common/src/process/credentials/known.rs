//! This file decides which credentials are known, and which caller each belongs to.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{caller::Caller, entry::CredentialsFile, error::CallerError};
use crate::{clock::UnixTime, process::tls::Identity};

/// The beginning of every credential, which user access tokens never have.
pub const CREDENTIAL_PREFIX: &str = "twc_";
/// The length of a credential in bytes: the prefix and 32 random bytes in hexadecimal.
const CREDENTIAL_LENGTH: usize = CREDENTIAL_PREFIX.len() + 64;

#[derive(PartialEq, Eq)]
struct Credential {
    caller: Caller,
    digests: Vec<[u8; 32]>,
    /// The names of client certificates that are this caller's.
    certificates: Vec<String>,
}

/// All credentials, in the order of the file.
#[derive(PartialEq, Eq)]
pub struct Credentials(Vec<Credential>);

/// What a caller showed: a secret, or a certificate, or both. The secret then decides.
#[derive(Clone, Copy)]
pub struct Shown<'a, A> {
    /// The values of all `authorization` headers.
    pub authorization: A,
    /// Who the connection's client certificate names.
    pub identity: Option<&'a Identity>,
    pub now: UnixTime,
}

impl Credentials {
    /// Reads the file. The error holds every mistake, each with the entry and the rule.
    pub fn parse(json: &str) -> Result<Self, Vec<String>> {
        let file: CredentialsFile =
            serde_json::from_str(json).map_err(|error| vec![error.to_string()])?;
        let mut mistakes = Vec::new();
        let mut names = HashSet::new();
        let mut digests = HashSet::new();
        let mut certificates = HashSet::new();
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
            let mut own = Vec::new();
            for text in entry.sha256 {
                let mut digest = [0; 32];
                // A text that isn't a digest is among the entry's own mistakes.
                if hex::decode_to_slice(&text, &mut digest).is_ok() && !digests.insert(digest) {
                    mistake("sha256", "must not be another credential's");
                }
                own.push(digest);
            }
            for name in &entry.certificates {
                if !certificates.insert(name.clone()) {
                    mistake("certificates", "must not be another credential's");
                }
            }
            credentials.push(Credential {
                caller,
                digests: own,
                certificates: entry.certificates,
            });
        }
        if mistakes.is_empty() {
            Ok(Self(credentials))
        } else {
            Err(mistakes)
        }
    }

    /// Returns the names of all credentials, in the order of the file.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|it| it.caller.name.as_str()).collect()
    }

    /// Finds the caller whose credential stands in `authorization: Bearer …`, of which there must be one
    /// at most; without one, the caller whom the client certificate names. A secret that is shown decides
    /// alone: a wrong one is refused, whatever the certificate says.
    pub fn caller_of<'a>(
        &self,
        shown: Shown<'_, impl IntoIterator<Item = &'a [u8]>>,
    ) -> Result<Caller, CallerError> {
        let mut values = shown.authorization.into_iter();
        let first = values.next();
        if values.next().is_some() {
            return Err(CallerError::Twice);
        }
        match (first, shown.identity) {
            (None, Some(identity)) => self.holder(identity, shown.now),
            (value, _) => self.caller(value.and_then(|value| std::str::from_utf8(value).ok())),
        }
    }

    /// Finds the caller whom a client certificate names.
    fn holder(&self, identity: &Identity, now: UnixTime) -> Result<Caller, CallerError> {
        if !identity.is_valid(now) {
            return Err(CallerError::EndedCertificate);
        }
        let named = |credential: &&Credential| {
            let mut names = credential.certificates.iter();
            names.any(|name| identity.has(name))
        };
        let mut holders = self.0.iter().filter(named);
        match (holders.next(), holders.next()) {
            (None, _) => Err(CallerError::UnknownCertificate),
            (Some(one), None) => Ok(one.caller.clone()),
            (Some(_), Some(_)) => Err(CallerError::AmbiguousCertificate),
        }
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
            for known in &credential.digests {
                let same: Choice = known.ct_eq(&digest);
                if bool::from(same) {
                    found = Some(&credential.caller);
                }
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
        let caller_of = |values: &[&[u8]]| {
            credentials.caller_of(Shown {
                authorization: values.iter().copied(),
                identity: None,
                now: UnixTime(0),
            })
        };
        assert!(caller_of(&[shown]).is_ok());
        assert_eq!(caller_of(&[]), Err(CallerError::Unauthenticated));
        for twice in [[shown, shown], [shown, b"Basic eDp5"], [b"", shown]] {
            assert_eq!(caller_of(&twice), Err(CallerError::Twice));
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

    #[test]
    fn a_certificate_names_its_caller_unless_a_secret_is_shown() {
        let (secret, digest) = new_credential().unwrap();
        let json = format!(
            r#"{{"credentials":[
                {{"name":"hub","certificates":["uri:spiffe://x/hub","dns:hub.x"],"roles":["mint"]}},
                {{"name":"both","sha256":["{digest}"],"certificates":["dns:both.x"],"roles":["feed"]}}]}}"#
        );
        let credentials = Credentials::parse(&json).unwrap();
        let named = |names: &[&str], authorization: Option<&str>, now| {
            let identity = Identity::for_tests(names, UnixTime(100));
            let caller = credentials.caller_of(Shown {
                authorization: authorization.map(str::as_bytes),
                identity: Some(&identity),
                now: UnixTime(now),
            });
            caller.map(|caller| caller.name)
        };
        let hub = ["uri:spiffe://x/hub"];
        assert_eq!(named(&hub, None, 99), Ok("hub".into()));
        assert_eq!(named(&["dns:y", "dns:hub.x"], None, 0), Ok("hub".into()));
        assert_eq!(named(&hub, None, 100), Err(CallerError::EndedCertificate));
        for stranger in [&[][..], &["dns:x"], &["dns:sub.hub.x"], &["uri:dns:hub.x"]] {
            let refused = named(stranger, None, 0);
            assert_eq!(
                refused,
                Err(CallerError::UnknownCertificate),
                "{stranger:?}"
            );
        }
        let several = named(&["dns:hub.x", "dns:both.x"], None, 0);
        assert_eq!(several, Err(CallerError::AmbiguousCertificate));
        let shown = format!("Bearer {secret}");
        assert_eq!(named(&hub, Some(&shown), 0), Ok("both".into()));
        let (other, _) = new_credential().unwrap();
        let wrong = named(&hub, Some(&format!("Bearer {other}")), 0);
        assert_eq!(wrong, Err(CallerError::Unknown));
        assert_eq!(named(&hub, Some(""), 0), Err(CallerError::Unauthenticated));
    }

    #[test]
    fn names_of_certificates_are_checked() {
        for (names, rule) in [
            (r#"["hub.x"]"#, "must be dns:NAME or uri:URI"),
            (r#"["dns:"]"#, "must be dns:NAME or uri:URI"),
            (r#"["uri:hub"]"#, "must be dns:NAME or uri:URI"),
            (r#"["dns:*.x"]"#, "without *"),
            (r#"["dns:Hub.x"]"#, "lower case"),
            (r#"["dns:hub x"]"#, "must be dns:NAME or uri:URI"),
            (r#"["dns:hub.x","dns:hub.x"]"#, "must not be another"),
            ("[]", "sha256: must hold one digest"),
        ] {
            let json = format!(
                r#"{{"credentials":[{{"name":"a","certificates":{names},"roles":["mint"]}}]}}"#
            );
            let mistakes = Credentials::parse(&json)
                .err()
                .unwrap_or_default()
                .join("\n");
            assert!(mistakes.contains(rule), "{names}: {mistakes}");
        }
    }
}
