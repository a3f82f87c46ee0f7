//! `tokenward keys rotate` takes a key ring one step further with each command. A token that is signed
//! with a key unknown to a verifier can't be judged there, so each key is published before it signs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    id::KeyId,
    token::{KeyRing, RingKey, RingState, SigningKey},
};
use zeroize::Zeroizing;

use super::{generate, parse_kid, ring::RingFile};
use crate::{
    exit::{Exit, Failure},
    output::Output,
    table,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward keys rotate --ring ring.json --out 2027-01.pem --kid 2027-01
  tokenward keys rotate --ring ring.json --activate 2027-01
  tokenward keys rotate --ring ring.json --init --key 2026-11.pem

A ring is the file that an issuer has by --key-ring. The issuer reads the file again every second.
Rotate in three steps:
  1. --out makes a new key and adds it as published, so that it does not sign yet.
  2. Wait until every issuer shows it (`tokenward keys list`) and every verifier has read the
     new key set: they do so every 30 s unless set otherwise (--jwks-poll); hand them the file
     if they read one.
  3. --activate makes the new key sign. The old key is retired, and its tokens stay good.
With several issuers, hand the ring and its key files to all of them at each step. A key that
leaked must be withdrawn, too: `tokenward keys withdraw`.

--init begins a ring whose first key signs: a new one (--out), or one that an issuer has signed
with so far (--key), named as its file unless --kid says otherwise. Keys lie in the ring's
folder. The ring is replaced whole or not at all.";

/// The longest time until all verifiers know a new key: the issuer reads the ring each second, and
/// verifiers request the key set every 30 s, for at most 5 s.
const SPREAD: Duration = Duration::from_secs(36);

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("step").required(true).args(["out", "activate", "key"]))]
pub(crate) struct Args {
    /// Change the key ring in this file.
    #[arg(long, value_name = "PATH")]
    ring: PathBuf,
    /// Draw a new key into this new file (mode 0600), and publish it.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Give the new key this name. Without this option its name is the date and 8 random digits.
    #[arg(long, value_name = "ID", value_parser = parse_kid, conflicts_with = "activate")]
    kid: Option<KeyId>,
    /// Make the published key with this name sign, and retire the key that signs now.
    #[arg(long, value_name = "KID", value_parser = parse_kid)]
    activate: Option<KeyId>,
    /// Make a ring that does not exist yet.
    #[arg(long, conflicts_with = "activate")]
    init: bool,
    /// Begin the ring with the key in this existing file; this requires --init.
    #[arg(long, value_name = "PATH", requires = "init")]
    key: Option<PathBuf>,
}

pub(super) fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let file = RingFile::open(&args.ring)?;
    let ring = match (file.read()?, args.init) {
        (Some(ring), false) => ring,
        (None, true) => KeyRing { keys: Vec::new() },
        (Some(_), true) => {
            return Err(Failure::new(
                Exit::Conflict,
                format!("{} exists: --init begins a new ring", args.ring.display()),
            )
            .next("leave --init out to add a key to it"));
        }
        (None, false) => {
            return Err(Failure::new(
                Exit::NotFound,
                format!("there is no ring {}", args.ring.display()),
            )
            .next("add --init to begin one, with --key FILE if a key has signed so far"));
        }
    };
    if let Some(kid) = args.activate {
        let early = early(file.changed(), SystemClock.unix().seconds());
        let ring = activated(ring, &kid)?;
        file.replace(&ring)?;
        let warning = early.map(|age| warning(&kid, age));
        if let Some(warning) = &warning {
            output.note(warning);
        }
        return answer(&ring, Value::Null, warning, output);
    }
    match (args.out, args.key) {
        (Some(out), _) => publish(file, ring, args.kid, &out, output),
        (None, Some(key)) => adopt(file, ring, args.kid, &key, output),
        (None, None) => {
            Err(Failure::usage("nothing to do").next("give one of --out, --activate and --key"))
        }
    }
}

fn publish(
    file: RingFile,
    ring: KeyRing,
    kid: Option<KeyId>,
    out: &Path,
    output: &Output,
) -> Result<Exit, Failure> {
    let key = generate::draw(kid)?;
    // The ring is checked first, so that no key is made that can't be in it.
    let ring = added(ring, key.kid().clone(), file.relative(out)?)?;
    generate::write(&key, out)?;
    let undone = |failure: Failure| {
        let left = format!("the new key is in no ring: remove {}", out.display());
        failure.next(left)
    };
    file.hand_over(out).map_err(undone)?;
    file.replace(&ring).map_err(undone)?;
    answer(&ring, generate::jwk(key.public()), None, output)
}

/// Begins the ring with a key that has signed so far.
fn adopt(
    file: RingFile,
    ring: KeyRing,
    kid: Option<KeyId>,
    path: &Path,
    output: &Output,
) -> Result<Exit, Failure> {
    let kid = match kid {
        Some(kid) => kid,
        None => {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            KeyId::parse(stem.unwrap_or_default())
                .map_err(|rule| Failure::usage(format!("--key: the key's name {rule}")))
                .map_err(|failure| failure.next("name it with --kid"))?
        }
    };
    let problem = |it: &dyn std::fmt::Display| {
        Failure::usage(format!("--key: {} can't be used: {it}", path.display()))
            .next("give the PKCS#8 PEM file that the issuer signs with")
    };
    let pem = Zeroizing::new(std::fs::read(path).map_err(|error| problem(&error))?);
    let key = SigningKey::from_pkcs8(kid.clone(), &pem).map_err(|error| problem(&error))?;
    let ring = added(ring, kid, file.relative(path)?)?;
    file.replace(&ring)?;
    answer(&ring, generate::jwk(key.public()), None, output)
}

/// Adds a key: the first key of a ring signs, every later one is published.
fn added(mut ring: KeyRing, kid: KeyId, file: String) -> Result<KeyRing, Failure> {
    let state = match ring.keys.is_empty() {
        true => RingState::Active,
        false => RingState::Published,
    };
    ring.keys.push(RingKey { kid, file, state });
    match ring.mistakes() {
        mistakes if mistakes.is_empty() => Ok(ring),
        mistakes => Err(Failure::new(Exit::Conflict, mistakes.join("; "))
            .next("name another --kid and another file: neither is ever used twice")),
    }
}

fn activated(mut ring: KeyRing, kid: &KeyId) -> Result<KeyRing, Failure> {
    match ring.key(kid).map(|key| key.state) {
        Some(RingState::Published) => {}
        Some(RingState::Active) => {
            return Err(Failure::new(Exit::Conflict, format!("{kid} signs already"))
                .next("there is nothing left to do"));
        }
        Some(RingState::Retired) => {
            return Err(Failure::new(
                Exit::Conflict,
                format!("{kid} is retired, and no key signs again"),
            )
            .next("publish a new key with --out"));
        }
        None => {
            return Err(
                Failure::new(Exit::NotFound, format!("the ring has no key {kid}"))
                    .next("publish one with --out"),
            );
        }
    }
    for key in &mut ring.keys {
        if key.state == RingState::Active {
            key.state = RingState::Retired;
        } else if key.kid == *kid {
            key.state = RingState::Active;
        }
    }
    Ok(ring)
}

/// Returns the age of the ring's last change, if it is too recent for all verifiers to know.
fn early(changed: Option<UnixTime>, now: UnixTime) -> Option<Duration> {
    let age = Duration::from_secs(now.0.saturating_sub(changed?.0));
    (age < SPREAD).then_some(age)
}

fn warning(kid: &KeyId, age: Duration) -> String {
    format!(
        "Warning: the ring was changed only {} s ago. A verifier that hasn't read the key set since \
         (they do so every 30 s unless set otherwise) answers \"try again\" to what {kid} signs until it has.",
        age.as_secs()
    )
}

fn answer(
    ring: &KeyRing,
    jwk: Value,
    warning: Option<String>,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut rows = vec![["KEY", "STATE", "FILE"].map(str::to_owned).to_vec()];
    rows.extend(ring.keys.iter().map(|key| {
        vec![
            key.kid.to_string(),
            key.state.word().to_owned(),
            key.file.clone(),
        ]
    }));
    let mut value = json!({ "keys": ring.keys });
    if let Some(object) = value.as_object_mut() {
        if !jwk.is_null() {
            object.insert("jwk".into(), jwk);
        }
        object.extend(warning.map(|warning| ("warning".into(), warning.into())));
    }
    output.answer(&table::columns(&rows), &value)?;
    let published = ring.in_state(RingState::Published).last();
    if let Some(key) = published {
        output.note(&format!(
            "Next: once every issuer and verifier knows it, --activate {}.",
            key.kid
        ));
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests;
