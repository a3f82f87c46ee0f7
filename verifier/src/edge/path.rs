//! What does a request's target name? Decoded exactly once; what two programs could read in two ways
//! is refused, not mended: a proxy in front and the hub behind read it too. Pure.
//!
//! A file may have any name, though: a backslash, `%20` in plain, or what a client encodes without need.
//! Such a segment is read with a doubt: it may stand where a file's path or a revision does, because
//! every reading of it leads to the same repo by the same route, and nowhere else.

use std::borrow::Cow;

/// Longer than any that a hub's client makes; proxies take about as much.
const MAX_TARGET: usize = 8 * 1024;
const MAX_SEGMENTS: usize = 64;
const MAX_PARAMETERS: usize = 64;

/// A path in its segments, and the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    pub segments: Vec<Segment<'a>>,
    parameters: Vec<(Cow<'a, str>, &'a str)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    pub text: Cow<'a, str>,
    /// It came with an encoded slash: only a revision or a file's path may.
    pub has_slash: bool,
    /// Some programs read it otherwise, for this reason: only a revision or a file's path may have it.
    pub doubt: Option<TargetError>,
}

/// Why a target is refused. Repeats nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    #[error("the request target must begin with a slash: a path, not a whole URL")]
    NotAPath,
    #[error("the request target is too long, or has too many parts")]
    TooLong,
    #[error("the request target has a character that URLs must encode")]
    Character,
    #[error("the request target has a wrong percent-encoding")]
    Encoding,
    #[error("the request target encodes what needs no encoding")]
    Needless,
    #[error("the request target is encoded twice")]
    Twice,
    #[error("the request target has a control character or a backslash in it")]
    Control,
    #[error("the request target has an empty segment, or one of `.` or `..`")]
    Dots,
    #[error("the request target has a query parameter twice, or in another spelling")]
    Parameter,
}

impl<'a> Target<'a> {
    /// In origin form (RFC 9112, section 3.2.1), as it was on the request line.
    pub fn parse(text: &'a str) -> Result<Self, TargetError> {
        if text.len() > MAX_TARGET {
            return Err(TargetError::TooLong);
        }
        let rest = text.strip_prefix('/').ok_or(TargetError::NotAPath)?;
        // All are looked at, many at once.
        let fine = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !rest.bytes().fold(true, |all, b| all & fine(b)) {
            return Err(TargetError::Character);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let segments = if path.is_empty() {
            Vec::new()
        } else {
            path.split('/').map(segment).collect::<Result<_, _>>()?
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(parameter).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS || parameters.len() > MAX_PARAMETERS {
            return Err(TargetError::TooLong);
        }
        Ok(Self {
            segments,
            parameters,
        })
    }

    /// A parameter that a route looks at. One that is there twice, each program reads as it likes.
    pub fn parameter(&self, name: &str) -> Result<Option<Cow<'a, str>>, TargetError> {
        if self.parameters.iter().any(|pair| hides(pair, name)) {
            return Err(TargetError::Parameter);
        }
        let mut found = self
            .parameters
            .iter()
            .filter(|(known, _)| is_like(known, name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((known, value)), None) if known == name => form_decoded(value).map(Some),
            (Some(_), _) => Err(TargetError::Parameter),
        }
    }
}

/// Some programs divide a query at semicolons, too: there it would be another parameter's end, or its own.
fn hides((key, value): &(Cow<'_, str>, &str), name: &str) -> bool {
    let divided = |text: &str| {
        let parts = text.split(';').skip(1);
        let mut keys = parts.filter_map(|part| part.split('=').next());
        keys.any(|key| form_decoded(key).map_or(true, |key| is_like(&key, name)))
    };
    let own = is_like(key, name) && value.contains(';');
    own || (key.contains(';')
        && (is_like(key.split(';').next().unwrap_or_default(), name) || divided(key)))
        || (value.contains(';') && divided(value))
}

/// Another spelling, which some programs take for the same: another case, or as of a list.
fn is_like(known: &str, name: &str) -> bool {
    let stem = known.split(['[', '.']).next().unwrap_or(known);
    stem.trim().eq_ignore_ascii_case(name)
}

fn segment(raw: &str) -> Result<Segment<'_>, TargetError> {
    let (text, doubt) = decoded_with_doubt(raw)?;
    // What isn't encoded was divided at its slashes.
    let has_slash = matches!(text, Cow::Owned(_)) && text.contains('/');
    // Some servers cut a segment at a semicolon before they look for dots.
    let dots = |part: &str| {
        let starts_so = matches!(part.bytes().next(), None | Some(b'.' | b';'));
        starts_so && matches!(part.split(';').next(), Some("" | "." | ".."))
    };
    let refused = if has_slash || doubt.is_some() {
        text.split(['/', '\\']).any(dots)
    } else {
        dots(&text)
    };
    if refused {
        return Err(TargetError::Dots);
    }
    Ok(Segment {
        text,
        has_slash,
        doubt,
    })
}

/// Keys are decoded, so that none hides; values only when a route looks at them.
fn parameter(pair: &str) -> Result<(Cow<'_, str>, &str), TargetError> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((form_decoded(key)?, value))
}

pub(super) fn form_decoded(raw: &str) -> Result<Cow<'_, str>, TargetError> {
    if !raw.contains('+') {
        return decoded(raw);
    }
    decoded(&raw.replace('+', "%20")).map(|text| Cow::Owned(text.into_owned()))
}

fn decoded(raw: &str) -> Result<Cow<'_, str>, TargetError> {
    match decoded_with_doubt(raw)? {
        (text, None) => Ok(text),
        (_, Some(why)) => Err(why),
    }
}

type Doubtful<'a> = (Cow<'a, str>, Option<TargetError>);

/// And why some programs read it otherwise, if they do.
fn decoded_with_doubt(raw: &str) -> Result<Doubtful<'_>, TargetError> {
    if !raw.bytes().any(|b| matches!(b, b'%' | b'\\')) {
        return Ok((Cow::Borrowed(raw), None));
    }
    // Unencoded it is no character of a URL, and browsers' parsers make it a slash.
    if raw.contains('\\') {
        return Err(TargetError::Control);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut doubt = None;
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (hex(rest.next()), hex(rest.next()));
        let byte = high.zip(low).map(|(high, low)| high << 4 | low);
        let byte = byte.ok_or(TargetError::Encoding)?;
        doubt = doubt.or(doubt_of(byte)?);
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).map_err(|_| TargetError::Encoding)?;
    if let Some(again) = decoded_again(text.as_bytes()) {
        harmless(again)?;
        doubt = Some(TargetError::Twice);
    }
    Ok((Cow::Owned(text), doubt))
}

/// Of what was encoded. RFC 3986, section 2.3: letters and their like mean the same encoded or not, but
/// not to those who compare a path before they decode it. `~` is encoded by old clients.
fn doubt_of(byte: u8) -> Result<Option<TargetError>, TargetError> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            Ok(Some(TargetError::Needless))
        }
        b'\\' => Ok(Some(TargetError::Control)),
        0x7f | ..0x20 => Err(TargetError::Control),
        _ => Ok(None),
    }
}

/// No client encodes oftener, and each round is work.
const MOST_ROUNDS: usize = 4;

/// Who decodes once more, and once more, is led to no other place either.
fn harmless(mut bytes: Vec<u8>) -> Result<(), TargetError> {
    for _ in 0..MOST_ROUNDS {
        let dots = |part: &[u8]| {
            let end = part.iter().position(|b| *b == b';').unwrap_or(part.len());
            matches!(part.get(..end), None | Some(b"" | b"." | b".."))
        };
        let leads_away = bytes.split(|b| matches!(b, b'/' | b'\\')).any(dots);
        if leads_away || bytes.iter().any(|b| b.is_ascii_control()) {
            return Err(TargetError::Twice);
        }
        match decoded_again(&bytes) {
            Some(again) => bytes = again,
            None => return Ok(()),
        }
    }
    Err(TargetError::Twice)
}

/// By a lenient program, which leaves alone what is no encoding. `None`: nothing is.
fn decoded_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        let encoded = match rest {
            [b'%', high, low, after @ ..] => hex(Some(*high))
                .zip(hex(Some(*low)))
                .map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        let (byte, after) = encoded.unwrap_or((*byte, after));
        decoded.push(byte);
        rest = after;
    }
    (decoded.len() < bytes.len()).then_some(decoded)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let value = char::from(digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(target: &str) -> Vec<String> {
        let target = Target::parse(target).unwrap();
        let texts = target
            .segments
            .iter()
            .map(|segment| segment.text.to_string());
        texts.collect()
    }

    #[test]
    fn a_path_is_decoded_once() {
        let rows: [(&str, &[&str]); 13] = [
            ("/", &[]),
            ("/api/whoami-v2", &["api", "whoami-v2"]),
            ("/a/b.git/info/refs", &["a", "b.git", "info", "refs"]),
            (
                "/a/b/resolve/refs%2Fpr%2f1/f",
                &["a", "b", "resolve", "refs/pr/1", "f"],
            ),
            ("/a/b%20c%C3%A4", &["a", "b cä"]),
            ("/a/100%25.txt", &["a", "100%.txt"]),
            ("/a/b+c", &["a", "b+c"]),
            ("/a/...", &["a", "..."]),
            ("/a/b%2Dc%2e%7Ed", &["a", "b-c.~d"]),
            ("/a/b%5Cc", &["a", "b\\c"]),
            ("/a/b%2520c", &["a", "b%20c"]),
            ("/a/100%2525%25", &["a", "100%25%"]),
            ("/%61pi/models", &["api", "models"]),
        ];
        for (target, segments) in rows {
            assert_eq!(texts(target), segments, "{target}");
        }
        let slashed = Target::parse("/a/x%2Fy/z").unwrap();
        let flags: Vec<_> = slashed.segments.iter().map(|one| one.has_slash).collect();
        assert_eq!(flags, [false, true, false]);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use TargetError::*;
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        let deep = "/a".repeat(MAX_SEGMENTS + 1);
        let rows = [
            ("", NotAPath),
            ("*", NotAPath),
            ("http://hub.example/a/b", NotAPath),
            ("hub.example:443", NotAPath),
            ("a/b", NotAPath),
            ("//a/b", Dots),
            ("/a//b", Dots),
            ("/a/b/", Dots),
            ("/a/./b", Dots),
            ("/a/../b", Dots),
            ("/a/..;x=1/b", Dots),
            ("/a/;x/b", Dots),
            ("/a/%2e%2e/b", Dots),
            ("/a/%2E/b", Dots),
            ("/a/.%2e/b", Dots),
            ("/a/%2e%2e;x=1/b", Dots),
            ("/a/..%2Fb", Dots),
            ("/a/b%2F%2Fc", Dots),
            ("/a/%2F", Dots),
            ("/a/b%00c", Control),
            ("/a/b%0d%0ac", Control),
            ("/a/b%7f", Control),
            ("/a\\b", Control),
            ("/a/..%5cb", Dots),
            ("/a/b%5c..%5cc", Dots),
            ("/a/%5cb", Dots),
            ("/a/b%5c%5cc", Dots),
            ("/a/b%5c.%2fc", Dots),
            ("/a/%252e%252e/b", Twice),
            ("/a/100%252525252525", Twice),
            ("/a/%25252e%2525252e/b", Twice),
            ("/a/x%252F..%252Fb", Twice),
            ("/a/x%255C..%255Cb", Twice),
            ("/a/..%252Fb", Twice),
            ("/a/x%252F%252Fb", Twice),
            ("/a/b%2500c", Twice),
            ("/a/b%25250ac", Twice),
            ("/a/x%252f..;y%252fb", Twice),
            ("/a%", Encoding),
            ("/a%2", Encoding),
            ("/a%zz", Encoding),
            ("/a%ff", Encoding),
            ("/a%c0%af", Encoding),
            ("/a b", Character),
            ("/a#b", Character),
            ("/a\u{e4}", Character),
            ("/a\r\nb", Character),
            (&long, TooLong),
            (&deep, TooLong),
        ];
        for (target, error) in rows {
            assert_eq!(Target::parse(target), Err(error), "{target}");
        }
    }

    /// Names of files, but of nothing that is looked at word by word.
    #[test]
    fn what_some_read_otherwise_is_doubtful() {
        use TargetError::*;
        for (raw, doubt) in [
            ("b", None),
            ("b%20c", None),
            ("100%25", None),
            ("100%25%20x", None),
            ("x%2Fy", None),
            ("%7Ex", None),
            ("b%2Dc", Some(Needless)),
            ("%41", Some(Needless)),
            ("b%5Cc", Some(Control)),
            ("b%2520c", Some(Twice)),
            ("b%252520c", Some(Twice)),
            ("b%252Fc", Some(Twice)),
            ("b%2541", Some(Twice)),
        ] {
            let target = format!("/a/{raw}");
            let parsed = Target::parse(&target).unwrap();
            assert_eq!(parsed.segments[1].doubt, doubt, "{raw}");
            // A parameter has none.
            let target = format!("/a?x={raw}");
            let parameter = Target::parse(&target).unwrap().parameter("x").err();
            assert_eq!(parameter, doubt, "{raw}");
        }
    }

    #[test]
    fn a_parameter_that_is_asked_for_must_be_there_once() {
        let target = Target::parse("/a?create_pr=1&x=%zz&y=a+b%2Fc&x=2&write").unwrap();
        assert_eq!(target.parameter("create_pr"), Ok(Some("1".into())));
        assert_eq!(target.parameter("write"), Ok(Some("".into())));
        assert_eq!(target.parameter("none"), Ok(None));
        assert_eq!(target.parameter("y"), Ok(Some("a b/c".into())));
        assert_eq!(target.parameter("x"), Err(TargetError::Parameter));
        for other in [
            "Write",
            "write[]=1",
            "write[x]",
            "WRITE=1",
            "+write",
            "write.x=1",
            // Where a semicolon divides, too.
            "x;write",
            "x;write=1",
            "x=1;write=0",
            "x=1;y;Write=0",
            "write;x",
            "write=1;x=2",
            "x;write=0&write=1",
            "x=1;%77rite=2",
        ] {
            let target = format!("/a?{other}");
            let asked = Target::parse(&target).unwrap().parameter("write");
            assert_eq!(asked, Err(TargetError::Parameter), "{other}");
        }
        // A key can't hide behind its encoding.
        assert_eq!(
            Target::parse("/a?create%5Fpr=1"),
            Err(TargetError::Needless)
        );
        let many = format!("/a?{}", "x&".repeat(MAX_PARAMETERS + 1));
        assert_eq!(Target::parse(&many), Err(TargetError::TooLong));
    }

    /// As a careful client does.
    fn encoded(text: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let one = |b: u8| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        };
        text.bytes().map(one).collect()
    }

    proptest! {
        #[test]
        fn what_is_encoded_once_is_decoded_to_itself(
            segments in prop::collection::vec("[a-z.]{0,3}[a-zA-Z0-9 ~!$&'()+,=:@\u{e4}\u{4e00}-]{1,8}", 1..8),
        ) {
            let path: Vec<_> = segments.iter().map(|text| encoded(text)).collect();
            let target = format!("/{}", path.join("/"));
            let parsed = Target::parse(&target).unwrap();
            let texts: Vec<_> = parsed.segments.iter().map(|it| it.text.to_string()).collect();
            prop_assert_eq!(texts, segments);
        }

        #[test]
        fn what_is_taken_has_one_reading(target in "/([a-c./%;?&= 0-9A-F\\\\\u{0}-\u{20}\u{e4}]|%2[EFef5D]|%5[Cc]|%25|2e|5c|%0[0ad]|\\.\\.|//){0,20}") {
            if let Ok(parsed) = Target::parse(&target) {
                for segment in &parsed.segments {
                    let text = &*segment.text;
                    prop_assert!(!text.contains(['\0', '\r', '\n']), "{}", target);
                    for part in text.split(['/', '\\']) {
                        prop_assert!(!matches!(part, "" | "." | ".."), "{}", target);
                    }
                    // Decoded again it is the same, or there is a doubt.
                    let again = decoded(text).map(Cow::into_owned);
                    let stays = again.as_deref() == Ok(text) || again == Err(TargetError::Encoding);
                    prop_assert!(stays || segment.doubt.is_some(), "{}", target);
                    // However often it is decoded, it leads nowhere else.
                    let mut bytes = text.as_bytes().to_vec();
                    while let Some(again) = decoded_again(&bytes) {
                        bytes = again;
                        let mut parts = bytes.split(|b| b"/\\".contains(b));
                        let away = parts.any(|part| matches!(part, b"" | b"." | b".."));
                        prop_assert!(!away, "{}", target);
                    }
                }
            }
        }
    }
}
