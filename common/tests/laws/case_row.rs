//! The rows of `tests/cases/permissions.tsv`: who asks what of which hub, and what is answered.

use tokenward_common::token::{EntityKind, Role, Scope, Scopes};

use crate::case_hub::repo_id;

/// One case, its columns as they stand.
#[derive(Debug)]
pub struct Row<'a> {
    pub number: usize,
    /// Changes to the hub, `; ` between them; `-` for none.
    pub hub: Vec<&'a str>,
    pub caller: Caller<'a>,
    /// A kind, or `user` or `org`, and a name.
    pub resource: (&'a str, &'a str),
    pub permission: &'a str,
    /// `None` to allow, else the reason as on the wire, without its prefix.
    pub refused: Option<&'a str>,
    /// Of the checklist.
    pub lines: Vec<&'a str>,
}

#[derive(Debug)]
pub enum Caller<'a> {
    Anonymous,
    Token(Token<'a>),
}

/// `OWNER read`, `OWNER write`, or `OWNER fine` and scopes `KIND:NAME=PERMISSION,…[@PATTERN|…]`,
/// `global=PERMISSION,…`, `gated`; `forged=HOW` for one that isn't genuine.
#[derive(Debug)]
pub struct Token<'a> {
    pub owner: &'a str,
    pub role: Role,
    /// Exactly with a fine-grained one.
    pub scopes: Option<Scopes>,
    pub forged: Option<&'a str>,
}

pub fn read(text: &str) -> Vec<Row<'_>> {
    let lines = text.lines().enumerate();
    let rows = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    rows.skip(1).map(|(at, line)| row(at + 1, line)).collect()
}

fn row(number: usize, line: &str) -> Row<'_> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [
        hub,
        caller,
        resource,
        permission,
        answer,
        reason,
        lines,
        _note,
    ] = columns[..]
    else {
        panic!("line {number}: {} columns of 8", columns.len());
    };
    let refused = match (answer, reason) {
        ("allow", "-") => None,
        ("deny", reason) if reason != "-" => Some(reason),
        _ => panic!("line {number}: allow without a reason, or deny with one"),
    };
    Row {
        number,
        hub: if hub == "-" {
            Vec::new()
        } else {
            hub.split("; ").collect()
        },
        caller: token(caller),
        resource: resource.split_once(' ').unwrap(),
        permission,
        refused,
        lines: lines.split(' ').collect(),
    }
}

fn token(text: &str) -> Caller<'_> {
    if text == "anonymous" {
        return Caller::Anonymous;
    }
    let mut words = text.split(' ');
    let owner = words.next().unwrap();
    let role = match words.next() {
        Some("read") => Role::Read,
        Some("write") => Role::Write,
        Some("fine") => Role::FineGrained,
        _ => panic!("{text}: read, write or fine"),
    };
    let (mut scopes, mut forged) = (Scopes::default(), None);
    for word in words {
        match word.split_once('=') {
            None if word == "gated" => scopes.can_read_gated_repos = true,
            Some(("forged", how)) => forged = Some(how),
            Some(("global", names)) => scopes.global = list(names, ','),
            Some((entity, granted)) => scopes.scoped.push(scope(entity, granted)),
            None => panic!("{text}: {word}?"),
        }
    }
    let scopes = (role == Role::FineGrained).then_some(scopes);
    Caller::Token(Token {
        owner,
        role,
        scopes,
        forged,
    })
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
