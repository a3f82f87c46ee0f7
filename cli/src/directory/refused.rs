//! A refused batch, and which of its lines caused the refusal.

use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Refused {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The line, where it is known, and the rule.
    pub(super) mistakes: Vec<(Option<u64>, String)>,
}

impl Refused {
    pub(super) fn text(&self) -> String {
        let mut text = format!("refused lines {} to {}:", self.first, self.last);
        for (line, rule) in &self.mistakes {
            match line {
                Some(line) => text.push_str(&format!("\n  line {line}: {rule}")),
                None => text.push_str(&format!("\n  {rule}")),
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let mistakes: Vec<Value> = self
            .mistakes
            .iter()
            .map(|(line, rule)| json!({ "line": line, "message": rule }))
            .collect();
        json!({ "first_line": self.first, "last_line": self.last, "mistakes": mistakes })
    }
}

/// Finds the line of an operation that the issuer names as in `operations[3]`.
pub(super) fn line_of(error: &str, lines: &[u64]) -> Option<u64> {
    let (_, rest) = error.split_once("operations[")?;
    let (index, _) = rest.split_once(']')?;
    lines.get(index.parse::<usize>().ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_index() {
        let lines = [5, 7, 8];
        assert_eq!(line_of("operations[1].id: must", &lines), Some(7));
        for error in ["operations[3].id", "operations[x]", "operations", "busy"] {
            assert_eq!(line_of(error, &lines), None, "{error}");
        }
    }
}
