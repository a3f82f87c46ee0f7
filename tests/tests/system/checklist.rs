//! Every line of the hub's checklist that is claimed names tests that are there.

use std::path::Path;

const CHECKLIST: &str = include_str!("../../checklist.md");
/// Built so far.
const CLAIMED: [&str; 16] = [
    "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "H11", "H13", "H18", "H19", "H20", "H27",
    "H51", "H55",
];

/// What a line names: `path::name`, in backquotes.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).collect()
}

/// The line's own text aside: rule and reference stand in cells of their own.
fn lines() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let rows = CHECKLIST.lines().filter(|line| line.starts_with("| H"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        (cells[0], named(cells[2]))
    })
    .collect()
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

#[test]
fn every_line_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lines = lines();
    for claimed in CLAIMED {
        assert!(
            lines.iter().any(|(line, _)| *line == claimed),
            "{claimed} has no row"
        );
    }
    for (line, tests) in lines {
        assert!(!tests.is_empty(), "{line} names no test");
        for (path, name) in tests {
            let source = std::fs::read_to_string(root.join(path))
                .unwrap_or_else(|error| panic!("{line}: {path}: {error}"));
            assert!(is_a_test(&source, name), "{line}: no test {name} in {path}");
        }
    }
}

#[test]
fn what_is_no_test_is_seen() {
    let source = "#[test]\nfn one() {}\nfn two() {}\non_both_stores!(three);\n\nasync fn three(site: Site) {}\nasync fn four() {}";
    let tests: Vec<_> = ["one", "two", "three", "four", "five"]
        .map(|name| is_a_test(source, name))
        .into();
    assert_eq!(tests, [true, false, true, false, false]);
}
