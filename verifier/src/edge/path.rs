//! Reads what a request's target names. It decodes exactly once, and refuses what two programs could read
//! in two ways instead of repairing it, because a proxy in front and the hub behind read the target too. It
//! is pure, and must not know any route.
//!
//! A file may have any name, though: one with a backslash, a literal `%20`, or a character that a client
//! encodes without need. Such a segment is read with a doubt. It may stand where a file's path or a
//! revision does, because there every reading of it leads to the same repo by the same route.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// This is the longest target in bytes. No hub client makes a longer one, and proxies accept about as much.
const MAX_TARGET: usize = 8 * 1024;
const MAX_SEGMENTS: usize = 64;
const MAX_PARAMETERS: usize = 64;

/// Holds the segments of a path, and the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    pub segments: Vec<Segment<'a>>,
    parameters: Vec<(Cow<'a, str>, &'a str)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    pub text: Cow<'a, str>,
    /// The segment contained an encoded slash. Only a revision or a file's path may contain one.
    pub has_slash: bool,
    /// This is the reason why some programs read the segment otherwise. Only a revision or a file's path
    /// may have one.
    pub doubt: Option<TargetError>,
}

/// Says why a target is refused. The text repeats nothing of the target.
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
    /// Parses a target in origin form (RFC 9112, section 3.2.1), as it was on the request line.
    pub fn parse(text: &'a str) -> Result<Self, TargetError> {
        if text.len() > MAX_TARGET {
            return Err(TargetError::TooLong);
        }
        let rest = text.strip_prefix('/').ok_or(TargetError::NotAPath)?;
        // All bytes are checked without an early exit, so that many can be checked at once.
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
        // Empty parameters count too: some programs count them, and ignore all parameters beyond their
        // limit.
        if segments.len() > MAX_SEGMENTS || query.split('&').count() > MAX_PARAMETERS {
            return Err(TargetError::TooLong);
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(parameter).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            segments,
            parameters,
        })
    }

    /// Returns a parameter that a route reads. It refuses a parameter that occurs twice, because programs
    /// differ over which one counts.
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

/// Returns whether this pair hides a parameter `name`. Some programs also split a query at semicolons, so
/// that a semicolon could end a parameter or begin another.
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

/// Returns whether some programs take `known` for `name`: in another case, as a list, or with a character
/// that PHP reads as `_` (a space, a dot, or an unclosed bracket).
fn is_like(known: &str, name: &str) -> bool {
    let same = |(known, name): (u8, u8)| {
        known.eq_ignore_ascii_case(&name) || (name == b'_' && matches!(known, b' ' | b'.' | b'['))
    };
    // Node's qs takes `[name]` for `name`.
    let known = known.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    let Some((stem, rest)) = known.split_at_checked(name.len()) else {
        return false;
    };
    let rest = rest.trim_start();
    stem.bytes().zip(name.bytes()).all(same)
        && (rest.is_empty() || rest.starts_with(['[', ']', '.']))
}

fn segment(raw: &str) -> Result<Segment<'_>, TargetError> {
    let (text, doubt) = decoded_with_doubt(raw)?;
    // An unencoded segment has no slash, because the path was split at its slashes.
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

/// Keys are decoded, so that none can hide. Values are decoded only when a route reads them.
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

/// Decodes a text, and returns why some programs read it otherwise, if they do.
fn decoded_with_doubt(raw: &str) -> Result<Doubtful<'_>, TargetError> {
    if !raw.bytes().any(|b| matches!(b, b'%' | b'\\')) {
        return Ok((Cow::Borrowed(raw), None));
    }
    // An unencoded backslash is not a URL character, and browsers' parsers turn it into a slash.
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
        doubt = doubt.or(find_doubt(byte)?);
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).map_err(|_| TargetError::Encoding)?;
    if let Some(again) = decoded_again(text.as_bytes()) {
        harmless(again)?;
        doubt = Some(TargetError::Twice);
    }
    Ok((Cow::Owned(text), doubt))
}

/// Returns the doubt over an encoded byte. By RFC 3986, section 2.3, letters and other unreserved
/// characters mean the same encoded or not, but programs that compare a path before they decode it see a
/// difference. Old clients encode `~`.
fn find_doubt(byte: u8) -> Result<Option<TargetError>, TargetError> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            Ok(Some(TargetError::Needless))
        }
        b'\\' => Ok(Some(TargetError::Control)),
        0x7f | ..0x20 => Err(TargetError::Control),
        _ => Ok(None),
    }
}

/// This is the most rounds of decoding. No client encodes more often, and each round costs time.
const MOST_ROUNDS: usize = 4;

/// Checks that a program that decodes again, even several times, is not led to another place.
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

/// Decodes as a lenient program does, which leaves invalid encodings alone. `None` means that nothing was
/// encoded.
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
