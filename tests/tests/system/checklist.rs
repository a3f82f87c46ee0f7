//! Every line of the hub's checklist that is claimed names what shows it: rows of the table of cases,
//! or tests that are there.

use std::{collections::BTreeSet, path::Path};

use crate::table::{CASES, row::read};

const CHECKLIST: &str = include_str!("../../checklist.md");
/// Built so far.
const CLAIMED: [&str; 55] = [
    "H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "H10", "H11", "H12", "H13", "H14", "H15",
    "H16", "H17", "H18", "H19", "H20", "H21", "H22", "H23", "H24", "H25", "H26", "H27", "H28",
    "H29", "H30", "H31", "H32", "H33", "H34", "H35", "H36", "H37", "H38", "H39", "H40", "H41",
    "H43", "H44", "H45", "H46", "H47", "H48", "H49", "H50", "H51", "H52", "H53", "H54", "H55",
    "H56",
];
/// The hub's own affairs, which no token's decision knows of. Their cells say so.
const NOT_JUDGED_HERE: [&str; 1] = ["H30"];
const ROWS: &str = "`rows`";

/// What a line names: `path::name`, in backquotes.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).collect()
}

/// A line's name, and the cell of what shows it: its text and reference stand in cells of their own.
fn lines(checklist: &str) -> Vec<(&str, &str)> {
    let rows = checklist.lines().filter(|line| line.starts_with("| H"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        (cells[0], cells[2])
    })
    .collect()
}

/// What a checklist lacks, or claims and isn't there.
fn amiss(checklist: &str, cases: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = read(cases);
    let proved: BTreeSet<&str> = rows.iter().flat_map(|row| row.lines.clone()).collect();
    let lines = lines(checklist);
    let mut amiss = Vec::new();
    let expected: BTreeSet<&str> = CLAIMED.into_iter().chain(proved.iter().copied()).collect();
    for line in expected {
        if lines.iter().filter(|(name, _)| *name == line).count() != 1 {
            amiss.push(format!("{line}: stands there not once"));
        }
    }
    for (line, cell) in lines {
        let tests = named(cell);
        if NOT_JUDGED_HERE.contains(&line) != cell.starts_with("not judged here: ") {
            amiss.push(format!("{line}: not judged here?"));
        }
        match (cell.contains(ROWS), proved.contains(line)) {
            (true, false) => amiss.push(format!("{line}: has no rows")),
            (false, true) => amiss.push(format!("{line}: has rows and doesn't say so")),
            (true, true) => {}
            (false, false) if tests.is_empty() && !NOT_JUDGED_HERE.contains(&line) => {
                amiss.push(format!("{line}: has neither rows nor tests"));
            }
            (false, false) => {}
        }
        for (path, name) in tests {
            let shows = if path.ends_with(".py") {
                is_a_python_test
            } else {
                is_a_test
            };
            if !source(path).is_some_and(|source| shows(&source, name)) {
                amiss.push(format!("{line}: no test {name} in {path}"));
            }
        }
    }
    amiss
}

/// A test by its attribute, or one of those that a macro makes on either store.
fn is_a_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with(&format!("fn {name}("))
    });
    let Some(at) = at else { return false };
    let attribute = at.checked_sub(1).and_then(|before| lines.get(before));
    let own = attribute
        .is_some_and(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let listed = lines
        .iter()
        .skip_while(|line| !line.starts_with("on_both_stores!"))
        .take_while(|line| !line.is_empty())
        .any(|line| line.contains(name));
    own || listed
}

/// One that pytest collects: of the module itself, by its name.
fn is_a_python_test(source: &str, name: &str) -> bool {
    let defined = format!("def {name}(");
    name.starts_with("test_") && source.lines().any(|line| line.starts_with(&defined))
}

#[test]
fn every_line_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let amiss = amiss(CHECKLIST, CASES, source);
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}

#[test]
fn what_is_not_shown_is_told() {
    let source = |path: &str| match path {
        "a.rs" => Some("#[test]\nfn one() {}".to_owned()),
        "a.py" => Some("def test_one():\n".to_owned()),
        _ => None,
    };
    let all = |changed: &str, cell: &str| -> String {
        let cell_of = |line: &str| match line {
            _ if line == changed => cell.to_owned(),
            "H30" => "not judged here: so".to_owned(),
            "H14" => ROWS.to_owned(),
            _ => "`a.rs::one`".to_owned(),
        };
        let rows = CLAIMED.map(|line| format!("| {line} | says | {} |", cell_of(line)));
        rows.join("\n")
    };
    let cases = |line: &str| {
        let head = "before\tcaller\tresource\tpermission\tanswer\treason\tsays\tlines\tnote";
        let row = "-\tada read\tmodel ada/own\trepo.content.read\tallow\t-\t-";
        format!("{head}\n{row}\t{line}\t-")
    };
    let told = |changed, cell, line| amiss(&all(changed, cell), &cases(line), source);
    assert_eq!(told("", "", "H14"), Vec::<String>::new());
    assert_eq!(told("H1", "`a.py::test_one`", "H14"), Vec::<String>::new());
    for (changed, cell, line, says) in [
        ("H1", "", "H14", "H1: has neither rows nor tests"),
        ("H1", "`a.rs::two`", "H14", "H1: no test two in a.rs"),
        ("H1", "`b.rs::one`", "H14", "H1: no test one in b.rs"),
        ("H1", "`a.py::one`", "H14", "H1: no test one in a.py"),
        (
            "H1",
            "`a.rs::test_one`",
            "H14",
            "H1: no test test_one in a.rs",
        ),
        ("H1", ROWS, "H14", "H1: has no rows"),
        ("H1", "not judged here: so", "H14", "H1: not judged here?"),
        (
            "H14",
            "`a.rs::one`",
            "H14",
            "H14: has rows and doesn't say so",
        ),
        ("", "", "H14 H99", "H99: stands there not once"),
    ] {
        let told = told(changed, cell, line);
        assert!(told.iter().any(|it| it == says), "{says}: {told:?}");
    }
    let short = all("", "").replace("| H54 |", "| H0 |");
    let told = amiss(&short, &cases("H14"), source);
    assert_eq!(told, ["H54: stands there not once"]);
}

#[test]
fn what_is_no_test_is_seen() {
    let source = "#[test]\nfn one() {}\nfn two() {}\non_both_stores!(three);\n\nasync fn three(site: Site) {}\nasync fn four() {}";
    let tests: Vec<_> = ["one", "two", "three", "four", "five"]
        .map(|name| is_a_test(source, name))
        .into();
    assert_eq!(tests, [true, false, true, false, false]);
    let source = "def test_one(hub):\n    def test_two():\ndef three():\n# def test_four(\nasync def test_five(";
    let tests: Vec<_> = [
        "test_one",
        "test_two",
        "three",
        "test_four",
        "test_five",
        "test_on",
    ]
    .map(|name| is_a_python_test(source, name))
    .into();
    assert_eq!(tests, [true, false, false, false, false, false]);
}
