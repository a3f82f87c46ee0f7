//! Finds rules that never get to ask about a model, because a rule above takes their requests first and
//! asks about none. This happens when the hub's rules stand above those of model servers. It is pure, runs
//! once a table with all its lines has been read, and must not know any request.

use super::{
    Thing,
    mistake::Mistake,
    pattern::{KINDS, Part},
    rule::Rule,
    source::Source,
};
use tokenward_common::state::record::RepoKind;

/// Returns the first such rules for each pair of lines. `of_one` is set if the server has one model, which
/// the table names.
pub(super) fn mistakes(rules: &[Rule], of_one: bool) -> Vec<Mistake> {
    let mut found: Vec<((usize, usize), Mistake)> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        // Without that model its rules are skipped.
        if !asks_about_named(rule) || (rule.is_of_served() && !of_one) {
            continue;
        }
        let paths = shapes(&rule.pattern);
        let above = rules.iter().take(at);
        for first in above.filter(|first| !asks_about_model(first)) {
            let lines = (first.line, rule.line);
            let is_new = !found.iter().any(|(known, _)| *known == lines);
            if is_new && first.methods.meet(rule.methods) && first.may_hold_with(rule) {
                let taken = shapes(&first.pattern);
                if taken.iter().any(|one| paths.iter().any(|it| meet(one, it))) {
                    found.push((lines, mistake(first, rule)));
                }
            }
        }
    }
    found.into_iter().map(|(_, mistake)| mistake).collect()
}

fn mistake(first: &Rule, rule: &Rule) -> Mistake {
    Mistake {
        line: rule.line,
        rule: format!(
            "`{}` asks about a model, and `{}` of line {} takes its requests first and asks about none: \
             put line {} above line {} (@include inference comes first)",
            rule.written, first.written, first.line, rule.line, first.line
        ),
    }
}

/// Returns whether the rule asks about a model that the request names to its server, or that the server
/// has.
fn asks_about_named(rule: &Rule) -> bool {
    rule.needed().iter().any(|(source, _)| source.is_of_model())
}

/// Returns whether the rule asks about any model: a server's, a fixed one, or one that a path of the hub's
/// names.
fn asks_about_model(rule: &Rule) -> bool {
    let is_model = |source: &Source| match source {
        Source::Repo(kind) => *kind == Some(RepoKind::Model),
        Source::Fixed(Thing::Repo { kind, .. }) => *kind == RepoKind::Model,
        source => source.is_of_model(),
    };
    rule.needed().iter().any(|(source, _)| is_model(source))
}

/// This is a set of segments that fit one position of a path.
#[derive(Clone, Copy)]
enum Atom<'a> {
    Word(&'a str),
    Kind,
    /// This is the first segment of a path. No word of the table is an owner.
    Owner,
    Any,
    /// The segment has this ending.
    Ending(&'a str),
    /// At least this many segments follow. It must be the last.
    Rest(usize),
}

/// Returns the sequences of segments that fit a pattern. A part that takes one or two segments gives a
/// sequence for each.
fn shapes<'a>(pattern: &'a [Part]) -> Vec<Vec<Atom<'a>>> {
    let mut rows = vec![Vec::new()];
    for part in pattern {
        let mut longer = Vec::new();
        for row in rows {
            let first = match row.is_empty() {
                true => Atom::Owner,
                false => Atom::Any,
            };
            let mut add = |more: &[Atom<'a>]| longer.push([&row[..], more].concat());
            match part {
                Part::Word(word) => add(&[Atom::Word(word)]),
                Part::Kinds => add(&[Atom::Kind]),
                Part::Prefix => {
                    add(&[]);
                    add(&[Atom::Kind]);
                }
                Part::Id { legacy, .. } => {
                    add(&[first, Atom::Any]);
                    if *legacy {
                        add(&[first]);
                    }
                }
                Part::Account | Part::Rev | Part::Any => add(&[Atom::Any]),
                Part::Model { after } => {
                    add(&[Atom::Ending(after)]);
                    add(&[Atom::Any, Atom::Ending(after)]);
                }
                Part::Tail { may_be_empty, .. } => add(&[Atom::Rest(usize::from(!may_be_empty))]),
            }
        }
        rows = longer;
    }
    rows
}

/// Returns whether some path fits both.
fn meet(one: &[Atom<'_>], other: &[Atom<'_>]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((Atom::Rest(least), _)), _) => lasts(other, *least),
        (_, Some((Atom::Rest(least), _))) => lasts(one, *least),
        (Some((a, one)), Some((b, other))) => same(*a, *b) && meet(one, other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Returns whether at least `least` segments are left, or could be.
fn lasts(row: &[Atom<'_>], least: usize) -> bool {
    row.len() >= least
}

fn same(a: Atom<'_>, b: Atom<'_>) -> bool {
    match (a, b) {
        (Atom::Word(a), Atom::Word(b)) => a == b,
        (Atom::Word(_), Atom::Owner) | (Atom::Owner, Atom::Word(_)) => false,
        (Atom::Word(word), Atom::Kind) | (Atom::Kind, Atom::Word(word)) => {
            KINDS.iter().any(|(kind, _)| *kind == word)
        }
        (Atom::Word(word), Atom::Ending(end)) | (Atom::Ending(end), Atom::Word(word)) => {
            word.ends_with(end)
        }
        (Atom::Kind, Atom::Ending(end)) | (Atom::Ending(end), Atom::Kind) => end.is_empty(),
        (Atom::Ending(a), Atom::Ending(b)) => a.ends_with(b) || b.ends_with(a),
        _ => true,
    }
}
