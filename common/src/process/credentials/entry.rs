//! This file decides the form of the credentials' file, and the rules for one entry.

use serde::{Deserialize, Serialize};

use super::{own, role::Role};
use crate::id::AccountId;

/// The longest name of a certificate, in characters.
const MOST_NAME: usize = 512;

/// The credentials' file, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialsFile {
    pub credentials: Vec<CredentialEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialEntry {
    pub name: String,
    /// The SHA-256 of the secret in hexadecimal, and a second one while the secret is being changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<String>,
    /// The names in client certificates whose holders are this caller: `dns:hub.example`,
    /// `uri:spiffe://example/hub`. An entry has secrets, or names, or both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    pub roles: Vec<Role>,
    /// The id of a user or a service account. It stands with the role `own` and with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl CredentialEntry {
    /// Returns the entry's own mistakes, each as field and rule.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        self.read().1
    }

    /// Returns the owner, if the entry is for one owner alone, and the entry's mistakes.
    pub(super) fn read(&self) -> (Option<AccountId>, Vec<(&'static str, String)>) {
        let mut mistakes = Vec::new();
        let mut mistake = |field: &'static str, rule: &str| mistakes.push((field, rule.to_owned()));
        if self.name.is_empty() || self.name.len() > 64 {
            mistake("name", "must be 1 to 64 characters");
        } else if self.name.starts_with('(') {
            let rule = "must not begin with (, for those are no credentials' names";
            mistake("name", rule);
        }
        if self.roles.is_empty() {
            let names = Role::names();
            mistake("roles", &format!("must name at least one of {names}"));
        }
        let owner = own::owner(&self.roles, self.owner.as_deref(), &mut mistake);
        let digests = if self.certificates.is_empty() {
            1..=2
        } else {
            0..=2
        };
        if !digests.contains(&self.sha256.len()) {
            let rule = "must hold one digest, or two while it is being changed";
            mistake("sha256", rule);
        }
        for name in &self.certificates {
            if let Err(rule) = certificate_name(name) {
                mistake("certificates", rule);
            }
        }
        for text in &self.sha256 {
            if hex::decode_to_slice(text, &mut [0; 32]).is_err() {
                mistake("sha256", "must be 64 hexadecimal digits");
            }
        }
        (owner, mistakes)
    }
}

/// Checks a name in a client certificate. It is compared whole with the certificate's names.
fn certificate_name(name: &str) -> Result<(), &'static str> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let (kind, text) = name.split_once(':').unwrap_or_default();
    if name.len() > MOST_NAME {
        return Err("must be at most 512 characters");
    }
    match kind {
        _ if text.contains('*') => Err("must be a whole name, without *"),
        "dns" if plain(text) && text != text.to_ascii_lowercase() => {
            Err("a DNS name must be in lower case")
        }
        "dns" if plain(text) => Ok(()),
        "uri" if plain(text) && text.contains(':') => Ok(()),
        _ => Err("must be dns:NAME or uri:URI, as the certificate's alternative names have it"),
    }
}
