//! What whoever collects logs needs of them: lines that parse, fields of one type, and no flood.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Of numbers by their nature, which as text nobody could compare or sum.
const NUMBERS: [&str; 6] = [
    "revision",
    "acknowledged",
    "head",
    "token",
    "operations",
    "repeated",
];

/// Everything that is wrong with these programs' lines.
pub(crate) fn mistakes(lines: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut kinds: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut warnings: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
            wrong.push(format!("no JSON object: {line}"));
            continue;
        };
        for (name, value) in &fields {
            kinds.entry(name.clone()).or_default().insert(kind(value));
            let text = value.as_str().unwrap_or_default();
            // As Rust shows its own types: for nobody else to read.
            let shown = ["[\"", "Some(", "None", "{ "].iter();
            if name != "message" && shown.clone().any(|it| text.starts_with(it)) {
                wrong.push(format!("{name} is written as Rust would: {line}"));
            }
        }
        let level = fields.get("level").and_then(Value::as_str).unwrap_or("");
        let is_warning = matches!(level, "WARN" | "ERROR");
        if is_warning
            && fields
                .get("target")
                .is_none_or(|it| it != "tokenward::audit")
        {
            fields.remove("timestamp");
            fields.remove("repeated");
            *warnings
                .entry(Value::Object(fields).to_string())
                .or_default() += 1;
        }
    }
    for (name, kinds) in kinds {
        if kinds.len() > 1 {
            wrong.push(format!("{name} is {kinds:?}"));
        }
        if NUMBERS.contains(&name.as_str()) && !kinds.contains("number") {
            wrong.push(format!("{name} is no number, but {kinds:?}"));
        }
    }
    // No test lasts for minutes.
    for (line, times) in warnings.into_iter().filter(|it| it.1 > 3) {
        wrong.push(format!("told {times} times: {line}"));
    }
    wrong
}

/// Clean, as all lines of the programs must be.
pub(crate) fn check(lines: &[String]) {
    let wrong = mistakes(lines);
    assert!(!lines.is_empty() && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_mistake_is_seen() {
    let fine = r#"{"timestamp":"t","level":"WARN","message":"m","revision":1}"#;
    let lines = |all: &[&str]| all.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
    check(&lines(&[fine, fine]));
    for (all, says) in [
        (vec!["plain"], "no JSON"),
        (vec!["[1]"], "no JSON"),
        (vec![r#"{"revision":"1"}"#], "revision is no number"),
        (vec![r#"{"peer":1}"#, r#"{"peer":"x"}"#], "peer is"),
        (vec![r#"{"kids":"[\"k1\"]"}"#], "as Rust would"),
        (vec![r#"{"peer":"Some(1)"}"#], "as Rust would"),
        (vec![fine; 4], "told 4 times"),
    ] {
        let wrong = mistakes(&lines(&all));
        assert!(
            wrong.iter().any(|it| it.contains(says)),
            "{says}: {wrong:?}"
        );
    }
}
