//! Reads leaked tokens from a file: one or more on a line, alone or within other text. They are found by
//! the published pattern, which tokens of every realm match. No message repeats any part of a line.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use tokenward_common::token::{MAX_TOKEN, any_tokens_in};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// The most tokens in a file. It must equal the issuer's limit.
const MOST: usize = 1_000;
/// The most bytes in a file: enough for the most tokens at their greatest length, and for the text around
/// them.
const BYTES: u64 = 1_000 * (4_096 * 4 + 2);

/// Reads the tokens in a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let fail = |error: io::Error| {
        Failure::usage(format!(
            "--value-file: {} can't be read: {error}",
            path.display()
        ))
        .next("give a file that exists and that you may read, or - for standard input")
    };
    let mut bytes = Zeroizing::new(Vec::new());
    // Reading one byte more than is allowed shows that the file is too long.
    let limit = BYTES + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    }
    .map_err(fail)?;
    if bytes.len() as u64 > BYTES {
        return Err(rule("is too long").next(SPLIT));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        rule("must be UTF-8 text").next("take other lines out: no token holds other characters")
    })?;
    parse(text)
}

/// Reads a file that must hold exactly one token.
pub(crate) fn read_one(path: &Path) -> Result<String, Failure> {
    let mut values = read(path)?;
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(rule("must hold one token here").next("give each in a file of its own")),
    }
}

const SPLIT: &str = "split the file and give each part";

fn rule(rule: &str) -> Failure {
    Failure::usage(format!("--value-file: {rule}"))
}

fn parse(text: &str) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let before = values.len();
        // A string that is longer than any token is no token.
        let tokens = any_tokens_in(line).filter(|token| token.len() <= MAX_TOKEN);
        values.extend(tokens.map(str::to_owned));
        if values.len() == before {
            return Err(rule(&format!("line {}: holds no token", at + 1)).next(
                "a token begins with the realm's prefix and eyJ, and has three parts with dots \
                 between: give it whole, on one line; or take the line out",
            ));
        }
    }
    match values.len() {
        0 => Err(rule("holds no tokens").next("write one leaked token a line")),
        1..=MOST => Ok(values),
        more => Err(rule(&format!("holds {more} tokens, and {MOST} may be")).next(SPLIT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "hf_eyJhbGci.eyJpc3Mi.c2ln";

    #[test]
    fn tokens_are_found_in_what_is_given() {
        for line in [
            TOKEN.to_owned(),
            format!("  {TOKEN} \r"),
            format!("\"{TOKEN}\","),
            format!("HF={TOKEN}"),
            format!("export HF='{TOKEN}'"),
            format!("Authorization: Bearer {TOKEN}"),
            format!("https://ada:{TOKEN}@hub.example/acme/m1"),
            format!(r#"{{"token": "{TOKEN}", "é": 1}}"#),
        ] {
            assert_eq!(parse(&line).unwrap(), [TOKEN], "{line}");
        }
        let all = parse(&format!("{TOKEN}\n\n{TOKEN} {TOKEN}\n")).unwrap();
        assert_eq!(all, [TOKEN; 3]);
        let most = format!("{TOKEN}\n").repeat(MOST);
        assert_eq!(parse(&most).unwrap().len(), MOST);
    }

    #[test]
    fn mistakes_name_the_line_and_never_the_text() {
        for (text, told) in [
            (String::new(), "holds no tokens"),
            ("\n \n".into(), "holds no tokens"),
            (format!("{TOKEN}\n").repeat(MOST + 1), "1001 tokens"),
            (format!("{TOKEN}\nQQQ"), "line 2: "),
            // These are a token without its prefix, a truncated one, one that is too long, and the older
            // token format of hubs.
            ("eyJQQ.QQ.QQ".into(), "line 1: "),
            (format!("{TOKEN}\n\nhf_eyJQQ.QQ"), "line 3: "),
            (format!("hf_eyJQQ.{}.QQ", "Q".repeat(MAX_TOKEN)), "line 1: "),
            ("hf_QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ".into(), "line 1: "),
        ] {
            let failure = parse(&text).unwrap_err();
            assert!(failure.message.contains(told), "{failure}");
            assert!(!failure.message.contains("QQ"), "{failure}");
            assert!(!failure.next.is_empty(), "{failure}");
        }
    }

    #[test]
    fn files_are_bounded_and_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leaked");
        std::fs::write(&path, [0xff, b'\n']).unwrap();
        assert!(read(&path).unwrap_err().message.contains("UTF-8"));
        std::fs::write(&path, vec![b'\n'; usize::try_from(BYTES + 1).unwrap()]).unwrap();
        assert!(read(&path).unwrap_err().message.contains("too long"));
        assert!(read(&dir.path().join("none")).is_err());
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        assert_eq!(read_one(&path).unwrap(), TOKEN);
        std::fs::write(&path, format!("{TOKEN}\n{TOKEN}\n")).unwrap();
        assert!(read_one(&path).unwrap_err().message.contains("one token"));
    }
}
