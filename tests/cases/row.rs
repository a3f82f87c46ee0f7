//! The rows of `permissions.tsv`: who asks what of which hub, and what is answered.

use tokenward_common::token::{EntityKind, Role, Scope, Scopes};

use super::hub::repo_id;

/// One case, its columns as they stand.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) number: usize,
    /// What happens before the question, as `hub.txt` says it, `; ` between; `-` for nothing.
    pub(crate) before: Vec<&'a str>,
    pub(crate) caller: Caller<'a>,
    /// As it stands.
    pub(crate) who: &'a str,
    /// A kind, or `user` or `org`, and a name.
    pub(crate) resource: (&'a str, &'a str),
    pub(crate) permission: &'a str,
    /// `None` to allow, else the reason as on the wire, without its prefix.
    pub(crate) refused: Option<&'a str>,
    /// No question: the permission means nothing on such a thing. The pure decision knows it not.
    pub(crate) invalid: bool,
    /// Words of the message.
    pub(crate) says: Option<&'a str>,
    /// Of the checklist.
    pub(crate) lines: Vec<&'a str>,
}

#[derive(Debug)]
pub(crate) enum Caller<'a> {
    Anonymous,
    Token(Token<'a>),
}

/// `OWNER read`, `OWNER write`, or `OWNER fine` and scopes; `expired`; `old` for the value that it had
/// first; `forged=HOW` for one that isn't genuine.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) owner: &'a str,
    pub(crate) role: Role,
    /// Exactly with a fine-grained one.
    pub(crate) scopes: Option<Scopes>,
    pub(crate) expired: bool,
    pub(crate) old: bool,
    pub(crate) forged: Option<&'a str>,
}

pub(crate) fn read(text: &str) -> Vec<Row<'_>> {
    let lines = text.lines().enumerate();
    let rows = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    rows.skip(1).map(|(at, line)| row(at + 1, line)).collect()
}

fn row(number: usize, line: &str) -> Row<'_> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [
        before,
        caller,
        resource,
        permission,
        answer,
        reason,
        says,
        lines,
        _note,
    ] = columns[..]
    else {
        panic!("line {number}: {} columns of 9", columns.len());
    };
    let refused = match (answer, reason) {
        ("allow", "-") => None,
        ("invalid", "-") => Some("NOT_FOUND"),
        ("deny", reason) if reason != "-" => Some(reason),
        _ => panic!("line {number}: allow or invalid without a reason, or deny with one"),
    };
    let before: Vec<_> = before.split("; ").filter(|step| *step != "-").collect();
    Row {
        number,
        before,
        caller: token(caller),
        who: caller,
        resource: resource.split_once(' ').unwrap(),
        permission,
        refused,
        invalid: answer == "invalid",
        says: Some(says).filter(|says| *says != "-"),
        lines: lines.split(' ').collect(),
    }
}

impl Row<'_> {
    /// The token is there before all else, unless it is said when it is made.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        let first = (!self.before.contains(&"mint")).then_some("mint");
        first.into_iter().chain(self.before.iter().copied())
    }
}

fn token(text: &str) -> Caller<'_> {
    if text == "anonymous" {
        return Caller::Anonymous;
    }
    let words: Vec<_> = text.split(' ').collect();
    let (role, more) = match words[1..] {
        ["read", ref more @ ..] => (Role::Read, more),
        ["write", ref more @ ..] => (Role::Write, more),
        ["fine", ref more @ ..] => (Role::FineGrained, more),
        _ => panic!("{text}: read, write or fine"),
    };
    let (mut expired, mut old, mut forged, mut scoped) = (false, false, None, Vec::new());
    for &word in more {
        match word {
            "expired" => expired = true,
            "old" => old = true,
            _ => match word.strip_prefix("forged=") {
                Some(how) => forged = Some(how),
                None => scoped.push(word),
            },
        }
    }
    let scopes = (role == Role::FineGrained).then(|| scopes(&scoped));
    assert!(scopes.is_some() || scoped.is_empty(), "{text}: scopes");
    Caller::Token(Token {
        owner: words[0],
        role,
        scopes,
        expired,
        old,
        forged,
    })
}

/// `KIND:NAME=PERMISSION,…[@PATTERN|…]`, `global=PERMISSION,…`, `gated`.
pub(crate) fn scopes(words: &[&str]) -> Scopes {
    let mut scopes = Scopes::default();
    for word in words {
        match word.split_once('=') {
            None if *word == "gated" => scopes.can_read_gated_repos = true,
            Some(("global", names)) => scopes.global = list(names, ','),
            Some((entity, granted)) => scopes.scoped.push(scope(entity, granted)),
            None => panic!("{word}: no scope"),
        }
    }
    scopes
}

fn scope(entity: &str, granted: &str) -> Scope {
    let (word, name) = entity.split_once(':').unwrap();
    let kind = EntityKind::from_word(word).unwrap_or_else(|| panic!("{word}: no kind"));
    let id = match kind {
        EntityKind::User | EntityKind::Org | EntityKind::ResourceGroup => name.to_owned(),
        _ => repo_id(word, name),
    };
    let (permissions, patterns) = granted.split_once('@').unwrap_or((granted, ""));
    Scope {
        kind,
        id: id.into(),
        permissions: list(permissions, ','),
        patterns: list(patterns, '|'),
    }
}

fn list(text: &str, between: char) -> Vec<Box<str>> {
    let words = text.split(between).filter(|word| !word.is_empty());
    words.map(Into::into).collect()
}
