//! This file finds the tokens inside other text: a line of a log, an assignment, a URL, JSON.
//!
//! It decides by the published pattern, and a little wider: it also finds a token that is glued to a
//! word, and leaves out what is glued to its end. It doesn't decide whether a token is genuine.

use super::{MAX_TOKEN, Prefix};

/// The text that follows the prefix of every token.
const HEADER: &str = "eyJ";
/// The length of a signature: 64 bytes as base64url without padding.
const SIGNATURE: usize = 86;
/// The longest prefix of any realm, in bytes.
const MAX_PREFIX: usize = 16;

/// Returns each token with this prefix, as it stands in the text.
pub fn tokens_in<'a>(text: &'a str, prefix: &Prefix) -> impl Iterator<Item = &'a str> {
    let begins = format!("{prefix}{HEADER}");
    let length = prefix.as_str().len();
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + text.get(from..)?.find(&begins)?;
            let from_body = at + length;
            match body(text.get(from_body..)?) {
                Ok(body) => {
                    // Text that is glued to the front of a token must not hide it.
                    from = at + begins.len();
                    return text.get(at..from_body + body);
                }
                Err(none) => from = from_body + none,
            }
        }
    })
}

/// Returns each token of any realm, for callers that don't know the prefix. Each item includes as much
/// text before the JWT as a prefix may have, so that [`tokens_in`] finds the token in it.
pub fn any_tokens_in(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + text.get(from..)?.find(HEADER)?;
            let before = text.get(..at)?;
            let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let run = before.chars().rev().take(MAX_PREFIX).take_while(word);
            let run = run.count();
            if !before.ends_with('_') {
                from = at + HEADER.len();
                continue;
            }
            match body(text.get(at..)?) {
                Ok(body) => {
                    from = at + body;
                    let run = run.min(MAX_TOKEN.saturating_sub(body)).max(1);
                    return text.get(at - run..at + body);
                }
                Err(none) => from = at + none,
            }
        }
    })
}

/// Returns the length of `header.payload.signature` at the start of the text. The error is how many
/// bytes can begin no token: every start in a run fails as its first does, so each run is read once.
fn body(text: &str) -> Result<usize, usize> {
    let run = |text: &str| {
        let own = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        text.find(|c| !own(c)).unwrap_or(text.len())
    };
    let header = run(text);
    let payload = after_dot(text, header).ok_or(header)?;
    let length = run(payload);
    let signature = after_dot(payload, length).ok_or(header + 1)?;
    let signed = run(signature).min(SIGNATURE);
    if header > HEADER.len() && length > 0 && signed > 0 {
        Ok(header + length + signed + 2)
    } else {
        Err(header + 1)
    }
}

fn after_dot(text: &str, run: usize) -> Option<&str> {
    text.get(run..)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        format!("hf_eyJhbGci_-.eyJpc3Mi.{}", "s".repeat(SIGNATURE))
    }

    /// The forms in which finders paste a token.
    fn forms(token: &str) -> Vec<String> {
        vec![
            token.to_owned(),
            format!("\"{token}\""),
            format!("HF_TOKEN={token}"),
            format!("Bearer {token}"),
            format!("authorization: Bearer {token},"),
            format!("{token},"),
            format!("{token}."),
            format!("({token})"),
            format!("https://user:{token}@hub.example/acme/m1"),
            format!("https://hub.example/?token%3D{token}&x=1"),
            format!(r#"{{"token":"{token}","name":"é"}}"#),
            format!("TOKEN_{token}_old"),
            format!("é{token}é"),
        ]
    }

    #[test]
    fn a_token_is_found_in_whatever_holds_it() {
        let (token, hf) = (token(), Prefix::parse("hf_").unwrap());
        for text in forms(&token) {
            let found: Vec<&str> = tokens_in(&text, &hf).collect();
            assert_eq!(found, [&token], "{text}");
            // Without the prefix, the result has some text before the token; `tokens_in` finds the
            // token in it.
            let any: Vec<&str> = any_tokens_in(&text).collect();
            assert_eq!(any.len(), 1, "{text}");
            let again: Vec<&str> = tokens_in(any[0], &hf).collect();
            assert_eq!(again, [&token], "{text}");
        }
        let two = format!("{token} {token}");
        assert_eq!(tokens_in(&two, &hf).count(), 2);
        assert_eq!(any_tokens_in(&two).count(), 2);
        let nested = format!("hf_eyJ{token}");
        assert!(tokens_in(&nested, &hf).any(|found| found == token));
    }

    #[test]
    fn what_is_no_token_is_not_found() {
        let hf = Prefix::parse("hf_").unwrap();
        for text in [
            "",
            "hf_",
            "hf_eyJ",
            "hf_eyJ.a.b",
            "hf_eyJa.b",
            "hf_eyJa..b",
            "hf_eyJa.b.",
            "hf_abcdefghijklmnop",
            "eyJhbGci.eyJpc3Mi.c2ln",
            "é",
        ] {
            assert_eq!(tokens_in(text, &hf).count(), 0, "{text}");
            assert_eq!(any_tokens_in(text).count(), 0, "{text}");
        }
        assert_eq!(tokens_in(&token().replace("hf_", "tw_"), &hf).count(), 0);
    }

    #[test]
    fn the_longest_is_given_whole() {
        let body = format!("eyJa.{}.{}", "p".repeat(4000), "s".repeat(84));
        let prefix = "p".repeat(MAX_TOKEN - body.len() - 1);
        let token = format!("{prefix}_{body}");
        assert_eq!(token.len(), MAX_TOKEN);
        let text = format!("x={token}");
        assert_eq!(any_tokens_in(&text).collect::<Vec<_>>(), [token]);
    }
}
