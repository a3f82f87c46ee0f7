//! The table of cases that anybody can read and extend, through the library's decision: each token
//! is signed, verified and compiled as a verifier does it.

use std::collections::{BTreeMap, BTreeSet};

use tokenward_common::{access::Permission, state::record::RepoKind, token::install_provider};

use crate::{
    case_world::{Answer, World},
    naive_access::kind_name,
    table::{
        CASES,
        row::{Row, read},
    },
};

/// Lines of the checklist that the table must prove, by what it allows and by what it denies.
const PROVED: [&str; 21] = [
    "H1", "H10", "H12", "H13", "H14", "H15", "H16", "H17", "H18", "H19", "H20", "H21", "H22",
    "H23", "H24", "H25", "H27", "H28", "H31", "H48", "H52",
];

/// What is wrong with the answer.
fn wrong(row: &Row<'_>, got: &Answer) -> Option<String> {
    let is = got.as_ref().err().map(|(reason, _)| reason.as_str_name());
    let wanted = row.refused.map(|reason| format!("REASON_{reason}"));
    // Of what is no genuine, live token the verifier has the words.
    let text = got.as_ref().err().and_then(|(_, text)| text.as_deref());
    let told = text.is_none_or(|text| row.says.is_none_or(|says| text.contains(says)));
    let right = is == wanted.as_deref() && (told || row.invalid) && told_invalid(row);
    (!right).then(|| format!("line {}: {}: got {got:?}", row.number, row.who))
}

/// Exactly what is said to be no question is none: by the kind alone, before anything is decided.
fn told_invalid(row: &Row<'_>) -> bool {
    let permission = Permission::parse(row.permission).unwrap();
    let kind = RepoKind::ALL
        .iter()
        .find(|kind| kind_name(**kind) == row.resource.0);
    let told = match kind {
        Some(kind) => permission.misplaced_on_repo(*kind),
        None => permission.misplaced_on_account(),
    };
    match (row.invalid, told) {
        (true, Some(text)) => row.says.is_none_or(|says| text.contains(says)),
        (said, told) => said == told.is_some(),
    }
}

fn wrong_rows(text: &str) -> Vec<String> {
    let rows = read(text).into_iter();
    let wrong = rows.filter_map(|row| wrong(&row, &World::of(&row).answer(&row)));
    wrong.collect()
}

#[test]
fn every_case_is_answered_as_the_table_says() {
    install_provider().unwrap();
    let wrong = wrong_rows(CASES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = read(CASES).len();
    assert!(count >= 450, "{count} cases");
}

#[test]
fn a_wrong_row_is_found() {
    install_provider().unwrap();
    let rows = [
        "before\tcaller\tresource\tpermission\tanswer\treason\tsays\tlines\tnote",
        "-\tada read\tmodel ada/own\trepo.content.read\tallow\t-\t-\tH1\tright",
        "-\tada read\tmodel ada/own\trepo.content.read\tdeny\tNOT_FOUND\t-\tH1\t-",
        "-\tada read\tmodel ada/own\trepo.write\tdeny\tTOKEN_SCOPE\t-\tH1\t-",
        "-\tada read\tmodel ada/own\trepo.write\tdeny\tTOKEN_ROLE\tno such words\tH1\t-",
        "-\tada read\tmodel ada/own\torg.read\tdeny\tNOT_FOUND\t-\tH1\t-",
        "-\tada read\tmodel ada/none\trepo.write\tinvalid\t-\t-\tH1\t-",
        "-\tada read\tmodel ada/own\torg.read\tinvalid\t-\tno such words\tH1\t-",
        "-\tada read\tmodel ada/own\torg.read\tinvalid\t-\ton org\tH1\tright",
    ];
    let wrong = wrong_rows(&rows.join("\n"));
    let lines: Vec<_> = wrong
        .iter()
        .map(|it| it.split(':').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        ["line 3", "line 4", "line 5", "line 6", "line 7", "line 8"]
    );
}

#[test]
fn every_line_of_the_checklist_is_proved_both_ways() {
    let mut proofs: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in read(CASES) {
        let question = format!(
            "{:?}",
            (&row.before, &row.caller, row.resource, row.permission)
        );
        assert!(seen.insert(question), "line {}: asked before", row.number);
        for line in &row.lines {
            proofs
                .entry(line)
                .or_default()
                .insert(row.refused.is_none());
        }
    }
    for line in PROVED {
        let both = proofs.get(line).is_some_and(|answers| answers.len() == 2);
        assert!(both, "{line}: one case that allows, one that denies");
    }
}
