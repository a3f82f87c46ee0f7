//! `tokenward credentials`: a new operator credential, its secret into a file, its digest for the
//! issuer's credentials file. The issuer never sees the secret before it is used.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokenward_common::id::AccountId;
use zeroize::Zeroizing;

use crate::{
    exit::{Exit, Failure},
    output::Output,
    secret::{Secret, SecretFile, random},
};

const EXAMPLES: &str = "\
Examples:
  tokenward credentials generate --name hub --role mint --role revoke --role directory --out hub.credential
  tokenward credentials generate --name verifiers --role feed --out feed.credential
  tokenward credentials generate --name trainer --role own --owner u-ada --out trainer.credential

Prints the entry for the issuer's credentials file (or a verifier's --operators), of the form
  {\"credentials\": [ENTRY, ...]}
To change a credential, add the new digest beside the old one in the entry's \"sha256\", move the
callers over, then take the old one out.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draw a new operator credential.
    #[command(after_help = EXAMPLES)]
    Generate(Generate),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Who holds it: shown as the maker of the tokens that it mints.
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// What it may do. Repeatable.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// With --role own: the id (no name) of the user or service account whose tokens it is for.
    #[arg(long, value_name = "ID", value_parser = parse_name)]
    owner: Option<String>,
    /// The new file for the secret (mode 0600).
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Role {
    /// Mint, change, rotate, show and list tokens.
    Mint,
    /// Write users, orgs, memberships, repos and gate grants.
    Directory,
    /// Revoke tokens, withdraw keys.
    Revoke,
    /// List, approve, deny and revoke tokens for orgs.
    Orgs,
    /// Follow the log, as verifiers do.
    Feed,
    /// Read the audit trail.
    Audit,
    /// Ask a verifier how it decided: it shows private records.
    Explain,
    /// List, show, rotate and revoke the tokens of one owner (--owner); goes with no other role.
    Own,
    /// Everything that operators do.
    Admin,
}

impl Role {
    fn word(self) -> &'static str {
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
}

fn parse_name(text: &str) -> Result<String, String> {
    AccountId::parse(text)
        .map(|it| it.as_str().to_owned())
        .map_err(|rule| rule.to_string())
}

pub(crate) fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    let Command::Generate(args) = command;
    fits(&args.roles, args.owner.as_deref()).map_err(Failure::usage)?;
    let bytes = Zeroizing::new(random()?);
    let secret = credential(&bytes);
    let entry = entry(&args.name, &args.roles, args.owner.as_deref(), &secret);
    SecretFile::create(&args.out)?.write(secret.reveal())?;
    output.answer(&entry.to_string(), &entry)?;
    output.note(&format!(
        "The secret is in {}. Add the entry above to the issuer's credentials file.",
        args.out.display()
    ));
    Ok(Exit::Ok)
}

fn credential(bytes: &[u8; 32]) -> Secret {
    let digits = Zeroizing::new(hex::encode(bytes));
    Secret::new(format!("twc_{}", *digits))
}

/// As the programs ask of an entry.
fn fits(roles: &[Role], owner: Option<&str>) -> Result<(), &'static str> {
    let own = roles.contains(&Role::Own);
    match owner {
        None if own => Err("--owner: must be set with --role own"),
        Some(_) if !own => Err("--owner: goes with --role own alone"),
        _ if own && roles.iter().any(|role| *role != Role::Own) => {
            Err("--role: own goes with no other role; make a credential of each")
        }
        _ => Ok(()),
    }
}

fn entry(name: &str, roles: &[Role], owner: Option<&str>, secret: &Secret) -> Value {
    let digest = Sha256::digest(secret.reveal().as_bytes());
    let mut words: Vec<&str> = Vec::new();
    for role in roles {
        if !words.contains(&role.word()) {
            words.push(role.word());
        }
    }
    let mut entry = json!({ "name": name, "sha256": [hex::encode(digest)], "roles": words });
    if let (Some(owner), Some(entry)) = (owner, entry.as_object_mut()) {
        entry.insert("owner".into(), owner.into());
    }
    entry
}

#[cfg(test)]
mod tests {
    use tokenward_common::process::credentials::Credentials;

    use super::*;

    #[test]
    fn the_entry_holds_the_digest_and_not_the_secret() {
        let secret = credential(&[0xab; 32]);
        assert_eq!(secret.reveal(), format!("twc_{}", "ab".repeat(32)));
        let entry = entry(
            "hub",
            &[Role::Mint, Role::Revoke, Role::Mint],
            None,
            &secret,
        );
        let digest = hex::encode(Sha256::digest(secret.reveal()));
        assert_eq!(
            entry,
            json!({"name": "hub", "sha256": [digest], "roles": ["mint", "revoke"]})
        );
        assert!(!entry.to_string().contains("twc_"));
    }

    #[test]
    fn every_role_is_one_that_the_programs_know() {
        let entries: Vec<Value> = Role::value_variants()
            .iter()
            .zip(0_u8..)
            .map(|(role, number)| {
                let value = role.to_possible_value().unwrap();
                assert_eq!(value.get_name(), role.word());
                let owner = (*role == Role::Own).then_some("u-ada");
                assert_eq!(fits(&[*role], owner), Ok(()));
                let secret = credential(&[number; 32]);
                entry(role.word(), &[*role], owner, &secret)
            })
            .collect();
        assert_eq!(entries.len(), 9);
        let file = json!({ "credentials": entries }).to_string();
        assert!(Credentials::parse(&file).is_ok());
    }

    #[test]
    fn own_and_its_owner_go_together_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        for (roles, owner) in [
            (vec![Role::Own], None),
            (vec![Role::Mint], Some("u-ada")),
            (vec![Role::Own, Role::Mint], Some("u-ada")),
            (vec![Role::Admin, Role::Own], Some("u-ada")),
        ] {
            let out = dir.path().join("pod.credential");
            let asked = format!("{roles:?} {owner:?}");
            let command = Command::Generate(Generate {
                name: "pod".into(),
                roles,
                owner: owner.map(Into::into),
                out: out.clone(),
            });
            let refused = run(command, &Output::new(true)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{asked}");
            assert!(!out.exists(), "{asked}");
        }
    }

    #[test]
    fn generate_writes_a_new_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("hub.credential");
        let command = || {
            Command::Generate(Generate {
                name: "hub".into(),
                roles: vec![Role::Mint],
                owner: None,
                out: out.clone(),
            })
        };
        assert_eq!(run(command(), &Output::new(true)).unwrap(), Exit::Ok);
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text.len(), 4 + 64 + 1);
        assert_eq!(
            run(command(), &Output::new(true)).unwrap_err().exit,
            Exit::Conflict
        );
        assert_eq!(std::fs::read_to_string(&out).unwrap(), text);
    }
}
