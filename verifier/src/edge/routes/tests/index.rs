//! Tests that the index only skips rules that would not fit.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use super::*;
use crate::edge::{
    path::Target,
    routes::{pattern::Part, rule::Rule},
};

/// This table has rules of every shape, in addition to those of the built-in tables.
const MORE: &str = "@legacy classics
    @include inference
    * /{rest?} ?all visitor
    GET /a/{id}/{prefix}/{any} - open
    GET /{prefix}/{prefix}/{account}/x - open
    GET /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/{id}/{prefix} - open
    GET /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/{any}/{rest} - open
    @include hub
    DELETE,PATCH /{path?} - identity";

fn words(part: &Part) -> Vec<String> {
    let texts: &[&str] = match part {
        Part::Word(word) => return vec![word.to_string(), word.to_uppercase()],
        Part::Kinds | Part::Prefix => &["models", "datasets", "Spaces", "", "x"],
        Part::Id { .. } => &["a/b", "a", "api", "b.git", "a/resolve"],
        Part::Tail { .. } => &["", "x", "x/y%2Fz", "1/2/3/4/5/6/7/8/9/10"],
        Part::Model { .. } => &["a/b", "a%2Fb", "a", ""],
        Part::Account | Part::Rev | Part::Any => &["main", "x%2Fy", ""],
    };
    texts.iter().map(ToString::to_string).collect()
}

/// Returns a path that fits this rule, or nearly does.
fn path(rule: &Rule, choices: &[Index]) -> String {
    let parts = rule.pattern.iter().zip(choices.iter().cycle());
    let texts = parts.map(|(part, choice)| choice.get(&words(part)).clone());
    let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    format!("/{}", texts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_rule_that_fits_is_passed_over(
        rule in any::<Index>(),
        choices in vec(any::<Index>(), 1..8),
        cut in option::weighted(0.2, any::<Index>()),
        more in option::weighted(0.2, "(/[a-zA-Z0-9]{1,3}){1,40}"),
        query in select(&["", "?all", "?create_pr=1", "?service=git-upload-pack"][..]),
        method in select(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "X"][..]),
        mine in any::<bool>(),
    ) {
        let table = if mine { Table::parse(MORE).unwrap() } else { hub() };
        let mut target = path(rule.get(&table.rules), &choices);
        if let Some(cut) = cut {
            target.truncate(1 + cut.index(target.len()));
        }
        target.extend(more);
        target.push_str(query);
        let body = Body::Whole(br#"{"operation":"download","name":"x","model":"a/b"}"#);
        let request = asked(method, &target, body);
        let slow = Target::parse(&target).map_err(Unrouted::from);
        let slow = slow.and_then(|target| table.first(table.rules.iter(), &request, &target));
        prop_assert_eq!(table.find(&request), slow, "{} {}", method, target);
    }
}

#[test]
fn a_path_is_looked_up_among_few_rules() {
    let table = hub();
    let most = |segments| table.index.places(segments).len();
    assert!(most(1) < 20 && most(5) < table.rules.len());
}
