//! Tests that the names that the issuer's directory refuses are the words of the built-in tables.

use std::collections::BTreeSet;

use tokenward_common::state::{
    record::RepoKind,
    reserved::{ACCOUNTS, REPOS, is_for_account, is_for_repo},
};

use super::*;
use crate::edge::{
    path::Target,
    routes::{
        methods::Methods,
        pattern::{Case, Fitting, Part},
        reserved::Reserved,
        rule::Rule,
    },
};

#[derive(Default, PartialEq, Eq, Debug)]
struct Words {
    accounts: BTreeSet<String>,
    repos: BTreeSet<(String, u8)>,
}

const KINDS: [RepoKind; 7] = [
    RepoKind::Model,
    RepoKind::Dataset,
    RepoKind::Space,
    RepoKind::Kernel,
    RepoKind::Bucket,
    RepoKind::Collection,
    RepoKind::Endpoint,
];

fn place(kind: RepoKind) -> u8 {
    let place = KINDS.iter().position(|known| *known == kind);
    u8::try_from(place.unwrap()).unwrap()
}

/// Returns the words of a rule's path, each as a segment.
fn words_of(rule: &Rule) -> Vec<String> {
    let words = rule.pattern.iter().filter_map(|part| match part {
        Part::Word(word) => Some(format!("/{word}")),
        _ => None,
    });
    words.collect()
}

/// Returns paths that fit the first rule. Its open places hold names that nothing has, or words of the
/// other rule. Its own words are marked by `=`.
fn paths(rule: &Rule, other: &Rule) -> Vec<String> {
    let words = words_of(other);
    let any = |filler: &str| [&[filler.to_owned()][..], &words].concat();
    let mut all = vec![String::new()];
    for part in &rule.pattern {
        let choices: Vec<String> = match part {
            Part::Word(word) => vec![format!("/={word}")],
            Part::Kinds => ["models", "datasets", "spaces", "kernels"]
                .map(|kind| format!("/={kind}"))
                .into(),
            Part::Prefix => ["", "/=datasets", "/=spaces", "/=kernels"]
                .map(String::from)
                .into(),
            Part::Id { legacy, .. } => {
                let owners = any("/o0").into_iter();
                let owned = owners.map(|owner| format!("{owner}/n0"));
                let names = any("/n0").into_iter();
                let mut ids: Vec<_> = names
                    .map(|name| format!("/o0{name}"))
                    .chain(owned)
                    .collect();
                ids.extend(legacy.then(|| any("/n0")).into_iter().flatten());
                ids
            }
            Part::Account => any("/a0"),
            Part::Rev | Part::Any | Part::Model { .. } => any("/x0"),
            Part::Tail { may_be_empty, .. } => {
                let mut tails = any("/t0");
                tails.extend(any("/t1").iter().map(|last| format!("/t0{last}")));
                tails.extend(words.iter().map(|word| format!("{word}/t1")));
                tails.extend(may_be_empty.then(String::new));
                tails
            }
        };
        let longer = |begun: &String| {
            let begun = begun.clone();
            choices.iter().map(move |choice| format!("{begun}{choice}"))
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Returns whether one path could fit both rules. Two different words in the same place exclude that.
fn could_meet(one: &Rule, other: &Rule) -> bool {
    let apart = match (one.pattern.first(), other.pattern.first()) {
        (Some(Part::Word(one)), Some(Part::Word(other))) => one != other,
        _ => false,
    };
    !apart && one.methods.meet(other.methods)
}

/// Returns the kinds under which a rule could ask about the repo that its path names.
fn kinds_of(rule: &Rule, named: Option<RepoKind>) -> Vec<RepoKind> {
    let rules = rule.kinds();
    if rules.is_empty() {
        return named.map_or(KINDS.into(), |kind| vec![kind]);
    }
    rules
        .into_iter()
        .filter_map(|kind| kind.or(named))
        .collect()
}

/// Adds the words of one rule's path that another rule would read as a name.
fn add_words_of(table: &Table, words: &mut Words) {
    let (first, after_id) = table.reserved.listed();
    // If no path begins with a name, no word is taken for one.
    let begins = |rule: &Rule| matches!(rule.pattern.first(), Some(Part::Id { .. } | Part::Prefix));
    if table.rules.iter().any(begins) {
        words.accounts.extend(first);
    }
    let after_id = after_id.into_iter();
    words
        .repos
        .extend(after_id.map(|(word, kind)| (word, place(kind))));
    for rule in &table.rules {
        for other in table.rules.iter().filter(|other| could_meet(rule, other)) {
            for path in paths(rule, other) {
                let marked: Vec<_> = path
                    .split('/')
                    .skip(1)
                    .map(|it| it.starts_with('='))
                    .collect();
                let path = match path.replace('=', "") {
                    root if root.is_empty() => "/".to_owned(),
                    path => path,
                };
                let target = Target::parse(&path).unwrap();
                // The word is the rule's own, in its own place.
                let is_own = |name: &str| {
                    let same = |text: &str| std::ptr::eq(text.as_ptr(), name.as_ptr());
                    let place = target.segments.iter().position(|it| same(&it.text));
                    place.is_some_and(|place| marked[place])
                };
                let none = Reserved::default().words(&target.segments, Methods::from_name("GET"));
                let fitting = Fitting {
                    words: &none,
                    case: Case::Exact,
                };
                let Some(named) = fitting.fit(&other.pattern, &target.segments) else {
                    continue;
                };
                // Without an owner it is the name of a repo of only one account.
                let (owner, name) = match named.repo {
                    Some((owner, name)) => (owner, owner.map(|_| name)),
                    None => (named.account, None),
                };
                if let Some(owner) = owner.filter(|owner| is_own(owner)) {
                    words.accounts.insert(owner.to_owned());
                } else if let Some(name) = name.filter(|name| is_own(name)) {
                    let kinds = kinds_of(other, named.kind).into_iter();
                    let names = kinds.map(|kind| (name.to_owned(), place(kind)));
                    words.repos.extend(names);
                }
            }
        }
    }
}

#[test]
fn the_directory_takes_no_name_that_a_table_reads_as_a_word() {
    let mut words = Words::default();
    for name in ["hub", "inference"] {
        add_words_of(&Table::built_in(name).unwrap().unwrap(), &mut words);
    }
    let mut listed = Words::default();
    listed
        .accounts
        .extend(ACCOUNTS.iter().map(ToString::to_string));
    for (kinds, names) in REPOS {
        for kind in *kinds {
            let names = names.iter().map(|name| ((*name).to_owned(), place(*kind)));
            listed.repos.extend(names);
        }
    }
    assert_eq!(words, listed);
}

#[test]
fn names_of_other_places_are_free() {
    assert!(is_for_account("lab") && is_for_account("health"));
    assert!(!is_for_account("api") && !is_for_account("DataSets"));
    for (kind, name, fine) in [
        (RepoKind::Model, "llm", true),
        (RepoKind::Model, "tree", false),
        (RepoKind::Model, "Tree", false),
        (RepoKind::Model, "api", true),
        (RepoKind::Model, "x.git", false),
        (RepoKind::Dataset, "x.Git", false),
        (RepoKind::Model, "git", true),
        (RepoKind::Model, "leaderboard", true),
        (RepoKind::Dataset, "leaderboard", false),
        (RepoKind::Space, "logs", false),
        (RepoKind::Bucket, "logs", true),
    ] {
        assert_eq!(is_for_repo(kind, name), fine, "{kind:?} {name}");
    }
}
