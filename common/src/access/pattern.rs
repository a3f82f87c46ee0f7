//! Matches names of inference endpoints with patterns: `*` matches any run of characters, also an empty one,
//! and every other character matches itself. This file must not know permissions.

/// Limits the patterns of one scope. A scope with more grants nothing by name.
pub const MAX_PATTERNS: usize = 20;
/// Limits the length of a pattern, in characters. A scope with a longer one grants nothing by name.
pub const MAX_PATTERN: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Patterns(Box<[Box<str>]>);

impl Patterns {
    /// Makes the patterns of a scope; `None` if they exceed the limits.
    pub(super) fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let patterns: Vec<Box<str>> = patterns
            .into_iter()
            .take(MAX_PATTERNS + 1)
            .map(Into::into)
            .collect();
        let good = patterns.len() <= MAX_PATTERNS
            && patterns
                .iter()
                .all(|pattern| (1..=MAX_PATTERN).contains(&pattern.chars().count()));
        good.then(|| Self(patterns.into_boxed_slice()))
    }

    pub(super) fn match_name(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }
}

/// The first and the last piece must match the ends of the name. Each piece between them is matched where it
/// first occurs, which leaves the most text for the following pieces: nothing is ever tried twice.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut open) = name
        .strip_prefix(first)
        .and_then(|name| name.strip_suffix(last))
    else {
        return false;
    };
    for piece in middle.split('*') {
        match open.split_once(piece) {
            _ if piece.is_empty() => {}
            Some((_, after)) => open = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, name, fits) in [
            ("prod", "prod", true),
            ("prod", "Prod", false),
            ("prod", "prod-1", false),
            ("*", "anything", true),
            ("prod-*", "prod-1", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("*-eu", "llm-eu", true),
            ("*-eu", "llm-eu-1", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("aa*aa", "aaa", false),
            ("*a*a*", "a", false),
            ("*a**a*", "aa", true),
            ("p?od", "prod", false),
            ("p.od", "prod", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn beyond_the_limits_is_nothing() {
        assert!(Patterns::parse(["*"; MAX_PATTERNS]).is_some());
        assert!(Patterns::parse(["*"; MAX_PATTERNS + 1]).is_none());
        assert!(Patterns::parse(["a".repeat(MAX_PATTERN).as_str()]).is_some());
        assert!(Patterns::parse(["a".repeat(MAX_PATTERN + 1).as_str()]).is_none());
        assert!(Patterns::parse([""]).is_none());
    }

    /// Compares with a matcher that tries everything, over all short words of two letters.
    #[test]
    fn equals_the_slow_matcher() {
        fn slow(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| slow(rest, &name[skip..])),
                (Some((p, rest)), Some((n, names))) => p == n && slow(rest, names),
                _ => false,
            }
        }
        fn words(letters: &[u8], longest: usize) -> Vec<String> {
            let (mut all, mut last) = (vec![String::new()], vec![String::new()]);
            for _ in 0..longest {
                let longer = last.iter().flat_map(|word: &String| {
                    let more = |letter: &u8| format!("{word}{}", char::from(*letter));
                    letters.iter().map(more).collect::<Vec<_>>()
                });
                last = longer.collect();
                all.extend(last.iter().cloned());
            }
            all
        }
        let names = words(b"ab", 5);
        for pattern in words(b"ab*", 5) {
            for name in &names {
                let expected = slow(pattern.as_bytes(), name.as_bytes());
                assert_eq!(matches(&pattern, name), expected, "{pattern} {name}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "a*".repeat(128);
        assert!(!matches(&pattern, &"a".repeat(96)));
        assert!(matches(&pattern, &"a".repeat(128)));
    }
}
