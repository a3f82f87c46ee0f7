//! Strings that leaked, as a file has them: one a line. No message repeats any of them.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

use crate::exit::Failure;

/// As the issuer has them.
const MOST: usize = 1_000;
const LONGEST: usize = 4_096;
/// All lines at their longest: four bytes a character and two for the line's end.
const BYTES: u64 = 1_000 * (4_096 * 4 + 2);

/// `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let fail = |error: io::Error| {
        Failure::usage(format!(
            "--value-file: {} can't be read: {error}",
            path.display()
        ))
        .next("give a file that exists and that you may read, or - for standard input")
    };
    let mut bytes = Zeroizing::new(Vec::new());
    // One more than may be shows that it is too long.
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

/// Exactly one.
pub(crate) fn read_one(path: &Path) -> Result<String, Failure> {
    let mut values = read(path)?;
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(rule("must hold one string here").next("give each in a file of its own")),
    }
}

const SPLIT: &str = "split the file and give each part";

fn rule(rule: &str) -> Failure {
    Failure::usage(format!("--value-file: {rule}"))
}

fn parse(text: &str) -> Result<Vec<String>, Failure> {
    let mut values = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let value = line.trim();
        if value.is_empty() {
            continue;
        }
        if value.chars().count() > LONGEST {
            return Err(rule(&format!(
                "line {}: must be at most {LONGEST} characters",
                at + 1
            ))
            .next("no token is longer: take the line out"));
        }
        values.push(value.to_owned());
    }
    match values.len() {
        0 => Err(rule("holds no strings").next("write one leaked string a line")),
        1..=MOST => Ok(values),
        more => Err(rule(&format!("holds {more} strings, and {MOST} may be")).next(SPLIT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_line() {
        assert_eq!(parse("a\n\n  b c \r\né").unwrap(), ["a", "b c", "é"]);
        assert_eq!(parse(&"x\n".repeat(MOST)).unwrap().len(), MOST);
        assert!(parse(&"é".repeat(LONGEST)).is_ok());
    }

    #[test]
    fn mistakes_name_the_line_and_never_the_text() {
        for (text, told) in [
            (String::new(), "holds no strings"),
            ("\n \n".into(), "holds no strings"),
            ("x\n".repeat(MOST + 1), "1001 strings"),
            (format!("a\n{}", "Q".repeat(LONGEST + 1)), "line 2: "),
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
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!(read_one(&path).unwrap(), "one");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert!(read_one(&path).unwrap_err().message.contains("one string"));
    }
}
