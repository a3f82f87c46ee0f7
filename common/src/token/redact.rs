//! Taking tokens out of texts, and finding them in others' texts.

use super::keys::Prefix;

/// For secret scanners, with the default prefix. Open-ended: tokens have no fixed length. The
/// header of a JWT begins with `{"`, which is `eyJ` in base64url.
pub const SCANNER_REGEX: &str = r"\btw_eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+";

/// The text with every token of this prefix cut down to `<prefix>***`, to its last character.
pub fn redact(text: &str, prefix: &Prefix) -> String {
    let prefix = prefix.as_str();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(prefix) {
        out.push_str(before);
        out.push_str(prefix);
        let body = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = after.find(|c| !body(c)).unwrap_or(after.len());
        let (secret, tail) = after.split_at(end);
        if secret.is_empty() {
            rest = after;
            continue;
        }
        out.push_str("***");
        rest = tail;
    }
    out.push_str(rest);
    out
}
