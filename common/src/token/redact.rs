//! This file decides how tokens are kept out of logs, errors and all other text.
//!
//! It recognizes a secret by its beginning and removes the whole run that follows, of any length: a
//! redactor that assumed a length would publish the tails of longer tokens. It knows nothing of keys or
//! claims.

use std::borrow::Cow;

use super::Prefix;

/// The pattern that is published for secret scanners, for realms with the default prefix. It is
/// open-ended, because tokens have no fixed length. A JWT's header is a JSON object whose first member
/// is a string, hence `eyJ`.
pub const SCANNER_REGEX: &str = r"\btw_eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+";

/// Returns [`SCANNER_REGEX`] for another prefix. No character of a prefix has a meaning in a regex.
pub fn scanner_regex(prefix: &Prefix) -> String {
    format!(r"\b{prefix}eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
}

/// Replaces each token by `<prefix>***`, broken and cut tokens too.
///
/// This is wider than the regex on purpose: it removes any run of `A-Z a-z 0-9 . _ -` after the prefix,
/// wherever the prefix stands. So half a token, or one that is glued to a word, leaves nothing either.
pub fn redact<'a>(text: &'a str, prefix: &Prefix) -> Cow<'a, str> {
    cut(text, &[prefix.as_str()])
}

/// Removes operator credentials and the tokens of any realm. It serves callers that don't know the
/// realm's prefix or may see other realms' tokens. It keeps the mark and replaces the rest by `***`.
pub fn redact_secrets(text: &str) -> Cow<'_, str> {
    // Every JWT begins with `eyJ`, and every operator credential with `twc_`.
    cut(text, &["eyJ", "twc_"])
}

/// Removes the whole run after each of the marks.
fn cut<'a>(text: &'a str, marks: &[&str]) -> Cow<'a, str> {
    let mut out = String::new();
    let mut rest = text;
    let first = |rest: &str| {
        let found = marks
            .iter()
            .filter_map(|mark| Some((rest.find(mark)?, *mark)));
        found.min().map(|(at, mark)| (at, mark.len()))
    };
    while let Some((at, mark)) = first(rest) {
        let (before, after) = rest.split_at(at + mark);
        let tail = after.trim_start_matches(in_a_token);
        out.push_str(before);
        if tail.len() < after.len() {
            out.push_str("***");
        }
        rest = tail;
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn in_a_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tw() -> Prefix {
        Prefix::default()
    }

    #[test]
    fn no_tail_is_left_at_any_length() {
        // Tokens have 200 to 4,096 characters; broken ones have any number.
        for length in (200..=4096).chain([1, 37, 40, 100_000]) {
            let token: String = "tw_eyJ0.eXAi-T_9"
                .chars()
                .chain("aZ09-_.".chars().cycle())
                .take(length + 3)
                .collect();
            for (before, after) in [("", ""), ("a ", " b"), ("(", ")"), ("é", "é"), ("x=", "&y")]
            {
                let text = format!("{before}{token}{after}");
                assert_eq!(redact(&text, &tw()), format!("{before}tw_***{after}"));
            }
            let twice = format!("{token} {token}\n");
            assert_eq!(redact(&twice, &tw()), "tw_*** tw_***\n");
        }
    }

    #[test]
    fn what_holds_no_token_is_left_as_it_is() {
        for text in ["", "tw", "hf_eyJ.a.b", "nothing here", "tw _x", "é"] {
            assert!(matches!(redact(text, &tw()), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(
            redact("set the prefix tw_ there", &tw()),
            "set the prefix tw_ there"
        );
        assert_eq!(redact("tw_***", &tw()), "tw_***");
        assert_eq!(redact("tw_tw_abc", &tw()), "tw_***");
        assert_eq!(redact("btw_abc", &tw()), "btw_***");
    }

    #[test]
    fn the_published_regex_is_that_of_the_default_prefix() {
        assert_eq!(scanner_regex(&tw()), SCANNER_REGEX);
        let other = scanner_regex(&Prefix::parse("hf_").unwrap());
        assert!(other.starts_with(r"\bhf_eyJ"));
    }

    #[test]
    fn secrets_of_any_realm_are_taken_out() {
        for (text, safe) in [
            ("bad token tw_eyJhbGci.eyJpc3Mi!", "bad token tw_eyJ***!"),
            ("hf_eyJhbGci.eyJpc3Mi.c2ln", "hf_eyJ***"),
            ("Bearer twc_0123abcd, eyJ0.a.b", "Bearer twc_***, eyJ***"),
            ("eyJ twc_", "eyJ twc_"),
        ] {
            assert_eq!(redact_secrets(text), safe);
        }
        assert!(matches!(redact_secrets("nothing here"), Cow::Borrowed(_)));
        for length in 200..=4096 {
            let token = format!("tw_eyJ{}", "aZ9-_.".repeat(length / 6));
            assert_eq!(redact_secrets(&format!("<{token}>")), "<tw_eyJ***>");
        }
    }

    proptest! {
        /// Redacting removes what a scanner would find, and redacting twice changes nothing more.
        #[test]
        fn nothing_that_a_scanner_finds_is_left(
            token in proptest::string::string_regex(SCANNER_REGEX.trim_start_matches(r"\b")).unwrap(),
            before in "[ -~é]{0,20}",
            after in "([ /:@,]\\PC{0,20})?",
        ) {
            let text = format!("{before}{token}{after}");
            let once = redact(&text, &tw());
            prop_assert!(!once.contains("tw_e"));
            prop_assert!(!once.contains(&token[6..]) || token[6..].len() < 6);
            let again = redact(&once, &tw());
            prop_assert_eq!(&again, &once);
        }
    }
}
