//! `tokenward credentials` draws an operator credential: the secret goes to a file, its digest to the
//! issuer's credentials file. The issuer doesn't see the secret before its first use. The rules for roles
//! and entries are in `tokenward_common::process::credentials`.

use std::path::{Path, PathBuf};

use clap::{
    Args, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use tokenward_common::{
    id::AccountId,
    process::credentials::{CredentialEntry, Credentials, CredentialsFile, Role, new_credential},
};

use crate::{
    exit::{Exit, Failure},
    output::Output,
    replaced::Replaced,
    secret::{Secret, SecretFile},
};

const EXAMPLES: &str = "\
Examples:
  tokenward credentials generate --name hub --role mint --role revoke --role directory --out hub.credential \\
    --credentials credentials.json
  tokenward credentials generate --name verifiers --role feed --out feed.credential
  tokenward credentials generate --name trainer --role own --owner u-ada --out trainer.credential

The command prints the entry for the issuer's credentials file or a verifier's --operators. The file
has the form
  {\"credentials\": [ENTRY, ...]}
With --credentials the entry is added to that file, which running programs read again by themselves.
To change a credential, add the new digest beside the old one in the entry's \"sha256\", give the
callers the new secret, and then remove the old digest.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draw a new operator credential.
    #[command(after_help = EXAMPLES)]
    Generate(Generate),
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Give the credential this name, which the tokens that it mints show as their maker.
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// Give the credential this role. Repeat the option for several roles.
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = roles())]
    roles: Vec<Role>,
    /// Limit the credential to the tokens of the user or service account with this id, which is no
    /// name. The option is required with --role own.
    #[arg(long, value_name = "ID", value_parser = parse_name)]
    owner: Option<String>,
    /// Write the secret to this new file (mode 0600).
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Add the entry to this credentials file, and keep its other entries. The file is made (mode
    /// 0600) if it does not exist.
    #[arg(long, value_name = "PATH")]
    credentials: Option<PathBuf>,
}

/// Describes to people what a role may do.
fn about(role: Role) -> &'static str {
    match role {
        Role::Mint => "Mint, change, rotate, show and list tokens",
        Role::Directory => "Write users, orgs, memberships, repos and gate grants",
        Role::Revoke => "Revoke tokens, withdraw keys",
        Role::Orgs => "List, approve, deny and revoke tokens for orgs",
        Role::Feed => "Follow the log, as verifiers do",
        Role::Audit => "Read the audit trail",
        Role::Explain => "Ask a verifier how it decided: it shows private records",
        Role::Own => {
            "List, show, rotate and revoke the tokens of one owner (--owner); goes with no other role"
        }
        Role::Admin => "Everything that operators do",
    }
}

fn roles() -> impl TypedValueParser<Value = Role> {
    let value = |role: &Role| PossibleValue::new(role.word()).help(about(*role));
    PossibleValuesParser::new(Role::ALL.iter().map(value)).try_map(Role::try_from)
}

fn parse_name(text: &str) -> Result<String, String> {
    AccountId::parse(text)
        .map(|it| it.as_str().to_owned())
        .map_err(|rule| rule.to_string())
}

pub(crate) fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    let Command::Generate(args) = command;
    let (secret, entry) = draw(args.name, args.roles, args.owner)?;
    let value = serde_json::to_value(&entry).map_err(failed)?;
    let file = SecretFile::create(&args.out)?;
    let next = match &args.credentials {
        None => {
            file.write(secret.expose())?;
            "Add the entry above to the issuer's credentials file.".to_owned()
        }
        Some(path) => {
            add(path, entry, || file.write(secret.expose()))?;
            format!("Its entry is in {}.", path.display())
        }
    };
    output.answer(&value.to_string(), &value)?;
    output.note(&format!("The secret is in {}. {next}", args.out.display()));
    Ok(Exit::Ok)
}

/// Draws a new secret, and makes the entry by which the programs accept it.
pub(crate) fn draw(
    name: String,
    roles: Vec<Role>,
    owner: Option<String>,
) -> Result<(Secret, CredentialEntry), Failure> {
    let (secret, digest) = new_credential().map_err(failed)?;
    let mut once: Vec<Role> = Vec::new();
    for role in roles {
        if !once.contains(&role) {
            once.push(role);
        }
    }
    let entry = CredentialEntry {
        name,
        sha256: vec![digest],
        certificates: Vec::new(),
        roles: once,
        owner,
    };
    let told = |(field, rule): (&str, String)| match field {
        "roles" => format!("--role: {rule}"),
        field => format!("--{field}: {rule}"),
    };
    match entry.mistakes() {
        wrong if wrong.is_empty() => Ok((Secret::new(secret), entry)),
        wrong => {
            let told: Vec<_> = wrong.into_iter().map(told).collect();
            Err(Failure::usage(told.join("; ")))
        }
    }
}

/// Adds the entry to the credentials file, from which the programs read it. `before` runs just before the
/// new file is in place, and may still fail.
fn add(
    path: &Path,
    entry: CredentialEntry,
    before: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = Replaced::open("--credentials", path)?;
    let mut all = CredentialsFile {
        credentials: Vec::new(),
    };
    if let Some(text) = file.read()? {
        // A broken file is refused and stays unchanged.
        Credentials::parse(&text).map_err(|mistakes| {
            Failure::usage(format!("{}: {}", path.display(), mistakes.join("; ")))
                .next("mend the file by hand; programs go on with the last good one")
        })?;
        all = serde_json::from_str(&text).map_err(failed)?;
    }
    if all.credentials.iter().any(|it| it.name == entry.name) {
        return Err(Failure::new(
            Exit::Conflict,
            format!("{} has an entry named {}", path.display(), entry.name),
        )
        .next(
            "choose another --name; to change that credential, add a digest to its entry by hand",
        ));
    }
    all.credentials.push(entry);
    let text = serde_json::to_string_pretty(&all).map_err(failed)?;
    Credentials::parse(&text).map_err(|mistakes| failed(mistakes.join("; ")))?;
    file.replace(&text, before)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, format!("no credential was made: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use serde_json::Value;

    use super::*;

    fn generate(name: &str, role: Role, out: &Path, credentials: Option<&Path>) -> Command {
        Command::Generate(Generate {
            name: name.into(),
            roles: vec![role],
            owner: (role == Role::Own).then(|| "u-ada".into()),
            out: out.into(),
            credentials: credentials.map(Into::into),
        })
    }

    #[test]
    fn the_entry_holds_the_digest_and_not_the_secret() {
        let roles = vec![Role::Mint, Role::Revoke, Role::Mint];
        let (secret, entry) = draw("hub".into(), roles, None).unwrap();
        assert_eq!(entry.roles, [Role::Mint, Role::Revoke]);
        let entry = serde_json::to_string(&entry).unwrap();
        assert!(!entry.contains("twc_"), "{entry}");
        let file = format!(r#"{{"credentials":[{entry}]}}"#);
        let known = Credentials::parse(&file).ok().unwrap();
        let shown = format!("Bearer {}", secret.expose());
        assert_eq!(known.caller(Some(&shown)).unwrap().name, "hub");
    }

    #[test]
    fn own_and_its_owner_go_together_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        for (roles, owner, told) in [
            (vec![Role::Own], None, "--owner: "),
            (vec![Role::Mint], Some("u-ada"), "--owner: "),
            (vec![Role::Own, Role::Mint], Some("u-ada"), "--role: "),
            (vec![Role::Admin, Role::Own], Some("u-ada"), "--role: "),
        ] {
            let out = dir.path().join("pod.credential");
            let asked = format!("{roles:?} {owner:?}");
            let command = Command::Generate(Generate {
                name: "pod".into(),
                roles,
                owner: owner.map(Into::into),
                out: out.clone(),
                credentials: None,
            });
            let refused = run(command, &Output::new(true)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{asked}");
            assert!(refused.message.starts_with(told), "{asked}: {refused}");
            assert!(!out.exists(), "{asked}");
        }
    }

    #[test]
    fn generate_writes_a_new_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("hub.credential");
        let command = || generate("hub", Role::Mint, &out, None);
        assert_eq!(run(command(), &Output::new(true)).unwrap(), Exit::Ok);
        let text = fs::read_to_string(&out).unwrap();
        assert_eq!(text.len(), 4 + 64 + 1);
        assert_eq!(
            run(command(), &Output::new(true)).unwrap_err().exit,
            Exit::Conflict
        );
        assert_eq!(fs::read_to_string(&out).unwrap(), text);
    }

    #[test]
    fn entries_are_added_to_a_file_that_the_programs_take() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials.json");
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        let out = |name: &str| dir.path().join(format!("{name}.credential"));
        for &role in Role::ALL {
            let name = role.word();
            let command = generate(name, role, &out(name), Some(&file));
            assert_eq!(run(command, &Output::new(true)).unwrap(), Exit::Ok);
            let text = fs::read_to_string(&file).unwrap();
            let known = Credentials::parse(&text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            let secret = fs::read_to_string(out(name)).unwrap();
            let shown = format!("Bearer {}", secret.trim());
            assert_eq!(known.caller(Some(&shown)).unwrap().name, name);
        }
        assert_eq!(mode(), 0o600);
        let entries: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(entries["credentials"].as_array().unwrap().len(), 9);

        // The issuer's group may read the file; this permission must stay.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let command = generate("more", Role::Mint, &out("more"), Some(&file));
        assert_eq!(run(command, &Output::new(true)).unwrap(), Exit::Ok);
        assert_eq!(mode(), 0o640);
    }

    /// Whoever finds the file in use is refused, and leaves nothing.
    #[test]
    fn of_twenty_at_once_each_has_its_entry_and_its_secret_or_neither() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials.json");
        let out = |number: usize| dir.path().join(format!("{number}.credential"));
        let one = &|number: usize| {
            let command = generate(&number.to_string(), Role::Mint, &out(number), Some(&file));
            run(command, &Output::new(true))
        };
        let results: Vec<_> = std::thread::scope(|threads| {
            let running: Vec<_> = (0..20).map(|at| threads.spawn(move || one(at))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let text = fs::read_to_string(&file).unwrap();
        let known = Credentials::parse(&text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let mut made = 0;
        for (number, result) in results.into_iter().enumerate() {
            let Ok(secret) = fs::read_to_string(out(number)) else {
                let refused = result.unwrap_err();
                assert_eq!(refused.exit, Exit::Conflict, "{refused}");
                continue;
            };
            assert_eq!(result.unwrap(), Exit::Ok);
            let shown = format!("Bearer {}", secret.trim());
            let caller = known.caller(Some(&shown)).unwrap();
            assert_eq!(caller.name, number.to_string());
            made += 1;
        }
        let entries: CredentialsFile = serde_json::from_str(&text).unwrap();
        assert_eq!(entries.credentials.len(), made);
        // The lock is gone, too.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), made + 1);
    }

    #[test]
    fn a_file_that_can_not_be_added_to_stays_and_no_secret_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("c.json"), dir.path().join("x.credential"));
        let told = |name: &str, text: &str| {
            fs::write(&file, text).unwrap();
            let command = generate(name, Role::Mint, &out, Some(&file));
            let refused = run(command, &Output::new(true)).unwrap_err();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{refused}");
            assert!(!refused.next.is_empty(), "{refused}");
            (refused.exit, refused.message)
        };
        let entry = |more: &str| {
            let digest = "ab".repeat(32);
            format!(
                r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":["mint"]{more}}}]}}"#
            )
        };
        let (exit, message) = told("hub", &entry(""));
        assert_eq!(exit, Exit::Conflict);
        assert!(message.contains("an entry named hub"), "{message}");
        for broken in [
            "",
            "{",
            "[]",
            "{\"credentials\": 1}",
            &entry(r#","more":1"#),
        ] {
            assert_eq!(told("new", broken).0, Exit::Usage, "{broken}");
        }
    }
}
